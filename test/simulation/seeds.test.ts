/**
 * The simulator over a fixed list of seeds, as `make sim` runs it, and the proof that it would notice: mistakes planted
 * into the production code must be found, each within some seeds.
 */
import { describe, expect, test } from "vitest";
import { DELIBERATE_BUGS } from "../support/deliberate-bugs.ts";
import { simulate } from "../support/simulate.ts";

/** The fixed list is the seeds from 1 to this, played on two threads. */
const SEEDS = 500;
/** Three minutes on two processors that have nothing else to do. */
const SEEDS_MS_MAX = 900_000;
/** A bug must be found within so many seeds, counted from the first. */
const SEEDS_OF_BUG = 200;
describe("whole nodes under faults", () => {
  test(`keep every promise over ${SEEDS} seeds, agree once everything is healed, and come into every situation that matters`, {
    timeout: SEEDS_MS_MAX,
  }, async () => {
    const { code, told } = await simulate(
      ["--count", `${SEEDS}`, "--ticks", "8", "--jobs", "2"],
      undefined,
      SEEDS_MS_MAX,
    );

    expect(told).toContain(`${SEEDS} seeds, 0 failed`);
    const never = [...told.matchAll(/^ +0 {2}(.*)$/gm)].map(([, probe]) => probe);
    expect(never).toEqual([]);
    expect(code).toBe(0);
  });

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
