import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { InvariantError } from "../../shared/invariant.ts";
import { MEND_RETRY_MS_MAX, MEND_RETRY_MS_MIN } from "../../shared/limits.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { Metadata } from "../storage/metadata.ts";
import { Bell } from "./bell.ts";
import { Tasks } from "./driver.ts";
import type { FetchBlob } from "./fetch-blob.ts";
import type { PeerDirectory } from "./peer-directory.ts";

export type MendBlobsDeps = {
  readonly metadata: Pick<Metadata, "reader" | "isFenced">;
  readonly blobs: Pick<Blobs, "lost" | "onLost">;
  readonly fetchBlob: Pick<FetchBlob, "open">;
  readonly directory: Pick<PeerDirectory, "onChanged">;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
};

/**
 * Brings back the blobs that were here and were found missing or rotten, one after the other, from whoever holds them.
 * The queue is durable, in the metadata; a blob leaves it when its bytes are here again, verified. Until somebody has
 * them it stays, and what was put aside stays too.
 */
export class MendBlobs {
  readonly #deps: MendBlobsDeps;
  readonly #tasks = new Tasks();
  readonly #bell = new Bell();
  readonly #stopping = new AbortController();
  #stopListening: () => void = () => undefined;

  constructor(deps: MendBlobsDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { blobs, directory } = this.#deps;
    blobs.onLost(() => this.#bell.ring());
    this.#stopListening = directory.onChanged(() => this.#bell.ring());
    this.#tasks.begin(async () => await this.#keepMending());
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the node stops"));
    this.#stopListening();
    await this.#tasks.ended();
  }

  async #keepMending(): Promise<void> {
    const { signal } = this.#stopping;
    const { blobs, metadata, timers } = this.#deps;
    let waitMs = MEND_RETRY_MS_MIN;
    while (!signal.aborted) {
      // A fenced node keeps nothing.
      const wanted = metadata.isFenced() === undefined ? [...blobs.lost] : [];
      for (const digest of wanted) await this.#mend(digest, signal);
      waitMs = wanted.some((digest) => !blobs.lost.has(digest))
        ? MEND_RETRY_MS_MIN
        : Math.min(MEND_RETRY_MS_MAX, 2 * waitMs);
      if (blobs.lost.size === 0) await this.#bell.rung(signal);
      else await this.#bell.rungWithin(timers, waitMs, signal);
    }
  }

  async #mend(digest: Digest, signal: AbortSignal): Promise<void> {
    const { fetchBlob, metadata, telemetry } = this.#deps;
    if (signal.aborted) return;
    try {
      const repo = await metadata.reader.repositoryOfBlob(digest);
      if (repo === undefined) return;
      const blob = await fetchBlob.open(repo, digest, signal);
      try {
        // The last byte comes when the whole is verified and durable.
        for await (const _ of blob.read({ start: Math.max(0, blob.size - 1), end: blob.size }, signal));
      } finally {
        await blob.close();
      }
      telemetry.count("meridian_blobs_mended_total", {});
    } catch (cause) {
      if (cause instanceof InvariantError) throw cause;
      // Nobody has it now, or the disk is full: it stays in the queue.
      const problem = cause instanceof RegistryError ? cause.code : String(cause);
      telemetry.log("debug", "a lost blob could not be fetched", { digest, problem });
    }
  }
}
