/**
 * The journal's files in a folder. An append is one write and one `fdatasync`, which also makes the file's new length
 * durable. To open the file with `O_DSYNC` saves a call and was slower here; to allocate a segment in advance saves the
 * file system's own journal half of its work, and would leave bytes at the end that only look like a torn append.
 */
import { constants, createReadStream } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";

import { DiskFullError, DurabilityError } from "../../shared/disk-errors.ts";
import type { JournalFile, JournalFileEntry, JournalFiles } from "../ports/journal-files.ts";
import { makeFolder, syncFolder } from "./sync-folder.ts";
import { codeOf } from "./system-error.ts";

const PRIVATE_FILE = 0o600;
const READ_BYTES = 1024 * 1024;

export class FileJournal implements JournalFiles {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes the folder when it is not there; its parent is. */
  static async open(folder: string): Promise<FileJournal> {
    await makeFolder(folder);
    await syncFolder(join(folder, ".."));
    return new FileJournal(folder);
  }

  readonly list = async (): Promise<readonly JournalFileEntry[]> => {
    const names = (await readdir(this.#folder)).toSorted();
    return await Promise.all(names.map(async (name) => ({ name, size: (await stat(this.#path(name))).size })));
  };

  readonly open = async (name: string): Promise<JournalFile> => {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const handle = await open(this.#path(name), flags, PRIVATE_FILE);
    await syncFolder(this.#folder);
    return new AppendedFile(handle, (await handle.stat()).size);
  };

  readonly read = (name: string): AsyncIterable<Uint8Array> =>
    createReadStream(this.#path(name), { highWaterMark: READ_BYTES });

  readonly truncate = async (name: string, size: number): Promise<void> => {
    await truncate(this.#path(name), size);
    const handle = await open(this.#path(name), constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      await sync(handle);
    } finally {
      await handle.close();
    }
  };

  readonly rename = async (from: string, to: string): Promise<void> => {
    await rename(this.#path(from), this.#path(to));
    await syncFolder(this.#folder);
  };

  readonly remove = async (name: string): Promise<void> => {
    await rm(this.#path(name), { force: true });
    await syncFolder(this.#folder);
  };

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

class AppendedFile implements JournalFile {
  readonly #handle: FileHandle;
  #size: number;

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#size + done);
        done += bytesWritten;
      }
    } catch (cause) {
      if (codeOf(cause) !== "ENOSPC" && codeOf(cause) !== "EDQUOT") throw cause;
      await this.#handle.truncate(this.#size);
      throw new DiskFullError("no room is left for the journal", { cause });
    }
    await sync(this.#handle);
    this.#size += bytes.length;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function sync(handle: FileHandle): Promise<void> {
  try {
    await handle.datasync();
  } catch (cause) {
    throw new DurabilityError("cannot sync the journal", { cause });
  }
}
