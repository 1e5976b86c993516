import { describe, expect, test } from "vitest";
import {
  GREET_PERIOD_MS,
  GREET_TIMEOUT_MS_MAX,
  GREET_TIMEOUT_MS_MIN,
  type Introduction,
  Membership,
  type MembershipEffect,
  RETRY_MS_MAX,
  RETRY_MS_MIN,
} from "../../../nodes/protocol/membership.ts";
import { parseClusterId, parseNodeId, parseOrigin, parseRegion } from "../../../shared/identity.ts";

const FRA = introduction("fra", "aaaaaaaaaaaaaaaa");
const IAD = introduction("iad", "bbbbbbbbbbbbbbbb");
const SIN = introduction("sin", "cccccccccccccccc");

function introduction(node: string, origin: string, changes: Partial<Introduction> = {}): Introduction {
  return {
    cluster: parseClusterId("meridian"),
    node: parseNodeId(node),
    region: parseRegion(node.slice(0, 3)),
    origin: parseOrigin(origin),
    boot: 1,
    nonce: "00000000000000f0",
    protocol: { min: 1, max: 1 },
    advertise: { peer: `${node}:7000` },
    ...changes,
  };
}

function fra(...join: readonly string[]): Membership<Introduction> {
  return new Membership(FRA, join.length === 0 ? ["iad:7000"] : join, 0);
}

function kinds(effects: readonly MembershipEffect[]): readonly string[] {
  return effects.map(({ kind }) => kind);
}

/** Wakes the machine when it asked to be woken, and answers nothing, until `endMs`. Returns when it greeted. */
function greetingsUntil(
  machine: Membership<Introduction>,
  endMs: number,
  first: readonly MembershipEffect[],
): number[] {
  const times: number[] = [];
  let wake = first.find((effect) => effect.kind === "wake");
  while (wake !== undefined && wake.atMs <= endMs) {
    const nowMs = wake.atMs;
    const effects = machine.step({ kind: "woke", nowMs, jitter: 0.5 });
    if (effects.some(({ kind }) => kind === "greet")) times.push(nowMs);
    wake = effects.find((effect) => effect.kind === "wake");
  }
  return times;
}

/** A machine for which iad is reachable, 80 ms away, at 100 ms. */
function fraThatReachesIad(): Membership<Introduction> {
  const machine = fra();
  machine.step({ kind: "woke", nowMs: 0, jitter: 0 });
  machine.step({ kind: "answered", address: "iad:7000", greetingNumber: 1, said: IAD, roundTripMs: 80, nowMs: 100 });
  return machine;
}

describe("membership", () => {
  test("greets every configured address at the start and asks to be woken for the next try", () => {
    const machine = fra("iad:7000", "sin:7000");

    expect(machine.step({ kind: "woke", nowMs: 0, jitter: 0 })).toEqual([
      { kind: "greet", address: "iad:7000", greetingNumber: 1, timeoutMs: GREET_TIMEOUT_MS_MAX },
      { kind: "greet", address: "sin:7000", greetingNumber: 1, timeoutMs: GREET_TIMEOUT_MS_MAX },
      { kind: "wake", atMs: RETRY_MS_MIN },
    ]);
    expect(machine.members().map(({ reachability }) => reachability)).toEqual(["connecting", "connecting"]);
  });

  test("an answer makes a peer reachable and tells how far away it is", () => {
    const machine = fra();
    machine.step({ kind: "woke", nowMs: 0, jitter: 0 });

    const effects = machine.step({
      kind: "answered",
      address: "iad:7000",
      greetingNumber: 1,
      said: IAD,
      roundTripMs: 80,
      nowMs: 80,
    });

    expect(effects).toEqual([
      { kind: "changed", address: "iad:7000" },
      { kind: "wake", atMs: 80 + GREET_PERIOD_MS },
    ]);
    expect(machine.members()).toEqual([
      {
        address: "iad:7000",
        reachability: "reachable",
        sinceMs: 80,
        said: IAD,
        roundTripMs: 80,
        smoothedRoundTripMs: 80,
      },
    ]);
  });

  test("the distance is the shortest of the last twenty round trips, and what a call takes is a smoothed mean", () => {
    const machine = fraThatReachesIad();
    for (let number = 2; number <= 21; number += 1) {
      const nowMs = number * GREET_PERIOD_MS * 2;
      machine.step({ kind: "woke", nowMs, jitter: 0 });
      machine.step({
        kind: "answered",
        address: "iad:7000",
        greetingNumber: number,
        said: IAD,
        roundTripMs: 160,
        nowMs,
      });
    }

    const [iad] = machine.members();
    expect(iad?.roundTripMs).toBe(160);
    expect(iad?.smoothedRoundTripMs).toBeCloseTo(160 - 80 * (7 / 8) ** 20, 6);
  });

  test("one greeting that is lost is repeated at once; the second in a row makes the peer unreachable", () => {
    const machine = fraThatReachesIad();
    machine.step({ kind: "woke", nowMs: 1_100, jitter: 0 });

    const first = machine.step({ kind: "failed", address: "iad:7000", greetingNumber: 2, nowMs: 1_600 });
    const again = machine.step({ kind: "woke", nowMs: 1_600, jitter: 0 });
    const second = machine.step({ kind: "failed", address: "iad:7000", greetingNumber: 3, nowMs: 2_600 });

    expect(first).toEqual([{ kind: "wake", atMs: 1_600 }]);
    // The second chance waits twice as long: the link may have become slow.
    expect(again[0]).toEqual({
      kind: "greet",
      address: "iad:7000",
      greetingNumber: 3,
      timeoutMs: 2 * GREET_TIMEOUT_MS_MIN,
    });
    expect(second).toEqual([{ kind: "changed", address: "iad:7000" }]);
    expect(machine.members()[0]?.reachability).toBe("unreachable");
  });

  test("a stream that breaks makes the peer unreachable at once and is followed by a greeting", () => {
    const machine = fraThatReachesIad();

    expect(machine.step({ kind: "broken", address: "iad:7000", nowMs: 500 })).toEqual([
      { kind: "changed", address: "iad:7000" },
      { kind: "wake", atMs: 500 },
    ]);
    expect(kinds(machine.step({ kind: "woke", nowMs: 500, jitter: 0 }))).toEqual(["greet", "wake"]);
  });

  test("an unreachable peer is greeted again at least every half second, whether earlier greetings have ended or not", () => {
    const machine = fraThatReachesIad();
    const broken = machine.step({ kind: "broken", address: "iad:7000", nowMs: 1_000 });

    const times = greetingsUntil(machine, 11_000, broken);

    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(times[0]).toBe(1_000);
    expect(times.length).toBeGreaterThanOrEqual(20);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(RETRY_MS_MAX);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(RETRY_MS_MIN);
  });

  test("a greeting that failed after a later one was answered is old news", () => {
    const machine = fraThatReachesIad();
    machine.step({ kind: "broken", address: "iad:7000", nowMs: 1_000 });
    machine.step({ kind: "woke", nowMs: 1_000, jitter: 0 });
    machine.step({ kind: "woke", nowMs: 1_250, jitter: 0 });
    machine.step({
      kind: "answered",
      address: "iad:7000",
      greetingNumber: 3,
      said: IAD,
      roundTripMs: 80,
      nowMs: 1_330,
    });

    machine.step({ kind: "failed", address: "iad:7000", greetingNumber: 2, nowMs: 1_500 });
    machine.step({ kind: "failed", address: "iad:7000", greetingNumber: 1, nowMs: 1_500 });

    expect(machine.members()[0]?.reachability).toBe("reachable");
  });

  test("connections that stay mute are opened anew every two seconds, and what ends with them does not count", () => {
    const machine = fra();
    machine.step({ kind: "woke", nowMs: 0, jitter: 0 });
    machine.step({ kind: "woke", nowMs: 250, jitter: 0 });

    const first = machine.step({ kind: "failed", address: "iad:7000", greetingNumber: 1, nowMs: 900 });
    machine.step({ kind: "woke", nowMs: 2_000, jitter: 0 });
    const second = machine.step({ kind: "failed", address: "iad:7000", greetingNumber: 2, nowMs: 2_100 });
    const ended = machine.step({ kind: "failed", address: "iad:7000", greetingNumber: 3, nowMs: 2_100 });

    expect(first).toEqual([{ kind: "changed", address: "iad:7000" }]);
    expect(second).toEqual([
      { kind: "redial", address: "iad:7000" },
      { kind: "wake", atMs: 2_100 },
    ]);
    expect(ended).toEqual([]);
  });

  test("a call from an unreachable peer is answered by a greeting, but not by one for each call", () => {
    const machine = fra();
    machine.step({ kind: "woke", nowMs: 0, jitter: 1 });

    const soon = machine.step({ kind: "heard", said: IAD, nowMs: 10 });
    const again = machine.step({ kind: "heard", said: IAD, nowMs: 20 });

    expect(soon).toEqual([{ kind: "wake", atMs: 100 }]);
    expect(again).toEqual([]);
  });

  test("finds itself in the list and forgets the address", () => {
    const machine = fra("fra:7000", "iad:7000");
    machine.step({ kind: "woke", nowMs: 0, jitter: 0 });

    const effects = machine.step({
      kind: "answered",
      address: "fra:7000",
      greetingNumber: 1,
      said: FRA,
      roundTripMs: 0,
      nowMs: 1,
    });

    expect(effects).toEqual([{ kind: "drop", address: "fra:7000" }]);
    expect(machine.members().map(({ address }) => address)).toEqual(["iad:7000"]);
  });

  test.each<{ readonly what: string; readonly said: Introduction }>([
    {
      what: "a copy of it that counts its starts alike",
      said: introduction("fra", FRA.origin, { nonce: "00000000000000f1" }),
    },
    { what: "another start of it", said: introduction("fra", FRA.origin, { boot: 2 }) },
    { what: "the same start under another name", said: introduction("fra-copy", FRA.origin) },
  ])("stops writing when its own data directory is alive elsewhere: $what", ({ said }) => {
    const machine = fra();
    machine.step({ kind: "woke", nowMs: 0, jitter: 0 });

    const effects = machine.step({
      kind: "answered",
      address: "iad:7000",
      greetingNumber: 1,
      said,
      roundTripMs: 1,
      nowMs: 1,
    });

    expect(effects[0]).toEqual({ kind: "fence", trouble: "own-origin-elsewhere", said });
  });

  test("a call of its own former start may arrive late, but a copy that keeps calling takes the right to write", () => {
    const machine = new Membership({ ...FRA, boot: 3 }, ["iad:7000"], 0);

    const late = machine.step({ kind: "heard", said: { ...FRA, boot: 2 }, nowMs: 10 });
    const copy = machine.step({ kind: "heard", said: { ...FRA, boot: 2 }, nowMs: 6_000 });

    expect(late.some(({ kind }) => kind === "fence")).toBe(false);
    expect(copy[0]).toEqual({ kind: "fence", trouble: "own-origin-elsewhere", said: { ...FRA, boot: 2 } });
  });

  test("a call of a later start of its own origin can only come from a copy", () => {
    const machine = fra();

    expect(machine.step({ kind: "heard", said: { ...FRA, boot: 2 }, nowMs: 10 })[0]?.kind).toBe("fence");
  });

  test.each<{ readonly trouble: string; readonly said: Introduction }>([
    { trouble: "other-cluster", said: { ...IAD, cluster: parseClusterId("another") } },
    { trouble: "other-protocol", said: { ...IAD, protocol: { min: 2, max: 4 } } },
    { trouble: "same-name", said: introduction("fra", IAD.origin) },
  ])("refuses a peer and reports it once: $trouble", ({ trouble, said }) => {
    const machine = fra();
    machine.step({ kind: "woke", nowMs: 0, jitter: 0 });
    const answer = { kind: "answered" as const, address: "iad:7000", said, roundTripMs: 1, nowMs: 1 };

    const first = machine.step({ ...answer, greetingNumber: 1 });
    machine.step({ kind: "woke", nowMs: 5_001, jitter: 0 });
    const second = machine.step({ ...answer, greetingNumber: 2, nowMs: 5_002 });

    expect(first).toEqual([
      { kind: "report", trouble, address: "iad:7000", said },
      { kind: "changed", address: "iad:7000" },
      { kind: "wake", atMs: 5_001 },
    ]);
    expect(kinds(second)).toEqual(["wake"]);
    expect(machine.members()[0]).toMatchObject({ reachability: "unreachable", said: undefined });
  });

  test("another node at a known address is taken for what it is: reported, with its own distance", () => {
    const machine = fraThatReachesIad();
    machine.step({ kind: "woke", nowMs: 1_100, jitter: 0 });

    const effects = machine.step({
      kind: "answered",
      address: "iad:7000",
      greetingNumber: 2,
      said: SIN,
      roundTripMs: 200,
      nowMs: 1_300,
    });

    expect(effects).toEqual([
      { kind: "report", trouble: "moved", address: "iad:7000", said: SIN },
      { kind: "changed", address: "iad:7000" },
      { kind: "wake", atMs: 1_300 + GREET_PERIOD_MS },
    ]);
    expect(machine.members()[0]).toMatchObject({ said: SIN, roundTripMs: 200, smoothedRoundTripMs: 200 });
  });

  test("a peer that has restarted is told as a change", () => {
    const machine = fraThatReachesIad();
    machine.step({ kind: "woke", nowMs: 1_100, jitter: 0 });

    const effects = machine.step({
      kind: "answered",
      address: "iad:7000",
      greetingNumber: 2,
      said: { ...IAD, boot: 2 },
      roundTripMs: 80,
      nowMs: 1_180,
    });

    expect(kinds(effects)).toEqual(["changed", "wake"]);
  });

  test("one origin alive in two starts at two addresses is reported", () => {
    const machine = fra("iad:7000", "copy:7000");
    machine.step({ kind: "woke", nowMs: 0, jitter: 0 });
    machine.step({ kind: "answered", address: "iad:7000", greetingNumber: 1, said: IAD, roundTripMs: 1, nowMs: 1 });
    const said = { ...IAD, boot: 2, advertise: { peer: "copy:7000" } };

    const effects = machine.step({
      kind: "answered",
      address: "copy:7000",
      greetingNumber: 1,
      said,
      roundTripMs: 1,
      nowMs: 1,
    });

    expect(effects[0]).toEqual({ kind: "report", trouble: "two-lives", address: "copy:7000", said });
  });

  test("answers and failures of an address that was dropped change nothing", () => {
    const machine = fra("fra:7000");
    machine.step({ kind: "woke", nowMs: 0, jitter: 0 });
    const answer = { kind: "answered" as const, address: "fra:7000", said: FRA, roundTripMs: 0, nowMs: 1 };
    machine.step({ ...answer, greetingNumber: 1 });

    expect(machine.step({ ...answer, greetingNumber: 1 })).toEqual([]);
    expect(machine.step({ kind: "failed", address: "fra:7000", greetingNumber: 1, nowMs: 2 })).toEqual([]);
    expect(machine.step({ kind: "broken", address: "fra:7000", nowMs: 2 })).toEqual([]);
    expect(machine.step({ kind: "woke", nowMs: 3, jitter: 0 })).toEqual([]);
  });
});
