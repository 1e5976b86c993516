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
    if (!this.#isRung && !signal.aborted) await this.#wait(signal);
    this.#isRung = false;
  }

  /** As `rung`, and after `delayMs`, rounded up, at the latest. */
  async rungWithin(timers: Timers, delayMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isRung && !signal.aborted) {
      const timer = timers.after(Math.ceil(delayMs), () => this.#wake?.());
      await this.#wait(signal);
      timer.cancel();
    }
    this.#isRung = false;
  }

  async #wait(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        signal.removeEventListener("abort", wake);
        this.#wake = undefined;
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener("abort", wake);
    });
  }
}
