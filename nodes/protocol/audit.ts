/**
 * When two nodes that hold different registers have no reason to.
 *
 * Each holds what its version vector says, and two that hold the same must be the same. But vectors are hardly ever
 * equal while people work: something is always on its way. Waiting for a quiet moment would leave a busy cluster
 * unaudited. So a difference is looked at twice. Say the sums of a lane differ between A and B; later both sums are
 * what they were, A holds all that B held then, and B all that A held then. Whatever one of them had then that the
 * other had not has arrived since and has changed no register of the lane. So it was no reason for the difference, and
 * there is none: a defect, or damage. It is repaired by exchanging the registers, and is an alarm.
 *
 * To be on the safe side of a rule that nobody should ever see at work, it takes `AUDIT_SIGHTINGS` looks.
 *
 * Repair is by merging what the other has: it can lose nothing, and the other will fetch what it lacks in its own audit.
 *
 * Source: anti-entropy of Demers et al., "Epidemic Algorithms for Replicated Database Maintenance" (1987).
 */
import { unreachable } from "../../shared/invariant.ts";
import { AUDIT_PERIOD_MS, AUDIT_RECHECK_MS, AUDIT_RECHECKS_MAX, AUDIT_SIGHTINGS } from "../../shared/limits.ts";
import type { VersionVector } from "../../shared/version-vector.ts";
import type { Machine } from "./machine.ts";

export type PeerKey = string;

/** One comparison: the lanes whose sums differ, each side's with what it held at that moment. */
export type Sighting = {
  readonly ownHeld: VersionVector;
  readonly peerHeld: VersionVector;
  readonly lanes: ReadonlyMap<number, LaneSums>;
};

export type LaneSums = { readonly own: bigint; readonly peer: bigint };

/** The lanes of `before` whose difference nothing that was on its way then explains. */
export function unexplained(before: Sighting, now: Sighting): readonly number[] {
  return hasArrived(before, now) ? unchanged(before, now) : [];
}

/** Whether each side has come to hold what the other held at `before`. */
export function hasArrived(before: Sighting, now: Sighting): boolean {
  return now.ownHeld.covers(before.peerHeld) && now.peerHeld.covers(before.ownHeld);
}

function unchanged(before: Sighting, now: Sighting): readonly number[] {
  return [...before.lanes].flatMap(([lane, sums]) => {
    const after = now.lanes.get(lane);
    return after?.own === sums.own && after.peer === sums.peer ? [lane] : [];
  });
}

/** `nowMs` is of one monotonic clock. */
export type AuditInput = { readonly nowMs: number } & (
  | {
      readonly kind: "woke";
      /** Who can be reached. */
      readonly peers: readonly PeerKey[];
      /** Even in [0, 1). */
      readonly chance: number;
    }
  | { readonly kind: "compared"; readonly peer: PeerKey; readonly sighting: Sighting }
  /** The peer did not answer, or has no sums yet. */
  | { readonly kind: "failed"; readonly peer: PeerKey }
);

export type AuditEffect =
  /** Answered by `compared` or `failed`. */
  | { readonly kind: "compare"; readonly peer: PeerKey }
  /** Merge what the peer has in these lanes, and raise the alarm. */
  | { readonly kind: "repair"; readonly peer: PeerKey; readonly lanes: readonly number[] }
  /** Give `woke` at that time. Replaces what was asked before. */
  | { readonly kind: "wake"; readonly atMs: number };

type Suspicion = {
  readonly peer: PeerKey;
  /** Lanes that have differed in the same way since; fewer with each look. */
  readonly first: Sighting;
  readonly sightings: number;
  readonly looks: number;
};

export class Audit implements Machine<AuditInput, AuditEffect> {
  /** Who is being asked. */
  #asked: PeerKey | undefined;
  #suspicion: Suspicion | undefined;

  step(input: AuditInput): readonly AuditEffect[] {
    switch (input.kind) {
      case "woke":
        return this.#woke(input.peers, input);
      case "compared":
        if (input.peer !== this.#asked) return [];
        this.#asked = undefined;
        return this.#compared(input.peer, input.sighting, input.nowMs);
      case "failed":
        if (input.peer !== this.#asked) return [];
        this.#asked = undefined;
        return this.#rest(input.nowMs);
      default:
        return unreachable(input);
    }
  }

  #woke(peers: readonly PeerKey[], { chance, nowMs }: { readonly chance: number; readonly nowMs: number }) {
    if (this.#asked !== undefined) return [];
    const suspect = this.#suspicion?.peer;
    const peer = suspect !== undefined && peers.includes(suspect) ? suspect : peers[Math.floor(chance * peers.length)];
    if (peer !== suspect) this.#suspicion = undefined;
    if (peer === undefined) return this.#rest(nowMs);
    this.#asked = peer;
    return [{ kind: "compare", peer } as const];
  }

  #compared(peer: PeerKey, sighting: Sighting, nowMs: number): readonly AuditEffect[] {
    if (sighting.lanes.size === 0) return this.#rest(nowMs);
    const last = this.#suspicion;
    const looks = (last?.looks ?? 0) + 1;
    if (looks > AUDIT_RECHECKS_MAX) return this.#rest(nowMs);

    const still = last === undefined ? [] : unchanged(last.first, sighting);
    if (last === undefined || still.length === 0) {
      this.#suspicion = { peer, first: sighting, sightings: 1, looks };
      return [{ kind: "wake", atMs: nowMs + AUDIT_RECHECK_MS }];
    }
    const sightings = last.sightings + (unexplained(last.first, sighting).length > 0 ? 1 : 0);
    if (sightings >= AUDIT_SIGHTINGS) return [{ kind: "repair", peer, lanes: still }, ...this.#rest(nowMs)];
    const lanes = new Map([...last.first.lanes].filter(([lane]) => still.includes(lane)));
    this.#suspicion = { peer, first: { ...last.first, lanes }, sightings, looks };
    return [{ kind: "wake", atMs: nowMs + AUDIT_RECHECK_MS }];
  }

  /** Until the next audit, with whomever chance names. */
  #rest(nowMs: number): readonly AuditEffect[] {
    this.#suspicion = undefined;
    return [{ kind: "wake", atMs: nowMs + AUDIT_PERIOD_MS }];
  }
}
