/**
 * All that a node keeps: `format.json`, the metadata store, and the bytes.
 *
 *   format.json   which layout this is; a later one may be refused, never misread
 *   meta/         the metadata store, whose lock is the lock of the whole directory
 *   journal/      what the metadata store is rebuilt from
 *   holder.json   who has the directory now, or had it last; for people, the lock is the store's
 *   blobs/        what is durable
 *   staging/      what is on its way in
 *
 * Order: nothing is written before the lock is held, except a store that is being created beside its place. So two
 * processes never work in one directory, whichever containers they run in.
 */
import { constants } from "node:fs";
import { access, mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import type { Telemetry } from "../ports/telemetry.ts";
import { JournaledKv } from "../storage/journaled-kv.ts";
import { FileDisk } from "./file-disk.ts";
import { FileJournal } from "./file-journal.ts";
import { levelStoreAt, StoreInUseError } from "./level-store.ts";
import { syncFolder } from "./sync-folder.ts";
import { codeOf } from "./system-error.ts";
import { systemRandom } from "./system-random.ts";

export type DataDirectory = {
  readonly disk: FileDisk;
  readonly kv: JournaledKv;
  /** Lets go of the lock: the last thing to close. */
  readonly close: () => Promise<void>;
};

const FORMAT = 1;

/** The directory can't be used as it is. The message says which, why, and what to do. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}

/** Opens the data directory at `path`, and makes it, for the node's user alone, when it is not there. @throws {DataDirectoryError} */
export async function openDataDirectory(path: string, telemetry: Telemetry): Promise<DataDirectory> {
  const root = resolve(path);
  await makeRoot(root);
  await expectKnownFormat(root);
  const kv = await openStore(root, telemetry);
  try {
    await tellHolder(root);
    await writeFormat(root);
    const disk = await FileDisk.open(root);
    return { kv, disk, close: async () => void (await Promise.all([disk.close(), kv.close()])) };
  } catch (cause) {
    await kv.close();
    throw cause;
  }
}

async function makeRoot(root: string): Promise<void> {
  try {
    const made = await mkdir(root, { recursive: true, mode: 0o700 });
    // What can't be written is said here, in one sentence, and not by whoever writes first.
    if (made === undefined) return await access(root, constants.W_OK);
    // Each folder that was made on the way is a new name in the one above it.
    for (let folder = root; folder !== dirname(made); folder = dirname(folder)) await syncFolder(dirname(folder));
  } catch (cause) {
    if (codeOf(cause) === "EROFS") {
      const why = "is on a read-only file system; look into the kernel's log, and mount it for writing";
      throw new DataDirectoryError(`the data directory ${root} ${why}`, { cause });
    }
    throw new DataDirectoryError(`cannot write the data directory ${root}: ${codeOf(cause) ?? String(cause)}`, {
      cause,
    });
  }
}

async function openStore(root: string, telemetry: Telemetry): Promise<JournaledKv> {
  try {
    const files = await FileJournal.open(join(root, "journal"));
    const place = levelStoreAt(join(root, "meta"), () => new Date().toISOString().slice(0, 10));
    const startedMs = performance.now();
    const kv = await JournaledKv.open({ files, place, random: systemRandom, telemetry });
    tellRecovery(root, kv, telemetry);
    const tookMs = Math.round(performance.now() - startedMs);
    telemetry.log("info", "the metadata store is open, up to the end of its journal", { tookMs });
    return kv;
  } catch (cause) {
    if (!(cause instanceof StoreInUseError)) throw cause;
    throw new DataDirectoryError(
      `the data directory ${root} is in use by ${await holderOf(root)}; ` +
        "stop it, or give this node a directory of its own",
      { cause },
    );
  }
}

/** What a person who runs the node has to know of its store. */
function tellRecovery(root: string, { report }: JournaledKv, telemetry: Telemetry): void {
  const { replayed, rebuilt, lost, journalDamage } = report;
  if (replayed > 0) {
    telemetry.log("info", "the last batches of the journal were written to the store again", { replayed });
  }
  if (rebuilt !== undefined) {
    telemetry.count("meridian_storage_errors_total", { operation: "open-store" });
    telemetry.log("error", "the metadata store was put aside beside its place, and filled anew from the journal", {
      why: rebuilt,
      place: join(root, "meta"),
    });
  }
  if (journalDamage !== undefined) {
    telemetry.count("meridian_storage_errors_total", { operation: "read-journal" });
    telemetry.log("error", "the journal was damaged and has been written anew; nothing was lost", {
      why: journalDamage,
    });
  }
  if (lost !== undefined) {
    telemetry.count("meridian_storage_errors_total", { operation: "read-journal" });
    telemetry.log("error", "acknowledged changes may be missing: the node takes a new origin and asks its peers", {
      why: lost,
    });
  }
}

async function tellHolder(root: string): Promise<void> {
  await writeWhole(root, "holder.json", { pid: process.pid, since: new Date().toISOString() });
}

async function holderOf(root: string): Promise<string> {
  const pid = numberIn(await readIfThere(join(root, "holder.json")), "pid");
  return pid === undefined ? "another process" : `another process, with the number ${pid}`;
}

async function expectKnownFormat(root: string): Promise<void> {
  const text = await readIfThere(join(root, "format.json"));
  if (text === undefined) return;
  const format = numberIn(text, "format");
  if (format === FORMAT) return;
  throw new DataDirectoryError(
    `the data directory ${root} has the format ${format ?? "of something else"}, and this version reads ${FORMAT}; ` +
      "use the version of meridian that wrote it",
  );
}

/** The number called `name` in a JSON object. */
function numberIn(text: string | undefined, name: string): number | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (typeof value !== "object" || value === null) return undefined;
    const [, found] = Object.entries(value).find(([key]) => key === name) ?? [];
    return typeof found === "number" ? found : undefined;
  } catch {
    return undefined;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

async function writeFormat(root: string): Promise<void> {
  if ((await readIfThere(join(root, "format.json"))) !== undefined) return;
  await writeWhole(root, "format.json", { format: FORMAT });
}

/** Whole or not at all, and durable. */
async function writeWhole(root: string, name: string, value: object): Promise<void> {
  const draft = join(root, `${name}.new`);
  const file = await open(
    draft,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    await file.writeFile(`${JSON.stringify(value)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, join(root, name));
  await syncFolder(root);
}
