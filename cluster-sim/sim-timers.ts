import type { Timer, Timers } from "../nodes/ports/timers.ts";
import { sleepBy } from "../shared/sleep.ts";
import type { World } from "./world.ts";

/** One process's timers, in the time of the world. */
export class SimTimers implements Timers {
  readonly #world: World;
  #isStopped = false;

  constructor(world: World) {
    this.#world = world;
  }

  readonly after = (delayMs: number, callback: () => void): Timer =>
    this.#world.after(delayMs, () => {
      if (!this.#isStopped) callback();
    });

  readonly sleep = async (delayMs: number, signal?: AbortSignal): Promise<void> => {
    await sleepBy(this.after, delayMs, signal);
  };

  /** The process is gone: none of its timers runs any more. */
  stop(): void {
    this.#isStopped = true;
  }
}
