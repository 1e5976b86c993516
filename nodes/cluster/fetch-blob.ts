import PQueue from "p-queue";

import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { BLOB_FETCHES_MAX, MISS_PROBE_PEERS } from "../../shared/limits.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { Clock } from "../ports/clock.ts";
import type { ByteSpan, StoredBlob } from "../ports/disk.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { Metadata } from "../storage/metadata.ts";
import { BlobTransfer } from "./blob-transfer.ts";
import { findHolders } from "./find-holders.ts";
import type { GrowingBlob } from "./growing-blob.ts";
import { HolderSpeeds } from "./holder-speeds.ts";
import type { PeerDirectory } from "./peer-directory.ts";

export type FetchBlobDeps = {
  readonly metadata: Pick<Metadata, "self" | "reader">;
  readonly blobs: Pick<Blobs, "open" | "stage" | "commit" | "refusalOf">;
  readonly cluster: Pick<PeerDirectory, "reachable" | "member">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
};

/** Where bytes come from: `local`, or `peer:` and the region of the holder. */
export type FetchedFrom = "local" | `peer:${string}`;

/** A blob that is, or was a moment ago, on another node. The caller closes it. */
export type FetchedBlob = {
  /** In bytes, as the holder says. When that was wrong, every reading ends in an error. */
  readonly size: number;
  /** `local` when the bytes lie here already, and only the right to show them had to be asked for elsewhere. */
  readonly source: FetchedFrom;
  /** The whole of it, when it lies in memory. */
  readonly bytes?: Uint8Array;
  /**
   * The bytes of `span`, each chunk valid until the next is asked for. Waits for bytes that are still on their way. The
   * last chunk comes only when the whole blob is verified and durable.
   * @throws {RegistryError} `UNAVAILABLE` when the transfer fails; never a clean end after a wrong byte.
   */
  readonly read: (span: ByteSpan, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly close: () => Promise<void>;
};

/** Brings blobs here that are on other nodes: one transfer a digest, however many wait for it. */
export class FetchBlob {
  readonly #deps: FetchBlobDeps;
  readonly #transfers = new Map<Digest, BlobTransfer>();
  /** Also those which nobody may join any more and which are clearing up. */
  readonly #unfinished = new Set<BlobTransfer>();
  readonly #queue = new PQueue({ concurrency: BLOB_FETCHES_MAX });
  readonly #speeds = new HolderSpeeds();
  readonly #stopping = new AbortController();

  constructor(deps: FetchBlobDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves as soon as one holder is known; the bytes follow while they are read.
   *
   * @throws {RegistryError} `BLOB_UNKNOWN` when neither this node nor a near peer knows that `repo` has the blob;
   * `UNAVAILABLE`, with the likely holders, when it has but nobody who can be reached holds the bytes.
   */
  async open(repo: RepositoryName, digest: Digest, signal: AbortSignal): Promise<FetchedBlob> {
    // By repository, and before anything else: that a digest is on its way for one must not give it to another.
    if (!(await this.#isLinked(repo, digest, signal))) throw new RegistryError("BLOB_UNKNOWN", { digest });

    if (!this.#transfers.has(digest)) {
      const stored = await this.#deps.blobs.open(digest);
      if (stored !== undefined) return localBlob(this.#deps.telemetry, stored);
    }
    this.#throwIfStopping();
    signal.throwIfAborted();

    const underWay = this.#transfers.get(digest);
    if (underWay !== undefined) this.#deps.telemetry.count("meridian_blob_fetches_joined_total", {});
    return await this.#join(underWay ?? this.#begin(repo, digest), signal);
  }

  /** Ends every transfer and its readers. Resolves when nothing runs and nothing staged is left. */
  async stop(): Promise<void> {
    this.#stopping.abort(stopping());
    await Promise.all([...this.#unfinished].map(async (transfer) => await transfer.stop()));
  }

  async #isLinked(repo: RepositoryName, digest: Digest, signal: AbortSignal): Promise<boolean> {
    const { metadata, cluster, timers } = this.#deps;
    if (await metadata.reader.linksBlob(repo, digest)) return true;

    // What was uploaded on another node and is not yet named by a manifest is known there only.
    let isLinked = false;
    const peers = cluster.reachable().slice(0, MISS_PROBE_PEERS);
    await findHolders(
      { repo, digest, peers, onFound: ({ blob }) => (isLinked ||= blob.isLinked) },
      timers,
      AbortSignal.any([signal, this.#stopping.signal]),
    );
    signal.throwIfAborted();
    this.#throwIfStopping();
    return isLinked;
  }

  #begin(repo: RepositoryName, digest: Digest): BlobTransfer {
    const { metadata, ...ports } = this.#deps;
    const deps = { ...ports, self: metadata.self, reader: metadata.reader, queue: this.#queue, speeds: this.#speeds };
    const transfer = new BlobTransfer(
      deps,
      { repo, digest },
      {
        onOver: () => {
          this.#transfers.delete(digest);
          this.#showInProgress();
        },
        onCleared: () => this.#unfinished.delete(transfer),
      },
    );
    this.#transfers.set(digest, transfer);
    this.#unfinished.add(transfer);
    this.#showInProgress();
    transfer.begin();
    return transfer;
  }

  async #join(transfer: BlobTransfer, signal: AbortSignal): Promise<FetchedBlob> {
    transfer.addReader();
    try {
      const blob = await unlessAborted(transfer.opened, signal);
      const source: FetchedFrom = `peer:${transfer.source}`;
      this.#deps.telemetry.count("meridian_blob_source_total", { source });
      return fetched(blob, source, () => transfer.removeReader());
    } catch (cause) {
      transfer.removeReader();
      throw cause;
    }
  }

  #showInProgress(): void {
    this.#deps.telemetry.set("meridian_blob_fetches_in_progress", {}, this.#transfers.size);
  }

  #throwIfStopping(): void {
    if (this.#stopping.signal.aborted) throw stopping();
  }
}

function fetched(blob: GrowingBlob, source: FetchedFrom, onClosed: () => void): FetchedBlob {
  const { size } = blob;
  let isClosed = false;
  return {
    size,
    source,
    read: (span, signal) => blob.read(span, size, signal),
    close: async () => {
      if (!isClosed) onClosed();
      isClosed = true;
    },
  };
}

function stopping(): RegistryError {
  return new RegistryError("UNAVAILABLE", undefined, { message: "the node stops" });
}

/** @throws the signal's reason when it aborts before `work` is done; the work goes on. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<undefined>();
  const onAbort = (): void => aborted.resolve(undefined);
  signal.addEventListener("abort", onAbort);
  try {
    const first = await Promise.race([work.then((result) => ({ result })), aborted.promise]);
    if (first !== undefined) return first.result;
    signal.throwIfAborted();
    throw new Error("an aborted signal has a reason");
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** A blob of the own disk as it is given out, and counted as such. */
export function localBlob(telemetry: Telemetry, stored: StoredBlob): FetchedBlob {
  telemetry.count("meridian_blob_source_total", { source: "local" });
  return {
    size: stored.size,
    ...(stored.bytes === undefined ? {} : { bytes: stored.bytes }),
    source: "local",
    read: (span) => stored.read(span),
    close: async () => await stored.close(),
  };
}
