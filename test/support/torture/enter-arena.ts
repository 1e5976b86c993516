/** How a test has a scenario run, and gets its report. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

import { temporaryFolder } from "../temporary-folder.ts";
import type { ExhaustionReport, TooSmallReport } from "./exhaustion.ts";
import type { FailingDiskReport } from "./failing-disk.ts";
import type { FewFilesReport } from "./few-files.ts";
import type { CutReport } from "./power-cut.ts";
import type { RotReport } from "./rot.ts";
import type { PeerRotReport } from "./rot-beside-peer.ts";
import type { SweepReport } from "./sweep.ts";

const ARENA = fileURLToPath(new URL("./arena.ts", import.meta.url));
const COMPILED = fileURLToPath(new URL("../../../.cache/torture-compiled", import.meta.url));

/**
 * A mount namespace, because a container engine would copy our mounts and keep them; a process namespace, because its end
 * takes every process in it along.
 */
const [PROGRAM, ...NAMESPACES] = [
  "unshare",
  "--mount",
  "--propagation",
  "private",
  "--pid",
  "--mount-proc",
  "--fork",
  "--kill-child",
];

type Given = Readonly<Record<string, unknown>>;

/** Which report each scenario gives; `scenarios.ts` has the other half. */
export const inArena = {
  /** A run of the power-cut loop, or of its control. */
  cuts: async (scenario: "power-cut" | "kill" | "toy" | "kill-toy", options: Given) =>
    await reportOf<CutReport>(scenario, options),
  sweep: async (options: Given) => await reportOf<SweepReport>("sweep", options),
  rot: async (options: Given) => await reportOf<RotReport>("rot", options),
  rotBesidePeer: async (options: Given) => await reportOf<PeerRotReport>("rot-beside-peer", options),
  exhaustion: async (scenario: "full-ext4" | "full-tmpfs" | "no-inodes") => await reportOf<ExhaustionReport>(scenario),
  tooSmall: async (scenario: "small-ext4" | "small-tmpfs") => await reportOf<TooSmallReport>(scenario),
  failingDisk: async (scenario: "late-sync" | "read-only" | "lost-sectors") =>
    await reportOf<FailingDiskReport>(scenario),
  fewFiles: async () => await reportOf<FewFilesReport>("few-files"),
} as const;

async function reportOf<Report>(scenario: string, options: Given = {}): Promise<Report> {
  const report: Report = JSON.parse(await runInArena(scenario, options));
  return report;
}

/** Runs `scenario` with `options` in an arena, and gives its report as JSON. @throws with its last words when it fails. */
async function runInArena(scenario: string, options: Given): Promise<string> {
  const { path: place, remove } = await temporaryFolder();
  try {
    const child = spawn(
      PROGRAM,
      [
        ...NAMESPACES,
        process.execPath,
        "--disable-warning=ExperimentalWarning",
        ARENA,
        scenario,
        JSON.stringify({ ...options, place }),
      ],
      { env: { ...process.env, NODE_COMPILE_CACHE: COMPILED }, stdio: ["pipe", "pipe", "pipe"] },
    );
    const exited = once(child, "exit");
    const [report, words] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    if (child.exitCode !== 0) throw new Error(`the scenario ${scenario} failed: ${words.slice(-4_000)}`);
    return report;
  } finally {
    await remove();
  }
}
