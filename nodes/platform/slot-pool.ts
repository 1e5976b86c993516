/**
 * Memory that the node's own thread fills and a writing thread empties, a mebibyte at a time, so that no byte is copied
 * between them and a message costs next to nothing for what it moves. There are so many and no more: an upload that
 * finds none waits, and with it its client.
 *
 * A slot that is not full would be held by a slow client for as long as he likes. Whoever fills one says so, and is asked to
 * send it when he has not added to it for a moment.
 */
import { invariant } from "../../shared/invariant.ts";
import { UPLOAD_SLOT_BYTES, UPLOAD_SLOTS_MAX } from "../../shared/limits.ts";

export type Slot = { readonly name: number; readonly memory: SharedArrayBuffer; readonly bytes: Uint8Array };

/** Somebody with a slot that is partly filled. */
export type Filler = {
  /** Rises with each byte. */
  readonly filledBytes: () => number;
  readonly send: () => void;
};

/** After a busy time so many are kept for the next. */
const SPARE_SLOTS_MAX = 8;
const IDLE_CHECK_MS = 5;

export class SlotPool {
  readonly #spare: Slot[] = [];
  readonly #waiting: ((slot: Slot) => void)[] = [];
  /** With what each had filled when it was last looked at. */
  readonly #filling = new Map<Filler, number>();
  #made = 0;
  #inUse = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Slots that are somebody's now. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Resolves when there is one; those who wait get theirs in turn. */
  async take(): Promise<Slot> {
    const spare = this.#spare.pop();
    if (spare !== undefined) {
      this.#inUse += 1;
      return spare;
    }
    if (this.#inUse < UPLOAD_SLOTS_MAX) {
      this.#inUse += 1;
      return this.#make();
    }
    const { promise, resolve } = Promise.withResolvers<Slot>();
    this.#waiting.push(resolve);
    return await promise;
  }

  give(slot: Slot): void {
    invariant(this.#inUse > 0, "a slot is given back once");
    const next = this.#waiting.shift();
    if (next !== undefined) return next(slot);
    this.#inUse -= 1;
    if (this.#spare.length < SPARE_SLOTS_MAX) this.#spare.push(slot);
  }

  /** From now on `filler` is asked to send what it has when it adds nothing for a moment. */
  watch(filler: Filler): void {
    this.#filling.set(filler, filler.filledBytes());
    this.#timer ??= setInterval(() => this.#sendIdle(), IDLE_CHECK_MS).unref();
  }

  unwatch(filler: Filler): void {
    this.#filling.delete(filler);
    if (this.#filling.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sendIdle(): void {
    for (const [filler, before] of this.#filling) {
      const filled = filler.filledBytes();
      if (filled === before) filler.send();
      else this.#filling.set(filler, filled);
    }
  }

  #make(): Slot {
    const memory = new SharedArrayBuffer(UPLOAD_SLOT_BYTES);
    this.#made += 1;
    return { name: this.#made, memory, bytes: new Uint8Array(memory) };
  }
}
