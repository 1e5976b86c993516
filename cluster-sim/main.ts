/**
 * `make sim`: runs seeds, one after the other, and tells what they found. A failure prints the seed, the commit and the
 * one command that plays it again. Exit code 1 when anything was found, 2 when the arguments make no sense.
 */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { parseArgs } from "node:util";
import { type RunOutcome, runSeed } from "./run.ts";
import { SCENARIOS, type Scenario } from "./settings.ts";

const LINES_TOLD = 60;

type Order = {
  readonly seed: number;
  readonly count: number;
  readonly ticks: number;
  readonly scenario: Scenario;
  readonly isTwice: boolean;
  /** Ends with the first seed that fails. */
  readonly isFirst: boolean;
  readonly isVerbose: boolean;
};

function readOrder(): Order | undefined {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      count: { type: "string", default: "1" },
      ticks: { type: "string", default: "60" },
      scenario: { type: "string", default: "swarm" },
      first: { type: "boolean", default: false },
      twice: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
    },
  });
  const scenario = SCENARIOS.find((name) => name === values.scenario);
  const [seed, count, ticks] = [Number(values.seed), Number(values.count), Number(values.ticks)];
  const areNumbers = Number.isSafeInteger(seed) && Number.isSafeInteger(count) && Number.isSafeInteger(ticks);
  if (scenario === undefined || !areNumbers || count < 1 || ticks < 1) return undefined;
  return { seed, count, ticks, scenario, isTwice: values.twice, isFirst: values.first, isVerbose: values.verbose };
}

function commit(): string {
  try {
    const command = ["-C", import.meta.dirname, "describe", "--always", "--dirty"];
    return execFileSync("git", command, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "unknown";
  }
}

async function play(order: Order, seed: number): Promise<RunOutcome> {
  const options = { seed, scenario: order.scenario, safetyMs: order.ticks * 1000 };
  const outcome = await runSeed(options);
  if (!order.isTwice) return outcome;
  const again = await runSeed(options);
  if (again.traceHash === outcome.traceHash) return outcome;
  const at = outcome.lines.findIndex((line, index) => line !== again.lines[index]);
  const what = `the second run was another, from line ${at}: ${outcome.lines[at]} | ${again.lines[at]}`;
  return { ...outcome, findings: [...outcome.findings, { invariant: "I26 determinism", what }] };
}

function tell(outcome: RunOutcome, { ticks, scenario, isVerbose }: Order): void {
  const { story, findings, lines } = outcome;
  const { seed, settings } = story;
  console.log(`seed ${seed}: FAILED with ${findings.length} findings, at commit ${commit()}`);
  for (const { invariant, what } of findings) console.log(`  ${invariant}: ${what}`);
  console.log(`  settings: ${JSON.stringify(settings)}`);
  for (const line of isVerbose ? lines : lines.slice(-LINES_TOLD)) console.log(`  ${line}`);
  console.log(`  play it again: make sim SEED=${seed} TICKS=${ticks} SCENARIO=${scenario} VERBOSE=1`);
}

async function main(): Promise<number> {
  const order = readOrder();
  if (order === undefined) {
    console.error(`usage: make sim SEED=n COUNT=n TICKS=seconds SCENARIO=${SCENARIOS.join("|")} [TWICE=1] [VERBOSE=1]`);
    return 2;
  }
  const startedMs = performance.now();
  const failed: number[] = [];
  const agreed: number[] = [];
  let virtualMs = 0;
  let ops = 0;
  const requests = new Map<string, number>();
  for (let seed = order.seed; seed < order.seed + order.count; seed += 1) {
    if (order.isFirst && failed.length > 0) break;
    const outcome = await play(order, seed);
    virtualMs += outcome.virtualMs;
    ops += outcome.ops;
    if (outcome.agreedAfterMs !== undefined) agreed.push(outcome.agreedAfterMs);
    for (const [how, times] of Object.entries(outcome.requests)) requests.set(how, (requests.get(how) ?? 0) + times);
    if (outcome.findings.length > 0) {
      failed.push(seed);
      tell(outcome, order);
    } else if (order.isVerbose) for (const line of outcome.lines) console.log(line);
  }
  const tookS = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage();
  const speed = Math.round((virtualMs * 1000) / (user + system));
  agreed.sort((left, right) => left - right);
  console.log(`${order.count} seeds, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(" ")}` : ""}`);
  console.log(
    `${Math.round(virtualMs / 1000)} virtual s in ${tookS.toFixed(1)} s (${speed} per s of processor), ${ops} ops; agreed after ` +
      `${msOf(agreed[agreed.length >> 1])} in the median, ${msOf(agreed.at(-1))} at most`,
  );
  console.log([...requests].map(([how, times]) => `${how} ${times}`).join(", "));
  return failed.length > 0 ? 1 : 0;
}

function msOf(duration: number | undefined): string {
  return duration === undefined ? "-" : `${Math.round(duration)} ms`;
}

process.exitCode = await main();
