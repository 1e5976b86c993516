import { describe, expect, test } from "vitest";

import { OrderError, readOrder, USAGE } from "../../../cluster-sim/order.ts";
import { SCENARIOS } from "../../../cluster-sim/settings.ts";

describe("what make sim is asked for", () => {
  test("is one seed of the swarm, told here, unless it says otherwise", () => {
    const { plays, jobs } = readOrder([]);
    expect([plays.map(({ again }) => again), jobs]).toEqual([["SEED=1 TICKS=60 SCENARIO=swarm"], 1]);

    const more = readOrder(["--seed", "7", "--count", "2", "--ticks", "8", "--jobs", "2", "--scenario", "lite"]);
    expect(more.plays.map(({ again }) => again)).toEqual([
      "SEED=7 TICKS=8 SCENARIO=lite",
      "SEED=8 TICKS=8 SCENARIO=lite",
    ]);
    expect(more.jobs).toBe(2);
  });

  test.for([
    ["--scenario", "nonsense"],
    ["--count", "0"],
    ["--ticks", "1.5"],
    ["--jobs", "0"],
    ["--seed=-1"],
    ["--unknown"],
  ])("makes no sense as %s", (args) => {
    expect(() => readOrder(args)).toThrow(OrderError);
  });

  test("may be a question, whose answer names every scenario", () => {
    expect(readOrder(["--help"]).isHelp).toBe(true);
    expect(SCENARIOS.filter((scenario) => !USAGE.includes(scenario))).toEqual([]);
  });
});
