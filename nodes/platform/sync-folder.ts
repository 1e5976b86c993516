import { constants, type PathLike } from "node:fs";
import { mkdir, open } from "node:fs/promises";

import { DurabilityError } from "../../shared/disk-errors.ts";
import { codeOf } from "./system-error.ts";

const PRIVATE_FOLDER = 0o700;

/**
 * Makes the names in a folder durable: a rename, a new file and an unlink are all only remembered by the cache until
 * their folder is synced.
 *
 * @throws {DurabilityError} when syncing fails.
 */
export async function syncFolder(path: PathLike): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } catch (cause) {
    throw new DurabilityError(`cannot sync the folder ${path.toString()}`, { cause });
  } finally {
    await folder.close();
  }
}

/** Makes `path`, whose parent exists, readable by its owner alone. Not durable before the parent is synced. */
export async function makeFolder(path: PathLike): Promise<void> {
  try {
    await mkdir(path, { mode: PRIVATE_FOLDER });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}
