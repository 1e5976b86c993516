/**
 * Registries have acknowledged one content and served another, because a PATCH wrote on while its session was being
 * committed. So every two requests that one session may get, and every three, are played in every order in which their
 * events can happen: each arrives, sends its bytes, and ends. Once the disk answers before the next event, and once
 * each of its operations takes longer than that, so that everything which can happen during a commit does.
 *
 * Source: reliability findings, section 5.1, number 1.
 */
import { describe, expect, test } from "vitest";

import { digestOf } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { parseRepositoryName } from "../../shared/reference.ts";
import { StoredNode } from "../support/stored-node.ts";

const REPO = parseRepositoryName("shop/api");
const NEVER = new AbortController().signal;
const HELD = Buffer.from("what the session holds, ");
const MORE = Buffer.from("and more");
const WHOLE = Buffer.concat([HELD, MORE]);

const KINDS = ["patch", "patch in its place", "put of all", "put of what is there", "cancel"] as const;
type Kind = (typeof KINDS)[number];

/** Between two events of an interleaving. */
const STEP_MS = 10;
/** What an operation of the disk or the store takes: nothing, or longer than a step. */
const PACES_MS = [0, 7] as const;

/** Every order of `counts[i]` events of request i, in which each request's own events keep theirs. */
function* interleavings(counts: readonly number[]): Generator<readonly number[], void> {
  if (counts.every((count) => count === 0)) yield [];
  for (const [index, count] of counts.entries()) {
    if (count === 0) continue;
    for (const rest of interleavings(counts.with(index, count - 1))) yield [index, ...rest];
  }
}

/** Every choice of `size` of the kinds, with repetition, whose order does not matter. */
function* choices(size: number, from: readonly Kind[] = KINDS): Generator<readonly Kind[], void> {
  if (size === 0) {
    yield [];
    return;
  }
  for (const [index, kind] of from.entries()) {
    for (const rest of choices(size - 1, from.slice(index))) yield [kind, ...rest];
  }
}

type Outcome = "done" | RegistryError["code"];

/** When the events of one request happen: its arrival first, its last byte last. */
type Times = readonly number[];

async function request(node: StoredNode, id: string, kind: Kind, times: Times): Promise<Outcome> {
  const { world, uploads } = node;
  const until = async (ms: number): Promise<void> => await world.delay(ms - world.nowMs);
  async function* body(bytes: Buffer): AsyncGenerator<Uint8Array, void> {
    const [, ...later] = times;
    const parts = Math.max(1, later.length);
    for (const [index, ms] of later.entries()) {
      await until(ms);
      const size = Math.ceil(bytes.length / parts);
      yield Buffer.from(bytes.subarray(index * size, (index + 1) * size));
    }
  }
  const asked = { repo: REPO, id, signal: NEVER, actor: "tester" };
  const range = { start: HELD.length, end: WHOLE.length - 1 };
  await until(times[0] ?? 0);
  try {
    if (kind === "cancel") await uploads.cancel(REPO, id);
    else if (kind === "patch") await uploads.append({ ...asked, body: body(MORE), range: undefined });
    else if (kind === "patch in its place") await uploads.append({ ...asked, body: body(MORE), range });
    else if (kind === "put of all") {
      await uploads.finish({ ...asked, body: body(MORE), range: undefined, digest: digestOf(WHOLE) });
    } else await uploads.finish({ ...asked, body: body(Buffer.alloc(0)), range: undefined, digest: digestOf(HELD) });
    return "done";
  } catch (error) {
    if (error instanceof RegistryError) return error.code;
    throw error;
  }
}

/** What is wrong with how it came out; nothing, when all is well. */
async function play(kinds: readonly Kind[], order: readonly number[], paceMs: number): Promise<readonly string[]> {
  const node = await StoredNode.started({ pauseMs: () => paceMs });
  const { world } = node;
  const { id } = await world.run(node.uploads.start(REPO, "tester"));
  async function* held(): AsyncGenerator<Uint8Array, void> {
    yield Buffer.from(HELD);
  }
  await world.run(node.uploads.append({ repo: REPO, id, body: held(), range: undefined, signal: NEVER }));
  const startMs = world.nowMs + STEP_MS;
  const timesOf = (of: number): Times =>
    order.flatMap((whose, place) => (whose === of ? [startMs + place * STEP_MS] : []));

  const outcomes = await world.run(
    Promise.all(kinds.map(async (kind, index) => await request(node, id, kind, timesOf(index)))),
  );

  const done = kinds.filter((_, index) => outcomes[index] === "done");
  const endings = done.filter((kind) => !kind.startsWith("patch"));
  const problems: string[] = [];
  if (endings.length > 1) problems.push(`the session has ended ${endings.length} times`);
  for (const [digest, bytes, kind] of [
    [digestOf(WHOLE), WHOLE, "put of all"],
    [digestOf(HELD), HELD, "put of what is there"],
  ] as const) {
    const stored = await world.run(node.content(digest));
    if (done.includes(kind) !== (stored !== undefined)) problems.push(`${kind} is done, and the blob is not so`);
    if (stored !== undefined && !stored.equals(bytes)) problems.push(`${stored.length} other bytes under a digest`);
  }
  const staged = await world.run(node.disk.staged());
  if (endings.length > 0 && staged.length > 0) problems.push("an ended session has left its bytes");
  if (endings.length === 0) {
    const { offset } = await world.run(node.uploads.status(REPO, id));
    const taken = HELD.length + done.length * MORE.length;
    if (offset !== taken) problems.push(`the session stands at ${offset} after ${taken} acknowledged bytes`);
  }
  return problems;
}

type Count = { readonly requests: number; readonly events: number };

async function playAll({
  requests,
  events,
}: Count): Promise<{ readonly played: number; readonly wrong: readonly string[] }> {
  const wrong: string[] = [];
  let played = 0;
  for (const kinds of choices(requests)) {
    for (const order of interleavings(kinds.map((kind) => (kind === "cancel" ? 1 : events)))) {
      for (const paceMs of PACES_MS) {
        played += 1;
        const problems = await play(kinds, order, paceMs);
        wrong.push(
          ...problems.map((problem) => `${kinds.join(", ")} in ${order.join("")} at ${paceMs} ms: ${problem}`),
        );
      }
    }
  }
  return { played, wrong };
}

describe("requests of one session end in one winner, and no acknowledged byte changes", () => {
  test("two, of three events each, in every order", async () => {
    const { played, wrong } = await playAll({ requests: 2, events: 3 });

    expect(wrong).toEqual([]);
    // Ten pairs of kinds with bodies in 20 orders, four with a cancel in 4, two cancels in 2; each at two paces.
    expect(played).toBe((10 * 20 + 4 * 4 + 2) * PACES_MS.length);
  });

  test("three, of two events each, in every order", async () => {
    const { played, wrong } = await playAll({ requests: 3, events: 2 });

    expect(wrong).toEqual([]);
    expect(played).toBe((20 * 90 + 10 * 30 + 4 * 12 + 6) * PACES_MS.length);
  });
});
