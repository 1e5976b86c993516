/**
 * One direction of one call: items in order, each on its way for as long as `carry` takes, and no more of them sent
 * than the receiver has room for.
 */

import type { Carry } from "./sim-line.ts";
import { bytesOf } from "./sim-message.ts";

/** What may be sent and not yet taken. */
const WINDOW_ITEMS = 16;

type End = { readonly error: unknown } | "clean";

export class SimPipe<Item> {
  readonly #carry: Carry;
  readonly #arrived: { readonly item: Item }[] = [];
  readonly #waiting = new Set<() => void>();
  #underWay = 0;
  #end: End | undefined;
  #broken: { readonly error: unknown } | undefined;

  /** `carry` delivers in the order it was called. */
  constructor(carry: Carry) {
    this.#carry = carry;
  }

  /** Resolves when there was room for the item. @throws what the pipe was broken with. */
  async send(item: Item): Promise<void> {
    while (this.#underWay >= WINDOW_ITEMS && this.#broken === undefined) await this.#change();
    if (this.#broken !== undefined) throw this.#broken.error;
    this.#underWay += 1;
    this.#carry(() => {
      this.#arrived.push({ item });
      this.#ring();
    }, bytesOf(item));
  }

  /** Nothing follows; the receiver hears of it after all that was sent, with the error if there is one. */
  end(end: End): void {
    this.#carry(() => {
      this.#end ??= end;
      this.#ring();
    });
  }

  /** Both ends fail with `error`, now. What is on its way is lost. */
  break(error: unknown): void {
    this.#broken ??= { error };
    this.#ring();
  }

  /** What arrives. One receiver. */
  async *received(): AsyncGenerator<Item, void> {
    while (true) {
      if (this.#broken !== undefined) throw this.#broken.error;
      const next = this.#arrived.shift();
      if (next !== undefined) {
        this.#underWay -= 1;
        this.#ring();
        yield next.item;
      } else if (this.#end === undefined) {
        await this.#change();
      } else {
        if (this.#end !== "clean") throw this.#end.error;
        return;
      }
    }
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
    });
  }

  #ring(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
