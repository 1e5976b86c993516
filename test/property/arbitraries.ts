/** Generated values of `shared/`, and generated histories of one register that several nodes write and exchange. */
import * as fc from "fast-check";

import { type Change, type Op, opOf } from "../../shared/change.ts";
import { type Digest, digestOf } from "../../shared/digest.ts";
import { hlcOf } from "../../shared/hlc.ts";
import { parseNodeId, parseOrigin, parseRegion } from "../../shared/identity.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import {
  type Context,
  EMPTY_REGISTER,
  mergeRegisters,
  type Register,
  type RegisterKey,
  type RegisterValue,
  type Version,
} from "../../shared/register.ts";
import type { Dot, VectorEntry } from "../../shared/version-vector.ts";

export const ORIGINS = ["00000000000000aa", "00000000000000bb", "10000000000000cc", "f0000000000000dd"].map(
  parseOrigin,
);
export const KEY = { kind: "tag", repo: parseRepositoryName("app"), tag: parseTag("latest") } as const;

export const origin = fc.constantFrom(...ORIGINS);
export const digest: fc.Arbitrary<Digest> = fc
  .tuple(fc.uint8Array({ maxLength: 4 }), fc.constantFrom("sha256" as const, "sha512" as const))
  .map(([bytes, algorithm]) => digestOf(bytes, algorithm));

/** Clocks that agree, that tie, and that are centuries off. */
const hlc = fc.oneof(fc.bigInt(0n, 5n), fc.bigInt(0n, (1n << 64n) - 1n)).map(hlcOf);
const author = fc.record({
  node: fc.constantFrom(parseNodeId("eu-1"), parseNodeId("us-1")),
  region: fc.constantFrom(parseRegion("eu"), parseRegion("us")),
  actor: fc.string({ maxLength: 20, unit: "grapheme-composite" }).filter((text) => text.length <= 100),
});
const seq = fc.oneof(
  fc.integer({ min: 1, max: 9 }),
  fc.maxSafeNat().map((number) => Math.max(1, number)),
);
export const dot: fc.Arbitrary<Dot> = fc.record({ origin, seq });

const tag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/).map(parseTag);
const repo = fc.stringMatching(/^[a-z0-9]{1,5}(\/[a-z0-9]{1,5}){0,2}$/).map(parseRepositoryName);
const mediaType = fc.stringMatching(/^[a-z]{1,9}\/[a-z][a-z0-9.+-]{0,19}$/);

const removed = fc.constant({ kind: "removed" } as const);
const keyAndValue: fc.Arbitrary<readonly [RegisterKey, fc.Arbitrary<RegisterValue>]> = fc.oneof(
  fc
    .record({ kind: fc.constant("tag" as const), repo, tag })
    .map((key): [RegisterKey, fc.Arbitrary<RegisterValue>] => [
      key,
      fc.oneof(removed, fc.record({ kind: fc.constant("tag" as const), digest })),
    ]),
  fc
    .record({ kind: fc.constant("manifest" as const), repo, digest })
    .map((key): [RegisterKey, fc.Arbitrary<RegisterValue>] => [
      key,
      fc.oneof(removed, fc.record({ kind: fc.constant("manifest" as const), mediaType, size: fc.maxSafeNat() })),
    ]),
  fc
    .record({ kind: fc.constant("blob" as const), repo, digest })
    .map((key): [RegisterKey, fc.Arbitrary<RegisterValue>] => [
      key,
      fc.oneof(removed, fc.constant({ kind: "linked" } as const)),
    ]),
);

function registerOf(versions: readonly Version[], context: Context): Register {
  // Each version as an op of its own: merging them makes a register as nodes could have come to hold it.
  return versions
    .map((version) => opOf(KEY, version, new Map()).register)
    .reduce(mergeRegisters, { versions: [], context });
}

/** Any register that a node could hold, under any key, with or without content. */
export const change: fc.Arbitrary<Change> = keyAndValue.chain(([key, value]) =>
  fc
    .record({
      versions: fc.uniqueArray(fc.record({ dot, hlc, author, value }), {
        maxLength: 4,
        selector: (version) => version.dot.origin,
      }),
      context: fc.uniqueArray(dot, { maxLength: 4, selector: (each) => each.origin }),
      content:
        key.kind === "manifest"
          ? fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined })
          : fc.constant(undefined),
    })
    .map(({ versions, context, content }) => ({
      key,
      register: registerOf(versions, new Map(context.map((each) => [each.origin, each.seq]))),
      content,
    })),
);

/** A change of one version, with what its writer had seen. */
export const op: fc.Arbitrary<Op> = keyAndValue.chain(([key, value]) =>
  fc
    .record({
      version: fc.record({ dot, hlc, author, value }),
      seen: fc.uniqueArray(dot, { maxLength: 3, selector: (each) => each.origin }),
    })
    .map(({ version, seen }) =>
      opOf(
        key,
        version,
        new Map(seen.filter((each) => each.origin !== version.dot.origin).map((each) => [each.origin, each.seq])),
      ),
    ),
);

export type History = {
  /** Every write, in the order they happened. */
  readonly ops: readonly Op[];
  /** Every state that any node was ever in. */
  readonly states: readonly Register[];
  /** What each node ended with. */
  readonly nodes: readonly Register[];
};

const node = fc.integer({ min: 0, max: ORIGINS.length - 1 });
const value: fc.Arbitrary<RegisterValue> = fc.oneof(removed, fc.record({ kind: fc.constant("tag" as const), digest }));
const step = fc.oneof(
  fc.record({ kind: fc.constant("write" as const), node, hlc, author, value }),
  fc.record({ kind: fc.constant("tell" as const), node, other: node }),
  fc.record({ kind: fc.constant("deliver" as const), node, which: fc.nat() }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/**
 * Four nodes that write one register under clocks that may be anything, tell each other all they know, and get
 * single ops of each other in any order, as often as it happens.
 */
export const history: fc.Arbitrary<History> = fc.array(step, { maxLength: 30 }).map(play);

function play(steps: readonly Step[]): History {
  const nodes: Register[] = ORIGINS.map(() => EMPTY_REGISTER);
  const states: Register[] = [EMPTY_REGISTER];
  const ops: Op[] = [];
  for (const each of steps) {
    const arrived = arrivingAt(each, nodes, ops);
    if (arrived === undefined) continue;
    const merged = mergeRegisters(nodes[each.node] ?? EMPTY_REGISTER, arrived);
    nodes[each.node] = merged;
    states.push(merged);
  }
  return { ops, states, nodes };
}

function arrivingAt(each: Step, nodes: readonly Register[], ops: Op[]): Register | undefined {
  switch (each.kind) {
    case "tell":
      return nodes[each.other];
    case "deliver":
      return ops[each.which % Math.max(1, ops.length)]?.register;
    case "write": {
      const writer = ORIGINS[each.node];
      if (writer === undefined) return undefined;
      const own = ops.filter((known) => known.register.versions.some((version) => version.dot.origin === writer));
      const version = {
        dot: { origin: writer, seq: own.length + 1 },
        hlc: each.hlc,
        author: each.author,
        value: each.value,
      };
      const written = opOf(KEY, version, nodes[each.node]?.context ?? new Map());
      ops.push(written);
      return written.register;
    }
  }
}

/** Numbers so small that ranges meet, and some so large that they never do. */
const near = fc.integer({ min: 1, max: 20 });
const range = fc.tuple(near, near).map(([one, other]) => ({ from: Math.min(one, other), to: Math.max(one, other) }));

export const vectorStep = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), origin, seq: near }),
  fc.record({ kind: fc.constant("range" as const), origin, range }),
  fc.record({ kind: fc.constant("advance" as const), origin, upto: fc.integer({ min: 0, max: 20 }) }),
);
export type VectorStep = typeof vectorStep extends fc.Arbitrary<infer Value> ? Value : never;

export const vectorEntries: fc.Arbitrary<readonly VectorEntry[]> = fc.array(
  fc.record({ origin, upto: fc.integer({ min: 0, max: 20 }), beyond: fc.array(range, { maxLength: 4 }) }),
  { maxLength: 4 },
);

/** `bytes` with a few of them changed, cut out or put in: what a bad disk or a bad peer makes of them. */
export function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const wound = fc.record({ at: fc.nat(), cut: fc.nat({ max: 3 }), put: fc.uint8Array({ maxLength: 3 }) });
  return fc.tuple(bytes, fc.array(wound, { minLength: 1, maxLength: 3 })).map(([whole, wounds]) =>
    wounds.reduce((rest, { at, cut, put }) => {
      const start = at % (rest.length + 1);
      return Uint8Array.of(...rest.subarray(0, start), ...put, ...rest.subarray(start + cut));
    }, whole),
  );
}
