/**
 * Blobs that are durable on this node. Two stores tell of each: the disk has the bytes, the metadata the name and the
 * size. They are joined by order alone: **durable before named, named before acknowledged.** A crash in between
 * leaves bytes that nobody names, which is garbage; the other order would leave a name without bytes, which is a lie.
 *
 * A file is never believed on its name alone: what the metadata promised about its size is compared at every opening.
 */
import { algorithmOf, type Digest } from "../../shared/digest.ts";
import { DiskFullError, DurabilityError, TooManyFilesError } from "../../shared/disk-errors.ts";
import { RegistryError } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import {
  DISK_FULL_RETRY_AFTER_SECONDS,
  DISK_RESERVE_BYTES,
  UNAVAILABLE_RETRY_AFTER_SECONDS,
} from "../../shared/limits.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk, Staging, StoredBlob } from "../ports/disk.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { BlobMemory, inMemory, readWhole } from "./blob-memory.ts";
import { type Metadata, writesEnded } from "./metadata.ts";
import { newFetchName } from "./staging-names.ts";
import type { Turn } from "./turn.ts";

export type BlobsDeps = {
  readonly disk: Disk;
  readonly metadata: Metadata;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
};

export class Blobs {
  readonly #deps: BlobsDeps;
  readonly #memory = new BlobMemory();

  constructor(deps: BlobsDeps) {
    this.#deps = deps;
  }

  /** The bytes of a blob that was read lately. The caller has asked the metadata whether it may be shown. */
  atHand(digest: Digest): Uint8Array | undefined {
    return this.#memory.get(digest);
  }

  /** The blob, when its bytes are here and as long as was promised. The caller closes it. */
  async open(digest: Digest): Promise<StoredBlob | undefined> {
    const size = await this.size(digest);
    if (size === undefined) return undefined;
    const known = this.#memory.get(digest);
    if (known !== undefined) return inMemory(known);
    const blob = await this.#openOnDisk(digest);
    if (blob?.size !== size) {
      await blob?.close();
      return this.#notAsStored(digest, { size, found: blob?.size ?? "nothing" });
    }
    return this.#memory.wants(digest, size) ? await this.#openInMemory(digest, blob) : blob;
  }

  async #openOnDisk(digest: Digest): Promise<StoredBlob | undefined> {
    try {
      return await this.#deps.disk.open(digest);
    } catch (cause) {
      throw this.refusalOf(cause);
    }
  }

  /** In bytes, when the blob is durable here. */
  async size(digest: Digest): Promise<number | undefined> {
    return await this.#deps.metadata.reader.blobSize(digest);
  }

  /**
   * For bytes on their way in, about `bytes` of them, that end with this process. The caller commits or discards it.
   * @throws {RegistryError} `UNAVAILABLE` when they would take the room that the metadata store needs.
   */
  async stage(bytes = 0): Promise<Staging> {
    const { disk, metadata, random } = this.#deps;
    const freeBytes = await disk.freeBytes();
    if (freeBytes < DISK_RESERVE_BYTES + bytes) throw diskFull(freeBytes);
    try {
      return await disk.stage(newFetchName(metadata.self.boot, random));
    } catch (cause) {
      throw this.refusalOf(cause);
    }
  }

  /**
   * Makes what is staged the blob `digest`, and gives it to `repo` when there is one. The caller has compared the
   * digest. Durable and named when it resolves.
   * @throws {RegistryError} `UNAVAILABLE` when the disk is full or the node is fenced.
   */
  async commit(staging: Staging, digest: Digest, repo?: RepositoryName, actor?: string): Promise<void> {
    await this.commitWith(staging, digest, actor ?? this.#deps.metadata.self.node, async (turn) => {
      if (repo !== undefined) await turn.linkBlob(repo, digest);
    });
  }

  /** Like `commit`; `decide` writes in the same turn that names the blob. */
  async commitWith(
    staging: Staging,
    digest: Digest,
    actor: string,
    decide: (turn: Turn) => Promise<void>,
  ): Promise<void> {
    const size = staging.size();
    await this.#makeDurable(staging, digest);
    await this.#deps.metadata.record(actor, async (turn) => {
      turn.storeBlob(digest, size);
      await decide(turn);
    });
  }

  /**
   * What a failed call to the disk comes to, and what its client is told: a disk that fails ends the node's right to write,
   * one that is full, or too many open files, are worth another try later, and everything else is ours to mend.
   */
  refusalOf(cause: unknown): unknown {
    if (cause instanceof DiskFullError) return diskFull(undefined, cause);
    if (cause instanceof TooManyFilesError) return tooManyFiles(cause);
    if (!(cause instanceof DurabilityError)) return cause;
    this.#deps.metadata.fence(cause);
    return writesEnded(cause);
  }

  async #openInMemory(digest: Digest, blob: StoredBlob): Promise<StoredBlob | undefined> {
    try {
      const bytes = await readWhole(blob);
      if (this.#memory.keep(digest, bytes)) return inMemory(bytes);
    } finally {
      await blob.close();
    }
    return this.#notAsStored(digest, { size: blob.size, found: "other bytes" });
  }

  #notAsStored(digest: Digest, fields: { readonly size: number; readonly found: number | string }): undefined {
    const { telemetry } = this.#deps;
    telemetry.count("meridian_storage_errors_total", { operation: "open-blob" });
    telemetry.log("error", "a blob on disk is not what was stored", { digest, ...fields });
  }

  async #makeDurable(staging: Staging, digest: Digest): Promise<void> {
    const { clock, telemetry } = this.#deps;
    // The last look at the bytes before they get their name, whoever has looked before.
    invariant((await staging.digest(algorithmOf(digest))) === digest, "only bytes of the digest are stored under it");
    const startedMs = clock.monotonicMs();
    try {
      await staging.commit(digest);
    } catch (cause) {
      telemetry.count("meridian_storage_errors_total", { operation: "commit-blob" });
      throw this.refusalOf(cause);
    }
    telemetry.observe("meridian_disk_sync_duration_seconds", {}, (clock.monotonicMs() - startedMs) / 1000);
  }
}

function tooManyFiles(cause: Error): RegistryError {
  const { message } = cause;
  return new RegistryError("UNAVAILABLE", undefined, {
    message,
    retryAfterSeconds: UNAVAILABLE_RETRY_AFTER_SECONDS,
    cause,
  });
}

export function diskFull(freeBytes: number | undefined, cause?: unknown): RegistryError {
  const detail = freeBytes === undefined ? undefined : { freeBytes };
  const message = "disk full";
  return new RegistryError("UNAVAILABLE", detail, {
    message,
    retryAfterSeconds: DISK_FULL_RETRY_AFTER_SECONDS,
    cause,
  });
}
