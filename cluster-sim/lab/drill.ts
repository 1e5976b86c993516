/**
 * A drill: faults at given times, and what must hold after them. Steps are performed in the order they are written; a
 * step with `at` waits for its time, counted from the start. The words of a step are those of the prompt.
 *
 * ```yaml
 * name: eu is cut off and comes back
 * steps:
 *   - { at: 0s, load: 5/s }
 *   - { at: 5s, cut: eu us ap }
 *   - { at: 15s, heal: }
 *   - { load: stop }
 *   - { expect: convergence, within: 5s }
 *   - { expect: nothing lost }
 * ```
 */
import { setTimeout as sleep } from "node:timers/promises";

import { isJsonArray, isJsonObject } from "../../shared/json.ts";
import { parseDuration } from "../../shared/units.ts";
import { LabCommandError, parseLabCommand } from "./lab-command.ts";

const STEPS_MAX = 1_000;
const EXPECTATIONS = ["convergence", "nothing lost"] as const;
export type Expectation = (typeof EXPECTATIONS)[number];
const WITHIN_MS_DEFAULT = 30_000;
const POLL_MS = 100;

export type DrillStep = {
  /** Since the start of the drill; `undefined`: right after the step before. */
  readonly atMs: number | undefined;
  readonly deed:
    | { readonly kind: "command"; readonly words: readonly string[] }
    | { readonly kind: "expect"; readonly expectation: Expectation; readonly withinMs: number };
};

export type Drill = { readonly name: string; readonly steps: readonly DrillStep[] };

/** What a drill needs of the lab it is held on. */
export type DrillGround = {
  readonly perform: (words: readonly string[], signal: AbortSignal) => Promise<string>;
  /** Whether the expectation holds right now. */
  readonly holds: (expectation: Expectation, signal: AbortSignal) => Promise<boolean>;
  /** Told each step as it happens. */
  readonly onStep: (told: StepTold) => void;
};

export type StepTold = { readonly atMs: number; readonly text: string; readonly isMet: boolean };

/** A drill that cannot be held; the message names the step. */
export class DrillError extends Error {
  override readonly name = "DrillError";
}

/** Reads what a YAML file held. @throws {DrillError} */
export function parseDrill(value: unknown): Drill {
  if (!isJsonObject(value)) throw new DrillError("a drill is a table with name and steps");
  const { name, steps, ...rest } = value;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new DrillError(`a drill has name and steps, and no ${unknown}`);
  if (!isJsonArray(steps) || steps.length === 0 || steps.length > STEPS_MAX) {
    throw new DrillError(`a drill has 1 to ${STEPS_MAX} steps`);
  }
  return { name: typeof name === "string" ? name : "drill", steps: steps.map(parseStep) };
}

/** Holds the drill. Resolves with every step as it went; those after a failed expectation are still performed. */
export async function holdDrill(drill: Drill, ground: DrillGround, signal: AbortSignal): Promise<readonly StepTold[]> {
  const startedMs = performance.now();
  const told: StepTold[] = [];
  for (const step of drill.steps) {
    const waitMs = (step.atMs ?? 0) - (performance.now() - startedMs);
    if (waitMs > 0) await sleep(waitMs, undefined, { signal });
    const { text, isMet } = await performStep(step, ground, signal);
    const entry = { atMs: performance.now() - startedMs, text, isMet };
    told.push(entry);
    ground.onStep(entry);
  }
  return told;
}

async function performStep(
  { deed }: DrillStep,
  ground: DrillGround,
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly isMet: boolean }> {
  if (deed.kind === "command") return { text: await ground.perform(deed.words, signal), isMet: true };
  const { expectation, withinMs } = deed;
  const startedMs = performance.now();
  while (true) {
    const tookMs = Math.round(performance.now() - startedMs);
    if (await ground.holds(expectation, signal)) return { text: `${expectation} after ${tookMs} ms`, isMet: true };
    if (tookMs >= withinMs) return { text: `no ${expectation} within ${withinMs} ms`, isMet: false };
    await sleep(POLL_MS, undefined, { signal });
  }
}

function parseStep(value: unknown, index: number): DrillStep {
  const place = `step ${index + 1}`;
  if (!isJsonObject(value)) throw new DrillError(`${place} is no table, such as { at: 5s, cut: eu us }`);
  const { at, within, ...rest } = value;
  const entries = Object.entries(rest);
  const [entry] = entries;
  if (entry === undefined || entries.length > 1) throw new DrillError(`${place} does one thing, not ${entries.length}`);
  const atMs = at === undefined ? undefined : durationOf(at, `${place}, at`);
  const [verb, argument] = entry;
  if (verb === "expect") return { atMs, deed: parseExpectation(argument, within, place) };
  if (within !== undefined) throw new DrillError(`${place}: within belongs to expect`);
  return { atMs, deed: { kind: "command", words: parseWords(verb, argument, place) } };
}

function parseExpectation(argument: unknown, within: unknown, place: string): DrillStep["deed"] {
  const expectation = EXPECTATIONS.find((known) => known === argument);
  if (expectation === undefined) throw new DrillError(`${place} may expect ${EXPECTATIONS.join(" or ")}`);
  const withinMs = within === undefined ? WITHIN_MS_DEFAULT : durationOf(within, `${place}, within`);
  return { kind: "expect", expectation, withinMs };
}

function parseWords(verb: string, argument: unknown, place: string): readonly string[] {
  const words = [verb, ...wordsOf(argument, place)];
  try {
    parseLabCommand(words);
    return words;
  } catch (cause) {
    if (!(cause instanceof LabCommandError)) throw cause;
    throw new DrillError(`${place}: ${cause.message}`, { cause });
  }
}

/** `eu us`, a list of them, or nothing at all. */
function wordsOf(argument: unknown, place: string): readonly string[] {
  if (argument === null || argument === true) return [];
  if (typeof argument === "string") return argument.split(/\s+/).filter((word) => word !== "");
  if (isJsonArray(argument)) return argument.map(String);
  throw new DrillError(`${place} takes words, such as cut: eu us`);
}

function durationOf(value: unknown, place: string): number {
  const ms = typeof value === "string" ? parseDuration(value) : undefined;
  if (ms === undefined) throw new DrillError(`${place}: write a duration, such as 5s`);
  return ms;
}
