/**
 * Rows that were read or written lately, so that a turn of the writer does not ask the store for the same clock,
 * counters and origin again and again. Absence is remembered too: most of what a push asks for is not there.
 *
 * The single writer is what makes this safe. Nothing changes a row but a batch of the writer, and the writer tells what
 * it wrote once it is durable, before anybody hears of it. A read that was under way at that moment may have seen
 * the old row, so what it brings is given to its caller and not kept.
 */
import { BoundedCache } from "../../shared/bounded-cache.ts";
import { ROW_MEMORY_BYTES_MAX } from "../../shared/limits.ts";
import type { Key, KeySpan } from "./keys.ts";
import type { Row, RowsOptions, View, Written } from "./view.ts";

/** What an entry takes besides its bytes, roughly. */
const ENTRY_BYTES = 160;

const ABSENT = Symbol("no such row");

export class RowMemory implements View {
  readonly #below: View;
  readonly #rows = new BoundedCache<Uint8Array | typeof ABSENT>(ROW_MEMORY_BYTES_MAX);
  /** Names that are being read: a write takes them out. */
  readonly #reading = new Map<string, symbol>();

  constructor(below: View) {
    this.#below = below;
  }

  async get(key: Key): Promise<Uint8Array | undefined> {
    const name = key.toString("latin1");
    const known = this.#rows.get(name);
    if (known !== undefined) return known === ABSENT ? undefined : known;

    const token = Symbol(name);
    this.#reading.set(name, token);
    try {
      const row = await this.#below.get(key);
      if (this.#reading.get(name) === token) this.#keep(name, row);
      return row;
    } finally {
      if (this.#reading.get(name) === token) this.#reading.delete(name);
    }
  }

  rows(span: KeySpan, options?: RowsOptions): AsyncIterable<Row> {
    return this.#below.rows(span, options);
  }

  /** To be called when the rows are durable, and before anybody is told. */
  written(rows: Written): void {
    for (const [name, value] of rows) {
      this.#reading.delete(name);
      this.#keep(name, value);
    }
  }

  #keep(name: string, row: Uint8Array | undefined): void {
    // A store gives buffers, and so does this.
    const kept = row === undefined ? ABSENT : Buffer.from(row.buffer, row.byteOffset, row.byteLength);
    this.#rows.set(name, kept, ENTRY_BYTES + name.length + (row?.length ?? 0));
  }
}
