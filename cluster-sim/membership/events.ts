import { invariant } from "../../shared/invariant.ts";

type Event = { readonly dueMs: number; readonly order: number; readonly act: () => void };

/**
 * What is due when, without promises: a binary heap, because here nothing is ever cancelled and most is due soon. Of two
 * due at once the one set first comes first.
 */
export class Events {
  readonly #heap: Event[] = [];
  #order = 0;
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  at(atMs: number, act: () => void): void {
    this.#order += 1;
    this.#heap.push({ dueMs: Math.max(atMs, this.#nowMs), order: this.#order, act });
    this.#rise(this.#heap.length - 1);
  }

  runUntil(endMs: number): void {
    for (let first = this.#heap[0]; first !== undefined && first.dueMs <= endMs; first = this.#heap[0]) {
      this.#dropFirst();
      this.#nowMs = first.dueMs;
      first.act();
    }
    this.#nowMs = endMs;
  }

  #dropFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  #rise(from: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#swapIfBefore(place, parent)) return;
      place = parent;
    }
  }

  #sink(): void {
    let place = 0;
    while (true) {
      const left = 2 * place + 1;
      if (left >= this.#heap.length) return;
      const child = left + 1 < this.#heap.length && isBefore(this.#at(left + 1), this.#at(left)) ? left + 1 : left;
      if (!this.#swapIfBefore(child, place)) return;
      place = child;
    }
  }

  #swapIfBefore(child: number, parent: number): boolean {
    const [below, above] = [this.#at(child), this.#at(parent)];
    if (!isBefore(below, above)) return false;
    this.#heap[child] = above;
    this.#heap[parent] = below;
    return true;
  }

  #at(place: number): Event {
    const event = this.#heap[place];
    invariant(event !== undefined, "a place in the heap is taken");
    return event;
  }
}

function isBefore(left: Event, right: Event): boolean {
  return left.dueMs === right.dueMs ? left.order < right.order : left.dueMs < right.dueMs;
}
