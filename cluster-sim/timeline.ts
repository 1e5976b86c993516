/** What a chronicle comes to, in the terms of a picture: lives of processes, requests, and messages in bundles. */
import { crc32 } from "node:zlib";
import type { Chronicle, Message } from "./chronicle.ts";

/** `end` is what ended it; a life that lasts is ended by nothing. */
export type Life = {
  readonly node: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly end: "power" | "exit" | "stop" | undefined;
};

export type Request = { readonly node: string; readonly atMs: number; readonly kind: string; readonly outcome: string };

/** Messages of one way and kind that were sent at about the same time. */
export type Bundle = Message & { readonly count: number };

const ENDS: Readonly<Record<string, Life["end"]>> = { "lost its power": "power", exited: "exit", stopped: "stop" };
const REQUEST = /^(\S+) \S+ \d+ at (\S+): (\S+)$/;
/** The first bundles span so much, and twice as much until there are few enough. */
const SPAN_MS_MIN = 5;

export function livesOf({ noted }: Chronicle, endMs: number): readonly Life[] {
  const lives: Life[] = [];
  const begun = new Map<string, number>();
  for (const { atMs, subject, event } of noted) {
    if (event.startsWith("started")) begun.set(subject, atMs);
    const fromMs = begun.get(subject);
    const how = Object.keys(ENDS).find((words) => event.startsWith(words));
    if (how === undefined || fromMs === undefined) continue;
    lives.push({ node: subject, fromMs, toMs: atMs, end: ENDS[how] });
    begun.delete(subject);
  }
  for (const [node, fromMs] of begun) lives.push({ node, fromMs, toMs: endMs, end: undefined });
  return lives;
}

export function requestsOf({ noted }: Chronicle): readonly Request[] {
  return noted.flatMap(({ atMs, event }) => {
    const [, kind, node, outcome] = REQUEST.exec(event) ?? [];
    return kind === undefined || node === undefined || outcome === undefined ? [] : [{ node, atMs, kind, outcome }];
  });
}

/** When everything was healed; `undefined` when it did not come to that. */
export function healedAt({ noted }: Chronicle): number | undefined {
  return noted.find(({ event }) => event === "everything is healed")?.atMs;
}

/** No more than `max` bundles of all messages. */
export function bundlesOf(messages: readonly Message[], max: number): readonly Bundle[] {
  for (let spanMs = SPAN_MS_MIN; ; spanMs *= 2) {
    const bundles = bundled(messages, spanMs);
    if (bundles.length <= max || spanMs > Number.MAX_SAFE_INTEGER / 2) return bundles;
  }
}

function bundled(messages: readonly Message[], spanMs: number): readonly Bundle[] {
  const groups = Map.groupBy(messages, ({ source, target, plane, sentMs }) =>
    [source, target, plane, Math.floor(sentMs / spanMs)].join(" "),
  );
  return [...groups].flatMap(([name, group]) => {
    // One of them stands for all, so that a line is a message that there was; which one, must not make a pattern.
    const chosen = group[crc32(name) % group.length];
    return chosen === undefined ? [] : [{ ...chosen, count: group.length }];
  });
}
