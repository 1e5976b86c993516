/**
 * Which ops a node holds: for each origin everything up to `upto`, and single dots beyond it. Dots beyond the
 * contiguous head appear while a catch-up session is under way (its entries may be applied at once, but only the
 * session's end moves the heads) and are first-class: a vector that forgot them would ask for, and offer, the wrong
 * things after the source died. Source: protocol.md, "Spread, catch-up, audit", rules R1 and R2.
 */
import { hash } from "node:crypto";
import { ByteReader, ByteWriter, MalformedBytesError } from "./bytes.ts";
import { isOrigin, type Origin } from "./identity.ts";
import { invariant } from "./invariant.ts";
import { VECTOR_ORIGINS_MAX, VECTOR_RANGES_MAX } from "./limits.ts";

/** Names one op for ever: the origin that made it and its number there, from 1. */
export type Dot = { readonly origin: Origin; readonly seq: number };

/** Both ends inclusive. */
export type SeqRange = { readonly from: number; readonly to: number };

export type VectorEntry = { readonly origin: Origin; readonly upto: number; readonly beyond: readonly SeqRange[] };

/** The order of dots: by origin, then by number. */
export function compareDots(left: Dot, right: Dot): number {
  if (left.origin !== right.origin) return left.origin < right.origin ? -1 : 1;
  return left.seq - right.seq;
}

/** `beyond` is sorted; its ranges neither overlap nor touch one another, nor `upto`. */
type Progress = { upto: number; beyond: SeqRange[] };

export class VersionVector {
  readonly #progress = new Map<Origin, Progress>();

  static from(entries: Iterable<VectorEntry>): VersionVector {
    const vector = new VersionVector();
    for (const entry of entries) vector.#take(entry);
    return vector;
  }

  /** The highest number below and at which nothing of `origin` is missing; 0 when nothing is held. */
  upto(origin: Origin): number {
    return this.#progress.get(origin)?.upto ?? 0;
  }

  includes({ origin, seq }: Dot): boolean {
    return this.#includesRange(origin, { from: seq, to: seq });
  }

  /** Whether every dot of `other` is held here. */
  covers(other: VersionVector): boolean {
    for (const [origin, { upto, beyond }] of other.#progress) {
      if (!this.coversEntry({ origin, upto, beyond })) return false;
    }
    return true;
  }

  /** As `covers`, of one origin. */
  coversEntry({ origin, upto, beyond }: VectorEntry): boolean {
    return this.upto(origin) >= upto && beyond.every((range) => this.#includesRange(origin, range));
  }

  /** What is held of one origin. */
  entry(origin: Origin): VectorEntry {
    const { upto, beyond } = this.#progress.get(origin) ?? { upto: 0, beyond: [] };
    return { origin, upto, beyond: [...beyond] };
  }

  add({ origin, seq }: Dot): void {
    this.addRange(origin, { from: seq, to: seq });
  }

  addRange(origin: Origin, range: SeqRange): void {
    invariant(range.from >= 1 && range.from <= range.to, "a range runs upwards from 1 or more");
    const progress = this.#of(origin);
    insert(progress.beyond, range);
    settle(progress);
  }

  /** Everything of `origin` up to `upto` is held; a lower number changes nothing. */
  advance(origin: Origin, upto: number): void {
    const progress = this.#of(origin);
    progress.upto = Math.max(progress.upto, upto);
    settle(progress);
  }

  merge(other: VersionVector): void {
    for (const [origin, { upto, beyond }] of other.#progress) this.#take({ origin, upto, beyond });
  }

  clone(): VersionVector {
    const copy = new VersionVector();
    for (const [origin, { upto, beyond }] of this.#progress) copy.#progress.set(origin, { upto, beyond: [...beyond] });
    return copy;
  }

  /** In the order of the origins, so that equal vectors have equal entries. Origins of which nothing is held are left out. */
  entries(): readonly VectorEntry[] {
    return [...this.#progress]
      .filter(([, { upto, beyond }]) => upto > 0 || beyond.length > 0)
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([origin, { upto, beyond }]) => ({ origin, upto, beyond: [...beyond] }));
  }

  equals(other: VersionVector): boolean {
    return this.covers(other) && other.covers(this);
  }

  #take({ origin, upto, beyond }: VectorEntry): void {
    this.advance(origin, upto);
    for (const range of beyond) this.addRange(origin, range);
  }

  #includesRange(origin: Origin, { from, to }: SeqRange): boolean {
    const progress = this.#progress.get(origin);
    if (progress === undefined) return false;
    if (to <= progress.upto) return true;
    const held = progress.beyond[indexFrom(progress.beyond, to)];
    return held !== undefined && held.from <= Math.max(from, progress.upto + 1);
  }

  #of(origin: Origin): Progress {
    const known = this.#progress.get(origin);
    if (known !== undefined) return known;
    const fresh: Progress = { upto: 0, beyond: [] };
    this.#progress.set(origin, fresh);
    return fresh;
  }
}

/**
 * The index of the first range that ends at `seq` or later. Found by halving: a catch-up session leaves as many
 * ranges as there are gaps of superseded dots between its entries, and adds to them one dot at a time.
 */
function indexFrom(ranges: readonly SeqRange[], seq: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const range = ranges[middle];
    if (range !== undefined && range.to < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Puts `range` in its place, as one with every range that it overlaps or touches. */
function insert(ranges: SeqRange[], range: SeqRange): void {
  const start = indexFrom(ranges, range.from - 1);
  let end = start;
  let { from, to } = range;
  for (let next = ranges[end]; next !== undefined && next.from <= range.to + 1; next = ranges[end]) {
    from = Math.min(from, next.from);
    to = Math.max(to, next.to);
    end += 1;
  }
  ranges.splice(start, end - start, { from, to });
}

/** Moves `upto` over every range that now touches it. */
function settle(progress: Progress): void {
  let settled = 0;
  for (
    let next = progress.beyond[0];
    next !== undefined && next.from <= progress.upto + 1;
    next = progress.beyond[settled]
  ) {
    progress.upto = Math.max(progress.upto, next.to);
    settled += 1;
  }
  if (settled > 0) progress.beyond.splice(0, settled);
}

export function encodeVersionVector(vector: VersionVector): Uint8Array {
  const entries = vector.entries();
  const writer = new ByteWriter().writeVarint(entries.length);
  for (const { origin, upto, beyond } of entries) {
    writer.writeString(origin).writeVarint(upto).writeVarint(beyond.length);
    for (const { from, to } of beyond) writer.writeVarint(from).writeVarint(to);
  }
  return writer.finish();
}

export const VECTOR_HASH_BYTES = 16;

/** Equal for two vectors exactly when they hold the same. */
export function vectorHash(vector: VersionVector): Uint8Array {
  return Uint8Array.from(hash("sha256", encodeVersionVector(vector), "buffer").subarray(0, VECTOR_HASH_BYTES));
}

/** @throws {MalformedBytesError} when `bytes` are not what `encodeVersionVector` makes of some version vector. */
export function decodeVersionVector(bytes: Uint8Array): VersionVector {
  const reader = new ByteReader(bytes);
  const vector = new VersionVector();
  const origins = reader.readVarint();
  if (origins > VECTOR_ORIGINS_MAX) throw new MalformedBytesError("a vector names too many origins");
  let rangesLeft = VECTOR_RANGES_MAX;
  let last: Origin | undefined;
  for (let left = origins; left > 0; left -= 1) {
    const origin = reader.readString();
    if (!isOrigin(origin)) throw new MalformedBytesError("an entry names no origin");
    if (last !== undefined && last >= origin) {
      throw new MalformedBytesError("entries come in the order of their origins");
    }
    rangesLeft -= readEntry(reader, origin, vector, rangesLeft);
    last = origin;
  }
  reader.expectEnd();
  return vector;
}

/** Returns how many ranges the entry has. */
function readEntry(reader: ByteReader, origin: Origin, vector: VersionVector, rangesMax: number): number {
  let end = reader.readVarint();
  vector.advance(origin, end);
  const ranges = reader.readVarint();
  if (ranges > rangesMax) throw new MalformedBytesError("a vector has too many gaps");
  if (end === 0 && ranges === 0) throw new MalformedBytesError("an entry holds nothing");
  for (let left = ranges; left > 0; left -= 1) {
    const from = reader.readVarint();
    const to = reader.readVarint();
    if (from <= end + 1 || from > to) throw new MalformedBytesError("ranges run upwards with gaps between them");
    vector.addRange(origin, { from, to });
    end = to;
  }
  return ranges;
}
