/**
 * A world in which nothing happens by itself. Time stands still while anything runs, and jumps to the next event when
 * all is quiet; what is due at one moment happens in the order in which it was set. A day takes as long as what
 * happens in it, and one seed always makes one history.
 *
 * After each event the world lets everything that follows from it by promises come to rest before it takes the next.
 * Node has no call for that, but it runs all promise reactions before it turns to an immediate. So nothing inside a
 * world may wait on anything outside of it, a file, a socket, a thread or a real timer: the world would not know.
 */

import type { Timer } from "../nodes/ports/timers.ts";
import { Agenda } from "../shared/agenda.ts";
import { invariant } from "../shared/invariant.ts";
import { Prng } from "./prng.ts";

/** So many events without an end are a loop. */
const EVENTS_MAX = 1_000_000;
/** So many events within one millisecond are a loop through which time does not get. */
const EVENTS_AT_ONCE_MAX = 20_000;

export class World {
  readonly seed: string | number;
  readonly #prng: Prng;
  readonly #agenda = new Agenda<() => void>();
  #nowMs = 0;
  /** Since when `#eventsAtOnce` counts. */
  #momentMs = 0;
  #eventsAtOnce = 0;

  constructor(seed: string | number = 1) {
    this.seed = seed;
    this.#prng = new Prng(seed);
  }

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that are still to come. */
  get pending(): number {
    return this.#agenda.size;
  }

  /** Chance for the part of the world called `name`: the same for the same seed and name. */
  chanceFor(name: string): Prng {
    return this.#prng.branch(name);
  }

  /** Runs `callback` in `delayMs`; what is negative is 0. Of two due at once the one set first runs first. */
  readonly after = (delayMs: number, callback: () => void): Timer => {
    const entry = this.#agenda.add(this.#nowMs + Math.max(0, delayMs), callback);
    return { cancel: () => void this.#agenda.remove(entry) };
  };

  /** Resolves when `delayMs` have passed. */
  readonly delay = (delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      this.after(delayMs, resolve);
    });

  /** Lets `promise` settle, and the world with it as far as it takes. @throws when nothing is left to happen before. */
  async run<T>(promise: Promise<T>): Promise<T> {
    const progress = { isSettled: false };
    const settled = (): void => {
      progress.isSettled = true;
    };
    promise.then(settled, settled);
    let events = 0;
    await this.#goOn(() => {
      if (progress.isSettled) return false;
      invariant(events < EVENTS_MAX, `the world comes to an end (seed ${this.seed})`);
      events += 1;
      if (this.#step(Number.POSITIVE_INFINITY)) return true;
      throw new Error(
        `nothing is left to happen at ${this.#nowMs} ms, and a promise is still open (seed ${this.seed})`,
      );
    });
    return await promise;
  }

  /** Lets `durationMs` pass, with all that is due in it. */
  async runFor(durationMs: number): Promise<void> {
    const end = this.#nowMs + durationMs;
    await this.#goOn(() => this.#step(end));
    this.#nowMs = end;
  }

  /** Until nothing is due any more. */
  async runUntilIdle(): Promise<void> {
    let events = 0;
    await this.#goOn(() => {
      invariant(events < EVENTS_MAX, `the world comes to rest (seed ${this.seed})`);
      events += 1;
      return this.#step(Number.POSITIVE_INFINITY);
    });
  }

  /**
   * Calls `step` as long as it says that there is more, each time after everything has come about that follows by
   * promises from what has happened so far. Makes no promise of its own: there are hundreds of thousands of steps.
   * @throws what `step` throws.
   */
  async #goOn(step: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const turn = (): void => {
        try {
          if (step()) setImmediate(turn);
          else resolve();
        } catch (cause) {
          reject(cause instanceof Error ? cause : new Error(String(cause)));
        }
      };
      setImmediate(turn);
    });
  }

  /** The next event that is due at `end` or before; whether there was one. */
  #step(end: number): boolean {
    const { first } = this.#agenda;
    if (first === undefined || first.dueMs > end) return false;
    this.#agenda.remove(first);
    this.#nowMs = first.dueMs;
    this.#countEvent();
    first.item();
    return true;
  }

  /** @throws when time does not pass any more. */
  #countEvent(): void {
    this.#eventsAtOnce += 1;
    if (this.#nowMs - this.#momentMs >= 1) {
      this.#momentMs = this.#nowMs;
      this.#eventsAtOnce = 1;
    }
    if (this.#eventsAtOnce < EVENTS_AT_ONCE_MAX) return;
    throw new Error(`time passes (at ${this.#nowMs} ms, seed ${this.seed})`);
  }
}
