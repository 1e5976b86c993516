import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

export type LineQuality = {
  /** One way. */
  readonly latencyMs: number;
  /** Added to the latency of each message: anything from 0 up to this. */
  readonly jitterMs: number;
};

/** The way from one node to another. What is on it when it is cut waits, as packets that are sent again, until it is healed. */
export class SimLine {
  readonly #world: World;
  readonly #prng: Prng;
  readonly #held: (() => void)[] = [];
  #quality: LineQuality = { latencyMs: 1, jitterMs: 0 };
  #isCut = false;

  constructor(world: World, prng: Prng) {
    this.#world = world;
    this.#prng = prng;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  set(quality: Partial<LineQuality>): void {
    this.#quality = { ...this.#quality, ...quality };
  }

  cut(): void {
    this.#isCut = true;
  }

  heal(): void {
    this.#isCut = false;
    for (const deliver of this.#held.splice(0)) deliver();
  }

  /** A way of carrying that keeps the order of what it is given. */
  carrier(): (deliver: () => void) => void {
    let lastMs = 0;
    return (deliver) => {
      const { latencyMs, jitterMs } = this.#quality;
      lastMs = Math.max(lastMs, this.#world.nowMs + latencyMs + jitterMs * this.#prng.fraction());
      this.#world.after(lastMs - this.#world.nowMs, () => {
        if (this.#isCut) this.#held.push(deliver);
        else deliver();
      });
    };
  }
}
