import type { Clock } from "../ports/clock.ts";
import type { Timer, Timers } from "../ports/timers.ts";

/** So often a few followers are told the hash of what is held, while that changes. */
export const HASH_PERIOD_MS = 250;
/** And so often while it does not. */
export const HASH_IDLE_MS = 1_000;
/** For so long after a change: whoever missed it hears of it several times. */
const LIVELY_MS = 5_000;
export const FOLLOWERS_TOLD = 3;

/**
 * Whose turn it is to be told the hash. A few at a time, in a circle, so that the cost does not grow with the number of
 * followers: with each node telling three, an op that a node missed is shown to it by some other within a period or two.
 */
export class HashTurns<Follower> {
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #followers: ReadonlySet<Follower>;
  readonly #tell: (follower: Follower) => void;
  #timer: Timer | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #changedAtMs = Number.NEGATIVE_INFINITY;
  #turn = 0;

  constructor(timers: Timers, clock: Clock, followers: ReadonlySet<Follower>, tell: (follower: Follower) => void) {
    this.#timers = timers;
    this.#clock = clock;
    this.#followers = followers;
    this.#tell = tell;
  }

  begin(): void {
    if (this.#timer === undefined) this.#set();
  }

  /** What is held has changed. */
  hurry(): void {
    const nowMs = this.#clock.monotonicMs();
    const wasLively = nowMs - this.#changedAtMs < LIVELY_MS;
    this.#changedAtMs = nowMs;
    if (this.#timer === undefined || wasLively) return;
    this.#timer.cancel();
    this.#set();
  }

  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #set(): void {
    const nowMs = this.#clock.monotonicMs();
    const periodMs = nowMs - this.#changedAtMs < LIVELY_MS ? HASH_PERIOD_MS : HASH_IDLE_MS;
    this.#timer = this.#timers.after(Math.ceil(this.#toldAtMs + periodMs - nowMs), () => this.#next());
  }

  #next(): void {
    this.#toldAtMs = this.#clock.monotonicMs();
    const followers = [...this.#followers];
    const count = Math.min(FOLLOWERS_TOLD, followers.length);
    for (let told = 0; told < count; told += 1) {
      const follower = followers[(this.#turn + told) % followers.length];
      if (follower !== undefined) this.#tell(follower);
    }
    this.#turn = (this.#turn + count) % Math.max(1, followers.length);
    this.#set();
  }
}
