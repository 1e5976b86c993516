import { Bell } from "./bell.ts";

/**
 * A mailbox that holds the newest value only: for news that make older news worthless, such as how far somebody has
 * come. However slow the one reader is, nothing piles up.
 */
export class Latest<Value> implements AsyncIterable<Value> {
  readonly #bell = new Bell();
  readonly #closing = new AbortController();
  #value: { readonly value: Value } | undefined;

  put(value: Value): void {
    this.#value = { value };
    this.#bell.ring();
  }

  /** Ends the reading; what was not read is dropped. */
  close(): void {
    this.#closing.abort(new Error("the mailbox is closed"));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Value, void, void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const unread = this.#value;
      this.#value = undefined;
      if (unread === undefined) await this.#bell.rung(signal);
      else yield unread.value;
    }
  }
}
