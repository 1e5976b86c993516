import type { Clock } from "../ports/clock.ts";
import type { Timer, Timers } from "../ports/timers.ts";
import type { Machine } from "../protocol/machine.ts";

/**
 * One machine, one queue. Inputs are given to the machine in the order they come, and the effects of each are
 * performed in the order listed before the next is given; an input that arises while an effect is performed waits
 * its turn. `perform` begins the work and returns; how it ended is given as an input.
 */
export class Driver<Input, Effect> {
  readonly #machine: Machine<Input, Effect>;
  readonly #perform: (effect: Effect) => void;
  readonly #inputs: Input[] = [];
  #isDraining = false;

  constructor(machine: Machine<Input, Effect>, perform: (effect: Effect) => void) {
    this.#machine = machine;
    this.#perform = perform;
  }

  give(input: Input): void {
    this.#inputs.push(input);
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      this.#drain();
    } finally {
      this.#isDraining = false;
    }
  }

  #drain(): void {
    for (let input = this.#inputs.shift(); input !== undefined; input = this.#inputs.shift()) {
      for (const effect of this.#machine.step(input)) this.#perform(effect);
    }
  }
}

/** The one timer of a driver, for machines that say when they want to be woken. */
export class Alarm {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #ring: () => void;
  #timer: Timer | undefined;

  constructor(deps: { readonly clock: Clock; readonly timers: Timers }, ring: () => void) {
    this.#clock = deps.clock;
    this.#timers = deps.timers;
    this.#ring = ring;
  }

  /** `atMs` is monotonic; an earlier setting is forgotten. */
  setTo(atMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#timers.after(atMs - this.#clock.monotonicMs(), this.#ring);
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}

/**
 * Work that was begun and is not waited for where it began. Whatever runs here handles what the world does to it; a
 * rejection is our own mistake, reaches nobody, and so ends the process.
 */
export class Tasks {
  readonly #running = new Set<Promise<void>>();

  begin(work: () => Promise<void>): void {
    const running: Promise<void> = work().finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when nothing runs any more, including what was begun meanwhile. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
