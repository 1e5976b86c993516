/**
 * The numbers of the failure detector, "geo-safe": how long a suspect may take to refute, how often a rumour is told,
 * how much a node that is slow itself doubts what it sees.
 *
 * A suspicion begins with a long timeout, and each further accuser shortens it: one accuser may be deaf, three are
 * not. The shortest is `4 · log10(n)` probe periods, as long as a rumour needs to reach the suspect and its refutation
 * to come back with much to spare; the longest six times that. A node that misses answers, has to refute, or wakes
 * late counts that against itself and waits longer before it accuses (Lifeguard's local health). Unlike hashicorp's
 * memberlist, which stretches the period alone, this stretches the timeout with it, as the paper does: a node that
 * is slow is slow to read answers.
 *
 * The alternative, phi accrual, adapts to jitter but judges alone, has no second opinion, and after one long pause
 * no history. Sources: Das, Gupta, Motivala, "SWIM" (DSN 2002); Dadgar, Phillips, Currey, "Lifeguard" (2017).
 */

export const PROBE_PERIOD_MS = 2_000;
export const INDIRECT_PROBES = 3;
export const GOSSIP_PERIOD_MS = 200;
export const GOSSIP_PEERS = 3;
export const GOSSIP_TO_THE_DEAD_MS = 60_000;
const COMPARE_PERIOD_MS = 30_000;
const PROBE_TIMEOUT_MS_MIN = 200;
const PROBE_TIMEOUT_MS_MAX = 1_200;
const SUSPICION_PERIODS = 4;
const SUSPICION_STRETCH = 6;
/** Accusers beside the first after which the timeout is at its shortest. */
export const CONFIRMATIONS = SUSPICION_PERIODS - 2;
const TRANSMISSIONS = 4;
/** Comparing grows rarer beyond: each comparison is with one of many. */
const COMPARE_MEMBERS = 32;
const HEALTH_MAX = 8;

/** What a direct probe may take, from what it usually takes; before it is known, the longest. */
export function probeTimeoutMs(smoothedRoundTripMs: number | undefined): number {
  if (smoothedRoundTripMs === undefined) return PROBE_TIMEOUT_MS_MAX;
  return Math.min(PROBE_TIMEOUT_MS_MAX, Math.max(PROBE_TIMEOUT_MS_MIN, 3 * smoothedRoundTripMs + 20));
}

/** How long a suspect has, from the first accusation, in a cluster of `members`, when `accusers` have accused it. */
export function suspicionMs(members: number, accusers: number): number {
  const shortest = SUSPICION_PERIODS * Math.max(1, Math.log10(members)) * PROBE_PERIOD_MS;
  // Too few are there to confirm it: nobody waits for them.
  if (members - 2 < CONFIRMATIONS) return shortest;
  const longest = shortest * SUSPICION_STRETCH;
  const share = Math.log(accusers) / Math.log(CONFIRMATIONS + 1);
  return Math.max(shortest, longest - (longest - shortest) * share);
}

/** How many messages carry one rumour. */
export function transmissionsOf(members: number): number {
  return TRANSMISSIONS * Math.ceil(Math.log10(members + 1));
}

export function comparePeriodMs(members: number): number {
  if (members <= COMPARE_MEMBERS) return COMPARE_PERIOD_MS;
  return COMPARE_PERIOD_MS * (Math.ceil(Math.log2(members) - Math.log2(COMPARE_MEMBERS)) + 1);
}

/** How much a node doubts itself: 0 is not at all, 8 makes it nine times as patient. */
export class LocalHealth {
  #score = 0;

  get score(): number {
    return this.#score;
  }

  note(change: number): void {
    this.#score = Math.min(HEALTH_MAX, Math.max(0, this.#score + change));
  }

  stretched(durationMs: number): number {
    return durationMs * (this.#score + 1);
  }
}
