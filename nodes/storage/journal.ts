/**
 * The journal: what the metadata store is rebuilt from. The store, LevelDB, is fast and keeps rows in order, but a
 * flipped bit in it is served as data or makes acknowledged rows vanish. So every batch is first appended to a file
 * that does nothing but grow, and only that file is synced.
 *
 *   segment-0000000000000001      batches from 1 on, in order, until the segment is full
 *   segment-0000000000004711      batches from 4711 on
 *   checkpoint-0000000000004000   every row as it was after batch 4000
 *
 * A record is a batch as the store gets it: the rows, sealed, with everything that follows from a change. To keep only
 * the ops and merge them anew was the alternative; it halves the journal, but a rebuild would then depend on every
 * version that ever merged, and what lies here alone, uploads, links and blobs, has no ops. Rows are absolute: to
 * write a batch twice, or over a store that has later ones, does no harm as long as all later ones follow.
 *
 * A checkpoint replaces all batches before it. One is begun when the segments have outgrown the last one (and a
 * minimum), so the journal stays within about twice the live rows, and three times while one is being written. It
 * appears under its name only when it is whole; what it replaces goes after that.
 */
import { invariant } from "../../shared/invariant.ts";
import type { JournalFile, JournalFileEntry, JournalFiles } from "../ports/journal-files.ts";
import type { KvWrite } from "../ports/kv.ts";
import { readRecords } from "./journal-reader.ts";
import { decodeBatch, encodeBatch, encodeRecord, encodeStart, linkAfter, type RecordKind } from "./journal-record.ts";

const NAME = /^(segment|checkpoint)-(\d{16})$/;
const DRAFT = "checkpoint.new";
/** Rows of a checkpoint are appended, and synced, so many bytes at a time. */
const CHECKPOINT_APPEND_BYTES = 1024 * 1024;

/** A file of the journal. `number`: of a segment its first batch, of a checkpoint the last one it covers. */
export type JournalPart = {
  readonly kind: "segment" | "checkpoint";
  readonly number: number;
  readonly name: string;
  readonly size: number;
};

export function partOf({ name, size }: JournalFileEntry): JournalPart | undefined {
  const [, kind, number] = NAME.exec(name) ?? [];
  return kind === "segment" || kind === "checkpoint" ? { kind, number: Number(number), name, size } : undefined;
}

function nameOf(kind: JournalPart["kind"], number: number): string {
  return `${kind}-${String(number).padStart(16, "0")}`;
}

/** Where a journal ends: the number of its last batch, and the link after it. */
export type JournalEnd = { readonly id: Uint8Array; readonly seq: number; readonly link: Uint8Array };

/** The end of a journal that is open for writing. One call at a time, but for `checkpoint`. */
export class Journal {
  readonly id: Uint8Array;
  readonly #files: JournalFiles;
  #seq: number;
  #link: Uint8Array;
  #parts: readonly JournalPart[];
  #file: JournalFile | undefined;

  /** `parts` are the files there are; the next batch goes to a new segment unless `resume` is called. */
  constructor(files: JournalFiles, end: JournalEnd, parts: readonly JournalPart[]) {
    this.#files = files;
    this.id = end.id;
    this.#seq = end.seq;
    this.#link = end.link;
    this.#parts = parts;
  }

  /** The number of the last batch. */
  get seq(): number {
    return this.#seq;
  }

  /** Bytes of the segment that is written to. */
  get segmentBytes(): number {
    return this.#file === undefined ? 0 : (this.#segments.at(-1)?.size ?? 0);
  }

  /** Bytes of batches, and of the checkpoint they follow. */
  get sizes(): { readonly segments: number; readonly checkpoint: number } {
    const checkpoint = this.#parts.findLast(({ kind }) => kind === "checkpoint")?.size ?? 0;
    return { segments: this.#segments.reduce((sum, { size }) => sum + size, 0), checkpoint };
  }

  /** Goes on in the last segment, which is whole up to its end. */
  async resume(): Promise<void> {
    const last = this.#segments.at(-1);
    if (last !== undefined) this.#file = await this.#files.open(last.name);
  }

  /** Appends the next batch. Durable when it resolves; when it rejects, the journal takes nothing more. */
  async append(writes: readonly KvWrite[]): Promise<void> {
    const file = this.#file ?? (await this.#begin());
    const record = {
      kind: "batch",
      previous: this.#link,
      payload: encodeBatch({ seq: this.#seq + 1, writes }),
    } as const;
    const bytes = encodeRecord(record, this.id);
    await file.append(bytes);
    this.#seq += 1;
    this.#link = linkAfter(record);
    this.#grow(bytes.length);
  }

  /** The next batch begins a new segment. */
  async endSegment(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async close(): Promise<void> {
    await this.endSegment();
  }

  /** What was last written to `key`, if the journal holds it whole. Reads all of the journal; batches may be appended meanwhile. */
  async lastWriteTo(key: Uint8Array): Promise<KvWrite | undefined> {
    let last: KvWrite | undefined;
    const checkpoint = this.#parts.findLast(({ kind }) => kind === "checkpoint");
    const parts = checkpoint === undefined ? this.#segments : [checkpoint, ...this.#segments];
    for (const { name } of parts) {
      for await (const found of readRecords(this.#files.read(name), this.id)) {
        if (found.kind !== "record" || found.record.kind === "start") continue;
        const { seq, writes } = decodeBatch(found.record.payload);
        // A segment that a checkpoint has replaced in part says nothing newer of what is in the checkpoint.
        if (found.record.kind === "batch" && seq <= (checkpoint?.number ?? 0)) continue;
        last = writes.findLast((write) => Buffer.compare(write.key, key) === 0) ?? last;
      }
    }
    return last;
  }

  /** Where the journal ends now: what a checkpoint of the rows as they are now has to say. */
  end(): JournalEnd {
    return { id: this.id, seq: this.#seq, link: this.#link };
  }

  /** Writes a checkpoint: `rows` are those after the batch at `end`. Batches may be appended meanwhile. */
  async checkpoint(end: JournalEnd, rows: AsyncIterable<KvWrite>): Promise<void> {
    await this.#files.remove(DRAFT);
    const file = await this.#files.open(DRAFT);
    let size = 0;
    try {
      size = await this.#writeRows(file, end, rows);
    } finally {
      await file.close();
    }
    const name = nameOf("checkpoint", end.seq);
    await this.#files.rename(DRAFT, name);
    const others = this.#parts.filter((part) => part.name !== name);
    const made: JournalPart = { kind: "checkpoint", number: end.seq, name, size };
    this.#parts = [...others, made].toSorted(byNumber);
  }

  /** Removes every file but the last checkpoint, which needs none of them: they belong to a journal that was given up. */
  async dropOthers(): Promise<void> {
    const checkpoint = this.#parts.findLast(({ kind }) => kind === "checkpoint");
    for (const part of this.#parts) if (part !== checkpoint) await this.#files.remove(part.name);
    this.#parts = checkpoint === undefined ? [] : [checkpoint];
  }

  /** Removes what the last checkpoint has replaced, but for batches after `kept`, which the store may still need. */
  async prune(kept: number): Promise<void> {
    const checkpoint = this.#parts.findLast(({ kind }) => kind === "checkpoint");
    if (checkpoint === undefined) return;
    const needed = Math.min(checkpoint.number, kept);
    const segments = this.#segments;
    for (const part of this.#parts) {
      const next = segments[segments.indexOf(part) + 1];
      const isReplaced =
        part.kind === "checkpoint" ? part.number < checkpoint.number : next !== undefined && next.number <= needed + 1;
      if (!isReplaced) continue;
      await this.#files.remove(part.name);
      this.#parts = this.#parts.filter((other) => other !== part);
    }
  }

  get #segments(): readonly JournalPart[] {
    return this.#parts.filter(({ kind }) => kind === "segment");
  }

  async #begin(): Promise<JournalFile> {
    const number = this.#seq + 1;
    const name = nameOf("segment", number);
    // A life that died before its first batch may have left one of this name, with nothing in it that counts.
    await this.#files.remove(name);
    const file = await this.#files.open(name);
    const bytes = encodeRecord(startOf({ id: this.id, seq: this.#seq, link: this.#link }), this.id);
    await file.append(bytes);
    this.#file = file;
    const others = this.#parts.filter((part) => part.name !== name);
    const begun: JournalPart = { kind: "segment", number, name, size: bytes.length };
    this.#parts = [...others, begun].toSorted(byNumber);
    return file;
  }

  async #writeRows(file: JournalFile, end: JournalEnd, rows: AsyncIterable<KvWrite>): Promise<number> {
    let link = end.link;
    let size = 0;
    const put = async (kind: RecordKind, payload: Uint8Array): Promise<void> => {
      const record = { kind, previous: link, payload };
      const bytes = encodeRecord(record, end.id);
      link = linkAfter(record);
      size += bytes.length;
      await file.append(bytes);
    };

    const start = encodeRecord(startOf(end), end.id);
    await file.append(start);
    size += start.length;
    for await (const writes of inGroups(rows, CHECKPOINT_APPEND_BYTES)) {
      await put("rows", encodeBatch({ seq: end.seq, writes }));
    }
    await put("end", encodeBatch({ seq: end.seq, writes: [] }));
    return size;
  }

  #grow(bytes: number): void {
    const segment = this.#segments.at(-1);
    invariant(segment !== undefined, "a batch lies in a segment");
    this.#parts = this.#parts.map((part) => (part === segment ? { ...part, size: part.size + bytes } : part));
  }
}

function startOf({ id, seq, link }: JournalEnd): {
  readonly kind: "start";
  readonly previous: Uint8Array;
  readonly payload: Uint8Array;
} {
  return { kind: "start", previous: link, payload: encodeStart({ id, next: seq + 1 }) };
}

/** Groups of about `bytesMax` bytes, in order. */
export async function* inGroups(
  writes: AsyncIterable<KvWrite>,
  bytesMax: number,
): AsyncGenerator<readonly KvWrite[], void> {
  let group: KvWrite[] = [];
  let bytes = 0;
  for await (const write of writes) {
    group.push(write);
    bytes += write.key.length + (write.kind === "put" ? write.value.length : 0);
    if (bytes < bytesMax) continue;
    yield group;
    group = [];
    bytes = 0;
  }
  if (group.length > 0) yield group;
}

function byNumber(left: JournalPart, right: JournalPart): number {
  return left.number - right.number;
}
