/** A real node on an ext4 whose power is cut. */
import { describe, expect, test } from "vitest";

import { requirements } from "../support/requirements.ts";
import { inArena } from "../support/torture/enter-arena.ts";

const CYCLES = 200;
const SEED = "power-cut";
/** Eight kinds of operation take turns at the sharp half. */
const EACH = CYCLES / 2 / 8;
const SHARP_EACH = { min: Math.floor(EACH), max: Math.ceil(EACH) };

const isPossible = requirements.linux().available && requirements.root().available && requirements.mounts().available;

describe.skipIf(!isPossible)("a node whose power is cut", () => {
  test(`${CYCLES} times, half of them at the instant of an acknowledgement, has all it acknowledged and nothing it deleted`, async () => {
    const { faults, cycles, sharp, acknowledged } = await inArena.cuts("power-cut", { seed: SEED, cycles: CYCLES });

    expect(faults, `seed ${SEED}`).toEqual([]);
    expect(cycles).toBe(CYCLES);
    for (const times of Object.values(sharp)) {
      expect(times).toBeGreaterThanOrEqual(SHARP_EACH.min);
      expect(times).toBeLessThanOrEqual(SHARP_EACH.max);
    }
    expect(acknowledged).toBeGreaterThan(CYCLES * 10);
  });
});
