/** Every kind of damage to the files of a real metadata store, one at a time: every row is there after the next start. */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Prng } from "../../cluster-sim/prng.ts";
import { FileJournal } from "../../nodes/platform/file-journal.ts";
import { levelStoreAt } from "../../nodes/platform/level-store.ts";
import { damagedTables } from "../../nodes/platform/level-tables.ts";
import { systemRandom } from "../../nodes/platform/system-random.ts";
import { unseal } from "../../nodes/storage/envelope.ts";
import { JournaledKv } from "../../nodes/storage/journaled-kv.ts";
import { putOf } from "../support/journaled-store.ts";
import { SILENT } from "../support/metadata-fixture.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const ROWS = 300;
const PAGE_BYTES = 4_096;
const ALL = { from: new Uint8Array(), to: Uint8Array.of(0xff, 0xff) };
const EVERYTHING: ReadonlyMap<string, string> = new Map(
  Array.from({ length: ROWS }, (_, row) => [`key ${row}`, valueOf(row)]),
);

/** Half of it is text that compresses, half is not. */
function valueOf(row: number): string {
  return `${"a value that repeats itself ".repeat(4)}${new Prng(row).bytes(60).join(" ")}`;
}

async function openAt(root: string): Promise<JournaledKv> {
  await mkdir(root, { recursive: true });
  const files = await FileJournal.open(join(root, "journal"));
  const place = levelStoreAt(join(root, "meta"), () => "today");
  return await JournaledKv.open({ files, place, random: systemRandom, telemetry: SILENT });
}

async function rowsOf(kv: JournaledKv): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for await (const { key, value } of kv.entries(ALL)) {
    found.set(Buffer.from(key).toString(), Buffer.from(unseal(key, value)).toString());
  }
  for (const name of found.keys()) {
    const value = (await kv.get(Buffer.from(name))) ?? new Uint8Array();
    expect(Buffer.from(unseal(Buffer.from(name), value)).toString()).toBe(found.get(name));
  }
  return found;
}

type Damage = (bytes: Buffer, prng: Prng) => Buffer | undefined;

const DAMAGES: Readonly<Record<string, Damage>> = {
  "a flipped bit": (bytes, prng) => {
    const at = prng.integer(0, bytes.length - 1);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << prng.integer(0, 7));
    return bytes;
  },
  "a zeroed page": (bytes, prng) => {
    const page = prng.integer(0, Math.floor((bytes.length - 1) / PAGE_BYTES));
    return bytes.fill(0, page * PAGE_BYTES, Math.min(bytes.length, (page + 1) * PAGE_BYTES));
  },
  "two swapped pages": (bytes) => {
    if (bytes.length < 2 * PAGE_BYTES) return undefined;
    const [first, second] = [bytes.subarray(0, PAGE_BYTES), bytes.subarray(PAGE_BYTES, 2 * PAGE_BYTES)];
    return Buffer.concat([second, first, bytes.subarray(2 * PAGE_BYTES)]);
  },
  "a lost end": (bytes, prng) => bytes.subarray(0, prng.integer(0, bytes.length - 1)),
};

describe.each(["that was closed", "that was killed"])("a store %s", (ending) => {
  let pristine: string;
  let removeFolder: () => Promise<void>;
  let folder: string;
  beforeAll(async () => {
    const made = await temporaryFolder();
    removeFolder = made.remove;
    folder = made.path;
    pristine = join(folder, "pristine");
    const first = await openAt(join(folder, "open"));
    for (let row = 0; row < ROWS; row += 2) await first.commit([putOf(`key ${row}`, valueOf(row))]);
    await first.close();
    const second = await openAt(join(folder, "open"));
    for (let row = 1; row < ROWS; row += 2) await second.commit([putOf(`key ${row}`, valueOf(row))]);
    if (ending === "that was closed") await second.close();
    await cp(join(folder, "open"), pristine, { recursive: true });
    await second.close();
  });
  afterAll(async () => await removeFolder());

  async function copy(): Promise<string> {
    const root = join(folder, "damaged");
    await rm(root, { recursive: true, force: true });
    await cp(pristine, root, { recursive: true });
    return root;
  }

  test("has tables whose sums are those that LevelDB wrote, and misses no flipped bit in them", async () => {
    const meta = join(await copy(), "meta");
    const tables = (await readdir(meta)).filter((name) => name.endsWith(".ldb"));
    expect(tables.length).toBeGreaterThan(0);
    expect(await damagedTables(meta, Number.POSITIVE_INFINITY)).toEqual([]);
    expect(await damagedTables(meta, 10)).toEqual([]);

    for (const name of tables) {
      const whole = await readFile(join(meta, name));
      for (let at = 0; at < whole.length; at += 61) {
        const damaged = Buffer.from(whole);
        damaged[at] = (damaged[at] ?? 0) ^ 0x04;
        await writeFile(join(meta, name), damaged);
        expect(await damagedTables(meta, Number.POSITIVE_INFINITY), `byte ${at}`).toEqual([name]);
      }
      await writeFile(join(meta, name), whole);
    }
  });

  test("is not rebuilt because of a table that was half written when the power went", async () => {
    const root = await copy();
    await writeFile(join(root, "meta", "999999.ldb"), Buffer.alloc(3 * PAGE_BYTES));

    const kv = await openAt(root);

    expect([kv.report.rebuilt, await rowsOf(kv)]).toEqual([undefined, EVERYTHING]);
    await kv.close();
  });

  test.each(Object.keys(DAMAGES))(
    "has every row after %s in any one file of the store or the journal",
    async (kind) => {
      const names = await filesBelow(pristine);
      expect(names.length).toBeGreaterThan(4);
      let rebuilt = 0;
      for (const [index, name] of names.entries()) {
        const root = await copy();
        const bytes = await readFile(join(root, name));
        const damaged = bytes.length === 0 ? undefined : DAMAGES[kind]?.(bytes, new Prng(`${kind} ${index}`));
        if (damaged === undefined) continue;
        await writeFile(join(root, name), damaged);

        const kv = await openAt(root);
        const { lost } = kv.report;
        const rows = new Map(await rowsOf(kv));
        await kv.close();

        const isJournalAlone = name.startsWith("journal") && ending === "that was killed";
        if (!isJournalAlone) expect([lost, rows], name).toEqual([undefined, EVERYTHING]);
        rows.delete("S");
        for (const [key, value] of rows) expect(EVERYTHING.get(key), name).toBe(value);
        if (kv.report.rebuilt === undefined) continue;
        rebuilt += 1;
        expect(await readdir(root)).toContain("meta.damaged-today");
      }
      expect(rebuilt).toBeGreaterThan(0);
    },
  );

  test("has every row after any one file of it was removed", async () => {
    for (const name of await filesBelow(pristine)) {
      if (name.startsWith("journal") && ending === "that was killed") continue;
      const root = await copy();
      await rm(join(root, name));

      const kv = await openAt(root);
      expect([kv.report.lost, await rowsOf(kv)], name).toEqual([undefined, EVERYTHING]);
      await kv.close();
    }
  });
});

/** Files in the folders of the store and the journal that hold what is not to be lost. */
async function filesBelow(root: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (const folder of ["journal", "meta"]) {
    for (const name of await readdir(join(root, folder))) {
      if (name !== "LOCK" && !name.startsWith("LOG")) names.push(join(folder, name));
    }
  }
  return names.toSorted();
}
