/**
 * The row store on LevelDB. Batches are not synced, because the journal in front of them is; `flush` puts what has
 * gathered in memory into table files. LevelDB syncs those, and its list of them, before it lets go of its own log.
 *
 * Opening a new store is a trap. A power cut after LevelDB has created its files, and before its first synced write,
 * leaves a folder that it refuses to open ("no meta-nextfile entry in descriptor"), even when the store had been
 * closed in good order. So a store is created beside its place, written to with a sync, synced as a folder, and only
 * then moved to its place; what a cut leaves behind is under another name, and is swept.
 *
 * The store is also the lock of its data directory. LevelDB holds its `LOCK` file by the system's own record lock,
 * which ends with the process, however it ends, and which two containers that share a volume see alike; a file with a
 * process number in it fails at both. Whoever creates the store takes its place by a rename, which the system refuses
 * when somebody else was faster.
 */
import { randomBytes } from "node:crypto";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Level } from "level";

import { invariant } from "../../shared/invariant.ts";
import { TABLES_CHECKED_BYTES_MAX } from "../../shared/limits.ts";
import type { KvEntry, KvRange, KvWrite } from "../ports/kv.ts";
import type { RowStore, RowStorePlace } from "../ports/row-store.ts";
import { damagedTables } from "./level-tables.ts";
import { syncFolder } from "./sync-folder.ts";
import { codeOf } from "./system-error.ts";

type Store = Level<Uint8Array, Uint8Array>;

const MIB = 1024 * 1024;
const OPTIONS = {
  keyEncoding: "view",
  valueEncoding: "view",
  /** Uncompressed blocks of tables. The metadata of 100,000 tags fits. */
  cacheSize: 64 * MIB,
  /** Up to two are in memory; the larger, the fewer compactions and the longer the replay after a crash. */
  writeBufferSize: 16 * MIB,
} as const;
const NEW_SUFFIX = ".new";
/** Before every row. */
const NO_KEY = Uint8Array.of(0);

/** The place of the store in the folder `path`, where a damaged one stays beside it under a dated name. */
export function levelStoreAt(path: string, today: () => string): RowStorePlace {
  let current: LevelStore | undefined;
  return {
    open: async () => {
      current = await LevelStore.openIfWhole(path);
      return current;
    },
    replace: async () => {
      // The lock lies in the folder that is about to be moved: until the new one is held, this one is.
      const guard = await openStore(`${path}.guard`, true);
      try {
        await current?.close();
        // Perhaps somebody else has just done the same, and the store is in use.
        if (current === undefined) await (await LevelStore.openIfWhole(path))?.close();
        await putAside(path, `${path}.damaged-${today()}`);
        current = await LevelStore.open(path);
        return current;
      } finally {
        await guard.close();
        await rm(`${path}.guard`, { recursive: true, force: true });
      }
    },
  };
}

/** The store at the given place is held by another process, or twice by this one. */
export class StoreInUseError extends Error {
  override readonly name = "StoreInUseError";
}

/** The store at the given place is there, and LevelDB refuses to open it. */
export class StoreDamagedError extends Error {
  override readonly name = "StoreDamagedError";
}

export class LevelStore implements RowStore {
  readonly #store: Store;

  private constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Opens the store in the folder `place`, whose parent exists, and creates it when it is not there.
   * @throws {StoreInUseError} when somebody else has it open.
   * @throws {StoreDamagedError} when it cannot be opened as it is.
   */
  static async open(place: string): Promise<LevelStore> {
    if (!(await exists(place))) await create(place);
    const opened = new LevelStore(await openStore(place, false));
    // Opening has just replaced LevelDB's list of its files.
    await syncFolder(place);
    // Nobody else can be creating this store now: what lies there is dead, or about to fail.
    await sweepUnfinished(place);
    return opened;
  }

  /** `undefined` when the store is damaged, as far as one can see without reading more than the limit. @throws {StoreInUseError} */
  static async openIfWhole(place: string): Promise<LevelStore | undefined> {
    try {
      const damaged = await damagedTablesAt(place);
      const opened = await LevelStore.open(place);
      const kept = await Promise.all(damaged.map(async (name) => await exists(join(place, name))));
      if (!kept.includes(true)) return opened;
      await opened.close();
      return undefined;
    } catch (cause) {
      if (cause instanceof StoreDamagedError) return undefined;
      throw cause;
    }
  }

  readonly get = async (key: Uint8Array): Promise<Uint8Array | undefined> => await this.#store.get(key);

  readonly getMany = async (keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> =>
    await this.#store.getMany([...keys]);

  // The iterator is the snapshot: it is made here, and not when the first entry is asked for.
  readonly entries = ({ from, to, reverse = false, limit = -1 }: KvRange): AsyncIterable<KvEntry> =>
    entriesOf(this.#store.iterator({ gte: from, lt: to, reverse, limit }));

  readonly write = async (writes: readonly KvWrite[]): Promise<void> => {
    // Handed over one by one: an array of operations takes half as long again on the main thread.
    const batch = this.#store.batch();
    try {
      for (const write of writes) {
        if (write.kind === "put") batch.put(write.key, write.value);
        else batch.del(write.key);
      }
    } catch (cause) {
      await batch.close();
      throw cause;
    }
    await batch.write({ sync: false });
  };

  readonly flush = async (): Promise<void> => {
    // To compact a range without rows is LevelDB's way of being told to write out its memory, and it waits for it.
    await compactNothing(this.#store);
    // That says nothing of a failure; a batch after it is refused. Synced, it also finds a disk that fails now.
    await this.#store.batch([{ type: "del", key: NO_KEY }], { sync: true });
  };

  readonly close = async (): Promise<void> => {
    await this.#store.close();
  };
}

/** `level` types what all its stores have in common; LevelDB's own call is looked up. */
async function compactNothing(store: Store): Promise<void> {
  const compactRange: unknown = Reflect.get(store, "compactRange");
  invariant(typeof compactRange === "function", "LevelDB can compact a range");
  const compacted: unknown = Reflect.apply(compactRange, store, [NO_KEY, NO_KEY]);
  await compacted;
}

/** Iterating to the end, or leaving the loop, closes the iterator and gives up the snapshot. */
async function* entriesOf(iterator: AsyncIterable<readonly [Uint8Array, Uint8Array]>): AsyncIterable<KvEntry> {
  for await (const [key, value] of iterator) yield { key, value };
}

async function create(place: string): Promise<void> {
  const draft = `${place}.${randomBytes(8).toString("hex")}${NEW_SUFFIX}`;
  const store = await openStore(draft, true);
  const key = Buffer.from("a first synced write");
  await store.batch(
    [
      { type: "put", key, value: key },
      { type: "del", key },
    ],
    { sync: true },
  );
  await store.close();
  await syncFolder(draft);
  try {
    await rename(draft, place);
  } catch (cause) {
    if (codeOf(cause) === "ENOTEMPTY" || codeOf(cause) === "EEXIST" || codeOf(cause) === "ENOENT") {
      throw new StoreInUseError(`another process has just created ${place}`, { cause });
    }
    throw cause;
  }
  await syncFolder(dirname(place));
}

async function openStore(place: string, createIfMissing: boolean): Promise<Store> {
  const store: Store = new Level(place, { ...OPTIONS, createIfMissing });
  try {
    await store.open();
  } catch (error) {
    const isLocked = error instanceof Error && codeOf(error.cause) === "LEVEL_LOCKED";
    if (isLocked) throw new StoreInUseError(`${place} is in use by another process`, { cause: error });
    throw new StoreDamagedError(`cannot open the metadata store at ${place}`, { cause: error });
  }
  return store;
}

/** Of a store that is not there, or is in use and changes under our eyes, none. */
async function damagedTablesAt(place: string): Promise<readonly string[]> {
  try {
    return await damagedTables(place, TABLES_CHECKED_BYTES_MAX);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return [];
    throw cause;
  }
}

/** Under the first name that is free: nothing that was put aside before is lost. */
async function putAside(path: string, wanted: string): Promise<void> {
  let name = wanted;
  for (let count = 2; await exists(name); count += 1) name = `${wanted}-${count}`;
  await rename(path, name);
  await syncFolder(dirname(path));
}

async function sweepUnfinished(place: string): Promise<void> {
  const parent = dirname(place);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${basename(place)}.`) || !name.endsWith(NEW_SUFFIX)) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}
