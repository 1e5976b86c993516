import type { Clock } from "../nodes/ports/clock.ts";
import type { World } from "./world.ts";

/** When every world begins: 2026-01-01T00:00:00Z. */
const BEGINNING_MS = 1_767_225_600_000;

/** Ahead by `byMs` for `everyMs`, then behind by as much for as long. */
export type Strobe = { readonly byMs: number; readonly everyMs: number };

/** One node's idea of the time. The wall clock may be wrong, and be set; the monotonic clock is the world's. */
export class SimClock implements Clock {
  readonly #world: World;
  #aheadMs: number;
  #ppm = 0;
  #driftsSinceMs = 0;
  #strobe: Strobe | undefined;
  #latestMs = 0;

  constructor(world: World, aheadMs = 0) {
    this.#world = world;
    this.#aheadMs = aheadMs;
  }

  readonly wallMs = (): number => {
    const wallMs = Math.floor(BEGINNING_MS + this.#world.nowMs + this.aheadMs());
    this.#latestMs = Math.max(this.#latestMs, wallMs);
    return wallMs;
  };

  /** The latest time that it has ever told. */
  get latestMs(): number {
    return this.#latestMs;
  }

  readonly monotonicMs = (): number => this.#world.nowMs;

  /** By how much the wall clock is wrong now. */
  aheadMs(): number {
    const { nowMs } = this.#world;
    const driftMs = ((nowMs - this.#driftsSinceMs) * this.#ppm) / 1e6;
    return this.#aheadMs + driftMs + strobeMs(this.#strobe, nowMs);
  }

  /** From now on the wall clock runs `ppm` millionths too fast; with 0 it keeps what it is wrong by. */
  drift(ppm: number): void {
    const { nowMs } = this.#world;
    this.#aheadMs += ((nowMs - this.#driftsSinceMs) * this.#ppm) / 1e6;
    this.#driftsSinceMs = nowMs;
    this.#ppm = ppm;
  }

  /** From now on the wall clock is ahead and behind by turns. */
  strobe(strobe: Strobe | undefined): void {
    this.#strobe = strobe;
  }

  /** Sets the wall clock `byMs` forward, or back when it is negative. */
  shift(byMs: number): void {
    this.#aheadMs += byMs;
  }
}

function strobeMs(strobe: Strobe | undefined, nowMs: number): number {
  if (strobe === undefined) return 0;
  return Math.floor(nowMs / strobe.everyMs) % 2 === 0 ? strobe.byMs : -strobe.byMs;
}
