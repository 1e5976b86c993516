/**
 * Bytes on their way in, as a file. How they get there is `received-bytes.ts`; here is their name, their durability and
 * their end. They are synced as they come, a part at a time, because a disk that begins to write at the end of an upload
 * has done nothing all the while.
 *
 * The order of a commit is the order that a power cut can't turn against us: bytes synced, folder made and synced,
 * name in place, name synced. What had the name before goes: these bytes were hashed, and those may have rotted.
 */
import { rename, rm } from "node:fs/promises";

import type { Digest, DigestAlgorithm } from "../../shared/digest.ts";
import { DurabilityError } from "../../shared/disk-errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { UPLOAD_SYNC_BYTES } from "../../shared/limits.ts";
import { OneAtATime } from "../../shared/one-at-a-time.ts";
import type { ByteSpan, Staging, StagingName } from "../ports/disk.ts";
import type { BlobFolders } from "./blob-folders.ts";
import { changingDisk } from "./disk-failure.ts";
import { ReceivedBytes, type ReceivedBytesDeps } from "./received-bytes.ts";
import type { SharedFile } from "./shared-file.ts";
import { syncFolder } from "./sync-folder.ts";

export type FileStagingDeps = ReceivedBytesDeps & { readonly folders: BlobFolders; readonly onEnd: () => void };

/** `broken`: syncing failed, and nothing but giving up is left. */
type State = "open" | "broken" | "ended";

export class FileStaging implements Staging {
  readonly name: StagingName;
  readonly #folders: BlobFolders;
  readonly #file: SharedFile;
  readonly #onEnd: () => void;
  readonly #turns = new OneAtATime();
  readonly #received: ReceivedBytes;
  #size: number;
  #state: State = "open";
  /** Written since the last sync was begun. */
  #unsyncedBytes = 0;
  #syncing: Promise<void> | undefined;
  #syncFailure: DurabilityError | undefined;
  /** Beyond the size there may be something that a failure or an earlier life has left. */
  #mayBeLonger: boolean;

  /** `file` holds `size` bytes already. `onEnd` is called once, when the name is free again. */
  constructor(name: StagingName, file: SharedFile, deps: FileStagingDeps, size: number) {
    this.name = name;
    this.#file = file;
    this.#folders = deps.folders;
    this.#onEnd = deps.onEnd;
    this.#size = size;
    this.#mayBeLonger = size > 0;
    this.#received = new ReceivedBytes(file.handle, size, deps, { onWritten: (bytes) => this.#written(bytes) });
  }

  size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#onBytes(async () => await this.#received.add(bytes));
  }

  async settle(): Promise<void> {
    await this.#onBytes(async () => await this.#received.settle());
  }

  async truncate(size: number): Promise<void> {
    await this.#turn(async () => {
      invariant(size >= 0 && size <= this.#size, "bytes are cut back to what there is");
      await this.#received.cut(size);
      this.#size = size;
      await changingDisk("cutting back an upload", async () => await this.#file.handle.truncate(size));
    });
  }

  async digest(algorithm: DigestAlgorithm): Promise<Digest> {
    return await this.#onBytes(async () => await this.#received.digest(algorithm));
  }

  /** Readers that have begun go on after the end of the staging; none begins after it. */
  async *read(span: ByteSpan): AsyncGenerator<Uint8Array, void> {
    this.#expectOpen();
    invariant(span.end <= this.#size, "what is read has been written");
    await changingDisk("the bytes", async () => await this.#received.reach(span.end));
    yield* this.#file.read(span);
  }

  async commit(digest: Digest): Promise<void> {
    await this.#turn(async () => {
      try {
        await changingDisk("the bytes", async () => await this.#received.settle());
        await this.#syncBytes();
        await changingDisk("the name of a blob", async () => {
          await this.#folders.prepare(digest);
          await this.#takeName(digest);
          // Also when the name was there: perhaps only the cache knows it, from a life that ended before it synced.
          await syncFolder(this.#folders.folderOf(digest));
        });
      } catch (cause) {
        // Syncing is never tried again: a second attempt would succeed, and mean nothing.
        if (cause instanceof DurabilityError) this.#state = "broken";
        throw cause;
      }
      await this.#end();
    });
  }

  async discard(): Promise<void> {
    await this.#turns.run(async () => {
      if (this.#state === "ended") return;
      await this.#received.close();
      const path = this.#folders.stagingPath(this.name);
      await changingDisk("discarding an upload", async () => await rm(path, { force: true }));
      await this.#end();
    });
  }

  async close(): Promise<void> {
    await this.#turns.run(async () => {
      if (this.#state === "ended") return;
      try {
        if (this.#state === "open") await this.#received.settle();
      } finally {
        await this.#end();
      }
    });
  }

  async #turn<T>(task: () => Promise<T>): Promise<T> {
    return await this.#turns.run(async () => {
      this.#expectOpen();
      return await task();
    });
  }

  #expectOpen(): void {
    if (this.#state !== "open") throw new Error(`the staging ${this.name} is ${this.#state}`);
  }

  /** A turn at the bytes. What a write failed with, perhaps one of an earlier turn, is told in words of this port. */
  async #onBytes<T>(task: () => Promise<T>): Promise<T> {
    return await this.#turn(async () => {
      try {
        return await changingDisk("the bytes", task);
      } catch (cause) {
        this.#mayBeLonger = true;
        throw cause;
      } finally {
        this.#size = this.#received.size;
      }
    });
  }

  #written(bytes: number): void {
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes < UPLOAD_SYNC_BYTES || this.#syncing !== undefined) return;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#sync().finally(() => {
      this.#syncing = undefined;
    });
  }

  /** Never rejects. A failure is kept: the system tells of it once, and a sync that succeeds afterwards means nothing. */
  async #sync(): Promise<void> {
    try {
      await this.#file.handle.datasync();
    } catch (cause) {
      this.#syncFailure ??= new DurabilityError(`cannot sync the bytes of ${this.name}`, { cause });
    }
  }

  async #syncBytes(): Promise<void> {
    await this.#syncing;
    if (this.#mayBeLonger) {
      const { size } = await this.#file.handle.stat();
      invariant(size >= this.#size, "a file holds what was written to it");
      if (size > this.#size) {
        await changingDisk("the length of a blob", async () => await this.#file.handle.truncate(this.#size));
      }
    }
    await this.#sync();
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
  }

  async #takeName(digest: Digest): Promise<void> {
    await rename(this.#folders.stagingPath(this.name), this.#folders.blobPath(digest));
  }

  async #end(): Promise<void> {
    await this.#received.close();
    await this.#syncing;
    this.#state = "ended";
    this.#onEnd();
    await this.#file.release();
  }
}
