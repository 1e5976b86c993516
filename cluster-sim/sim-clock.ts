import type { Clock } from "../nodes/ports/clock.ts";
import type { World } from "./world.ts";

/** When every world begins: 2026-01-01T00:00:00Z. */
const BEGINNING_MS = 1_767_225_600_000;

/** One node's idea of the time. The wall clock may be wrong, and be set; the monotonic clock is the world's. */
export class SimClock implements Clock {
  readonly #world: World;
  #aheadMs: number;
  #latestMs = 0;

  constructor(world: World, aheadMs = 0) {
    this.#world = world;
    this.#aheadMs = aheadMs;
  }

  readonly wallMs = (): number => {
    const wallMs = Math.floor(BEGINNING_MS + this.#world.nowMs + this.#aheadMs);
    this.#latestMs = Math.max(this.#latestMs, wallMs);
    return wallMs;
  };

  /** The latest time that it has ever told. */
  get latestMs(): number {
    return this.#latestMs;
  }

  readonly monotonicMs = (): number => this.#world.nowMs;

  /** Sets the wall clock `byMs` forward, or back when it is negative. */
  shift(byMs: number): void {
    this.#aheadMs += byMs;
  }
}
