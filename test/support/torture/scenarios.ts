/** What can be run in an arena, by name. Options come as JSON from `enter-arena.ts`, or from the command line. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { type Ballast, BYTES, INODES } from "./ballast.ts";
import { type ExhaustionReport, exhaust, startTooSmall, type TooSmallReport } from "./exhaustion.ts";
import { failLateSyncs, loseSectors, turnReadOnly } from "./failing-disk.ts";
import { runShortOfFiles } from "./few-files.ts";
import type { Fault, FaultKind } from "./oracle.ts";
import { type CutReport, cutPower } from "./power-cut.ts";
import { PowerDisk } from "./power-disk.ts";
import { rot } from "./rot.ts";
import { rotBesidePeer } from "./rot-beside-peer.ts";
import { meridian, toyStore } from "./store-process.ts";
import { SWEEP_FAULTS, type SweepFault, type SweepReport, sweep } from "./sweep.ts";

export type Options = {
  /** An empty folder to mount things in. */
  readonly place: string;
  readonly seed: string;
  readonly cycles: number;
  /** What is wrong with a toy store, and what it must be caught as. */
  readonly fault: string;
  readonly kind?: FaultKind;
  /** Of a sweep. */
  readonly faults?: readonly SweepFault[];
  readonly part?: number;
  readonly parts?: number;
  /** Of rot. */
  readonly metadataInjections?: number;
  readonly blobInjections?: number;
};

const NO_INJECTIONS = { metadataInjections: 0, blobInjections: 0 } as const;

const run = promisify(execFile);

/** A little more than the node keeps free for itself. */
const TIGHT_DISK_MIB = 320;
const SMALL_DISK_MIB = 32;
const FEW_INODES = 400;
/** More than the node keeps free for itself, and sparse. */
const DISK_MIB = 2048;

export const SCENARIOS: ReadonlyMap<string, (options: Options) => Promise<unknown>> = new Map<
  string,
  (options: Options) => Promise<unknown>
>([
  ["power-cut", async (options: Options) => await cutMeridian(options, "power")],
  ["kill", async (options: Options) => await cutMeridian(options, "kill")],
  ["toy", async (options: Options) => await cutToy(options, "power")],
  ["kill-toy", async (options: Options) => await cutToy(options, "kill")],
  ["rot", async (options: Options) => await rot({ ...NO_INJECTIONS, ...options })],
  ["full-ext4", async ({ place }: Options) => await exhaustExt4(place, BYTES)],
  [
    "full-tmpfs",
    async ({ place }: Options) => await onTmpfs(place, TIGHT_DISK_MIB, async () => await exhaust(place, BYTES)),
  ],
  ["small-ext4", async ({ place }: Options) => await startOnSmallExt4(place)],
  [
    "small-tmpfs",
    async ({ place }: Options) => await onTmpfs(place, SMALL_DISK_MIB, async () => await startTooSmall(place)),
  ],
  ["no-inodes", async ({ place }: Options) => await exhaustExt4(place, INODES)],
  ["late-sync", async ({ place }: Options) => await failLateSyncs(join(place, "disk"))],
  ["read-only", async ({ place }: Options) => await turnReadOnly(join(place, "disk"))],
  ["lost-sectors", async ({ place }: Options) => await loseSectors(join(place, "disk"))],
  ["few-files", async ({ place }: Options) => await runShortOfFiles(place)],
  ["rot-beside-peer", async (options: Options) => await rotBesidePeer({ ...NO_INJECTIONS, ...options })],
  ["sweep", async (options: Options) => await sweepMeridian(options)],
]);

async function cutMeridian({ place, seed, cycles }: Options, disaster: "power" | "kill"): Promise<CutReport> {
  const disk = await PowerDisk.create(join(place, "power"), { sizeMiB: DISK_MIB });
  const report = await cutPower({ start: meridian(), disk, seed, disaster, isWanted: (done) => done < cycles });
  await disk.destroy();
  return report;
}

/** Until it is caught as `kind`, and at most `cycles` long. */
async function cutToy({ place, seed, cycles, fault, kind }: Options, disaster: "power" | "kill"): Promise<CutReport> {
  const disk = await PowerDisk.create(join(place, "power"), { sizeMiB: DISK_MIB });
  const isWanted = (done: number, faults: readonly Fault[]): boolean =>
    done < cycles && !faults.some((found) => found.kind === kind);
  const report = await cutPower({ start: toyStore(fault), disk, seed, disaster, isWanted });
  await disk.destroy();
  return report;
}

async function sweepMeridian({ place, faults = SWEEP_FAULTS, part = 0, parts = 1 }: Options): Promise<SweepReport> {
  const disk = await PowerDisk.create(join(place, "power"), { sizeMiB: DISK_MIB });
  const report = await sweep({ disk, place: join(place, "recording"), faults, part, parts });
  await disk.destroy();
  return report;
}

async function exhaustExt4(place: string, ballast: Ballast): Promise<ExhaustionReport> {
  const disk = await PowerDisk.create(join(place, "disk"), { sizeMiB: TIGHT_DISK_MIB, inodes: FEW_INODES });
  const report = await exhaust(disk.path, ballast);
  await disk.destroy();
  return report;
}

async function startOnSmallExt4(place: string): Promise<TooSmallReport> {
  const disk = await PowerDisk.create(join(place, "disk"), { sizeMiB: SMALL_DISK_MIB });
  const report = await startTooSmall(disk.path);
  await disk.destroy();
  return report;
}

/** A file system without a journal, on which room is memory. */
async function onTmpfs<Report>(place: string, sizeMiB: number, task: () => Promise<Report>): Promise<Report> {
  await run("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m,mode=700`, "tmpfs", place]);
  const report = await task();
  await run("umount", [place]);
  return report;
}
