/**
 * Brings the metadata store up to the end of its journal.
 *
 * What the store may lack are the batches since its last flush, any of them. They are all written to it again, in order
 * and whole. That makes the store what it was: of every row the last writer wins, and the last writer is in the batches
 * that are repeated, or before the flush. When the store is gone, damaged or of another journal, it is put aside, and
 * a new one is filled from the last checkpoint and the batches behind it.
 *
 * Three things can be wrong with the journal. A torn end is none of them: nobody was told of that batch. (1) A batch
 * is damaged that the store had flushed: nothing is lost, and the journal begins anew with a checkpoint. (2) The
 * journal ends before what the store has flushed: the same. (3) A batch is damaged, or missing, that the store may not
 * have: what the store shows is kept, and the store is *suspect*: a node must not write under its old name on such a store,
 * because it may have forgotten what it has told others.
 */
import type { JournalFiles } from "../ports/journal-files.ts";
import type { KvWrite } from "../ports/kv.ts";
import type { RowStore, RowStorePlace } from "../ports/row-store.ts";
import { type JournalEnd, type JournalPart, partOf } from "./journal.ts";
import { type JournalMark, readMark } from "./journal-mark.ts";
import { readRecords } from "./journal-reader.ts";
import {
  decodeBatch,
  decodeStart,
  FIRST_LINK,
  type JournalRecord,
  linkAfter,
  START_BYTES_MAX,
} from "./journal-record.ts";
import { ALL, JOURNAL_MARK } from "./keys.ts";

/** What was found. Empty texts are not used: what is `undefined` did not happen. */
export type RecoveryReport = {
  /** Batches that were written to the store again. */
  readonly replayed: number;
  /** Why the store was filled anew. */
  readonly rebuilt: string | undefined;
  /** Why acknowledged rows may be missing. */
  readonly lost: string | undefined;
  /** Why the journal can't rebuild the store, though the store is whole. */
  readonly journalDamage: string | undefined;
};

export type Recovered = {
  readonly store: RowStore;
  readonly end: JournalEnd;
  readonly parts: readonly JournalPart[];
  /** The store holds rows that a new journal has to begin with, and `parts` are of no use any more. */
  readonly beginsAnew: boolean;
  /** The store has a mark of this journal, from which batches can be written again. */
  readonly isMarked: boolean;
  readonly report: RecoveryReport;
};

type Written = Pick<RowStore, "write">;
const NOWHERE: Written = { write: async () => await Promise.resolve() };

type Opened = JournalPart & { readonly id: Uint8Array | undefined; readonly link: Uint8Array };

/** `newId` names the journal when there is none, or none that can be continued. */
export async function recoverStore(files: JournalFiles, place: RowStorePlace, newId: Uint8Array): Promise<Recovered> {
  const parts = await openParts(files);
  const opened = await place.open();
  const mark = opened === undefined ? undefined : await readMark(opened);
  if (parts.length === 0) return await startJournal(place, opened, { mark, newId });

  const checkpoint = parts.findLast(({ kind }) => kind === "checkpoint");
  // Where no file can say whose it is, the store can.
  const id = checkpoint?.id ?? parts.find((part) => part.id !== undefined)?.id ?? mark?.id ?? newId;
  const tail = new Tail(files, parts, id);
  const why = whyRebuild(opened, mark, tail);
  const store = opened !== undefined && (why === undefined || (await isEmpty(opened))) ? opened : await place.replace();
  const believed = why === undefined ? mark : undefined;
  const gap = believed === undefined ? undefined : await gapBehind(believed, new Tail(files, parts, id));
  if (believed === undefined) await tail.rebuild(store);
  else await tail.replay(store, gap === undefined ? believed.flushed : believed.applied);
  await tail.cutTorn();

  const { end, damage, lost = gap } = tail.outcome(believed);
  const beginsAnew = lost !== undefined || damage !== undefined;
  return {
    store,
    end: beginsAnew ? { id: newId, seq: end.seq, link: FIRST_LINK } : end,
    parts: parts
      .map(({ kind, number, name, size }) => ({ kind, number, name, size: tail.sizeOf(name) ?? size }))
      .filter(({ size }) => size > 0),
    beginsAnew,
    isMarked: why === undefined && !beginsAnew,
    report: { replayed: tail.replayed, rebuilt: why, lost, journalDamage: lost === undefined ? damage : undefined },
  };
}

/**
 * What is wrong with the batches that would be written again, found out before one of them is. The store has most likely all
 * of them, and to write those before the gap would set back rows whose last writer is in it: what was deleted would
 * return. So with a gap only what the store has never seen is written.
 */
async function gapBehind(mark: JournalMark, rehearsal: Tail): Promise<string | undefined> {
  await rehearsal.replay(NOWHERE, mark.flushed);
  return rehearsal.outcome(mark).lost;
}

/** A store without a journal: a new node, or one whose journal somebody has removed. */
async function startJournal(
  place: RowStorePlace,
  opened: RowStore | undefined,
  { mark, newId }: { readonly mark: JournalMark | undefined; readonly newId: Uint8Array },
): Promise<Recovered> {
  const store = opened ?? (await place.replace());
  const lost = whyLost(opened, mark);
  const hadJournal = mark !== undefined && mark.applied > 0;
  return {
    store,
    end: { id: newId, seq: 0, link: FIRST_LINK },
    parts: [],
    beginsAnew: !(await isEmpty(store)),
    isMarked: false,
    report: {
      replayed: 0,
      rebuilt: opened === undefined ? "it could not be opened" : undefined,
      lost,
      journalDamage: lost === undefined && hadJournal ? "it is gone" : undefined,
    },
  };
}

/** What is missing when there is no journal. */
function whyLost(opened: RowStore | undefined, mark: JournalMark | undefined): string | undefined {
  if (opened === undefined) return "the store is damaged, and there is no journal to rebuild it from";
  if (mark === undefined || mark.flushed === mark.applied) return undefined;
  return "the journal is gone, and the store had not been flushed";
}

function whyRebuild(opened: RowStore | undefined, mark: JournalMark | undefined, tail: Tail): string | undefined {
  if (opened === undefined) return "it could not be opened";
  if (mark === undefined) return "it does not say how much of the journal is in it";
  if (Buffer.compare(mark.id, tail.id) !== 0) return "it belongs to another journal";
  return tail.reaches(mark.flushed) ? undefined : "the batches that follow its last flush are not in the journal";
}

/** With what the first record of each says; in the order of their numbers, a checkpoint before a segment. */
async function openParts(files: JournalFiles): Promise<readonly Opened[]> {
  const opened: Opened[] = [];
  for (const part of (await files.list()).flatMap((entry) => partOf(entry) ?? [])) {
    // A life that ended before it wrote the first record of a file has left a name and nothing else.
    if (part.size === 0) {
      await files.remove(part.name);
      continue;
    }
    const start = await startOf(files, part);
    opened.push({
      ...part,
      id: start === undefined ? undefined : decodeStart(start.payload).id,
      link: start?.previous ?? FIRST_LINK,
    });
  }
  return opened.toSorted((left, right) => left.number - right.number);
}

async function startOf(files: JournalFiles, { name }: JournalPart): Promise<JournalRecord | undefined> {
  for await (const found of readRecords(files.read(name), new Uint8Array())) {
    return found.kind === "record" && found.record.kind === "start" ? found.record : undefined;
  }
  return undefined;
}

async function isEmpty(store: RowStore): Promise<boolean> {
  for await (const { key } of store.entries({ ...ALL, limit: 2 })) {
    if (Buffer.compare(key, JOURNAL_MARK) !== 0) return false;
  }
  return true;
}

/** The batches behind a point, as they are read. */
class Tail {
  readonly id: Uint8Array;
  replayed = 0;
  readonly #files: JournalFiles;
  readonly #checkpoint: Opened | undefined;
  readonly #segments: readonly Opened[];
  /** What the store has without the segments. */
  #from = 0;
  /** The last batch in the store. */
  #seq = 0;
  /** The last batch that a file has shown. */
  #read = 0;
  /** After the batch `#read`; `undefined` until a file has told it. */
  #link: Uint8Array | undefined;
  #torn: { readonly name: string; readonly at: number } | undefined;
  #lost: string | undefined;
  #damage: string | undefined;

  constructor(files: JournalFiles, parts: readonly Opened[], id: Uint8Array) {
    this.#files = files;
    this.id = id;
    this.#checkpoint = parts.findLast(({ kind }) => kind === "checkpoint");
    // Of a journal that has been given up, files may be left. A segment that can't say what it is counts.
    this.#segments = parts.filter(
      (part) => part.kind === "segment" && (part.id === undefined || Buffer.compare(part.id, id) === 0),
    );
  }

  /** Whether the batch after `seq` can be here; also when there is nothing better to be had than a store without it. */
  reaches(seq: number): boolean {
    if (this.#checkpoint === undefined) return true;
    const first = this.#segments[0]?.number ?? this.#checkpoint.number + 1;
    return first <= seq + 1;
  }

  sizeOf(name: string): number | undefined {
    return this.#torn?.name === name ? this.#torn.at : undefined;
  }

  async rebuild(store: Written): Promise<void> {
    if (this.#checkpoint !== undefined) await this.#loadCheckpoint(store, this.#checkpoint);
    else if (this.#segments[0]?.number !== 1) this.#lost = "the first batches of the journal are missing";
    await this.replay(store, this.#checkpoint?.number ?? 0);
  }

  /** Writes to `store` every batch after `from`. */
  async replay(store: Written, from: number): Promise<void> {
    this.#from = from;
    this.#seq = from;
    this.#read = this.#checkpoint?.number ?? 0;
    this.#link = this.#checkpoint?.link;
    const first = this.#segments.findLastIndex(({ number }) => number <= from + 1);
    const segments = this.#segments.slice(Math.max(0, first));
    for (const segment of segments) await this.#readSegment(store, segment, segment === segments.at(-1));
  }

  /** What a torn append has left goes, or it would look like damage once something follows it. */
  async cutTorn(): Promise<void> {
    if (this.#torn === undefined) return;
    const { name, at } = this.#torn;
    if (at === 0) await this.#files.remove(name);
    else await this.#files.truncate(name, at);
  }

  /** `mark` is what the store said, when it was believed. */
  outcome(mark: JournalMark | undefined): {
    readonly end: JournalEnd;
    readonly lost: string | undefined;
    readonly damage: string | undefined;
  } {
    const seq = Math.max(this.#seq, mark?.applied ?? 0);
    const end = { id: this.id, seq, link: this.#link ?? FIRST_LINK };
    if (mark === undefined || mark.applied <= this.#read) return { end, lost: this.#lost, damage: this.#damage };

    const missing = `it ends at batch ${this.#read}, and the store has batch ${mark.applied}`;
    const isInStore = mark.flushed >= mark.applied;
    return { end, lost: this.#lost ?? (isInStore ? undefined : missing), damage: missing };
  }

  async #loadCheckpoint(store: Written, { name }: Opened): Promise<void> {
    let isWhole = false;
    for await (const found of readRecords(this.#files.read(name), this.id)) {
      if (found.kind !== "record" || !found.isLinked) {
        this.#lost ??= `${name} is damaged`;
        continue;
      }
      if (found.record.kind === "rows") await store.write(decodeBatch(found.record.payload).writes);
      isWhole = found.record.kind === "end";
    }
    if (!isWhole) this.#lost ??= `${name} is cut short`;
  }

  async #readSegment(store: Written, { name, number, size }: Opened, isLast: boolean): Promise<void> {
    if (number > this.#seq + 1) this.#miss(number - 1, `the batches before ${name} are in no file`);
    // A segment that begins before the first batch that is wanted is read for its links until there.
    let next = number;
    /** A record is damaged, and the number of the next one will tell which. */
    let broken: string | undefined;

    for await (const found of readRecords(this.#files.read(name), this.id)) {
      if (found.kind === "damaged") broken ??= `${name} is damaged at byte ${found.at}`;
      else if (found.kind === "torn") {
        // What opens a file was synced before anything followed it.
        const isAppend = isLast && (found.at > 0 || size <= START_BYTES_MAX);
        if (isAppend) this.#torn = { name, at: found.at };
        else broken ??= `${name} is damaged at byte ${found.at}`;
      } else if (found.record.kind === "start") this.#follow(found.record.previous, number - 1);
      else {
        const { seq, writes } = decodeBatch(found.record.payload);
        if (broken === undefined && !found.isLinked) this.#miss(seq, `batch ${seq} does not follow the one before it`);
        if (seq > next) broken ??= `batch ${next} is missing in ${name}`;
        // What opens the file may be damaged, and every batch be there.
        if (broken !== undefined) this.#miss(seq > next ? seq - 1 : 0, broken);
        broken = undefined;
        next = seq + 1;
        if (seq > this.#from) await this.#write(store, writes);
        this.#seq = Math.max(this.#seq, seq);
        this.#read = seq;
        this.#link = linkAfter(found.record);
      }
    }
    if (broken !== undefined) this.#miss(next, broken);
  }

  /** A segment says which link it goes on from, after batch `seq`. */
  #follow(link: Uint8Array, seq: number): void {
    if (this.#link !== undefined && seq === this.#read && Buffer.compare(this.#link, link) !== 0) {
      this.#miss(seq, `batch ${seq} is not the one that the next segment follows`);
    }
    this.#read = seq;
    this.#link = link;
  }

  async #write(store: Written, writes: readonly KvWrite[]): Promise<void> {
    await store.write(writes);
    this.replayed += 1;
  }

  #miss(seq: number, why: string): void {
    if (seq > this.#from) this.#lost ??= why;
    else this.#damage ??= why;
  }
}
