/**
 * The key-value port as a journal and a store. A commit is appended to the journal, which is synced, and then written
 * to the store, which is not: so a commit costs one sync, as before there was a journal. The order can't be turned
 * round, nor may the two run at once: a store that is ahead of its journal could show what nobody ever acknowledged.
 *
 * The store is flushed each time a segment of the journal is full, in the background. After a crash only the batches
 * since then are written again: at most two segments, whatever the size of the store. See `journal-recovery.ts`.
 *
 * A row that the store gives back otherwise than it was written is looked up in the journal, which takes as long as
 * reading all of it, and put right. Only where the journal does not know it either does the reader hear of the damage.
 *
 * A failure of either ends all writing: `Metadata` fences the node, and the next start brings the two together again.
 */
import { DiskFullError } from "../../shared/disk-errors.ts";
import { JOURNAL_CHECKPOINT_BYTES_MIN, JOURNAL_SEGMENT_BYTES } from "../../shared/limits.ts";
import { OneAtATime } from "../../shared/one-at-a-time.ts";
import type { JournalFiles } from "../ports/journal-files.ts";
import type { Kv, KvEntry, KvRange, KvWrite } from "../ports/kv.ts";
import type { Random } from "../ports/random.ts";
import type { RowStore, RowStorePlace } from "../ports/row-store.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { DamagedRowError, isSealed, seal, unseal } from "./envelope.ts";
import { Journal } from "./journal.ts";
import { markWrite } from "./journal-mark.ts";
import { JOURNAL_ID_BYTES } from "./journal-record.ts";
import { type Recovered, type RecoveryReport, recoverStore } from "./journal-recovery.ts";
import { ALL, bytesOf, JOURNAL_MARK, SUSPICION } from "./keys.ts";

export type JournaledKvDeps = {
  readonly files: JournalFiles;
  readonly place: RowStorePlace;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Whether a value is what was written under the key: `isSealed` where rows are sealed, as all of the metadata's are. */
  readonly isSound?: (key: Uint8Array, value: Uint8Array) => boolean;
  /** When a segment is full; `JOURNAL_SEGMENT_BYTES` unless a simulation draws another. */
  readonly segmentBytes?: number;
  /** Before this many bytes of batches no checkpoint is begun; `JOURNAL_CHECKPOINT_BYTES_MIN` unless drawn. */
  readonly checkpointBytesMin?: number;
};

export class JournaledKv implements Kv {
  readonly report: RecoveryReport;
  readonly #store: RowStore;
  readonly #journal: Journal;
  readonly #telemetry: Telemetry;
  readonly #segmentBytes: number;
  readonly #checkpointBytesMin: number;
  readonly #isSound: (key: Uint8Array, value: Uint8Array) => boolean;
  readonly #turns = new OneAtATime();
  /** Each reads the whole journal. */
  readonly #recoveries = new OneAtATime();
  /** The last batch that has been written to the store. */
  #applied: number;
  /** The last batch that is durable in the store, with all before it. */
  #flushed: number;
  #isFlushDue = false;
  #tending: Promise<void> | undefined;
  #broken: unknown;
  #isClosed = false;

  private constructor(deps: JournaledKvDeps, { store, end, parts, report }: Recovered) {
    this.report = report;
    this.#store = store;
    this.#journal = new Journal(deps.files, end, parts);
    this.#telemetry = deps.telemetry;
    this.#isSound = deps.isSound ?? isSealed;
    this.#segmentBytes = deps.segmentBytes ?? JOURNAL_SEGMENT_BYTES;
    this.#checkpointBytesMin = deps.checkpointBytesMin ?? JOURNAL_CHECKPOINT_BYTES_MIN;
    this.#applied = end.seq;
    this.#flushed = end.seq;
  }

  /** Everything that was acknowledged in earlier lives is there when it resolves, or `report.lost` says that it may not be. */
  static async open(deps: JournaledKvDeps): Promise<JournaledKv> {
    const newId = deps.random.bytes(JOURNAL_ID_BYTES);
    const recovered = await recoverStore(deps.files, deps.place, newId);
    const kv = new JournaledKv(deps, recovered);
    await kv.#settle(recovered);
    return kv;
  }

  readonly get = async (key: Uint8Array): Promise<Uint8Array | undefined> => {
    const value = await this.#store.get(key);
    return value === undefined || this.#isSound(key, value) ? value : await this.#recovered(key, value);
  };

  readonly getMany = async (keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> => {
    const values = await this.#store.getMany(keys);
    return await Promise.all(
      values.map(async (value, index) => {
        const key = keys[index] ?? new Uint8Array();
        return value === undefined || this.#isSound(key, value) ? value : await this.#recovered(key, value);
      }),
    );
  };

  readonly entries = (range: KvRange): AsyncIterable<KvEntry> => this.#mended(this.#rowsIn(range));

  #rowsIn(range: KvRange): AsyncIterable<KvEntry> {
    const isMarkAmong = Buffer.compare(range.from, JOURNAL_MARK) <= 0 && Buffer.compare(JOURNAL_MARK, range.to) < 0;
    if (!isMarkAmong) return this.#store.entries(range);
    const limit = range.limit ?? Number.POSITIVE_INFINITY;
    return withoutMark(this.#store.entries(range.limit === undefined ? range : { ...range, limit: limit + 1 }), limit);
  }

  async *#mended(rows: AsyncIterable<KvEntry>): AsyncGenerator<KvEntry, void> {
    for await (const { key, value } of rows) {
      const written = this.#isSound(key, value) ? value : await this.#recovered(key, value);
      if (written !== undefined) yield { key, value: written };
    }
  }

  /** What the journal says stands where the store has something else; that itself when the journal does not know. */
  async #recovered(key: Uint8Array, damaged: Uint8Array): Promise<Uint8Array | undefined> {
    return await this.#recoveries.run(async () => {
      const last = await this.#journal.lastWriteTo(key);
      const value = last?.kind === "put" ? last.value : undefined;
      const isKnown = last?.kind === "delete" || (value !== undefined && this.#isSound(key, value));
      this.#telemetry.count("meridian_storage_errors_total", { operation: "read-row" });
      this.#telemetry.log("error", "a stored row is damaged", { key: Buffer.from(key).toString("latin1"), isKnown });
      if (!isKnown) return damaged;
      await this.#turns.run(async () => {
        const present = await this.#store.get(key);
        const isAsBefore = present !== undefined && Buffer.compare(present, damaged) === 0;
        if (isAsBefore && this.#broken === undefined && last !== undefined) await this.#store.write([last]);
      });
      return value;
    });
  }

  readonly commit = async (writes: readonly KvWrite[]): Promise<void> => {
    await this.#turns.run(async () => {
      this.#expectWhole();
      try {
        await this.#journal.append(writes);
        await this.#store.write([...writes, this.#mark()]);
        this.#applied = this.#journal.seq;
        if (this.#journal.segmentBytes >= this.#segmentBytes) {
          await this.#journal.endSegment();
          this.#isFlushDue = true;
        }
      } catch (cause) {
        this.#broken = cause;
        throw cause;
      }
    });
    this.#tend();
  };

  /** Whoever opens the store next has nothing to write again. */
  readonly close = async (): Promise<void> => {
    await this.#tending;
    await this.#turns.run(async () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      if (this.#broken === undefined && this.#flushed < this.#applied) {
        await this.#flush();
        await this.#store.write([this.#mark()]);
      }
      await this.#journal.close();
      await this.#store.close();
    });
  };

  /** What recovery has written is made durable, and the journal continued or begun. */
  async #settle({ beginsAnew, isMarked }: Recovered): Promise<void> {
    const { replayed, rebuilt, lost } = this.report;
    if (replayed > 0 || rebuilt !== undefined || beginsAnew) await this.#flush();
    if (beginsAnew) {
      // Also rows that are damaged: they are noticed when they are read, and one that is missing is not.
      await this.#journal.checkpoint(this.#journal.end(), putsOf(this.#store.entries(ALL)));
    } else await this.#journal.resume();
    await this.#store.write([this.#mark()]);
    // There is no older mark to fall back to: without this one all would have to be done again.
    if (!isMarked) await this.#store.flush();
    // Until here a crash would have found the old journal, and all that is in it.
    if (beginsAnew) await this.#journal.dropOthers();
    if (lost === undefined) return;
    const key = bytesOf(SUSPICION);
    await this.commit([{ kind: "put", key, value: seal(key, Buffer.from(lost)) }]);
  }

  #mark(): KvWrite {
    const { id, seq } = this.#journal;
    return markWrite({ id, applied: seq, flushed: this.#flushed });
  }

  #expectWhole(): void {
    if (this.#isClosed) throw new Error("the store is closed");
    if (this.#broken !== undefined) throw new Error("a batch before this one has failed", { cause: this.#broken });
  }

  /** Begins what is due in the background, unless it is under way. */
  #tend(): void {
    if (!this.#isFlushDue || this.#tending !== undefined || this.#isClosed || this.#broken !== undefined) return;
    this.#tending = this.#keep().finally(() => {
      this.#tending = undefined;
      this.#tend();
    });
  }

  /** Never rejects: a flush that fails ends all writing. */
  async #keep(): Promise<void> {
    this.#isFlushDue = false;
    try {
      // A power cut may take the mark that says what is flushed now, and then the one before it counts.
      const needed = this.#flushed;
      await this.#flush();
      await this.#turns.run(async () => await this.#store.write([this.#mark()]));
      await this.#shorten(needed);
    } catch (cause) {
      this.#broken ??= cause;
      this.#tell("the metadata store could not be flushed behind its journal", cause);
    }
  }

  /** Everything that has been written so far is durable in the store after this. */
  async #flush(): Promise<void> {
    const applied = this.#applied;
    await this.#store.flush();
    this.#flushed = applied;
  }

  /** Replaces batches by a checkpoint when there are enough of them, but for those after `needed`. */
  async #shorten(needed: number): Promise<void> {
    const { segments, checkpoint } = this.#journal.sizes;
    if (segments < Math.max(checkpoint, this.#checkpointBytesMin)) return;
    const { end, rows } = await this.#turns.run(async () => {
      await Promise.resolve();
      // A batch that failed may be in the journal and not in the store.
      this.#expectWhole();
      // A snapshot: batches that are written from here on do not show.
      return { end: this.#journal.end(), rows: this.#store.entries(ALL) };
    });
    try {
      await this.#journal.checkpoint(end, putsOf(sound(rows)));
    } catch (cause) {
      // Nothing is lost by a journal that is too long. The next full segment brings the next try.
      if (!(cause instanceof DiskFullError) && !(cause instanceof DamagedRowError)) throw cause;
      this.#tell("the journal could not be shortened", cause);
      return;
    }
    await this.#journal.prune(needed);
    this.#telemetry.count("meridian_journal_checkpoints_total", {});
  }

  #tell(event: string, cause: unknown): void {
    this.#telemetry.count("meridian_storage_errors_total", { operation: "keep-journal" });
    this.#telemetry.log("error", event, { problem: String(cause) });
  }
}

/** Damage must not be copied. @throws {DamagedRowError} */
async function* sound(rows: AsyncIterable<KvEntry>): AsyncGenerator<KvEntry, void> {
  for await (const row of rows) {
    unseal(row.key, row.value);
    yield row;
  }
}

async function* putsOf(rows: AsyncIterable<KvEntry>): AsyncGenerator<KvWrite, void> {
  // How much of a journal lies in a store is no part of what it holds.
  for await (const { key, value } of withoutMark(rows, Number.POSITIVE_INFINITY)) yield { kind: "put", key, value };
}

async function* withoutMark(rows: AsyncIterable<KvEntry>, limit: number): AsyncGenerator<KvEntry, void> {
  let left = limit;
  for await (const row of rows) {
    if (left <= 0) return;
    if (Buffer.compare(row.key, JOURNAL_MARK) === 0) continue;
    left -= 1;
    yield row;
  }
}
