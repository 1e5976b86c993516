import { describe, expect, test } from "vitest";

import { Figures } from "../support/torture/figures.ts";
import { Oracle } from "../support/torture/oracle.ts";

const TAG = "tag repo latest";

function acknowledged(oracle: Oracle, value: string | undefined): void {
  oracle.acknowledge(oracle.begin(TAG, value));
}

describe("the oracle", () => {
  test("knows of a register that nobody has written that it is empty", () => {
    expect(new Oracle().observe(TAG, "a")).toEqual({ kind: "returned", what: TAG, detail: "a instead of nothing" });
  });

  test("calls what was acknowledged and is gone lost, what is older stale, and what was deleted returned", () => {
    const oracle = new Oracle();
    acknowledged(oracle, "a");
    acknowledged(oracle, "b");

    expect(oracle.compare(TAG, "b")).toBeUndefined();
    expect(oracle.compare(TAG, undefined)?.kind).toBe("lost");
    expect(oracle.compare(TAG, "a")?.kind).toBe("stale");
    acknowledged(oracle, undefined);
    expect(oracle.compare(TAG, undefined)).toBeUndefined();
    expect(oracle.compare(TAG, "b")?.kind).toBe("returned");
  });

  test("allows both outcomes of a write without an answer, and the old one no longer once it was overtaken", () => {
    const oracle = new Oracle();
    acknowledged(oracle, "a");
    oracle.begin(TAG, "b");

    expect(oracle.allowed(TAG)).toEqual(["a", "b"]);
    acknowledged(oracle, "c");
    expect(oracle.allowed(TAG)).toEqual(["b", "c"]);
  });

  test("allows any order of writes that were under way at the same time", () => {
    const oracle = new Oracle();
    const [first, second] = [oracle.begin(TAG, "a"), oracle.begin(TAG, "b")];
    oracle.acknowledge(second);
    oracle.acknowledge(first);

    expect(oracle.allowed(TAG)).toEqual(["a", "b"]);
  });

  test("forgets a write that was refused", () => {
    const oracle = new Oracle();
    acknowledged(oracle, "a");
    oracle.refuse(oracle.begin(TAG, undefined));

    expect(oracle.compare(TAG, undefined)?.kind).toBe("lost");
  });

  test("takes what a new life has as the truth, and what the old one has not yet", () => {
    const oracle = new Oracle();
    acknowledged(oracle, "a");
    oracle.begin(TAG, "b");

    expect(oracle.compare(TAG, "a")).toBeUndefined();
    expect(oracle.observe(TAG, "b")).toBeUndefined();
    expect(oracle.compare(TAG, "a")?.kind).toBe("stale");
  });
});

describe("the figures of a long run", () => {
  test("pass when nothing was at fault and everything was tried, and say which did not", () => {
    const figures = new Figures();
    const names = figures.lines().map((line) => line.split(" "));
    expect(figures.isPassing()).toBe(false);
    for (const [name, , target] of names) {
      if (target === ">0" && (name === "power_cuts" || name === "kills")) figures.add(name, 3);
    }
    figures.add("rot_lies", 1);

    expect(figures.lines()).toEqual(
      expect.arrayContaining(["power_cuts 3 >0 pass", "rot_lies 1 =0 FAIL", "sweep_cells 0 >0 FAIL"]),
    );
  });
});
