import type { Clock } from "../ports/clock.ts";
import type { Timer, Timers } from "../ports/timers.ts";

/**
 * Tells once when nothing has been heard for a time. One timer however often something is heard. While the listener
 * itself is busy nothing counts as silence: it is not listening.
 */
export class Silence {
  readonly #deps: { readonly clock: Clock; readonly timers: Timers };
  readonly #limitMs: number;
  readonly #tell: () => void;
  #heardAtMs: number;
  #isPaused = false;
  #timer: Timer;

  constructor(deps: { readonly clock: Clock; readonly timers: Timers }, limitMs: number, tell: () => void) {
    this.#deps = deps;
    this.#limitMs = limitMs;
    this.#tell = tell;
    this.#heardAtMs = deps.clock.monotonicMs();
    this.#timer = deps.timers.after(limitMs, () => this.#look());
  }

  /** Ends a pause as well. */
  heard(): void {
    this.#heardAtMs = this.#deps.clock.monotonicMs();
    this.#isPaused = false;
  }

  pause(): void {
    this.#isPaused = true;
  }

  cancel(): void {
    this.#timer.cancel();
  }

  #look(): void {
    const quietMs = this.#isPaused ? 0 : this.#deps.clock.monotonicMs() - this.#heardAtMs;
    const leftMs = this.#limitMs - quietMs;
    // Rounded up: a fraction too small to move the clock would be waited for without end.
    if (leftMs <= 0) this.#tell();
    else this.#timer = this.#deps.timers.after(Math.ceil(leftMs), () => this.#look());
  }
}
