/**
 * All that a node keeps: `format.json`, the metadata store, and the bytes.
 *
 *   format.json   which layout this is; a later one may be refused, never misread
 *   meta/         the metadata store, whose lock is the lock of the whole directory
 *   blobs/        what is durable
 *   staging/      what is on its way in
 *
 * Order: nothing is written before the lock is held, except a store that is being created beside its place. So two
 * processes never work in one directory, whichever containers they run in.
 */
import { constants } from "node:fs";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import { FileDisk } from "./file-disk.ts";
import { LevelKv, StoreInUseError } from "./level-kv.ts";
import { syncFolder } from "./sync-folder.ts";
import { codeOf } from "./system-error.ts";

export type DataDirectory = {
  readonly disk: FileDisk;
  readonly kv: LevelKv;
  /** Lets go of the lock: the last thing to close. */
  readonly close: () => Promise<void>;
};

const FORMAT = 1;

/** The directory can't be used as it is. The message says which, why, and what to do. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}

/** Opens the data directory at `path`, and makes it, for the node's user alone, when it is not there. @throws {DataDirectoryError} */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  const root = resolve(path);
  await makeRoot(root);
  await expectKnownFormat(root);
  const kv = await openStore(root);
  try {
    await writeFormat(root);
    const disk = await FileDisk.open(root);
    return { kv, disk, close: async () => await kv.close() };
  } catch (cause) {
    await kv.close();
    throw cause;
  }
}

async function makeRoot(root: string): Promise<void> {
  try {
    const made = await mkdir(root, { recursive: true, mode: 0o700 });
    if (made === undefined) return;
    // Each folder that was made on the way is a new name in the one above it.
    for (let folder = root; folder !== dirname(made); folder = dirname(folder)) await syncFolder(dirname(folder));
  } catch (cause) {
    throw new DataDirectoryError(`cannot make the data directory ${root}: ${codeOf(cause) ?? String(cause)}`, {
      cause,
    });
  }
}

async function openStore(root: string): Promise<LevelKv> {
  try {
    return await LevelKv.open(join(root, "meta"));
  } catch (cause) {
    if (!(cause instanceof StoreInUseError)) throw cause;
    throw new DataDirectoryError(
      `the data directory ${root} is in use by another process; stop it, or give this node a directory of its own`,
      { cause },
    );
  }
}

async function expectKnownFormat(root: string): Promise<void> {
  const text = await readFormat(root);
  if (text === undefined) return;
  const format = formatOf(text);
  if (format === FORMAT) return;
  throw new DataDirectoryError(
    `the data directory ${root} has the format ${format ?? "of something else"}, and this version reads ${FORMAT}; ` +
      "use the version of meridian that wrote it",
  );
}

function formatOf(text: string): number | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("format" in value)) return undefined;
    return typeof value.format === "number" ? value.format : undefined;
  } catch {
    return undefined;
  }
}

async function readFormat(root: string): Promise<string | undefined> {
  try {
    return await readFile(join(root, "format.json"), "utf8");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

/** Whole or not at all, and durable. */
async function writeFormat(root: string): Promise<void> {
  if ((await readFormat(root)) !== undefined) return;
  const draft = join(root, "format.json.new");
  const file = await open(
    draft,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    await file.writeFile(`${JSON.stringify({ format: FORMAT })}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, join(root, "format.json"));
  await syncFolder(root);
}
