import { Bell } from "./bell.ts";

/**
 * A mailbox that holds the newest value of each kind only: for news that make older news of their kind worthless, such
 * as how far somebody has come. However slow the one reader is, nothing piles up. Kinds come out in the order in which
 * they were first put after the last reading.
 */
export class Latest<Value extends { readonly kind: string }> implements AsyncIterable<Value> {
  readonly #bell = new Bell();
  readonly #closing = new AbortController();
  readonly #unread = new Map<string, Value>();

  put(value: Value): void {
    this.#unread.set(value.kind, value);
    this.#bell.ring();
  }

  /** Ends the reading; what was not read is dropped. */
  close(): void {
    this.#closing.abort(new Error("the mailbox is closed"));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Value, void, void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const [next] = this.#unread.values();
      if (next === undefined) {
        await this.#bell.rung(signal);
        continue;
      }
      this.#unread.delete(next.kind);
      yield next;
    }
  }
}
