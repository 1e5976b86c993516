/**
 * The timers port on top of one native timeout. Node's own timers do not keep the port's order law: they are kept in
 * one list for each duration, and after a pause a whole list runs before the next, so a timer due at 19 ms can run
 * before one due at 15. They also fire up to a millisecond early, and take a delay beyond 2^31 - 1 ms for 1 ms.
 *
 * No timer here keeps the process alive: a node lives by its listeners, and a stopped one must end at once.
 */
import { Agenda } from "../../shared/agenda.ts";
import { sleepBy } from "../../shared/sleep.ts";
import type { Timer, Timers } from "../ports/timers.ts";

const NATIVE_DELAY_MS_MAX = 2 ** 31 - 1;

export class SystemTimers implements Timers {
  readonly #agenda = new Agenda<() => void>();
  /** Stops the native timer that will run `#wake`. */
  #disarm: () => void = () => undefined;

  readonly after = (delayMs: number, callback: () => void): Timer => {
    const entry = this.#agenda.add(performance.now() + Math.max(0, delayMs), callback);
    if (this.#agenda.first === entry) this.#arm();
    // The native timer stays armed: waking once in vain is cheaper than arming it anew on every cancel.
    return { cancel: () => void this.#agenda.remove(entry) };
  };

  readonly sleep = async (delayMs: number, signal?: AbortSignal): Promise<void> => {
    await sleepBy(this.after, delayMs, signal);
  };

  /** Runs one callback a turn of the event loop, so that what follows from it by promises is done before the next. */
  #wake(): void {
    const { first } = this.#agenda;
    try {
      if (first !== undefined && first.dueMs <= performance.now()) {
        this.#agenda.remove(first);
        first.item();
      }
    } finally {
      this.#arm();
    }
  }

  #arm(): void {
    this.#disarm();
    const { first } = this.#agenda;
    if (first === undefined) return;
    const delayMs = Math.min(Math.ceil(first.dueMs - performance.now()), NATIVE_DELAY_MS_MAX);
    if (delayMs <= 0) {
      // An immediate that did not count would wait, with the loop, for something else to happen.
      const immediate = setImmediate(() => this.#wake());
      this.#disarm = () => clearImmediate(immediate);
    } else {
      const timeout = setTimeout(() => this.#wake(), delayMs).unref();
      this.#disarm = () => clearTimeout(timeout);
    }
  }
}
