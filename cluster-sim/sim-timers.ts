import type { Timer, Timers } from "../nodes/ports/timers.ts";
import { sleepBy } from "../shared/sleep.ts";
import type { World } from "./world.ts";

/** One process's timers, in the time of the world. */
export class SimTimers implements Timers {
  readonly #world: World;
  #isStopped = false;
  /** What has become due while the process is held; `undefined` while it runs. */
  #late: (() => void)[] | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  readonly after = (delayMs: number, callback: () => void): Timer => {
    let isCancelled = false;
    const run = (): void => {
      if (this.#late !== undefined) this.#late.push(run);
      else if (!this.#isStopped && !isCancelled) callback();
    };
    const timer = this.#world.after(delayMs, run);
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  };

  readonly sleep = async (delayMs: number, signal?: AbortSignal): Promise<void> => {
    await sleepBy(this.after, delayMs, signal);
  };

  /** Time goes on, and the process does not. */
  hold(): void {
    this.#late ??= [];
  }

  /** Everything that has become due meanwhile is due now, in its order. */
  release(): void {
    const late = this.#late ?? [];
    this.#late = undefined;
    for (const run of late) run();
  }

  /** The process is gone: none of its timers runs any more. */
  stop(): void {
    this.#isStopped = true;
  }
}
