import { describe, expect, test } from "vitest";
import {
  ASK_RETRY_MS,
  PATIENCE_MS,
  Recollection,
  type RecollectionEffect,
} from "../../../nodes/protocol/recollection.ts";

type Reachability = "connecting" | "reachable" | "unreachable";

function looked(machine: Recollection, nowMs: number, members: Readonly<Record<string, Reachability>>) {
  const views = Object.entries(members).map(([peer, reachability]) => ({ peer, reachability }));
  return machine.step({ kind: "looked", members: views, nowMs });
}

const INTACT: RecollectionEffect = { kind: "settle", isBehind: false, head: 5 };

describe("a node that has written before", () => {
  test("asks whoever it can reach, each once", () => {
    const fra = new Recollection(5, 0);
    const first = looked(fra, 10, { iad: "reachable", sin: "connecting" });
    const again = looked(fra, 20, { iad: "reachable", sin: "reachable" });

    expect(first).toEqual([
      { kind: "ask", peer: "iad" },
      { kind: "wake", atMs: PATIENCE_MS },
    ]);
    expect(again).toEqual([
      { kind: "ask", peer: "sin" },
      { kind: "wake", atMs: PATIENCE_MS },
    ]);
  });

  test("may write as soon as everybody has answered, and nobody knows more", () => {
    const fra = new Recollection(5, 0);
    looked(fra, 10, { iad: "reachable", sin: "reachable" });
    fra.step({ kind: "told", peer: "iad", head: 5, nowMs: 90 });

    expect(fra.step({ kind: "told", peer: "sin", head: 2, nowMs: 170 })).toEqual([INTACT]);
  });

  test("waits for those who are away, but not for ever", () => {
    const fra = new Recollection(5, 0);
    looked(fra, 10, { iad: "reachable", sin: "unreachable" });
    const told = fra.step({ kind: "told", peer: "iad", head: 5, nowMs: 90 });

    expect(told).toEqual([{ kind: "wake", atMs: PATIENCE_MS }]);
    expect(fra.step({ kind: "woke", nowMs: PATIENCE_MS })).toEqual([INTACT]);
  });

  test("waits as long as nobody answers, and asks again whoever did not", () => {
    const fra = new Recollection(5, 0);
    looked(fra, 10, { iad: "reachable" });
    const failed = fra.step({ kind: "failed", peer: "iad", nowMs: PATIENCE_MS + 1 });
    const woken = fra.step({ kind: "woke", nowMs: PATIENCE_MS + 1 + ASK_RETRY_MS });

    expect(failed).toEqual([{ kind: "wake", atMs: PATIENCE_MS + 1 + ASK_RETRY_MS }]);
    expect(woken).toEqual([{ kind: "ask", peer: "iad" }]);
    expect(fra.step({ kind: "told", peer: "iad", head: 0, nowMs: PATIENCE_MS + 600 })).toEqual([INTACT]);
  });

  test("learns from the first who knows more that its directory was put back", () => {
    const fra = new Recollection(5, 0);
    looked(fra, 10, { iad: "reachable", sin: "connecting" });

    expect(fra.step({ kind: "told", peer: "iad", head: 8, nowMs: 90 })).toEqual([
      { kind: "settle", isBehind: true, head: 8 },
    ]);
    expect(fra.step({ kind: "told", peer: "sin", head: 9, nowMs: 91 })).toEqual([]);
  });

  test("is alone when nobody else is configured", () => {
    const fra = new Recollection(5, 0);

    expect(looked(fra, 10, {})).toEqual([INTACT]);
  });
});
