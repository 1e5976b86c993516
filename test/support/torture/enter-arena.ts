/** How a test has a scenario run, and gets its report. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

import { temporaryFolder } from "../temporary-folder.ts";
import type { CutReport } from "./power-cut.ts";
import type { RotReport } from "./rot.ts";
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

/** A run of the power-cut loop, or of its control. */
export async function cutsInArena(scenario: string, options: Readonly<Record<string, unknown>>): Promise<CutReport> {
  const report: CutReport = JSON.parse(await inArena(scenario, options));
  return report;
}

/** A sweep of faults over the calls of a push. */
export async function sweepInArena(options: Readonly<Record<string, unknown>>): Promise<SweepReport> {
  const report: SweepReport = JSON.parse(await inArena("sweep", options));
  return report;
}

/** Injections of rot. */
export async function rotInArena(options: Readonly<Record<string, unknown>>): Promise<RotReport> {
  const report: RotReport = JSON.parse(await inArena("rot", options));
  return report;
}

/** Runs `scenario` with `options` in an arena, and gives its report as JSON. @throws with its last words when it fails. */
export async function inArena(scenario: string, options: Readonly<Record<string, unknown>>): Promise<string> {
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
