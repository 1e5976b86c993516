/** The simulator as a process of its own, as `make sim` starts it. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const SIMULATOR = fileURLToPath(new URL("../../cluster-sim/main.ts", import.meta.url));
const PLANT_BUG = new URL("./plant-bug.ts", import.meta.url).href;

const RUN_MS_MAX = 280_000;

export type Simulated = { readonly code: number | null; readonly told: string };

/** Runs the simulator in a process of its own, with a bug planted when one is named; it is ended after `limitMs`. */
export async function simulate(args: readonly string[], bug?: string, limitMs = RUN_MS_MAX): Promise<Simulated> {
  const planting = bug === undefined ? [] : ["--import", PLANT_BUG];
  const child = spawn(process.execPath, [...planting, SIMULATOR, ...args], {
    env: { ...process.env, ...(bug === undefined ? {} : { MERIDIAN_BUG: bug }) },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limitMs,
  });
  const told: string[] = [];
  child.stdout.on("data", (chunk: Buffer) => told.push(chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => told.push(chunk.toString()));
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject);
  child.on("close", resolve);
  return { code: await promise, told: told.join("") };
}
