import { describe, expect, test } from "vitest";
import { ClockWatch, type ClockWatchEffect } from "../../../nodes/protocol/clock-watch.ts";

const BEGINNING_MS = 1_767_225_600_000;

/** A node whose clock is ahead by `aheadMs()`, among others whose clocks are ahead by `others`; all in ms. */
class Watched {
  readonly #machine = new ClockWatch();
  #nowMs = 0;
  aheadMs: number;

  constructor(aheadMs: number) {
    this.aheadMs = aheadMs;
  }

  probe(others: readonly number[], errorMs = 40): void {
    for (const [index, other] of others.entries()) {
      const offsetMs = other - this.aheadMs;
      this.#machine.step({ kind: "probed", peer: `peer ${index}`, offsetMs, errorMs, ...this.#clocks() });
    }
  }

  rounds(count: number): readonly ClockWatchEffect[] {
    return Array.from({ length: count }).flatMap(() => {
      this.#nowMs += 1_000;
      return this.#machine.step({ kind: "round", ...this.#clocks() });
    });
  }

  #clocks(): { readonly wallMs: number; readonly nowMs: number } {
    return { wallMs: BEGINNING_MS + this.#nowMs + this.aheadMs, nowMs: this.#nowMs };
  }
}

describe("a clock", () => {
  test.each([
    { what: "right", aheadMs: 0, others: [0, 0], effects: [] },
    { what: "off a little", aheadMs: -240, others: [0, 0], effects: [] },
    { what: "off", aheadMs: 300, others: [0, 0], effects: [{ kind: "warn", aheadMs: 300 }] },
    {
      what: "wrong",
      aheadMs: 600,
      others: [0, 0],
      effects: [
        { kind: "warn", aheadMs: 600 },
        { kind: "refuse", why: "offset", aheadMs: 600 },
      ],
    },
    { what: "one of two that disagree", aheadMs: 9_000, others: [0], effects: [] },
    { what: "right beside a wrong one", aheadMs: 0, others: [0, 9_000], effects: [] },
    { what: "one of two against two", aheadMs: 9_000, others: [9_000, 0, 0], effects: [] },
    {
      what: "the only right one, which nobody can know",
      aheadMs: 0,
      others: [-9_000, -9_000, -9_000],
      effects: [
        { kind: "warn", aheadMs: 9_000 },
        { kind: "refuse", why: "offset", aheadMs: 9_000 },
      ],
    },
  ])("that is $what is judged after three rounds by the median of all", ({ aheadMs, others, effects }) => {
    const node = new Watched(aheadMs);
    node.probe(others);

    expect(node.rounds(3)).toEqual(effects);
  });

  test("is not judged by an answer that took too long to say anything", () => {
    const node = new Watched(9_000);
    node.probe([0, 0], 900);

    expect(node.rounds(5)).toEqual([]);
  });

  test("that jumps is noticed without asking anybody again, and trusted again once it is set right", () => {
    const node = new Watched(0);
    node.probe([0, 0]);
    node.rounds(2);
    node.aheadMs = -60_000;
    const wrong = node.rounds(4);
    node.aheadMs = 0;
    const right = node.rounds(4);

    expect(wrong.at(-1)).toEqual({ kind: "refuse", why: "offset", aheadMs: -60_000 });
    expect(right).toEqual([{ kind: "take" }]);
  });

  test("that is wrong for a moment is not worth refusing anything", () => {
    const node = new Watched(0);
    node.probe([0, 0]);
    node.aheadMs = 700;
    const wrong = node.rounds(2);
    node.aheadMs = 0;

    expect([...wrong, ...node.rounds(3)]).toEqual([{ kind: "warn", aheadMs: 700 }]);
  });

  test("without a battery is refused at once, and trusted once it is set, by a node that is alone as well", () => {
    const node = new Watched(-BEGINNING_MS);

    expect(node.rounds(3)).toEqual([{ kind: "refuse", why: "epoch" }]);
    node.aheadMs = 0;
    expect(node.rounds(3)).toEqual([{ kind: "take" }]);
  });

  test("is judged by the answer that took the shortest way", () => {
    const node = new Watched(0);
    node.probe([0, 0], 10);
    node.probe([700, 700], 200);

    expect(node.rounds(3)).toEqual([]);
  });
});
