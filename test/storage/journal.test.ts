import { describe, expect, test } from "vitest";

import { DamagedRowError, unseal } from "../../nodes/storage/envelope.ts";
import { DiskFullError } from "../../shared/disk-errors.ts";
import { JournaledStore, putOf } from "../support/journaled-store.ts";

const WHOLE = { replayed: 0, rebuilt: undefined, lost: undefined, journalDamage: undefined };

/** Batches 1 to `count`, one key each, none of them flushed or shortened. */
async function storeOf(count: number, seed = 1): Promise<JournaledStore> {
  const store = new JournaledStore({ seed, segmentBytes: 1_000_000 });
  await store.open();
  for (let seq = 1; seq <= count; seq += 1) await store.put({ [`key ${seq}`]: `value ${seq}` });
  return store;
}

function pairs(...seqs: readonly number[]): Readonly<Record<string, string>> {
  return Object.fromEntries(seqs.map((seq) => [`key ${seq}`, `value ${seq}`]));
}

function flipBit(store: JournaledStore, name: string, at: number): void {
  store.files.damage(name, (bytes) => bytes.set([(bytes[at] ?? 0) ^ 0x10], at));
}

/** Where the bytes of `text` are in the file. */
function placeOf(store: JournaledStore, name: string, text: string): number {
  return Buffer.from(store.files.contents.get(name) ?? new Uint8Array()).indexOf(text);
}

const SEGMENT = "segment-0000000000000001";

describe("a store behind its journal", () => {
  test("that was closed in good order has nothing to write again", async () => {
    const store = await storeOf(3);

    await store.close();
    await store.open();

    expect(store.kv.report).toEqual(WHOLE);
    expect(await store.contents()).toEqual(pairs(1, 2, 3));
  });

  test("that was killed gets the batches since its last flush again", async () => {
    const store = await storeOf(3);

    await store.end("crash");
    await store.open();

    expect(store.kv.report).toEqual({ ...WHOLE, replayed: 3 });
    expect(await store.contents()).toEqual(pairs(1, 2, 3));
  });

  test("that can't be opened is put aside and filled anew from the journal, over a checkpoint too", async () => {
    const store = new JournaledStore({ segmentBytes: 300, checkpointBytesMin: 600 });
    await store.open();
    for (let seq = 1; seq <= 40; seq += 1) {
      await store.put({ [`key ${seq}`]: `value ${seq}` });
      await store.world.runUntilIdle();
    }
    expect(store.filesOf("checkpoint")).toHaveLength(1);
    expect(store.filesOf("segment")[0]).not.toBe(SEGMENT);

    await store.end("crash");
    store.rows.damage();
    await store.open();

    expect(store.kv.report).toMatchObject({ rebuilt: "it could not be opened", lost: undefined });
    expect(store.rows.replaced).toBe(1);
    expect(await store.contents()).toEqual(pairs(...Array.from({ length: 40 }, (_, index) => index + 1)));
  });

  test("that somebody has removed is filled anew as well", async () => {
    const store = await storeOf(3);
    await store.close();

    await store.rows.replace();
    await store.open();

    expect(store.kv.report).toMatchObject({ rebuilt: "it does not say how much of the journal is in it" });
    expect(await store.contents()).toEqual(pairs(1, 2, 3));
  });

  test("of another journal is not believed", async () => {
    const [store, other] = [await storeOf(3), await storeOf(2, 2)];
    await other.close();
    await store.close();
    await other.files.remove(SEGMENT);
    const file = await other.files.open(SEGMENT);
    await file.append(store.files.contents.get(SEGMENT) ?? new Uint8Array());

    await other.open();

    expect(other.kv.report).toMatchObject({ rebuilt: "it belongs to another journal" });
    expect(await other.contents()).toEqual(pairs(1, 2, 3));
  });

  test("gets a journal when it had none, with a checkpoint of all it holds", async () => {
    const store = await storeOf(3);
    await store.close();
    for (const name of store.files.contents.keys()) await store.files.remove(name);

    await store.open();
    expect(store.kv.report).toEqual({ ...WHOLE, journalDamage: "it is gone" });
    await store.end("crash");
    store.rows.damage();
    await store.open();

    expect(await store.contents()).toEqual(pairs(1, 2, 3));
  });
});

describe("damage in the journal", () => {
  test("that tore its last record is the end of what was acknowledged, and is cut off", async () => {
    const store = await storeOf(3);
    await store.end("crash");
    store.files.damage(SEGMENT, (bytes) => bytes.fill(0, placeOf(store, SEGMENT, "value 3")));
    store.rows.damage();

    await store.open();
    expect(store.kv.report).toMatchObject({ replayed: 2, lost: undefined });
    await store.put({ "key 4": "value 4" });
    await store.end("crash");
    await store.open();

    expect(store.kv.report).toMatchObject({ lost: undefined, journalDamage: undefined });
    expect(await store.contents()).toEqual(pairs(1, 2, 4));
  });

  test("before the store's last flush loses nothing, and the journal begins anew", async () => {
    const store = await storeOf(3);
    await store.close();
    flipBit(store, SEGMENT, placeOf(store, SEGMENT, "value 2"));

    await store.open();

    expect(store.kv.report).toMatchObject({ lost: undefined, journalDamage: expect.stringContaining("is damaged") });
    expect(await store.contents()).toEqual(pairs(1, 2, 3));
    await store.end("crash");
    store.rows.damage();
    await store.open();
    expect(await store.contents()).toEqual(pairs(1, 2, 3));
  });

  test("in its last record is told from a torn one when the store has that batch", async () => {
    const store = await storeOf(3);
    await store.close();
    flipBit(store, SEGMENT, placeOf(store, SEGMENT, "value 3"));

    await store.open();

    expect(store.kv.report).toMatchObject({
      lost: undefined,
      journalDamage: "it ends at batch 2, and the store has batch 3",
    });
    expect(await store.contents()).toEqual(pairs(1, 2, 3));
  });

  test("in the middle of what the store may lack makes it suspect, and keeps everything else", async () => {
    const store = await storeOf(4);
    await store.end("crash");
    flipBit(store, SEGMENT, placeOf(store, SEGMENT, "value 2"));
    store.rows.damage();

    await store.open();

    expect(store.kv.report).toMatchObject({
      lost: expect.stringContaining("is damaged at byte"),
      journalDamage: undefined,
    });
    expect(await store.contents()).toEqual(pairs(1, 3, 4));
    const suspicion = Buffer.from("S");
    expect(await store.kv.get(suspicion)).toBeDefined();
    // It stays suspect until somebody has looked into it.
    await store.end("crash");
    await store.open();
    expect(store.kv.report.lost).toBeUndefined();
    const sealed = await store.kv.get(suspicion);
    expect(Buffer.from(unseal(suspicion, sealed ?? new Uint8Array())).toString()).toContain("is damaged at byte");
  });

  test("in what a killed node's store has all the same sets no row of it back", async () => {
    for (const spoil of ["flip", "cut"] as const) {
      const store = await storeOf(2);
      await store.put({ tag: "old" });
      await store.put({ tag: "new" });
      await store.end("crash");
      const at = placeOf(store, SEGMENT, "new");
      if (spoil === "flip") flipBit(store, SEGMENT, at);
      else await store.files.truncate(SEGMENT, at);

      await store.open();

      expect(store.kv.report.lost).toBeDefined();
      expect(await store.contents()).toEqual({ ...pairs(1, 2), tag: "new" });
      await store.put({ tag: "newest" });
      await store.end("crash");
      await store.open();
      expect(await store.contents()).toEqual({ ...pairs(1, 2), tag: "newest" });
    }
  });

  test("is also a whole batch with the right number and sums that does not follow the one before it", async () => {
    const [store, other] = [await storeOf(3), new JournaledStore({ segmentBytes: 1_000_000 })];
    await other.open();
    for (const value of ["VALUE 1", "VALUE 2", "VALUE 3"]) await other.put({ [`key ${value.at(-1)}`]: value });
    await store.end("crash");
    const strange = other.files.contents.get(SEGMENT) ?? new Uint8Array();
    const from = placeOf(store, SEGMENT, "value 1") + "value 1".length;
    const to = placeOf(store, SEGMENT, "value 2") + "value 2".length;
    store.files.damage(SEGMENT, (bytes) => bytes.set(strange.subarray(from, to), from));

    await store.open();

    expect(store.kv.report.lost).toContain("does not follow the one before it");
  });

  test("is none where a life ended between the name of a file and its first record", async () => {
    const store = await storeOf(1);
    await store.close();
    await store.files.open("segment-0000000000000002");

    for (let life = 0; life < 3; life += 1) {
      await store.open();
      expect(store.kv.report).toMatchObject({ lost: undefined, journalDamage: undefined });
      await store.put({ "key 1": "value 1" });
      await store.end("crash");
    }

    expect(store.filesOf("segment")).toEqual([SEGMENT]);
  });

  test("of a whole segment that is gone is noticed", async () => {
    const store = new JournaledStore({ segmentBytes: 100, checkpointBytesMin: 1_000_000 });
    await store.open();
    for (let seq = 1; seq <= 6; seq += 1) await store.put({ [`key ${seq}`]: `value ${seq}` });
    await store.end("crash");
    await store.files.remove(store.filesOf("segment")[1] ?? "");
    store.rows.damage();

    await store.open();

    expect(store.kv.report.lost).toContain("are in no file");
  });

  test("is noticed at every single byte, with the store whole and without it", async () => {
    const pristine = await storeOf(3);
    const { length } = pristine.files.contents.get(SEGMENT) ?? new Uint8Array();
    for (let at = 0; at < length; at += 1) {
      for (const isStoreWhole of [true, false]) {
        const store = await storeOf(3);
        if (isStoreWhole) await store.close();
        else {
          await store.end("crash");
          store.rows.damage();
        }
        flipBit(store, SEGMENT, at);
        await store.open();

        const { lost, journalDamage } = store.kv.report;
        const found = await store.contents();
        if (isStoreWhole) {
          expect([found, journalDamage === undefined, lost]).toEqual([pairs(1, 2, 3), false, undefined]);
        } else if (lost === undefined && journalDamage === undefined) {
          // Without the store nothing tells a flipped last record from one that was torn.
          expect(found).toEqual(pairs(1, 2));
          expect(at).toBeGreaterThan(placeOf(pristine, SEGMENT, "value 2") + "value 2".length - 1);
        } else expect(pairs(1, 2, 3)).toMatchObject(found);
      }
    }
  });
});

describe("a row that the store gives back otherwise than it was written", () => {
  test("is read from the journal, by its key and in a scan, and put right in the store", async () => {
    const store = await storeOf(3);
    await store.put({ "key 2": "value 2b" });
    for (const key of ["key 1", "key 2"]) await store.rows.spoil(Buffer.from(key), Buffer.from("rot"));

    expect(await store.contents()).toEqual({ ...pairs(1, 2, 3), "key 2": "value 2b" });
    expect(store.telemetry.read("meridian_storage_errors_total", { operation: "read-row" })).toBe(2);
    expect(await store.contents()).toEqual({ ...pairs(1, 2, 3), "key 2": "value 2b" });
    expect(store.telemetry.read("meridian_storage_errors_total", { operation: "read-row" })).toBe(2);

    await store.rows.spoil(Buffer.from("key 3"), Buffer.from("rot"));
    const key = Buffer.from("key 3");
    expect(Buffer.from(unseal(key, (await store.kv.get(key)) ?? key)).toString()).toBe("value 3");
  });

  test("is as damaged as it is when the journal does not know it", async () => {
    const store = await storeOf(1);
    await store.rows.spoil(Buffer.from("never written"), Buffer.from("rot"));

    await expect(store.contents()).rejects.toThrow(DamagedRowError);
  });
});

describe("the journal", () => {
  test("stays within about twice the live rows, and three times while a checkpoint is written", async () => {
    const store = new JournaledStore({ segmentBytes: 2_000, checkpointBytesMin: 4_000 });
    await store.open();
    const live: Record<string, string> = {};
    for (let count = 0; count < 600; count += 1) {
      const pair = { [`key ${count % 50}`]: `${count} ${"x".repeat(200)}` };
      Object.assign(live, pair);
      await store.put(pair);
      await store.world.runUntilIdle();
    }

    const bytes = [...store.files.contents.values()].reduce((sum, { length }) => sum + length, 0);
    const liveBytes = JSON.stringify(live).length;
    expect(bytes).toBeLessThan(2.5 * liveBytes);
    expect(await store.contents()).toEqual(live);
  });

  test("that has no room for a checkpoint goes on, and tells", async () => {
    const store = new JournaledStore({ segmentBytes: 500, checkpointBytesMin: 1_000 });
    await store.open();
    for (
      let count = 0;
      store.telemetry.told.every(({ event }) => event !== "the journal could not be shortened");
      count += 1
    ) {
      await store.put({ [`key ${count}`]: "x".repeat(100) });
      const used = [...store.files.contents.values()].reduce((sum, { length }) => sum + length, 0);
      store.files.setCapacity(used + 300);
      await store.world.runUntilIdle();
      expect(count).toBeLessThan(100);
    }

    await store.put({ last: "one" });
    expect(await store.contents()).toMatchObject({ last: "one" });
  });

  test("that can't take a batch takes none after it, and neither does the store", async () => {
    const store = await storeOf(1);
    store.files.setCapacity(0);

    await expect(store.kv.commit([putOf("key 2", "value 2")])).rejects.toThrow(DiskFullError);
    store.files.setCapacity(1_000_000);
    await expect(store.kv.commit([putOf("key 3", "value 3")])).rejects.toThrow("a batch before this one has failed");

    expect(await store.contents()).toEqual(pairs(1));
  });

  test("is not written ahead of by the store: a batch is in the journal before anybody can read it", async () => {
    const store = new JournaledStore({ pauseMs: 2 });
    await store.open();
    const committed = store.kv.commit([putOf("key 1", "value 1")]);

    for (let ms = 0; (await store.contents())["key 1"] === undefined; ms += 1) {
      expect(ms).toBeLessThan(100);
      await store.world.runFor(0.1);
    }

    expect(placeOf(store, SEGMENT, "value 1")).toBeGreaterThan(0);
    await store.world.run(committed);
  });
});
