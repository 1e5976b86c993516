/**
 * Whether this node's wall clock can be trusted to stamp writes.
 *
 * A timestamp only ranks writes that did not see each other, so a clock that is wrong shadows nothing for ever; yet
 * whoever is ahead wins every conflict, and far ahead is parked by the others. Each probe carries four timestamps, as NTP's do,
 * and says how far the peer's clock is from this one, give or take half the round trip. The median over all nodes, this
 * one among them with 0, is what the time is taken to be: a minority of wrong clocks does not move it. Two nodes have
 * no median, and nobody knows which of them is wrong.
 *
 * A sample is kept as the peer's clock against this node's *monotonic* clock. So a jump of the own clock shows in the
 * next round, without asking anybody, and so does its being set right; a sample also stays good for long, because
 * monotonic clocks drift by parts in a million. Of the last few the one with the shortest round trip counts.
 *
 * Refusing and taking again both need several rounds in a row, or a clock at the edge would make clients try for
 * nothing. Whoever can compare with nobody keeps what was found last.
 *
 * Sources: RFC 5905, section 10 (clock filter); CockroachDB, which stops a node at 80 % of the bound.
 */
import { unreachable } from "../../shared/invariant.ts";
import {
  CLOCK_EARLIEST_MS,
  CLOCK_OFFSET_REFUSED_MS,
  CLOCK_OFFSET_WARNED_MS,
  CLOCK_ROUNDS,
} from "../../shared/limits.ts";
import type { Machine } from "./machine.ts";

/** `wallMs` is the wall clock, `nowMs` the monotonic one, both of this node and read together. */
export type ClockWatchInput =
  /** A peer's clock is `offsetMs` ahead of this one, give or take `errorMs`. */
  | {
      readonly kind: "probed";
      readonly peer: string;
      readonly offsetMs: number;
      readonly errorMs: number;
      readonly wallMs: number;
      readonly nowMs: number;
    }
  /** To be given every second. */
  | { readonly kind: "round"; readonly wallMs: number; readonly nowMs: number };

/** What to do about writes changes only by these. `aheadMs` is how far this clock is ahead of the median. */
export type ClockWatchEffect =
  | { readonly kind: "warn"; readonly aheadMs: number }
  | { readonly kind: "refuse"; readonly why: "offset"; readonly aheadMs: number }
  /** No battery keeps this clock: it shows a time before this software was written. */
  | { readonly kind: "refuse"; readonly why: "epoch" }
  | { readonly kind: "take" };

const SAMPLES_KEPT = 4;
const SAMPLE_MS_MAX = 10 * 60 * 1000;
/** Two others and this one. */
const PEERS_MIN = 2;

type Sample = {
  /** The peer's wall clock less this node's monotonic one. */
  readonly lead: number;
  readonly errorMs: number;
  readonly atMs: number;
};

export class ClockWatch implements Machine<ClockWatchInput, ClockWatchEffect> {
  readonly #samples = new Map<string, readonly Sample[]>();
  #isDead = false;
  #isRefusing = false;
  #isWarned = false;
  /** Rounds in a row that found other than what is done now. */
  #rounds = 0;

  step(input: ClockWatchInput): readonly ClockWatchEffect[] {
    switch (input.kind) {
      case "probed": {
        const { peer, offsetMs, errorMs, wallMs, nowMs } = input;
        const lead = wallMs + offsetMs - nowMs;
        const before = this.#samples.get(peer) ?? [];
        this.#samples.set(peer, [...before, { lead, errorMs, atMs: nowMs }].slice(-SAMPLES_KEPT));
        return [];
      }
      case "round":
        return this.#round(input);
      default:
        return unreachable(input);
    }
  }

  #round({ wallMs, nowMs }: ClockWatchInput & { readonly kind: "round" }): readonly ClockWatchEffect[] {
    if (wallMs < CLOCK_EARLIEST_MS) {
      const isNews = !this.#isDead;
      this.#isDead = true;
      return isNews ? [{ kind: "refuse", why: "epoch" }] : [];
    }
    // It was set right. Whether well enough is judged as for any other.
    if (this.#isDead) {
      this.#isDead = false;
      this.#isRefusing = false;
      return [{ kind: "take" }];
    }
    const aheadMs = this.#aheadMs(wallMs, nowMs);
    if (aheadMs === undefined) return [];

    const isWrong = Math.abs(aheadMs) > CLOCK_OFFSET_REFUSED_MS;
    this.#rounds = isWrong === this.#isRefusing ? 0 : this.#rounds + 1;
    if (this.#rounds >= CLOCK_ROUNDS) {
      this.#rounds = 0;
      this.#isRefusing = isWrong;
      return [isWrong ? { kind: "refuse", why: "offset", aheadMs } : { kind: "take" }];
    }
    const isSuspect = Math.abs(aheadMs) > CLOCK_OFFSET_WARNED_MS;
    const isNews = isSuspect && !this.#isWarned;
    this.#isWarned = isSuspect;
    return isNews ? [{ kind: "warn", aheadMs }] : [];
  }

  /** How far this clock is ahead of the median; `undefined` when too few can be compared with. */
  #aheadMs(wallMs: number, nowMs: number): number | undefined {
    const others: number[] = [];
    for (const samples of this.#samples.values()) {
      // What is less sure than the warning is wide says nothing.
      const good = samples.filter(
        ({ errorMs, atMs }) => errorMs <= CLOCK_OFFSET_WARNED_MS && nowMs - atMs <= SAMPLE_MS_MAX,
      );
      const [best] = good.toSorted((left, right) => left.errorMs - right.errorMs);
      if (best !== undefined) others.push(wallMs - nowMs - best.lead);
    }
    return others.length < PEERS_MIN ? undefined : medianOf([0, ...others]);
  }
}

/** Of an even number the one of the middle two that is nearer to 0: who can't tell who is wrong trusts himself. */
function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[sorted.length >> 1] ?? 0;
  const lower = sorted[(sorted.length - 1) >> 1] ?? 0;
  return Math.abs(lower) < Math.abs(upper) ? lower : upper;
}
