import { describe, expect, test } from "vitest";
import { Audit, type AuditEffect, type Sighting } from "../../../nodes/protocol/audit.ts";
import { parseOrigin } from "../../../shared/identity.ts";
import { AUDIT_PERIOD_MS, AUDIT_RECHECK_MS, AUDIT_RECHECKS_MAX } from "../../../shared/limits.ts";
import { VersionVector } from "../../../shared/version-vector.ts";

const FRA = parseOrigin("aaaaaaaaaaaaaaaa");
const IAD = parseOrigin("bbbbbbbbbbbbbbbb");
const NEXT_AUDIT = { kind: "wake", atMs: AUDIT_PERIOD_MS } as const;
const NEXT_LOOK = { kind: "wake", atMs: AUDIT_RECHECK_MS } as const;

/** What each side holds of the other's ops, and the sums of the lanes that differ. */
function sighting(
  [own, peer]: readonly [own: number, peer: number],
  lanes: Readonly<Record<number, readonly [own: bigint, peer: bigint]>>,
): Sighting {
  return {
    ownHeld: held(9, own),
    peerHeld: held(peer, 9),
    lanes: new Map(Object.entries(lanes).map(([lane, [mine, theirs]]) => [Number(lane), { own: mine, peer: theirs }])),
  };
}

function held(ofFra: number, ofIad: number): VersionVector {
  return VersionVector.from([
    { origin: FRA, upto: ofFra, beyond: [] },
    { origin: IAD, upto: ofIad, beyond: [] },
  ]);
}

/** The effects of each look at iad, all at time 0. */
function look(audit: Audit, ...sightings: readonly Sighting[]): readonly (readonly AuditEffect[])[] {
  return sightings.map((one) => {
    audit.step({ kind: "woke", peers: ["iad", "sin"], chance: 0, nowMs: 0 });
    return audit.step({ kind: "compared", peer: "iad", sighting: one, nowMs: 0 });
  });
}

const SAME_EVERY_TIME = sighting([9, 9], { 7: [1n, 2n] });

describe("an audit", () => {
  test("compares with the peer that chance names, one at a time", () => {
    const audit = new Audit();

    expect(audit.step({ kind: "woke", peers: ["iad", "sin"], chance: 0.5, nowMs: 0 })).toEqual([
      { kind: "compare", peer: "sin" },
    ]);
    expect(audit.step({ kind: "woke", peers: ["iad"], chance: 0, nowMs: 1 })).toEqual([]);
  });

  test("that finds no difference, or no peer, or no answer, is over until the next", () => {
    const audit = new Audit();

    expect(look(audit, sighting([9, 9], {}))).toEqual([[NEXT_AUDIT]]);
    expect(audit.step({ kind: "woke", peers: [], chance: 0.9, nowMs: 0 })).toEqual([NEXT_AUDIT]);
    audit.step({ kind: "woke", peers: ["iad"], chance: 0, nowMs: 0 });
    expect(audit.step({ kind: "failed", peer: "iad", nowMs: 0 })).toEqual([NEXT_AUDIT]);
  });

  test("repairs a difference that nothing explains, at the third look", () => {
    expect(look(new Audit(), SAME_EVERY_TIME, SAME_EVERY_TIME, SAME_EVERY_TIME)).toEqual([
      [NEXT_LOOK],
      [NEXT_LOOK],
      [{ kind: "repair", peer: "iad", lanes: [7] }, NEXT_AUDIT],
    ]);
  });

  test("repairs only lanes that differed in the same way at every look", () => {
    const first = sighting([9, 9], { 7: [1n, 2n], 8: [3n, 4n], 9: [5n, 6n] });
    const second = sighting([9, 9], { 7: [1n, 2n], 8: [3n, 5n] });
    const third = sighting([9, 9], { 7: [1n, 2n], 8: [3n, 5n], 9: [5n, 6n] });

    expect(look(new Audit(), first, second, third).at(-1)).toEqual([
      { kind: "repair", peer: "iad", lanes: [7] },
      NEXT_AUDIT,
    ]);
  });

  test.each([
    ["this node lacks", [3, 9]],
    ["the peer lacks", [9, 3]],
  ] as const)("waits as long as %s ops that the other held at the first look", (_who, heads) => {
    const behind = sighting(heads, { 7: [1n, 2n] });

    const looks = look(new Audit(), behind, behind, behind, behind, SAME_EVERY_TIME, SAME_EVERY_TIME);

    expect(looks).toEqual([
      [NEXT_LOOK],
      [NEXT_LOOK],
      [NEXT_LOOK],
      [NEXT_LOOK],
      [NEXT_LOOK],
      [{ kind: "repair", peer: "iad", lanes: [7] }, NEXT_AUDIT],
    ]);
  });

  test("begins anew with a difference that has become another, and leaves one that never rests to the next audit", () => {
    const restless = Array.from({ length: AUDIT_RECHECKS_MAX + 1 }, (_, index) =>
      sighting([9, 9], { 7: [1n, BigInt(index)] }),
    );

    const looks = look(new Audit(), ...restless);

    expect(looks.slice(0, -1)).toEqual(Array.from({ length: AUDIT_RECHECKS_MAX }, () => [NEXT_LOOK]));
    expect(looks.at(-1)).toEqual([NEXT_AUDIT]);
  });

  test("goes on with the peer it suspects, whatever chance names, and drops the suspicion with the peer", () => {
    const audit = new Audit();
    look(audit, SAME_EVERY_TIME, SAME_EVERY_TIME);

    expect(audit.step({ kind: "woke", peers: ["iad", "sin"], chance: 0.9, nowMs: 0 })).toEqual([
      { kind: "compare", peer: "iad" },
    ]);
    audit.step({ kind: "failed", peer: "iad", nowMs: 0 });
    expect(look(audit, SAME_EVERY_TIME)).toEqual([[NEXT_LOOK]]);
    expect(audit.step({ kind: "woke", peers: ["sin"], chance: 0, nowMs: 0 })).toEqual([
      { kind: "compare", peer: "sin" },
    ]);
  });

  test("does not hear answers that it has not asked for", () => {
    const audit = new Audit();

    expect(audit.step({ kind: "compared", peer: "iad", sighting: SAME_EVERY_TIME, nowMs: 0 })).toEqual([]);
    expect(audit.step({ kind: "failed", peer: "iad", nowMs: 0 })).toEqual([]);
  });
});
