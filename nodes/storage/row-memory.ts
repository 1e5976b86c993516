/**
 * Rows that were read or written lately, so that a turn of the writer does not ask the store for the same clock,
 * counters and origin again and again. Absence is remembered too: most of what a push asks for is not there.
 *
 * The single writer is what makes this safe. Nothing changes a row but a batch of the writer, and the writer tells what
 * it wrote once it is durable, before anybody hears of it. A read that was under way at that moment may have seen
 * the old row, so what it brings is given to its caller and not kept.
 */
import { BoundedCache } from "../../shared/bounded-cache.ts";
import { ROW_MEMORY_BYTES_MAX, WAITERS_REMEMBERED_MAX } from "../../shared/limits.ts";
import { DamagedRowError } from "./envelope.ts";
import type { Key, KeySpan } from "./keys.ts";
import * as keys from "./keys.ts";
import { groupOf, type Row, type RowsOptions, type Store, type Written } from "./view.ts";

/** What an entry takes besides its bytes, roughly. */
const ENTRY_BYTES = 160;

/** Letters of the rows that each op has for itself: the log, the live index and the tag's history. Nobody reads them again soon. */
const READ_ONCE = ["q", "o", "c"];

/** The letter of rows that tell what waits for a manifest. Nearly every push of one asks twice, and nearly never is there any. */
const WAITER = "w";

const ABSENT = Symbol("no such row");

export class RowMemory implements Store {
  readonly #below: Store;
  readonly #rows = new BoundedCache<Uint8Array | typeof ABSENT>(ROW_MEMORY_BYTES_MAX);
  /** Names that are being read: a write takes them out. */
  readonly #reading = new Map<string, symbol>();
  /** Every row of one kind, by the digest it waits for; `undefined` when there are too many. */
  #waiters: Map<string, Map<Key, Uint8Array>> | undefined = new Map();
  #waitersCount = 0;

  private constructor(below: Store) {
    this.#below = below;
  }

  /** Reads what is remembered whole. */
  static async open(below: Store): Promise<RowMemory> {
    const memory = new RowMemory(below);
    try {
      for await (const { key, value } of below.rows(keys.allWaiters())) {
        memory.#keepWaiter(keys.keyOf(key), value);
        if (memory.#waiters === undefined) break;
      }
    } catch (cause) {
      if (!(cause instanceof DamagedRowError)) throw cause;
      // Whoever needs the damaged row is told; without it this would be a part taken for the whole.
      memory.#waiters = undefined;
    }
    return memory;
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

  rows(span: KeySpan, options: RowsOptions = {}): AsyncIterable<Row> {
    const group = groupOf(span.from);
    const isOfOneDigest = group?.startsWith(WAITER) === true && groupOf(span.to) === group;
    if (this.#waiters === undefined || !isOfOneDigest) return this.#below.rows(span, options);
    return rowsOf(this.#waiters.get(group), span, options);
  }

  /** To be called when the rows are durable, and before anybody is told. */
  written(rows: Written): void {
    for (const [name, value] of rows) {
      this.#reading.delete(name);
      if (name.startsWith(WAITER)) this.#keepWaiter(name, value);
      if (READ_ONCE.includes(name.charAt(0))) this.#rows.delete(name);
      else this.#keep(name, value);
    }
  }

  #keep(name: string, row: Uint8Array | undefined): void {
    // A store gives buffers, and so does this.
    const kept = row === undefined ? ABSENT : Buffer.from(row.buffer, row.byteOffset, row.byteLength);
    this.#rows.set(name, kept, ENTRY_BYTES + name.length + (row?.length ?? 0));
  }

  #keepWaiter(name: Key, row: Uint8Array | undefined): void {
    const group = groupOf(name);
    if (this.#waiters === undefined || group === undefined) return;
    const known = this.#waiters.get(group) ?? new Map<Key, Uint8Array>();
    this.#waitersCount -= known.size;
    if (row === undefined) known.delete(name);
    else known.set(name, row);
    this.#waitersCount += known.size;
    if (known.size > 0) this.#waiters.set(group, known);
    else this.#waiters.delete(group);
    // A node that catches up may wait for very many. From then on the store is asked.
    if (this.#waitersCount > WAITERS_REMEMBERED_MAX) this.#waiters = undefined;
  }
}

/** As they are when the call is made. */
function rowsOf(
  known: ReadonlyMap<Key, Uint8Array> | undefined,
  { from, to }: KeySpan,
  { reverse = false, limit = Number.POSITIVE_INFINITY }: RowsOptions,
): AsyncIterable<Row> {
  const inSpan = [...(known ?? [])]
    .filter(([name]) => from <= name && name < to)
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
  const ordered = reverse ? inSpan.toReversed() : inSpan;
  return each(ordered.slice(0, limit));
}

async function* each(rows: readonly (readonly [Key, Uint8Array])[]): AsyncGenerator<Row> {
  for (const [name, value] of rows) yield await Promise.resolve({ key: keys.bytesOf(name), value });
}
