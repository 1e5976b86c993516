import type { Timers } from "../ports/timers.ts";

/** Wakes the one who waits. A ring that nobody waits for is kept for the next wait; rings do not add up. */
export class Bell {
  #isRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Resolves at a ring, or when `signal` aborts, and never rejects. */
  async rung(signal: AbortSignal): Promise<void> {
    await this.#wait(signal);
  }

  /** As `rung`, and after `delayMs`, rounded up, at the latest. */
  async rungWithin(timers: Timers, delayMs: number, signal: AbortSignal): Promise<void> {
    const timer = timers.after(Math.ceil(delayMs), () => this.#wake?.());
    try {
      await this.#wait(signal);
    } finally {
      timer.cancel();
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    if (!this.#isRung && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const wake = (): void => resolve(undefined);
      this.#wake = wake;
      signal.addEventListener("abort", wake, { once: true });
      await promise;
      signal.removeEventListener("abort", wake);
      this.#wake = undefined;
    }
    this.#isRung = false;
  }
}
