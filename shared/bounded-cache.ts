/**
 * What was used last, up to a weight. The order of a `Map` is the order of insertion, so what was used is inserted anew and
 * the first entry is the one that was not used for longest.
 *
 * The bound is on weight, because entries differ by four orders of magnitude: so many manifests of one kilobyte, or of
 * four megabytes, are not the same promise about memory.
 */
import { invariant } from "./invariant.ts";

type Entry<Value> = { readonly value: Value; readonly weight: number };

export class BoundedCache<Value> {
  readonly #weightMax: number;
  readonly #onDropped: (name: string, value: Value) => void;
  readonly #entries = new Map<string, Entry<Value>>();
  /**
   * Kept from one eviction to the next. A new one would begin before the gaps that all earlier evictions have left, and
   * pass over them each time; whatever is used or set meanwhile goes behind it.
   */
  #oldest = this.#entries.keys();
  #weight = 0;

  /** `onDropped` hears of every entry that goes, for whatever reason. */
  constructor(weightMax: number, onDropped: (name: string, value: Value) => void = () => undefined) {
    this.#weightMax = weightMax;
    this.#onDropped = onDropped;
  }

  /** Of everything that is kept. */
  get weight(): number {
    return this.#weight;
  }

  /** Counts as a use. */
  get(name: string): Value | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    return entry.value;
  }

  /** Replaces what has the name. Returns whether `value` is kept: not when it alone is heavier than everything may be. */
  set(name: string, value: Value, weight: number): boolean {
    invariant(weight >= 0, "nothing weighs less than nothing");
    this.delete(name);
    if (weight > this.#weightMax) return false;
    this.#entries.set(name, { value, weight });
    this.#weight += weight;
    this.#makeRoom();
    return true;
  }

  delete(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#weight -= entry.weight;
    this.#onDropped(name, entry.value);
  }

  /** The one that was just set is the last to go. */
  #makeRoom(): void {
    while (this.#weight > this.#weightMax) {
      const next = this.#oldest.next();
      if (next.done === true) this.#oldest = this.#entries.keys();
      else this.delete(next.value);
    }
  }
}
