/**
 * `make sim SCENARIO=spread`: how soon all nodes know an op, and at what cost, as figures with what was promised. NODES=n,n
 * chooses the sizes. Exit code 1 when a figure misses its target.
 */
import process from "node:process";
import { measureSpread, type SpreadFigures } from "./spread.ts";

const SIZES = (process.env["NODES"] ?? "30,100,300").split(",").map(Number);
const PUSHES = 10;
/** Of the foul weather: other nodes die each time. */
const FOUL_SEEDS = [2, 3, 4];

const missed: string[] = [];

function tell(name: string, value: number, most: number): void {
  const pass = value <= most;
  if (!pass) missed.push(name);
  console.log(`${name} ${Number(value.toFixed(2))} at most ${Number(most.toFixed(2))} ${pass ? "pass" : "FAIL"}`);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function p99(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.ceil(values.length * 0.99) - 1] ?? Number.NaN;
}

for (const nodes of SIZES) {
  const fair: SpreadFigures = await measureSpread({ seed: 1, nodes, pushes: PUSHES, weather: "fair" });
  tell(`known-at-all-of-${nodes}-mean-ms`, mean(fair.knownMs), 1.15 * fair.farthestMs);
  tell(`copies-per-node-of-${nodes}`, fair.copies, 1.4);
  tell(`idle-bytes-per-second-of-${nodes}`, fair.idleBytesPerSecond, 400);
  const foul: SpreadFigures[] = [];
  for (const seed of FOUL_SEEDS) foul.push(await measureSpread({ seed, nodes, pushes: PUSHES, weather: "foul" }));
  tell(`known-at-all-of-${nodes}-foul-p99-ms`, p99(foul.flatMap(({ knownMs }) => knownMs)), 800);
  tell(`copies-per-node-of-${nodes}-foul`, mean(foul.map(({ copies }) => copies)), 1.4);
}
process.exitCode = missed.length > 0 ? 1 : 0;
