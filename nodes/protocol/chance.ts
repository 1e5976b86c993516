import { invariant } from "../../shared/invariant.ts";

/**
 * What a machine draws by itself, from the seed that it was given: mulberry32 (Tommy Ettinger, public domain). Good
 * enough to pick a peer or to shuffle a list; nothing secret may depend on it.
 */
export class Chance {
  #state: number;

  /** `seed` is 32 bits. */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** Even in [0, 1). */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer, even in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  /** `count` different items, or all of them, in random order. */
  draw<Item>(items: readonly Item[], count: number): readonly Item[] {
    const rest = [...items];
    const drawn: Item[] = [];
    while (drawn.length < count && rest.length > 0) {
      const place = this.below(rest.length);
      const item = rest[place];
      const last = rest.pop();
      invariant(item !== undefined && last !== undefined, "what is drawn is there");
      if (place < rest.length) rest[place] = last;
      drawn.push(item);
    }
    return drawn;
  }

  shuffled<Item>(items: readonly Item[]): readonly Item[] {
    return this.draw(items, items.length);
  }
}
