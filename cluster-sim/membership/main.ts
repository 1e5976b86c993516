/**
 * `make sim SCENARIO=membership`: prints the figures of the failure detector, one a line, as they come: name, value,
 * target, and whether it is reached. COUNT is how many deaths are watched in each cluster, and how many node-hours
 * are spent under stress. Exit code 1 when a figure is missed, 2 when the arguments make no sense.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { type Figure, figures, isReached } from "./figures.ts";

const NAME_WIDTH = 62;
const COLUMN_WIDTH = 12;

function told(figure: Figure): string {
  const { name, value, unit, target, isFloor } = figure;
  const columns = [`${value.toFixed(1)} ${unit}`, `${isFloor ? ">=" : "<="} ${target}`];
  const right = columns.map((column) => column.padStart(COLUMN_WIDTH)).join("");
  return `${name.padEnd(NAME_WIDTH)}${right}  ${isReached(figure) ? "pass" : "MISSED"}`;
}

function main(): number {
  const { values } = parseArgs({
    options: { seed: { type: "string", default: "1" }, count: { type: "string", default: "100" } },
  });
  const [seed, count] = [Number(values.seed), Number(values.count)];
  if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(count) || count < 1) {
    console.error("usage: make sim SCENARIO=membership [SEED=n] [COUNT=n]");
    return 2;
  }
  let missed = 0;
  for (const figure of figures({ seed, deaths: count, nodeHours: count })) {
    console.log(told(figure));
    if (!isReached(figure)) missed += 1;
  }
  return missed > 0 ? 1 : 0;
}

process.exitCode = main();
