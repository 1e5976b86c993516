/** What can be run in an arena, by name. Options come as JSON from `enter-arena.ts`, or from the command line. */
import { join } from "node:path";

import type { Fault, FaultKind } from "./oracle.ts";
import { type CutReport, cutPower } from "./power-cut.ts";
import { PowerDisk } from "./power-disk.ts";
import { rot } from "./rot.ts";
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
