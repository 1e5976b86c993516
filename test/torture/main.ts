/**
 * `make torture`: everything of this folder, again and again with new seeds until the time is over, two at a time. What is found
 * is printed at once with its seed, and the command that repeats it; figures come at the end, one a line, as
 * `name value target pass`. Exit code 1 when a figure missed its target, 2 when the arguments make no sense.
 */
import { randomBytes } from "node:crypto";
import process from "node:process";
import { parseArgs } from "node:util";

import { requirements } from "../support/requirements.ts";
import { Figures } from "../support/torture/figures.ts";
import { STEPS } from "../support/torture/steps.ts";

const LANES = 2;
const HOUR_MS = 60 * 60 * 1000;
const SEED_BYTES = 6;

type Order = { readonly untilMs: number; readonly seed: string };

function readOrder(): Order | undefined {
  const { values } = parseArgs({ options: { hours: { type: "string", default: "1" }, seed: { type: "string" } } });
  const hours = Number(values.hours);
  if (!(hours > 0)) return undefined;
  return {
    untilMs: performance.now() + hours * HOUR_MS,
    seed: values.seed ?? randomBytes(SEED_BYTES).toString("hex"),
  };
}

function lacking(): string | undefined {
  const needs = [requirements.linux(), requirements.root(), requirements.mounts(), requirements.strace()];
  return needs.find(({ available }) => !available)?.reason;
}

/** Steps are handed out in turn, and each at least once, however short the time is. */
async function torture({ untilMs, seed }: Order): Promise<Figures> {
  const figures = new Figures();
  let handedOut = 0;
  const lane = async (): Promise<void> => {
    while (handedOut < STEPS.length || performance.now() < untilMs) {
      const turn = handedOut;
      handedOut += 1;
      const step = STEPS[turn % STEPS.length];
      if (step === undefined) return;
      const round = `${seed}-${Math.floor(turn / STEPS.length)}`;
      const findings = await step.run(round, figures);
      for (const finding of findings) console.log(`${step.name}, seed ${round}: ${JSON.stringify(finding)}`);
      if (findings.length > 0) console.log(`again: make torture SEED=${seed} HOURS=…`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return figures;
}

const order = readOrder();
const why = lacking();
if (order === undefined || why !== undefined) {
  console.error(why === undefined ? "usage: make torture HOURS=n [SEED=text]" : `make torture: ${why}`);
  process.exit(2);
}
console.log(`seed ${order.seed}`);
const figures = await torture(order);
console.log(figures.lines().join("\n"));
process.exit(figures.isPassing() ? 0 : 1);
