import { describe, expect, test } from "vitest";

import { absorbHlc, hlcAt, hlcOf, isHlc, nextHlc, wallMsOf } from "../../../shared/hlc.ts";
import { InvariantError } from "../../../shared/invariant.ts";

const NOON = 1_800_000_000_000;

describe("the hybrid logical clock", () => {
  test("counts on within one millisecond", () => {
    const first = nextHlc(hlcAt(0), NOON);

    expect(first).toBe(hlcAt(NOON));
    expect(nextHlc(first, NOON)).toBe(first + 1n);
  });

  test("never goes back when the wall clock does", () => {
    const before = hlcAt(NOON);

    expect(nextHlc(before, NOON - 60_000)).toBe(before + 1n);
  });

  test("borrows the next millisecond when the counter is full", () => {
    const full = hlcOf(hlcAt(NOON) + 0xffffn);

    expect(wallMsOf(nextHlc(full, NOON))).toBe(NOON + 1);
  });

  test("catches up with a remote timestamp that is a little ahead", () => {
    const [own, remote] = [hlcAt(NOON), hlcAt(NOON + 500)];

    expect(absorbHlc(own, remote, NOON, 500)).toBe(remote);
  });

  test("does not absorb time further ahead than allowed", () => {
    const [own, remote] = [hlcAt(NOON), hlcAt(NOON + 501)];

    expect(absorbHlc(own, remote, NOON, 500)).toBe(own);
  });

  test("does not go back for a remote timestamp that is behind", () => {
    const own = hlcAt(NOON);

    expect(absorbHlc(own, hlcAt(NOON - 1), NOON, 500)).toBe(own);
    expect(absorbHlc(own, own, NOON, 500)).toBe(own);
  });

  test("reads the millisecond back, whatever the counter", () => {
    expect(wallMsOf(hlcOf(hlcAt(NOON) + 77n))).toBe(NOON);
  });

  test("begins at the epoch, whatever a broken clock says", () => {
    expect(hlcAt(-1)).toBe(0n);
    expect(hlcAt(1.9)).toBe(hlcAt(1));
  });

  test("fits 64 unsigned bits", () => {
    expect([isHlc(-1n), isHlc(0n), isHlc((1n << 64n) - 1n), isHlc(1n << 64n)]).toEqual([false, true, true, false]);
    expect(() => hlcOf(1n << 64n)).toThrow(InvariantError);
  });
});
