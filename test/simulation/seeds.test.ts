/**
 * The simulator over a fixed list of seeds, as `make sim` runs it, and the proof that it would notice: mistakes planted
 * into the production code must be found, each within some seeds.
 */
import { describe, expect, test } from "vitest";
import { DELIBERATE_BUGS } from "../support/deliberate-bugs.ts";
import { simulate } from "../support/simulate.ts";

/** Halves of the fixed list, one a processor. */
const HALVES = [1, 26] as const;
const SEEDS_OF_HALF = 25;
/** A bug must be found within so many seeds, counted from the first. */
const SEEDS_OF_BUG = 200;
describe("whole nodes under faults", () => {
  test.concurrent.for(HALVES)(
    "keep every promise, and agree once everything is healed: 25 seeds from %i",
    async (seed, { expect: expectHere }) => {
      const { code, told } = await simulate(["--seed", `${seed}`, "--count", `${SEEDS_OF_HALF}`, "--ticks", "8"]);

      expectHere(told).toContain(`${SEEDS_OF_HALF} seeds, 0 failed`);
      expectHere(code).toBe(0);
    },
  );

  test("make one history of one seed, however often it is played", async () => {
    const { code, told } = await simulate(["--seed", "500", "--count", "4", "--ticks", "8", "--twice"]);

    expect(told).toContain("4 seeds, 0 failed");
    expect(code).toBe(0);
  });
});

describe("a mistake in the production code is found", () => {
  test.concurrent.for(DELIBERATE_BUGS)("$name", async ({ name, scenario = "swarm" }, { expect: expectHere }) => {
    const hunt = ["--count", `${SEEDS_OF_BUG}`, "--ticks", "12", "--scenario", scenario, "--first"];
    const { code, told } = await simulate(hunt, name);

    expectHere(told).toMatch(/^(?:seed|story) \d+.*: FAILED with \d+ findings, at commit \S+$/m);
    expectHere(told).toMatch(/^ {2}play it again: make sim (?:SEED=\d+ TICKS=12 )?SCENARIO=[\w-]+ VERBOSE=1$/m);
    expectHere(code).toBe(1);
  });

  test("and one that no longer fits the source is no mistake that was found", async () => {
    const { code, told } = await simulate(["--count", "1"], "a bug that nobody wrote down");

    expect(told).toBe("plant-bug: there is no deliberate bug called a bug that nobody wrote down\n");
    expect(code).toBe(70);
  });
});
