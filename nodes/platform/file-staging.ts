/**
 * Bytes on their way in, as a file. Appends go to the place the size says, so what a failed write has left beyond
 * the size is overwritten, or cut off before the commit. SHA-256 is computed as bytes arrive, since nearly every
 * digest is one; another algorithm reads the file again when it is asked for.
 *
 * The order of a commit is the order that a power cut can't turn against us: bytes synced, folder made and synced,
 * name in place, name synced. A name is never overwritten unless the file under it has the wrong size.
 */
import { rename, rm, stat } from "node:fs/promises";

import type { Digest, DigestAlgorithm } from "../../shared/digest.ts";
import { DurabilityError } from "../../shared/disk-errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { OneAtATime } from "../../shared/one-at-a-time.ts";
import type { ByteSpan, Staging, StagingName } from "../ports/disk.ts";
import type { BlobFolders } from "./blob-folders.ts";
import { CheckpointedHash } from "./checkpointed-hash.ts";
import { changingDisk } from "./disk-failure.ts";
import type { SharedFile } from "./shared-file.ts";
import { syncFolder } from "./sync-folder.ts";
import { codeOf } from "./system-error.ts";

/** `broken`: syncing failed, and nothing but giving up is left. */
type State = "open" | "broken" | "ended";

export class FileStaging implements Staging {
  readonly name: StagingName;
  readonly #folders: BlobFolders;
  readonly #file: SharedFile;
  readonly #onEnd: () => void;
  readonly #turns = new OneAtATime();
  readonly #hashes = new Map<DigestAlgorithm, CheckpointedHash>([["sha256", new CheckpointedHash("sha256")]]);
  #size: number;
  #state: State = "open";

  /** `file` holds `size` bytes already. `onEnd` is called once, when the name is free again. */
  constructor(
    name: StagingName,
    file: SharedFile,
    deps: { readonly folders: BlobFolders; readonly onEnd: () => void },
    size: number,
  ) {
    this.name = name;
    this.#file = file;
    this.#folders = deps.folders;
    this.#onEnd = deps.onEnd;
    this.#size = size;
  }

  size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#turn(async () => {
      const sha256 = this.#hashOf("sha256");
      // The system writes while this thread hashes.
      const written = this.#writeFully(bytes);
      if (sha256.length === this.#size) sha256.update(bytes);
      try {
        await written;
      } catch (cause) {
        sha256.rewind(this.#size);
        throw cause;
      }
      this.#size += bytes.length;
    });
  }

  async truncate(size: number): Promise<void> {
    await this.#turn(async () => {
      invariant(size >= 0 && size <= this.#size, "bytes are cut back to what there is");
      await changingDisk("cutting back an upload", async () => await this.#file.handle.truncate(size));
      this.#size = size;
      for (const hash of this.#hashes.values()) hash.rewind(size);
    });
  }

  async digest(algorithm: DigestAlgorithm): Promise<Digest> {
    return await this.#turn(async () => {
      const hash = this.#hashOf(algorithm);
      for await (const chunk of this.#file.read({ start: hash.length, end: this.#size })) hash.update(chunk);
      return hash.digest();
    });
  }

  /** Readers that have begun go on after the end of the staging; none begins after it. */
  async *read(span: ByteSpan): AsyncGenerator<Uint8Array, void> {
    this.#expectOpen();
    invariant(span.end <= this.#size, "what is read has been written");
    yield* this.#file.read(span);
  }

  async commit(digest: Digest): Promise<void> {
    await this.#turn(async () => {
      try {
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
      const path = this.#folders.stagingPath(this.name);
      await changingDisk("discarding an upload", async () => await rm(path, { force: true }));
      await this.#end();
    });
  }

  async close(): Promise<void> {
    await this.#turns.run(async () => {
      if (this.#state !== "ended") await this.#end();
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

  #hashOf(algorithm: DigestAlgorithm): CheckpointedHash {
    const known = this.#hashes.get(algorithm);
    if (known !== undefined) return known;
    const fresh = new CheckpointedHash(algorithm);
    this.#hashes.set(algorithm, fresh);
    return fresh;
  }

  async #writeFully(bytes: Uint8Array): Promise<void> {
    await changingDisk("the bytes", async () => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#file.handle.write(bytes, done, bytes.length - done, this.#size + done);
        done += bytesWritten;
      }
    });
  }

  async #syncBytes(): Promise<void> {
    const { size } = await this.#file.handle.stat();
    invariant(size >= this.#size, "a file holds what was written to it");
    if (size > this.#size) {
      await changingDisk("the length of a blob", async () => await this.#file.handle.truncate(this.#size));
    }
    try {
      await this.#file.handle.sync();
    } catch (cause) {
      throw new DurabilityError(`cannot sync the bytes of ${this.name}`, { cause });
    }
  }

  async #takeName(digest: Digest): Promise<void> {
    const staged = this.#folders.stagingPath(this.name);
    const target = this.#folders.blobPath(digest);
    const present = await sizeOf(target);
    if (present === this.#size) await rm(staged, { force: true });
    else await rename(staged, target);
  }

  async #end(): Promise<void> {
    this.#state = "ended";
    this.#onEnd();
    await this.#file.release();
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
