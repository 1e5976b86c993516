/** The control of the power cuts: the same run, in which only the process dies. */
import { describe, expect, test } from "vitest";

import { requirements } from "../support/requirements.ts";
import { inArena } from "../support/torture/enter-arena.ts";

const CYCLES = 200;
const SEED = "kill";

const isPossible = requirements.linux().available && requirements.root().available && requirements.mounts().available;

describe.skipIf(!isPossible)("a node that is killed", () => {
  test(`${CYCLES} times, in the same places as its power is cut, has all it acknowledged and nothing it deleted`, async () => {
    const { faults, cycles } = await inArena.cuts("kill", { seed: SEED, cycles: CYCLES });

    expect(faults, `seed ${SEED}`).toEqual([]);
    expect(cycles).toBe(CYCLES);
  });
});
