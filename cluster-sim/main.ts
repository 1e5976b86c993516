/**
 * `make sim`: tells stories, one after the other, and says what they came to. A failure prints what was found, the commit
 * and the one command that tells it again; with `SHRINK=1` also the smallest story that still fails, as a file. Exit code
 * 1 when anything was found, 2 when the arguments make no sense.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { tellAll } from "./farm.ts";
import { FAULT_SHAPES } from "./faults.ts";
import { type Order, OrderError, type Play, readOrder, USAGE } from "./order.ts";
import { PROBES } from "./probes.ts";
import { type RunOutcome, runStory } from "./run.ts";
import { shrink } from "./shrink.ts";
import type { Story } from "./story.ts";
import { StoryFileError, storyToText } from "./story-file.ts";

const LINES_TOLD = 60;
/** Runs that making a story smaller may take. */
const TRIES_MAX = 400;
/** Fewer say nothing about what is rare. */
const SEEDS_OF_REPORT = 20;

function commit(): string {
  try {
    const command = ["-C", import.meta.dirname, "describe", "--always", "--dirty"];
    return execFileSync("git", command, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "unknown";
  }
}

function complain({ name, again }: Play, { story, findings, lines }: RunOutcome, { isVerbose }: Order): void {
  console.log(`${name}: FAILED with ${findings.length} findings, at commit ${commit()}`);
  for (const { invariant, what } of findings) console.log(`  ${invariant}: ${what}`);
  console.log(`  settings: ${JSON.stringify(story.settings)}`);
  for (const line of isVerbose ? lines : lines.slice(-LINES_TOLD)) console.log(`  ${line}`);
  console.log(`  play it again: make sim ${again} VERBOSE=1`);
}

async function makeSmall({ name }: Play, story: Story, out: string): Promise<void> {
  const small = await shrink(
    story,
    async (smaller) => {
      const { findings, foundAtMs } = await runStory(smaller);
      const [finding] = findings;
      return finding === undefined || foundAtMs === undefined ? undefined : { finding, atMs: foundAtMs };
    },
    { triesMax: TRIES_MAX },
  );
  if (small === undefined) return;
  const { settings, faults, work } = small.story;
  mkdirSync(out, { recursive: true });
  const file = path.join(out, `${name.replaceAll(/[^a-z0-9]+/g, "-")}.json`);
  writeFileSync(file, storyToText(small.story, small.finding, commit()));
  console.log(
    `  smallest after ${small.tries} runs: ${settings.places.length} nodes, ${faults.length} faults, ` +
      `${work.length} requests in ${settings.safetyMs} ms: ${small.finding.invariant}: ${small.finding.what}`,
  );
  console.log(`  tell it: make sim REPLAY=${file}`);
}

type Sums = {
  virtualMs: number;
  ops: number;
  readonly agreed: number[];
  readonly requests: Map<string, number>;
  /** In how many runs each thing happened. */
  readonly probes: Map<string, number>;
};

function add(sums: Sums, { virtualMs, ops, agreedAfterMs, requests, probes }: RunOutcome): void {
  sums.virtualMs += virtualMs;
  sums.ops += ops;
  if (agreedAfterMs !== undefined) sums.agreed.push(agreedAfterMs);
  for (const [how, times] of Object.entries(requests)) sums.requests.set(how, (sums.requests.get(how) ?? 0) + times);
  for (const probe of Object.keys(probes)) sums.probes.set(probe, (sums.probes.get(probe) ?? 0) + 1);
}

/** In how many seeds each thing happened that must happen sometimes, the rarest first. */
function tellProbes({ probes }: Sums): void {
  console.log("what must happen sometimes, by the seeds in which it did:");
  const names = new Set([...PROBES, ...FAULT_SHAPES.map((shape) => `fault ${shape}`), ...probes.keys()]);
  const counts = [...names].map((name) => [name, probes.get(name) ?? 0] as const);
  for (const [name, count] of counts.toSorted(([, left], [, right]) => left - right)) {
    console.log(`${String(count).padStart(7)}  ${name}`);
  }
}

function summarise({ virtualMs, ops, agreed, requests }: Sums, tookMs: number): void {
  const { user, system } = process.cpuUsage();
  const speed = Math.round((virtualMs * 1000) / (user + system));
  agreed.sort((left, right) => left - right);
  console.log(
    `${Math.round(virtualMs / 1000)} virtual s in ${(tookMs / 1000).toFixed(1)} s (${speed} per s of processor), ${ops} ops; agreed after ` +
      `${msOf(agreed[agreed.length >> 1])} in the median, ${msOf(agreed.at(-1))} at most`,
  );
  console.log([...requests].map(([how, times]) => `${how} ${times}`).join(", "));
}

function msOf(duration: number | undefined): string {
  return duration === undefined ? "-" : `${Math.round(duration)} ms`;
}

async function main(): Promise<number> {
  const order = readOrder(process.argv.slice(2));
  if (order.isHelp) {
    console.log(USAGE);
    return 0;
  }
  const startedMs = performance.now();
  const failed: string[] = [];
  const sums: Sums = { virtualMs: 0, ops: 0, agreed: [], requests: new Map(), probes: new Map() };
  for await (const { play, outcome } of tellAll(order)) {
    add(sums, outcome);
    if (outcome.findings.length > 0) {
      failed.push(play.name);
      complain(play, outcome, order);
      if (order.isShrunk) await makeSmall(play, outcome.story, order.out);
    } else if (order.isVerbose) for (const line of outcome.lines) console.log(line);
  }
  const isOfSeeds = order.plays[0]?.name.startsWith("seed ") === true;
  const names = failed.map((name) => name.replace("seed ", "")).join(isOfSeeds ? " " : ", ");
  const what = isOfSeeds ? "seeds" : "stories";
  if (isOfSeeds && order.plays.length >= SEEDS_OF_REPORT) tellProbes(sums);
  console.log(`${order.plays.length} ${what}, ${failed.length} failed${failed.length > 0 ? `: ${names}` : ""}`);
  summarise(sums, performance.now() - startedMs);
  return failed.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (cause) {
  const isReadersFault = cause instanceof StoryFileError || (cause instanceof Error && "code" in cause);
  if (cause instanceof OrderError) console.error(`${cause.message}\n${USAGE}`);
  else if (isReadersFault) console.error(cause instanceof Error ? cause.message : cause);
  else throw cause;
  process.exitCode = 2;
}
