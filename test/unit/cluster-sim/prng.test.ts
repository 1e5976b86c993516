import { describe, expect, test } from "vitest";

import { Prng } from "../../../cluster-sim/prng.ts";

describe("the generator", () => {
  test("is sfc32, by vectors of an independent implementation: a seed makes the same run for ever", () => {
    const prng = new Prng(1);
    const branch = prng.branch("line eu-1 to us-1");

    expect(Array.from({ length: 6 }, () => prng.uint32())).toEqual([
      1980691863, 874780676, 822843476, 2186466004, 792566493, 4130287665,
    ]);
    expect(Array.from({ length: 3 }, () => branch.uint32())).toEqual([3908632058, 345175459, 4009514343]);
  });

  test("gives a branch that does not depend on what was drawn before it", () => {
    const [early, late] = [new Prng("seed"), new Prng("seed")];
    for (let draw = 0; draw < 100; draw += 1) late.uint32();

    expect(late.branch("disk").uint32()).toBe(early.branch("disk").uint32());
    expect(late.branch("disk").uint32()).not.toBe(early.branch("network").uint32());
  });

  test("draws integers from the whole interval, ends included", () => {
    const prng = new Prng("seed");

    const drawn = new Set(Array.from({ length: 200 }, () => prng.integer(-1, 2)));

    expect(drawn).toEqual(new Set([-1, 0, 1, 2]));
    expect(prng.integer(5, 5)).toBe(5);
  });

  test("is right as often as it should be", () => {
    const prng = new Prng("seed");

    const hits = Array.from({ length: 10_000 }, () => prng.chance(0.1)).filter(Boolean).length;

    expect(Math.abs(hits - 1_000)).toBeLessThan(150);
    expect(prng.chance(0)).toBe(false);
    expect(prng.chance(1)).toBe(true);
  });

  test("picks every item sooner or later", () => {
    const prng = new Prng("seed");

    expect(new Set(Array.from({ length: 100 }, () => prng.pick(["a", "b", "c"]))).size).toBe(3);
    expect(() => prng.pick([])).toThrow();
  });
});
