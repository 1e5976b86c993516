/** Reads one file of the journal, and tells an append that a crash has torn from damage. See `journal-record.ts`. */
import { decodeStart, HEAD_BYTES, headAt, type JournalRecord, linkAfter, recordAt } from "./journal-record.ts";

export type Found =
  /** `end` is where the record ends. `isLinked`: it follows the record before it; the first of a file always does. */
  | { readonly kind: "record"; readonly record: JournalRecord; readonly end: number; readonly isLinked: boolean }
  /** From `at` to the end of the file nothing is whole: what the last append left when it was cut off. */
  | { readonly kind: "torn"; readonly at: number }
  /** At `at` there was a record, and is none. What is whole behind it follows. */
  | { readonly kind: "damaged"; readonly at: number };

/**
 * Of `chunks`, which are a file from its beginning. Records stay valid. `journal` is the journal's identity as it is
 * known from elsewhere, empty when it is not: with it, what lies behind a damaged beginning is found all the same.
 */
export async function* readRecords(
  chunks: AsyncIterable<Uint8Array>,
  journal: Uint8Array,
): AsyncGenerator<Found, void> {
  const source = new Ahead(chunks);
  let id = journal;
  let link: Uint8Array | undefined;

  while (!(await source.isAtEnd())) {
    const record = await recordAhead(source, id);
    if (record === undefined) {
      const lost = await bytesToNextRecord(source, id);
      if (lost === undefined) {
        yield { kind: "torn", at: source.at };
        return;
      }
      yield { kind: "damaged", at: source.at };
      source.skip(lost);
      continue;
    }
    source.skip(HEAD_BYTES + record.payload.length);
    const isLinked = link === undefined || Buffer.compare(record.previous, link) === 0;
    if (record.kind === "start") ({ id } = decodeStart(record.payload));
    // What opens a file is no part of the sequence, which is the same however it is cut into files.
    link = record.kind === "start" ? record.previous : linkAfter(record);
    yield { kind: "record", record, end: source.at, isLinked };
  }
}

async function recordAhead(source: Ahead, id: Uint8Array): Promise<JournalRecord | undefined> {
  const head = headAt(await source.peek(HEAD_BYTES), 0, id);
  return head === undefined ? undefined : recordAt(await source.peek(HEAD_BYTES + head.length), 0, head, id);
}

/**
 * How far the next whole record is, past one that isn't. A head that still reads says it; else every place is tried.
 * `undefined` when nothing whole follows.
 */
async function bytesToNextRecord(source: Ahead, id: Uint8Array): Promise<number | undefined> {
  const broken = headAt(await source.peek(HEAD_BYTES), 0, id);
  if (broken !== undefined) {
    const length = HEAD_BYTES + broken.length;
    // Appends are synced one by one: what has anything behind it was whole once.
    return (await source.peek(length + 1)).length > length ? length : undefined;
  }
  const rest = await source.peekAll();
  for (let at = 1; at + HEAD_BYTES <= rest.length; at += 1) {
    const head = headAt(rest, at, id);
    if (head !== undefined && head.kind !== "start" && recordAt(rest, at, head, id) !== undefined) return at;
  }
  return undefined;
}

/** Bytes that can be looked at before they are taken. */
class Ahead {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #buffer = Buffer.alloc(0);
  #at = 0;
  #hasEnded = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Bytes skipped so far. */
  get at(): number {
    return this.#at;
  }

  async isAtEnd(): Promise<boolean> {
    return (await this.peek(1)).length === 0;
  }

  /** The next `count` bytes, or as many as there are. */
  async peek(count: number): Promise<Buffer> {
    await this.#fill(count);
    return this.#buffer.subarray(0, count);
  }

  async peekAll(): Promise<Buffer> {
    await this.#fill(Number.POSITIVE_INFINITY);
    return this.#buffer;
  }

  /** At most what was peeked. */
  skip(count: number): void {
    this.#buffer = this.#buffer.subarray(count);
    this.#at += count;
  }

  async #fill(count: number): Promise<void> {
    if (this.#buffer.length >= count || this.#hasEnded) return;
    const parts: Uint8Array[] = [this.#buffer];
    let size = this.#buffer.length;
    while (size < count) {
      const next = await this.#chunks.next();
      this.#hasEnded = next.done === true;
      if (next.done === true) break;
      parts.push(next.value);
      size += next.value.length;
    }
    this.#buffer = Buffer.concat(parts);
  }
}
