/** The disk port on a folder of the local file system. How files are laid out is told in `blob-folders.ts`. */
import { type BigIntStats, constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readdir, rename, rm, statfs } from "node:fs/promises";
import { join } from "node:path";

import type { Digest } from "../../shared/digest.ts";
import { invariant } from "../../shared/invariant.ts";
import type { Disk, StagedEntry, Staging, StagingName, StoredBlob } from "../ports/disk.ts";
import { BlobFolders, isStagingName } from "./blob-folders.ts";
import { BufferPool } from "./buffer-pool.ts";
import { changingDisk, withoutDescriptor } from "./disk-failure.ts";
import { FileStaging } from "./file-staging.ts";
import { SharedFile } from "./shared-file.ts";
import { SlotPool } from "./slot-pool.ts";
import { syncFolder } from "./sync-folder.ts";
import { codeOf } from "./system-error.ts";
import { WriteLanes } from "./write-lanes.ts";

const PRIVATE_FILE = 0o600;

export class FileDisk implements Disk {
  readonly #folders: BlobFolders;
  readonly #pool = new BufferPool();
  readonly #slots = new SlotPool();
  readonly #lanes = new WriteLanes();
  /** Two writers of one file would each believe in a size of their own. */
  readonly #openNames = new Set<StagingName>();

  private constructor(folders: BlobFolders) {
    this.#folders = folders;
  }

  /** Makes what is missing below `root`. The caller holds the lock of the data directory. */
  static async open(root: string): Promise<FileDisk> {
    return new FileDisk(await BlobFolders.open(root));
  }

  readonly stage = async (name: StagingName): Promise<Staging> => {
    const path = this.#folders.stagingPath(name);
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const handle = await changingDisk("a new upload", async () => await open(path, flags, PRIVATE_FILE));
    return this.#stagingOf(name, handle, 0);
  };

  readonly resume = async (name: StagingName): Promise<Staging | undefined> => {
    invariant(!this.#openNames.has(name), "what is being staged has one writer");
    const path = this.#folders.stagingPath(name);
    const handle = await changingDisk("an upload", async () => await openExisting(path, constants.O_RDWR));
    if (handle === undefined) return undefined;
    const { size } = await handle.stat();
    return this.#stagingOf(name, handle, size);
  };

  readonly staged = async (): Promise<readonly StagedEntry[]> => {
    const entries: StagedEntry[] = [];
    for (const name of (await readdir(this.#folders.staging)).toSorted()) {
      const found = isStagingName(name) ? await statExisting(join(this.#folders.staging, name)) : undefined;
      if (found?.isFile() === true) entries.push({ name, size: found.size });
    }
    return entries;
  };

  readonly open = async (digest: Digest): Promise<StoredBlob | undefined> => {
    const handle = await openExisting(this.#folders.blobPath(digest), constants.O_RDONLY);
    if (handle === undefined) return undefined;
    const found = await handle.stat({ bigint: true });
    const file = new SharedFile(handle, this.#pool);
    let isOpen = true;
    const close = async (): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      await file.release();
    };
    return { size: Number(found.size), stamp: stampOf(found), read: (span) => file.read(span), close };
  };

  readonly stamp = async (digest: Digest): Promise<string | undefined> => {
    try {
      return stampOf(await lstat(this.#folders.blobPath(digest), { bigint: true }));
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  };

  readonly blobs = (): AsyncIterable<Digest> => this.#folders.blobs();

  readonly quarantine = async (digest: Digest): Promise<void> => {
    const [from, to] = [this.#folders.blobPath(digest), this.#folders.quarantinePath(digest)];
    try {
      await changingDisk("putting a blob aside", async () => await rename(from, to));
    } catch (error) {
      if (codeOf(error) === "ENOENT") return;
      throw error;
    }
    await syncFolder(this.#folders.quarantine);
    await syncFolder(this.#folders.folderOf(digest));
  };

  readonly release = async (digest: Digest): Promise<void> => {
    const path = this.#folders.quarantinePath(digest);
    await changingDisk("freeing what was put aside", async () => await rm(path, { force: true }));
  };

  readonly stat = async (digest: Digest): Promise<number | undefined> => {
    return (await statExisting(this.#folders.blobPath(digest)))?.size;
  };

  readonly remove = async (digest: Digest): Promise<void> => {
    await changingDisk("removing a blob", async () => {
      await rm(this.#folders.blobPath(digest), { force: true });
      try {
        await syncFolder(this.#folders.folderOf(digest));
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw error;
      }
    });
  };

  /** Ends the threads. Nothing is being staged any more. */
  async close(): Promise<void> {
    await this.#lanes.stop();
  }

  readonly freeBytes = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(this.#folders.staging);
    return bavail * bsize;
  };

  #stagingOf(name: StagingName, handle: FileHandle, size: number): Staging {
    this.#openNames.add(name);
    const onEnd = (): void => void this.#openNames.delete(name);
    const deps = { folders: this.#folders, slots: this.#slots, lanes: this.#lanes, onEnd };
    return new FileStaging(name, new SharedFile(handle, this.#pool), deps, size);
  }
}

/** Whoever writes to a file, cuts it or puts another in its place changes one of these. */
function stampOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

async function openExisting(path: string, access: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, access | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw withoutDescriptor(error);
  }
}

async function statExisting(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
