/**
 * Hashes every blob on the disk, round after round, so that rot is found while another node still has a good copy.
 *
 * A round goes through the blobs in the order of their digests: of those that were here when it began, the next is
 * always the one that was verified the longest ago, and where it stands fits in one row. A new round begins 25 days
 * after the last one did, which leaves five days to finish within 30. The pace is a number of bytes a second; when a
 * pause takes much longer than it should, others need the machine, and the scrubber waits for a quarter of a second.
 *
 * The alternative, a time of verification for each blob and always the oldest next, costs a row and a synced write for
 * each, for an order that differs only for blobs which have just been written and hashed anyhow.
 */
import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { InvariantError } from "../../shared/invariant.ts";
import {
  BLOB_READ_CHUNK_BYTES,
  SCRUB_BEHIND_MS,
  SCRUB_BLOB_COST_BYTES,
  SCRUB_LATE_MS,
  SCRUB_ROUND_MS,
  SCRUB_SAVE_BYTES,
  SCRUB_START_MS,
} from "../../shared/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { Metadata } from "../storage/metadata.ts";
import { NO_SCRUB, type ScrubRow } from "../storage/rows.ts";
import { Tasks } from "./driver.ts";

export type ScrubBlobsDeps = {
  readonly metadata: Pick<Metadata, "reader" | "record" | "self" | "isFenced">;
  readonly blobs: Pick<Blobs, "scrub">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
  readonly scrubBytesPerSecond: number;
};

export class ScrubBlobs {
  readonly #deps: ScrubBlobsDeps;
  readonly #tasks = new Tasks();
  readonly #stopping = new AbortController();
  #row: ScrubRow = NO_SCRUB;
  /** Read and not yet paid for by a pause. */
  #owedBytes = 0;
  #unsavedBytes = 0;

  constructor(deps: ScrubBlobsDeps) {
    this.#deps = deps;
  }

  /** Where the present round stands, or the last one ended. */
  get progress(): ScrubRow {
    return this.#row;
  }

  start(): void {
    this.#tasks.begin(async () => await this.#keepScrubbing());
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the node stops"));
    await this.#tasks.ended();
  }

  async #keepScrubbing(): Promise<void> {
    const { metadata, timers } = this.#deps;
    const { signal } = this.#stopping;
    try {
      this.#row = await metadata.reader.scrub();
      this.#show();
      await timers.sleep(SCRUB_START_MS, signal);
      for (;;) {
        await timers.sleep(this.#untilNextRoundMs(), signal);
        await this.#round(signal);
      }
    } catch (cause) {
      if (cause instanceof InvariantError) throw cause;
      if (!signal.aborted) this.#tell(cause);
    }
  }

  /** A round that was begun goes on at once. */
  #untilNextRoundMs(): number {
    const { startedMs, after } = this.#row;
    if (after !== undefined || startedMs === 0) return 0;
    // A clock that was set back must not put the next round off for ever.
    return Math.min(SCRUB_ROUND_MS, Math.max(0, startedMs + SCRUB_ROUND_MS - this.#deps.clock.wallMs()));
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { blobs, clock, metadata, timers } = this.#deps;
    if (this.#row.after === undefined) this.#row = { ...NO_SCRUB, startedMs: Math.max(1, clock.wallMs()) };
    for (;;) {
      signal.throwIfAborted();
      const next = await metadata.reader.blobAfter(this.#row.after);
      if (next === undefined) break;
      try {
        const check = await blobs.scrub(next.digest, async (bytes) => await this.#pay(bytes, signal));
        await this.#passed(next.digest, next.size, check === "rotten");
      } catch (cause) {
        if (cause instanceof InvariantError || signal.aborted) throw cause;
        // The disk or the store refuses for now: the same blob comes again.
        this.#tell(cause);
        await timers.sleep(SCRUB_START_MS, signal);
      }
    }
    this.#row = { ...this.#row, after: undefined };
    await this.#save();
    this.#deps.telemetry.log("info", "every blob was hashed", { blobs: this.#row.blobs, rotten: this.#row.rotten });
  }

  async #passed(digest: Digest, size: number, isRotten: boolean): Promise<void> {
    const { telemetry } = this.#deps;
    telemetry.count("meridian_scrubbed_bytes_total", {}, size);
    telemetry.count("meridian_scrubbed_blobs_total", { result: isRotten ? "rotten" : "sound" });
    const { startedMs, blobs, bytes, rotten } = this.#row;
    this.#row = {
      startedMs,
      after: digest,
      blobs: blobs + 1,
      bytes: bytes + size,
      rotten: rotten + (isRotten ? 1 : 0),
    };
    this.#owedBytes += SCRUB_BLOB_COST_BYTES;
    this.#unsavedBytes += size + SCRUB_BLOB_COST_BYTES;
    if (this.#unsavedBytes >= SCRUB_SAVE_BYTES) await this.#save();
  }

  /** Waits until what was read is no more than the pace allows. */
  async #pay(bytes: number, signal: AbortSignal): Promise<void> {
    const { scrubBytesPerSecond, clock, timers } = this.#deps;
    this.#owedBytes += bytes;
    if (this.#owedBytes < BLOB_READ_CHUNK_BYTES) return;
    const pauseMs = (this.#owedBytes / scrubBytesPerSecond) * 1000;
    this.#owedBytes = 0;
    const dueMs = clock.monotonicMs() + pauseMs;
    await timers.sleep(pauseMs, signal);
    if (clock.monotonicMs() - dueMs > SCRUB_LATE_MS) await timers.sleep(SCRUB_BEHIND_MS, signal);
  }

  /** What is lost of the progress is hashed once more. */
  async #save(): Promise<void> {
    const { metadata } = this.#deps;
    this.#unsavedBytes = 0;
    this.#show();
    if (metadata.isFenced() !== undefined) return;
    const row = this.#row;
    await metadata.record(metadata.self.node, async (turn) => await Promise.resolve(turn.putScrub(row)));
  }

  #show(): void {
    this.#deps.telemetry.set("meridian_scrub_round_start_seconds", {}, this.#row.startedMs / 1000);
  }

  #tell(cause: unknown): void {
    const problem = cause instanceof RegistryError ? cause.code : String(cause);
    this.#deps.telemetry.log("warn", "scrubbing the blobs was interrupted", { problem });
  }
}
