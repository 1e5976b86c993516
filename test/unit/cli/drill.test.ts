import { describe, expect, test } from "vitest";

import { DrillError, type DrillGround, holdDrill, parseDrill, type StepTold } from "../../../cluster-sim/lab/drill.ts";

const NEVER = new AbortController().signal;

describe("a drill", () => {
  test("is read from a table of steps, each with the words of the prompt", () => {
    const steps = [
      { at: "0s", load: "5/s" },
      { at: "1s500ms", cut: "eu us ap" },
      { cut: ["eu", "us", "--one-way"] },
      { heal: null },
      { expect: "convergence", within: "5s" },
      { expect: "nothing lost" },
    ];

    expect(parseDrill({ name: "cut", steps })).toEqual({
      name: "cut",
      steps: [
        { atMs: 0, deed: { kind: "command", words: ["load", "5/s"] } },
        { atMs: 1500, deed: { kind: "command", words: ["cut", "eu", "us", "ap"] } },
        { atMs: undefined, deed: { kind: "command", words: ["cut", "eu", "us", "--one-way"] } },
        { atMs: undefined, deed: { kind: "command", words: ["heal"] } },
        { atMs: undefined, deed: { kind: "expect", expectation: "convergence", withinMs: 5000 } },
        { atMs: undefined, deed: { kind: "expect", expectation: "nothing lost", withinMs: 30_000 } },
      ],
    });
  });

  test.each([
    [null, "a drill is a table"],
    [{ steps: [] }, "1 to 1000 steps"],
    [{ step: [{ heal: null }] }, "no step"],
    [{ steps: ["heal"] }, "step 1 is no table"],
    [{ steps: [{ heal: null }, { at: "1s" }] }, "step 2 does one thing, not 0"],
    [{ steps: [{ heal: null, kill: "eu" }] }, "step 1 does one thing, not 2"],
    [{ steps: [{ at: 5, heal: null }] }, "step 1, at: write a duration"],
    [{ steps: [{ cutt: "eu us" }] }, 'step 1: "cutt" is no command'],
    [{ steps: [{ cut: "eu" }] }, "step 1: write: cut A B"],
    [{ steps: [{ cut: 5 }] }, "step 1 takes words"],
    [{ steps: [{ expect: "peace" }] }, "step 1 may expect convergence or nothing lost"],
    [{ steps: [{ heal: null, within: "5s" }] }, "within belongs to expect"],
  ])("%j is refused: %s", (value, why) => {
    expect(() => parseDrill(value)).toThrow(DrillError);
    expect(() => parseDrill(value)).toThrow(why);
  });
});

describe("holding a drill", () => {
  test("performs the steps in order, at their times, and asks until an expectation is met", async () => {
    let asked = 0;
    const performed: string[] = [];
    const told: StepTold[] = [];
    const ground: DrillGround = {
      perform: async (words) => {
        performed.push(words.join(" "));
        return await Promise.resolve(`did ${words.join(" ")}`);
      },
      holds: async () => {
        asked += 1;
        return await Promise.resolve(asked === 3);
      },
      onStep: (step) => told.push(step),
    };
    const drill = parseDrill({
      steps: [{ cut: "eu us" }, { at: "200ms", heal: null }, { expect: "convergence", within: "5s" }],
    });

    const steps = await holdDrill(drill, ground, NEVER);

    expect(performed).toEqual(["cut eu us", "heal"]);
    expect(steps.map(({ isMet }) => isMet)).toEqual([true, true, true]);
    expect(steps[1]?.atMs).toBeGreaterThanOrEqual(195);
    expect(asked).toBe(3);
    expect(told).toEqual(steps);
  });

  test("goes on after an expectation that was not met, and says so", async () => {
    const ground: DrillGround = {
      perform: async () => await Promise.resolve("done"),
      holds: async () => await Promise.resolve(false),
      onStep: () => undefined,
    };
    const drill = parseDrill({ steps: [{ expect: "convergence", within: "1ms" }, { heal: null }] });

    const steps = await holdDrill(drill, ground, NEVER);

    expect(steps.map(({ text, isMet }) => ({ text, isMet }))).toEqual([
      { text: "no convergence within 1 ms", isMet: false },
      { text: "done", isMet: true },
    ]);
  });
});
