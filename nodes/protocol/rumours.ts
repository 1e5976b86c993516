import type { NodeId } from "../../shared/identity.ts";

/** Which news still travel along with other messages, and how often. One entry a node: only its latest news matters. */
export class Rumours {
  readonly #timesLeft = new Map<NodeId, number>();

  get isEmpty(): boolean {
    return this.#timesLeft.size === 0;
  }

  /** From now on, `times` times. */
  tell(node: NodeId, times: number): void {
    // Set anew, so that of two told equally often the older goes first.
    this.#timesLeft.delete(node);
    this.#timesLeft.set(node, times);
  }

  /** Up to `count` nodes whose news go with the next message, the least told first. */
  take(count: number): readonly NodeId[] {
    if (this.#timesLeft.size === 0) return [];
    const chosen = [...this.#timesLeft].toSorted(([, left], [, right]) => right - left).slice(0, count);
    for (const [node, left] of chosen) {
      if (left > 1) this.#timesLeft.set(node, left - 1);
      else this.#timesLeft.delete(node);
    }
    return chosen.map(([node]) => node);
  }
}
