/**
 * What the rows look like from one place. `StoredView` shows what is durable; an `Overlay` shows another view with
 * writes on top of it that are not. The writer lays one overlay over the store for each batch and one over that for
 * each turn: a turn that fails is dropped, together with every index row and counter it had touched, and needs no
 * undo.
 */
import type { Kv, KvWrite } from "../ports/kv.ts";
import type { Replacement } from "./audit-lanes.ts";
import { seal, unseal } from "./envelope.ts";
import { bytesOf, type Key, type KeySpan, keyOf, registerRow } from "./keys.ts";

export type Row = { readonly key: Uint8Array; readonly value: Uint8Array };
export type RowsOptions = { readonly reverse?: boolean; readonly limit?: number };

/** Rows that many turns look at are smaller: counters, clocks, origins, registers. */
const READ_BYTES_KEPT_MAX = 1024;

/** Rows by the Latin-1 text of their keys, as they are now; `undefined` for those that are gone. */
export type Written = Iterable<readonly [string, Uint8Array | undefined]>;

export type View = {
  readonly get: (key: Key) => Promise<Uint8Array | undefined>;
  /** In key order, or against it. */
  readonly rows: (span: KeySpan, options?: RowsOptions) => AsyncIterable<Row>;
};

/** What overlays may lie on. */
export type Store = View & {
  /** As `get`, of all `wanted` at once, in their order. */
  readonly getMany: (wanted: readonly Key[]) => Promise<readonly (Uint8Array | undefined)[]>;
};

export class StoredView implements Store {
  readonly #kv: Kv;

  constructor(kv: Kv) {
    this.#kv = kv;
  }

  async get(key: Key): Promise<Uint8Array | undefined> {
    const bytes = bytesOf(key);
    const sealed = await this.#kv.get(bytes);
    return sealed === undefined ? undefined : unseal(bytes, sealed);
  }

  async getMany(wanted: readonly Key[]): Promise<readonly (Uint8Array | undefined)[]> {
    const bytes = wanted.map((key) => bytesOf(key));
    const sealed = await this.#kv.getMany(bytes);
    return bytes.map((key, index) => {
      const value = sealed[index];
      return value === undefined ? undefined : unseal(key, value);
    });
  }

  /** As the rows were when the call was made. */
  rows({ from, to }: KeySpan, options: RowsOptions = {}): AsyncIterable<Row> {
    return unsealed(this.#kv.entries({ from: bytesOf(from), to: bytesOf(to), ...options }));
  }
}

async function* unsealed(entries: AsyncIterable<Row>): AsyncIterable<Row> {
  for await (const { key, value } of entries) yield { key, value: unseal(key, value) };
}

export class Overlay implements View {
  readonly #below: Store | Overlay;
  /** This one, and those that it lies on. */
  readonly #layers: readonly Overlay[];
  /** What the lowest of them lies on. */
  readonly #store: Store;
  /** `undefined` hides a row below. */
  #writes = new Map<Key, Uint8Array | undefined>();
  /** The keys of writes by what stands before their first zero byte, so that a scan of one repository or digest passes over the rest of a large batch. */
  #names = new Map<string, Set<Key>>();
  /** Registers that differ from those below, by their key; a row may change without its register. */
  readonly #replaced = new Map<string, Replacement>();

  /** Small rows of the store that were read through here, present or not: nobody else writes while this lies over it. */
  readonly #read: Map<string, Uint8Array | undefined>;

  constructor(below: Store | Overlay) {
    this.#below = below;
    this.#layers = below instanceof Overlay ? [this, ...below.#layers] : [this];
    this.#store = below instanceof Overlay ? below.#store : below;
    this.#read = below instanceof Overlay ? below.#read : new Map<string, Uint8Array | undefined>();
  }

  get isEmpty(): boolean {
    return this.#writes.size === 0;
  }

  async get(key: Key): Promise<Uint8Array | undefined> {
    // Overlays lie on overlays, and one promise each would be most of what a read costs.
    for (const layer of this.#layers) if (layer.#writes.has(key)) return layer.#writes.get(key);
    if (this.#read.has(key)) return this.#read.get(key);
    const value = await this.#store.get(key);
    if (value === undefined || value.length <= READ_BYTES_KEPT_MAX) this.#read.set(key, value);
    return value;
  }

  /**
   * Reads rows that will be got, all at once. One alone costs a turn of the thread pool, and an op needs several. They
   * are kept however large they are.
   */
  async fetch(wanted: readonly Key[]): Promise<void> {
    const missing = [...new Set(wanted)].filter((key) => !this.#read.has(key));
    if (missing.length === 0) return;
    const values = await this.#store.getMany(missing);
    for (const [index, key] of missing.entries()) this.#read.set(key, values[index]);
  }

  async *rows(span: KeySpan, options: RowsOptions = {}): AsyncIterable<Row> {
    const isReverse = options.reverse ?? false;
    const own = this.#namesIn(span, isReverse);
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    let next = 0;

    for await (const row of this.#below.rows(span, { reverse: isReverse })) {
      const name = keyOf(row.key);
      for (; next < own.length && comesBefore(own[next], name, isReverse); next += 1) {
        const written = this.#row(own[next]);
        if (written === undefined) continue;
        if (left <= 0) return;
        left -= 1;
        yield written;
      }
      if (this.#writes.has(name)) continue;
      if (left <= 0) return;
      left -= 1;
      yield row;
    }
    for (const name of own.slice(next)) {
      const written = this.#row(name);
      if (written === undefined) continue;
      if (left <= 0) return;
      left -= 1;
      yield written;
    }
  }

  put(key: Key, value: Uint8Array): void {
    this.#write(key, value);
  }

  delete(key: Key): void {
    this.#write(key, undefined);
  }

  /** Notes that one of the rows written holds another register than before. */
  replaced({ key, before, after }: Replacement): void {
    const name = registerRow(key);
    this.#replaced.set(name, { key, before: this.#replaced.get(name)?.before ?? before, after });
  }

  /** What each register was below, and what it is here. */
  replacements(): Iterable<Replacement> {
    return this.#replaced.values();
  }

  /** Takes over what was written above. */
  absorb(above: Overlay): void {
    if (this.isEmpty) [this.#writes, this.#names] = [above.#writes, above.#names];
    else for (const [key, value] of above.#writes) this.#write(key, value);
    for (const replacement of above.#replaced.values()) this.replaced(replacement);
  }

  /** What was written, in no order. */
  written(): Written {
    return this.#writes;
  }

  /** Sealed, and in key order so that equal turns make equal batches. */
  sealedWrites(): readonly KvWrite[] {
    return [...this.#writes]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, value]) => {
        const key = bytesOf(name);
        return value === undefined ? { kind: "delete", key } : { kind: "put", key, value: seal(key, value) };
      });
  }

  #namesIn({ from, to }: KeySpan, isReverse: boolean): readonly string[] {
    const group = groupOf(from);
    const candidates =
      group !== undefined && groupOf(to) === group ? (this.#names.get(group) ?? []) : this.#writes.keys();
    const names = [...candidates].filter((name) => from <= name && name < to).toSorted();
    return isReverse ? names.toReversed() : names;
  }

  #write(name: string, value: Uint8Array | undefined): void {
    this.#writes.set(name, value);
    const group = groupOf(name);
    if (group === undefined) return;
    const names = this.#names.get(group);
    if (names === undefined) this.#names.set(group, new Set([name]));
    else names.add(name);
  }

  #row(name: string | undefined): Row | undefined {
    const value = name === undefined ? undefined : this.#writes.get(name);
    return name === undefined || value === undefined ? undefined : { key: bytesOf(name), value };
  }
}

/** Letters of rows of which there is one for each op, and which are scanned only where a history begins anew. */
const UNGROUPED = ["o", "q"];

/** The letter and the first part of a key. */
export function groupOf(name: Key): string | undefined {
  if (UNGROUPED.includes(name.charAt(0))) return undefined;
  // A span that covers one whole group ends in a one where its keys have the zero. Read once for every write: no array.
  for (let end = 0; end < name.length; end += 1) if (name.charCodeAt(end) <= 1) return name.slice(0, end);
  return undefined;
}

function comesBefore(own: string | undefined, below: string, isReverse: boolean): boolean {
  if (own === undefined) return false;
  return own === below || (isReverse ? own > below : own < below);
}
