/**
 * What is due when: the order law of the timers port, written once for the system's timers and the simulated ones.
 *
 * A sorted array, not a heap: most timeouts are set to end after all others, which appends, and most are cancelled
 * before they end, which a heap can only do lazily, keeping the dead for as long as they would have lived.
 */
import { invariant } from "./invariant.ts";

export type Entry<Item> = {
  readonly dueMs: number;
  /** Counts the entries of one agenda: of two due at once, the one added first comes first. */
  readonly order: number;
  readonly item: Item;
};

export class Agenda<Item> {
  readonly #entries: Entry<Item>[] = [];
  #added = 0;

  get size(): number {
    return this.#entries.length;
  }

  /** The entry that is due first. It stays until it is removed. */
  get first(): Entry<Item> | undefined {
    return this.#entries[0];
  }

  add(dueMs: number, item: Item): Entry<Item> {
    invariant(Number.isFinite(dueMs), "an entry is due at a moment");
    const entry = { dueMs, order: this.#added, item };
    this.#added += 1;
    this.#entries.splice(this.#placeOf(entry), 0, entry);
    return entry;
  }

  /** Whether the entry was still there. */
  remove(entry: Entry<Item>): boolean {
    const place = this.#placeOf(entry);
    if (this.#entries[place] !== entry) return false;
    this.#entries.splice(place, 1);
    return true;
  }

  /** Where `entry` is, or would be. */
  #placeOf(entry: Entry<Item>): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const candidate = this.#entries[middle];
      if (candidate !== undefined && isBefore(candidate, entry)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isBefore<Item>(left: Entry<Item>, right: Entry<Item>): boolean {
  if (left.dueMs !== right.dueMs) return left.dueMs < right.dueMs;
  return left.order < right.order;
}
