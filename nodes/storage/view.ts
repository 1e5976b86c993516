/**
 * What the rows look like from one place. `StoredView` shows what is durable; an `Overlay` shows another view with
 * writes on top of it that are not. The writer lays one overlay over the store for each batch and one over that for
 * each turn: a turn that fails is dropped, together with every index row and counter it had touched, and needs no
 * undo.
 */
import { encodeKey } from "../../shared/change.ts";
import type { Kv, KvWrite } from "../ports/kv.ts";
import type { Replacement } from "./audit-lanes.ts";
import { seal, unseal } from "./envelope.ts";
import type { Key, KeySpan } from "./keys.ts";

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

export class StoredView implements View {
  readonly #kv: Kv;

  constructor(kv: Kv) {
    this.#kv = kv;
  }

  async get(key: Key): Promise<Uint8Array | undefined> {
    const sealed = await this.#kv.get(key);
    return sealed === undefined ? undefined : unseal(key, sealed);
  }

  /** As the rows were when the call was made. */
  rows(span: KeySpan, options: RowsOptions = {}): AsyncIterable<Row> {
    return unsealed(this.#kv.entries({ ...span, ...options }));
  }
}

async function* unsealed(entries: AsyncIterable<Row>): AsyncIterable<Row> {
  for await (const { key, value } of entries) yield { key, value: unseal(key, value) };
}

export class Overlay implements View {
  readonly #below: View;
  /** This one, and those that it lies on. */
  readonly #layers: readonly Overlay[];
  /** What the lowest of them lies on. */
  readonly #store: View;
  /** By the key's bytes as Latin-1 text, whose order is that of the bytes. `undefined` hides a row below. */
  readonly #writes = new Map<string, Uint8Array | undefined>();
  /** The names of writes by what stands before their first zero byte, so that a scan of one repository or digest passes over the rest of a large batch. */
  readonly #names = new Map<string, Set<string>>();
  /** Registers that differ from those below, by their key; a row may change without its register. */
  readonly #replaced = new Map<string, Replacement>();

  /** Small rows of the store that were read through here, present or not: nobody else writes while this lies over it. */
  readonly #read: Map<string, Uint8Array | undefined>;

  constructor(below: View) {
    this.#below = below;
    this.#layers = below instanceof Overlay ? [this, ...below.#layers] : [this];
    this.#store = below instanceof Overlay ? below.#store : below;
    this.#read = below instanceof Overlay ? below.#read : new Map<string, Uint8Array | undefined>();
  }

  get isEmpty(): boolean {
    return this.#writes.size === 0;
  }

  async get(key: Key): Promise<Uint8Array | undefined> {
    const name = key.toString("latin1");
    // Overlays lie on overlays, and one promise each would be most of what a read costs.
    for (const layer of this.#layers) if (layer.#writes.has(name)) return layer.#writes.get(name);
    if (this.#read.has(name)) return this.#read.get(name);
    const value = await this.#store.get(key);
    if (value === undefined || value.length <= READ_BYTES_KEPT_MAX) this.#read.set(name, value);
    return value;
  }

  async *rows(span: KeySpan, options: RowsOptions = {}): AsyncIterable<Row> {
    const isReverse = options.reverse ?? false;
    const own = this.#namesIn(span, isReverse);
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    let next = 0;

    for await (const row of this.#below.rows(span, { reverse: isReverse })) {
      const name = Buffer.from(row.key).toString("latin1");
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
    this.#write(key.toString("latin1"), value);
  }

  delete(key: Key): void {
    this.#write(key.toString("latin1"), undefined);
  }

  /** Notes that one of the rows written holds another register than before. */
  replaced({ key, before, after }: Replacement): void {
    const name = Buffer.from(encodeKey(key)).toString("latin1");
    this.#replaced.set(name, { key, before: this.#replaced.get(name)?.before ?? before, after });
  }

  /** What each register was below, and what it is here. */
  replacements(): Iterable<Replacement> {
    return this.#replaced.values();
  }

  /** Takes over what was written above. */
  absorb(above: Overlay): void {
    for (const [name, value] of above.#writes) this.#write(name, value);
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
        const key = Buffer.from(name, "latin1");
        return value === undefined ? { kind: "delete", key } : { kind: "put", key, value: seal(key, value) };
      });
  }

  #namesIn({ from, to }: KeySpan, isReverse: boolean): readonly string[] {
    const first = from.toString("latin1");
    const end = to.toString("latin1");
    const group = groupOf(first);
    const candidates =
      group !== undefined && groupOf(end) === group ? (this.#names.get(group) ?? []) : this.#writes.keys();
    const names = [...candidates].filter((name) => first <= name && name < end).toSorted();
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
    return name === undefined || value === undefined ? undefined : { key: Buffer.from(name, "latin1"), value };
  }
}

/** The letter and the first part of a key. */
export function groupOf(name: string): string | undefined {
  // A span that covers one whole group ends in a one where its keys have the zero. Read once for every write: no array.
  for (let end = 0; end < name.length; end += 1) if (name.charCodeAt(end) <= 1) return name.slice(0, end);
  return undefined;
}

function comesBefore(own: string | undefined, below: string, isReverse: boolean): boolean {
  if (own === undefined) return false;
  return own === below || (isReverse ? own > below : own < below);
}
