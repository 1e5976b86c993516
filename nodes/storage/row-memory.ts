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
import type { Row, RowsOptions, Store, Written } from "./view.ts";

/** What an entry takes besides its bytes, roughly. */
const ENTRY_BYTES = 160;

/** Letters of the rows that each op has for itself: the log, the live index and the tag's history. Nobody reads them again soon. */
const READ_ONCE = ["q", "o", "c"];

const ABSENT = Symbol("no such row");

export class RowMemory implements Store {
  readonly #below: Store;
  readonly #rows = new BoundedCache<Uint8Array | typeof ABSENT>(ROW_MEMORY_BYTES_MAX);
  /** Names that are being read: a write takes them out. */
  readonly #reading = new Map<string, symbol>();

  constructor(below: Store) {
    this.#below = below;
  }

  async get(key: Key): Promise<Uint8Array | undefined> {
    const known = this.#rows.get(key);
    if (known !== undefined) return known === ABSENT ? undefined : known;

    const token = Symbol(key);
    this.#reading.set(key, token);
    try {
      const row = await this.#below.get(key);
      if (this.#reading.get(key) === token) this.#keep(key, row);
      return row;
    } finally {
      if (this.#reading.get(key) === token) this.#reading.delete(key);
    }
  }

  /** What is remembered comes from here; what is not is not kept, because very many are asked for at once. */
  async getMany(wanted: readonly Key[]): Promise<readonly (Uint8Array | undefined)[]> {
    const known = wanted.map((key) => this.#rows.get(key));
    const unknown = wanted.filter((_, index) => known[index] === undefined);
    const rows = unknown.length === 0 ? [] : await this.#below.getMany(unknown);
    const read = new Map(unknown.map((key, index) => [key, rows[index]]));
    return wanted.map((key, index) => {
      const row = known[index];
      if (row === undefined) return read.get(key);
      return row === ABSENT ? undefined : row;
    });
  }

  rows(span: KeySpan, options?: RowsOptions): AsyncIterable<Row> {
    return this.#below.rows(span, options);
  }

  /** To be called when the rows are durable, and before anybody is told. */
  written(rows: Written): void {
    for (const [name, value] of rows) {
      this.#reading.delete(name);
      if (READ_ONCE.includes(name.charAt(0))) this.#rows.delete(name);
      else this.#keep(name, value);
    }
  }

  #keep(name: string, row: Uint8Array | undefined): void {
    // A store gives buffers, and so does this.
    const kept = row === undefined ? ABSENT : Buffer.from(row.buffer, row.byteOffset, row.byteLength);
    this.#rows.set(name, kept, ENTRY_BYTES + name.length + (row?.length ?? 0));
  }
}
