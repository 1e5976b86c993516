/**
 * Tells many stories: here, one after the other, or on several threads at once. A run is a function of its story, so it
 * does not matter where it is told, nor in which order the runs end.
 */
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { invariant } from "../shared/invariant.ts";
import { isJsonObject } from "../shared/json.ts";
import { Chronicle } from "./chronicle.ts";
import { diagramOf } from "./diagram.ts";
import type { Order, Play } from "./order.ts";
import { type RunOutcome, runStory } from "./run.ts";
import type { Story } from "./story.ts";
import { parseStory } from "./story-file.ts";

export type Told = { readonly play: Play; readonly outcome: RunOutcome };

/**
 * Everything that was ordered, as each ends; nothing after the first that fails when the order says so.
 * @throws {StoryFileError}
 */
export async function* tellAll(order: Order): AsyncGenerator<Told, void> {
  const all = order.jobs === 1 || order.plays.length === 1 ? tellHere(order) : tellOnThreads(order);
  for await (const told of all) {
    yield told;
    if (order.isFirst && told.outcome.findings.length > 0) return;
  }
}

/** One story; twice when the order says so. @throws {StoryFileError} */
export async function tell(play: Play, { isTwice, svg }: Order): Promise<RunOutcome> {
  const story = storyOf(play);
  const chronicle = svg === undefined ? undefined : new Chronicle();
  const outcome = await runStory(story, { chronicle });
  if (svg !== undefined && chronicle !== undefined) writeFileSync(svg, diagramOf(story, chronicle, outcome));
  if (!isTwice) return outcome;
  const again = await runStory(story);
  if (again.traceHash === outcome.traceHash) return outcome;
  const at = outcome.lines.findIndex((line, index) => line !== again.lines[index]);
  const what = `the second run was another, from line ${at}: ${outcome.lines[at]} | ${again.lines[at]}`;
  return { ...outcome, findings: [...outcome.findings, { invariant: "I26 determinism", what }] };
}

function storyOf(play: Play): Story {
  return "file" in play ? parseStory(readFileSync(play.file, "utf8")) : play.tell();
}

async function* tellHere(order: Order): AsyncGenerator<Told, void> {
  for (const play of order.plays) yield { play, outcome: await tell(play, order) };
}

async function* tellOnThreads(order: Order): AsyncGenerator<Told, void> {
  const { plays, args } = order;
  const jobs = Math.min(order.jobs, plays.length);
  const workers = Array.from({ length: jobs }, () => {
    return new Worker(new URL("./story-thread.ts", import.meta.url), { argv: [...args] });
  });
  let next = 0;
  const telling = new Map<Worker, Promise<readonly [Worker, Told]>>();
  const give = (worker: Worker): void => {
    telling.delete(worker);
    const play = plays[next];
    if (play === undefined) return;
    telling.set(worker, toldBy(worker, play));
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Node's message ports know no origin
    worker.postMessage(next);
    next += 1;
  };
  try {
    for (const worker of workers) give(worker);
    while (telling.size > 0) {
      const [worker, told] = await Promise.race(telling.values());
      give(worker);
      yield told;
    }
  } finally {
    for (const worker of workers) await worker.terminate();
  }
}

async function toldBy(worker: Worker, play: Play): Promise<readonly [Worker, Told]> {
  const messages: readonly unknown[] = await once(worker, "message");
  const [outcome] = messages;
  invariant(isOutcome(outcome), "a thread sends what it has come to");
  return [worker, { play, outcome }];
}

/** What a thread of this file sends is what `tell` made there. */
function isOutcome(message: unknown): message is RunOutcome {
  return isJsonObject(message) && "traceHash" in message;
}
