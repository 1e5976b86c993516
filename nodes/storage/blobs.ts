/**
 * Blobs that are durable on this node. Two stores tell of each: the disk has the bytes, the metadata the name and the
 * size. They are joined by order alone: **durable before named, named before acknowledged.** A crash in between
 * leaves bytes that nobody names, which is garbage; the other order would leave a name without bytes, which is a lie.
 *
 * A file is never believed on its name alone: what the metadata promised about its size is compared at every opening,
 * and `verified-blobs.ts` tells when its bytes are hashed. A blob that turns out to be missing or rotten is *lost*: its
 * bytes are put aside, its name goes into a durable queue of what is to be fetched again, and from then on the node says
 * that it does not have it. Both happen in turns with commits of the same digest, so a fresh copy is never put aside.
 */
import { algorithmOf, type Digest } from "../../shared/digest.ts";
import { DiskFullError, DurabilityError, TooManyFilesError } from "../../shared/disk-errors.ts";
import { RegistryError } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import {
  DISK_FULL_RETRY_AFTER_SECONDS,
  DISK_RESERVE_BYTES,
  SMALL_BLOB_BYTES_MAX,
  UNAVAILABLE_RETRY_AFTER_SECONDS,
} from "../../shared/limits.ts";
import { OneAtATime } from "../../shared/one-at-a-time.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk, Staging, StoredBlob } from "../ports/disk.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { BlobMemory, inMemory, readWhole } from "./blob-memory.ts";
import { type Metadata, writesEnded } from "./metadata.ts";
import { newFetchName } from "./staging-names.ts";
import type { Turn } from "./turn.ts";
import { type BlobCheck, VerifiedBlobs } from "./verified-blobs.ts";

export type BlobsDeps = {
  readonly disk: Disk;
  readonly metadata: Metadata;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
};

type NotAsStored = { readonly size?: number; readonly found: number | string };

export class Blobs {
  readonly #deps: BlobsDeps;
  readonly #memory = new BlobMemory();
  readonly #verified: VerifiedBlobs;
  readonly #turns = new Map<Digest, OneAtATime>();
  readonly #lost = new Set<Digest>();
  #onLost: () => void = () => undefined;

  constructor(deps: BlobsDeps) {
    this.#deps = deps;
    this.#verified = new VerifiedBlobs(deps.clock);
  }

  /** Blobs that were here, and are to be fetched again. */
  get lost(): ReadonlySet<Digest> {
    return this.#lost;
  }

  /** Calls `listener` whenever a blob is lost. */
  onLost(listener: () => void): void {
    this.#onLost = listener;
  }

  /** Knows what is to be fetched again when it resolves. */
  static async open(deps: BlobsDeps): Promise<Blobs> {
    const blobs = new Blobs(deps);
    await blobs.#recover();
    return blobs;
  }

  /**
   * Finds blobs that are named and whose files are gone, by two lists in the same order. Sizes and bytes are looked at
   * when a blob is opened, and by the scrubber.
   */
  async #recover(): Promise<void> {
    const { disk, metadata } = this.#deps;
    for (const digest of await metadata.reader.lostBlobs()) this.#lost.add(digest);
    const files = disk.blobs()[Symbol.asyncIterator]();
    let file = await files.next();
    const missing: Digest[] = [];
    for await (const { digest } of metadata.reader.blobs()) {
      while (file.done !== true && file.value < digest) file = await files.next();
      if (file.done === true || file.value !== digest) missing.push(digest);
    }
    await files.return?.();
    for (const digest of missing) await this.#lose(digest, undefined, { found: "nothing" });
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
      return await this.#lose(digest, blob?.stamp, { size, found: blob?.size ?? "nothing" });
    }
    if (this.#memory.wants(digest, size)) return await this.#openInMemory(digest, blob);
    return this.#verified.isTrusted(digest, blob.stamp) || (await this.#isSound(digest, blob)) ? blob : undefined;
  }

  /**
   * Hashes the blob as the scrubber does, `pace` after each chunk. One that is rotten, or gone, is lost after this.
   * @returns `undefined` when it is not here, or was replaced meanwhile.
   */
  async scrub(digest: Digest, pace: (bytes: number) => Promise<void>): Promise<BlobCheck | undefined> {
    const size = await this.size(digest);
    if (size === undefined) return undefined;
    const blob = await this.#openOnDisk(digest);
    try {
      if (blob?.size === size) return await this.#checked(digest, blob, pace);
    } finally {
      await blob?.close();
    }
    await this.#lose(digest, blob?.stamp, { size, found: blob?.size ?? "nothing" });
    return "rotten";
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
    await this.#inTurn(digest, async () => {
      const size = staging.size();
      await this.#makeDurable(staging, digest);
      await this.#trustWritten(digest, size);
      const wasLost = this.#lost.has(digest);
      await this.#deps.metadata.record(actor, async (turn) => {
        turn.storeBlob(digest, size);
        if (wasLost) turn.forgetLostBlob(digest);
        await decide(turn);
      });
      if (!wasLost) return;
      this.#lost.delete(digest);
      this.#showLost();
      await this.#deps.disk.release(digest);
      this.#deps.telemetry.log("info", "a lost blob is here again", { digest });
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

  /** What was written was hashed on its way: what lies there now is known by its stamp. Small blobs are hashed again anyhow. */
  async #trustWritten(digest: Digest, size: number): Promise<void> {
    if (size <= SMALL_BLOB_BYTES_MAX) return;
    const stamp = await this.#deps.disk.stamp(digest);
    if (stamp !== undefined) this.#verified.trust(digest, stamp);
  }

  /** Closes a blob that is not sound. */
  async #isSound(digest: Digest, blob: StoredBlob): Promise<boolean> {
    let isSound = false;
    try {
      isSound = (await this.#checked(digest, blob)) === "sound";
    } finally {
      if (!isSound) await blob.close();
    }
    return isSound;
  }

  async #checked(digest: Digest, blob: StoredBlob, pace?: (bytes: number) => Promise<void>): Promise<BlobCheck> {
    const check = await this.#verified.check(digest, blob, pace);
    if (check === "rotten") await this.#lose(digest, blob.stamp, { size: blob.size, found: "other bytes" });
    if (check === "unreadable") this.#tellNotAsStored(digest, { size: blob.size, found: "bytes that can't be read" });
    return check;
  }

  async #openInMemory(digest: Digest, blob: StoredBlob): Promise<StoredBlob | undefined> {
    try {
      const bytes = await readWhole(blob);
      if (this.#memory.keep(digest, bytes)) return inMemory(bytes);
    } finally {
      await blob.close();
    }
    return await this.#lose(digest, blob.stamp, { size: blob.size, found: "other bytes" });
  }

  /** `stamp` is of the bytes that are not what was stored; they may have been replaced since. */
  async #lose(digest: Digest, stamp: string | undefined, fields: NotAsStored): Promise<undefined> {
    const { disk, metadata } = this.#deps;
    this.#tellNotAsStored(digest, fields);
    if (metadata.isFenced() !== undefined) return;
    await this.#inTurn(digest, async () => {
      if ((await disk.stamp(digest)) !== stamp) return;
      try {
        if (stamp !== undefined) await disk.quarantine(digest);
        await metadata.record(metadata.self.node, async (turn) => await Promise.resolve(turn.loseBlob(digest)));
      } catch (cause) {
        throw this.refusalOf(cause);
      }
      this.#memory.forget(digest);
      this.#lost.add(digest);
      this.#showLost();
      this.#onLost();
    });
  }

  #showLost(): void {
    this.#deps.telemetry.set("meridian_blobs_lost", {}, this.#lost.size);
  }

  /** Nobody else changes what lies under `digest` meanwhile. */
  async #inTurn(digest: Digest, task: () => Promise<void>): Promise<void> {
    const turns = this.#turns.get(digest) ?? new OneAtATime();
    this.#turns.set(digest, turns);
    try {
      await turns.run(task);
    } finally {
      if (turns.pending === 0) this.#turns.delete(digest);
    }
  }

  #tellNotAsStored(digest: Digest, fields: NotAsStored): void {
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
