/**
 * Stores that exchange what they hold in any order, with every session cut anywhere, rings that forget and restarts in
 * between, end in the same state once those that are left have told each other everything.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";

import { SimKv } from "../../cluster-sim/sim-kv.ts";
import type { Metadata } from "../../nodes/storage/metadata.ts";
import { parseTag } from "../../shared/reference.ts";
import {
  fetchContents,
  imageNamed,
  indexOf,
  openMetadata,
  push,
  REPO,
  stillClock,
  sync,
} from "../support/metadata-fixture.ts";

const REGIONS = ["eu", "us", "ap"] as const;
const TAGS = ["a", "b", "c"].map(parseTag);
const IMAGES = ["one", "two", "three"].map((name) => imageNamed(name));
const LARGE = imageNamed("large", { annotations: { padding: "x".repeat(33_000) } });
const CHILDREN = [...IMAGES.slice(0, 1), LARGE];
const INDEX = indexOf(CHILDREN);
const MANIFESTS = [...IMAGES, LARGE, INDEX];

const place = fc.integer({ min: 0, max: REGIONS.length - 1 });
const tag = fc.integer({ min: 0, max: TAGS.length - 1 });
const manifest = fc.integer({ min: 0, max: MANIFESTS.length - 1 });

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("push" as const), node: place, tag, manifest }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete-tag" as const), node: place, tag }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete-manifest" as const), node: place, manifest }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("sync" as const),
      node: place,
      from: place,
      frames: fc.integer({ min: 0, max: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("stream" as const), node: place, from: place }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("fetch" as const), node: place, from: place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), node: place }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: -50, max: 50 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** Which nodes are there to tell the tale: one may have died, with all that it alone held. */
const survivors = fc.constantFrom([0, 1, 2], [0, 1], [0, 2], [1, 2]);

async function run(
  steps: readonly Step[],
  opLogOpsMax: number,
  alive: readonly number[],
): Promise<readonly Metadata[]> {
  const clock = stillClock();
  const kvs = REGIONS.map(() => new SimKv());
  const open = async (index: number): Promise<Metadata> =>
    await openMetadata(kvs[index] ?? new SimKv(), REGIONS[index] ?? "eu", { clock, opLogOpsMax, seed: index });
  const nodes = await Promise.all(REGIONS.map(async (_, index) => await open(index)));

  for (const each of steps) {
    if (each.kind === "time") {
      clock.move(each.ms);
      continue;
    }
    const here = nodes[each.node];
    if (here === undefined) throw new Error("a step names a node");
    if (each.kind === "restart") nodes[each.node] = await open(each.node);
    else await perform(each, here, nodes);
  }

  const left = nodes.filter((_, index) => alive.includes(index));
  // Twice around: what the second hears from the third reaches the first in the second round.
  for (const _ of [1, 2]) {
    for (const source of left) {
      for (const target of left) {
        await sync(source, target);
        await fetchContents(source, target);
      }
    }
  }
  return left;
}

async function perform(
  each: Exclude<Step, { kind: "time" | "restart" }>,
  here: Metadata,
  nodes: readonly Metadata[],
): Promise<void> {
  switch (each.kind) {
    case "push": {
      const made = MANIFESTS[each.manifest];
      const name = TAGS[each.tag];
      if (made === undefined || name === undefined) return;
      if (made === INDEX) for (const child of CHILDREN) await push(here, child, []);
      await push(here, made, [name]);
      return;
    }
    case "delete-tag": {
      const name = TAGS[each.tag];
      if (name === undefined) return;
      await here.record(
        "tester",
        async (turn) => await turn.set({ kind: "tag", repo: REPO, tag: name }, { kind: "removed" }),
      );
      return;
    }
    case "delete-manifest": {
      const digest = MANIFESTS[each.manifest]?.digest;
      if (digest === undefined) return;
      await here.record("tester", async (turn) => {
        await turn.set({ kind: "manifest", repo: REPO, digest }, { kind: "removed" });
        for (const name of await turn.tagsAt(REPO, digest)) {
          await turn.set({ kind: "tag", repo: REPO, tag: name }, { kind: "removed" });
        }
      });
      return;
    }
    case "sync": {
      const source = nodes[each.from];
      if (source !== undefined) await sync(source, here, each.frames);
      return;
    }
    case "stream": {
      const source = nodes[each.from];
      const batch = await source?.opsFrom(source.self.origin, here.held().upto(source.self.origin) + 1);
      if (batch !== undefined) await here.commit({ kind: "ops", batch });
      return;
    }
    case "fetch": {
      const source = nodes[each.from];
      if (source !== undefined) await fetchContents(source, here);
    }
  }
}

/** All that a client could see of a store. */
async function shown(metadata: Metadata): Promise<unknown> {
  const { reader } = metadata;
  const all = { limit: 100 };
  const state = { stateHash: metadata.stateHash(), held: metadata.held().entries() };
  // Bytes that died with their only holder leave each node with what it showed before.
  if ((await metadata.wantedContents()).length > 0) return state;
  return {
    ...state,
    counts: metadata.counts(),
    repositories: await reader.repositories(all),
    tags: await Promise.all(TAGS.map(async (name) => await reader.tag(REPO, name))),
    list: await reader.tags(REPO, all),
    manifests: await Promise.all(MANIFESTS.map(async ({ digest }) => (await reader.manifest(REPO, digest))?.digest)),
    tagsAt: await Promise.all(MANIFESTS.map(async ({ digest }) => await reader.tagsAt(REPO, digest))),
    conflicts: await reader.conflicts(all),
  };
}

test("stores that have told each other everything show the same, whatever came before", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.constantFrom(1, 3, 1000),
      survivors,
      async (steps, opLogOpsMax, alive) => {
        const [first, ...others] = await run(steps, opLogOpsMax, alive);
        if (first === undefined) throw new Error("there are nodes");

        const expected = await shown(first);
        for (const other of others) expect(await shown(other)).toEqual(expected);
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);

test("a store's counters and indexes agree with what it shows", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const [node] = await run(steps, 3, [0, 1, 2]);
      if (node === undefined) throw new Error("there are nodes");

      const tags = await node.reader.tags(REPO, { limit: 100 });
      expect(node.counts().tags).toBe(tags.length);
      for (const name of tags) {
        const digest = (await node.reader.tag(REPO, name))?.digest;
        if (digest === undefined) throw new Error("a listed tag shows a manifest");
        expect(await node.reader.manifest(REPO, digest)).toBeDefined();
        expect(await node.reader.tagsAt(REPO, digest)).toContain(name);
      }
    }),
    { numRuns: 100 },
  );
}, 60_000);
