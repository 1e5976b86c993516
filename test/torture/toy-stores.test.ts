/** Whether the harness would notice: stores with one known fault each, and one without. */
import { describe, expect, test } from "vitest";

import { requirements } from "../support/requirements.ts";
import { inArena } from "../support/torture/enter-arena.ts";
import type { FaultKind } from "../support/torture/oracle.ts";
import type { ToyFault } from "../support/torture/toy-faults.ts";

/** Every kind of operation is met by two sharp cuts. */
const HONEST_CYCLES = 32;
const CYCLES_MAX = 48;
const SEED = "toys";

const CAUGHT_AS: readonly (readonly [ToyFault, FaultKind])[] = [
  ["no-folder-sync", "lost"],
  ["no-sync", "lost"],
  ["early-acknowledgement", "lost"],
  ["unsynced-tag", "lost"],
  ["flipped-byte", "wrong bytes"],
  ["unsynced-delete", "returned"],
];

const isPossible = requirements.linux().available && requirements.root().available && requirements.mounts().available;

describe.skipIf(!isPossible)("the harness", () => {
  test.each(CAUGHT_AS)("catches a toy store with the fault %s, by what is %s", async (fault, kind) => {
    const { faults } = await inArena.cuts("toy", { seed: SEED, cycles: CYCLES_MAX, fault, kind });

    expect(faults.map((found) => found.kind)).toContain(kind);
  });

  test("finds nothing in an honest toy store", async () => {
    const { faults, cycles } = await inArena.cuts("toy", { seed: SEED, cycles: HONEST_CYCLES, fault: "none" });

    expect(faults, `seed ${SEED}`).toEqual([]);
    expect(cycles).toBe(HONEST_CYCLES);
  });

  test("finds no missing sync by killing alone, which is why the power has to go", async () => {
    const { faults } = await inArena.cuts("kill-toy", { seed: SEED, cycles: HONEST_CYCLES, fault: "no-sync" });

    expect(faults, `seed ${SEED}`).toEqual([]);
  });
});
