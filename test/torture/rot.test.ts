/** Bytes that rot on the disk of a real node. */
import { describe, expect, test } from "vitest";

import { requirements } from "../support/requirements.ts";
import { inArena } from "../support/torture/enter-arena.ts";
import type { Injection } from "../support/torture/rot.ts";

const SEED = "rot";
const BLOBS = 120;
const METADATA = 96;
const BESIDE_PEER = 32;

const isPossible = requirements.linux().available && requirements.root().available && requirements.mounts().available;

/** Nothing but what was acknowledged may be served, and what is not served may not be passed over. */
function dishonest(injections: readonly Injection[]): readonly Injection[] {
  return injections.filter(({ outcome }) => outcome === "lied" || outcome === "silent");
}

describe.skipIf(!isPossible)("a node whose disk rots", () => {
  test(`serves no byte of ${BLOBS} damaged blobs, and says which they are`, async () => {
    const { injections } = await inArena.rot({ seed: SEED, blobInjections: BLOBS });

    expect(dishonest(injections), `seed ${SEED}`).toEqual([]);
    expect(injections).toHaveLength(BLOBS);
    expect(injections.filter(({ outcome }) => outcome === "refused").length).toBeGreaterThan(BLOBS / 2);
  });

  test(`beside another node serves each of its damaged blobs whole, and has them whole on its disk again`, async () => {
    const { injected, findings } = await inArena.rotBesidePeer({ seed: SEED, blobInjections: BESIDE_PEER });

    expect(findings, `seed ${SEED}`).toEqual([]);
    expect(injected).toBeGreaterThan(BESIDE_PEER / 2);
  });

  test(`has all it acknowledged after each of ${METADATA} injections into its store and its journal, or says what it can't have`, async () => {
    const { injections } = await inArena.rot({ seed: SEED, metadataInjections: METADATA });

    expect(dishonest(injections), `seed ${SEED}`).toEqual([]);
    expect(injections).toHaveLength(METADATA);
    const journal = injections.filter(({ file }) => file.startsWith("data/journal/"));
    expect(journal.map(({ outcome, isTold }) => ({ outcome, isTold }))).toEqual(
      journal.map(() => ({ outcome: "served", isTold: true })),
    );
  });
});
