/**
 * `make fuzz`: every parser for `--seconds`, beginning with what the corpus has. A failure prints the input's path and the
 * one command that runs it again. Exit code 1 when anything was found, 2 when the arguments make no sense.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { keepInput, keptInputs, writeInput } from "../support/fuzz/corpus.ts";
import { type FuzzOutcome, type FuzzTarget, fuzz } from "../support/fuzz/fuzzer.ts";
import { FUZZ_TARGETS } from "./targets.ts";

const FINDINGS = ".cache/fuzz";
/** A corpus is for people to carry along: larger inputs are found again from smaller ones. */
const KEPT_BYTES_MAX = 2_048;
const KEPT_INPUTS_MAX = 60;

type Order = {
  readonly targets: readonly FuzzTarget[];
  readonly seconds: number;
  readonly seed: string;
  readonly isKeeping: boolean;
  /** Run this one and nothing else. */
  readonly input: string | undefined;
};

function readOrder(): Order | undefined {
  const { values } = parseArgs({
    options: {
      target: { type: "string" },
      seconds: { type: "string", default: "5" },
      seed: { type: "string", default: "1" },
      keep: { type: "boolean", default: false },
      input: { type: "string" },
    },
  });
  const targets = FUZZ_TARGETS.filter(({ name }) => values.target === undefined || name === values.target);
  const seconds = Number(values.seconds);
  if (targets.length === 0 || !(seconds > 0) || (values.input !== undefined && targets.length > 1)) return undefined;
  return { targets, seconds, seed: values.seed, isKeeping: values.keep, input: values.input };
}

function fuzzFor(target: FuzzTarget, { seconds, seed, isKeeping }: Order): FuzzOutcome {
  const kept = keptInputs(target.name);
  const endMs = performance.now() + seconds * 1000;
  const outcome = fuzz(target, { seed, corpus: kept, goesOn: () => performance.now() < endMs });
  if (isKeeping) {
    const known = new Set(kept.map((input) => Buffer.from(input).toString("latin1")));
    const fresh = outcome.corpus.filter(
      (input) => input.length <= KEPT_BYTES_MAX && !known.has(Buffer.from(input).toString("latin1")),
    );
    for (const input of fresh.slice(0, Math.max(0, KEPT_INPUTS_MAX - kept.length))) keepInput(target.name, input);
  }
  return outcome;
}

function tell(target: FuzzTarget, input: Uint8Array, error: unknown): void {
  const path = writeInput(`${FINDINGS}/${target.name}`, input);
  console.log(`${target.name}: FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  console.log(`  input: ${JSON.stringify(Buffer.from(input).toString("latin1").slice(0, 400))}`);
  console.log(`  run it again: make fuzz TARGET=${target.name} INPUT=${path}`);
}

function main(): number {
  const order = readOrder();
  if (order === undefined) {
    console.error(`usage: make fuzz [SECONDS=n] [SEED=n] [TARGET=${FUZZ_TARGETS.map(({ name }) => name).join("|")}]`);
    console.error("       make fuzz TARGET=name INPUT=file");
    return 2;
  }
  const [only] = order.targets;
  if (order.input !== undefined && only !== undefined) {
    only.run(Uint8Array.from(readFileSync(order.input)));
    console.log(`${only.name}: ${order.input} passes`);
    return 0;
  }
  let [runs, failed] = [0, 0];
  for (const target of order.targets) {
    const outcome = fuzzFor(target, order);
    runs += outcome.runs;
    console.log(`${target.name}: ${outcome.runs} runs, ${outcome.corpus.length} inputs that differ in what they do`);
    if (outcome.finding === undefined) continue;
    failed += 1;
    tell(target, outcome.finding.input, outcome.finding.error);
  }
  console.log(`${order.targets.length} targets, ${runs} runs, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

process.exitCode = main();
