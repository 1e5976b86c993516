import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";

import { Prng } from "../../cluster-sim/prng.ts";
import { SimJournalFiles } from "../../cluster-sim/sim-journal-files.ts";
import { SimKv } from "../../cluster-sim/sim-kv.ts";
import { SimRowStore } from "../../cluster-sim/sim-row-store.ts";
import { World } from "../../cluster-sim/world.ts";
import { FileJournal } from "../../nodes/platform/file-journal.ts";
import { LevelStore, levelStoreAt, StoreInUseError } from "../../nodes/platform/level-store.ts";
import { systemRandom } from "../../nodes/platform/system-random.ts";
import type { Kv, KvWrite } from "../../nodes/ports/kv.ts";
import { JournaledKv } from "../../nodes/storage/journaled-kv.ts";
import { SILENT } from "../support/metadata-fixture.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type KvUnderTest, kvContract } from "./kv-contract.ts";

const WRITE: KvWrite = { kind: "put", key: Buffer.from("key"), value: Buffer.from("value") };

/** The store of production: a journal and LevelDB behind it. */
async function openJournaled(): Promise<KvUnderTest> {
  const folder = await temporaryFolder();
  const files = await FileJournal.open(join(folder.path, "journal"));
  const place = levelStoreAt(join(folder.path, "meta"), () => "today");
  const open = async (): Promise<Kv> =>
    await JournaledKv.open({ files, place, random: systemRandom, telemetry: SILENT, isSound: () => true });
  const stores = [await open()];
  return {
    kv: stores[0] ?? (await open()),
    reopen: async () => {
      const again = await open();
      stores.push(again);
      return again;
    },
    dispose: async () => {
      for (const store of stores) await store.close();
      await folder.remove();
    },
  };
}

async function openSimulatedJournal(): Promise<KvUnderTest> {
  const files = new SimJournalFiles();
  const place = new SimRowStore();
  const deps = {
    files,
    place,
    random: new Prng("journal"),
    telemetry: SILENT,
    isSound: () => true,
    segmentBytes: 300,
    checkpointBytesMin: 900,
  };
  const reopen = async (): Promise<Kv> => await JournaledKv.open(deps);
  return { kv: await reopen(), reopen, dispose: async () => await Promise.resolve() };
}

async function openSimulated(): Promise<KvUnderTest> {
  const kv = new SimKv();
  const reopen = async (): Promise<SimKv> => {
    kv.reopen();
    return await Promise.resolve(kv);
  };
  return await Promise.resolve({ kv, reopen, dispose: async () => await Promise.resolve() });
}

kvContract("a journal and LevelDB", openJournaled);
kvContract("a simulated journal and store", openSimulatedJournal);
kvContract("the simulated store", openSimulated);

describe("LevelDB's folder", () => {
  const removals: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const remove of removals.splice(0)) await remove();
  });

  async function place(): Promise<string> {
    const folder = await temporaryFolder();
    removals.push(folder.remove);
    return join(folder.path, "meta");
  }

  test("has one user: a second is refused until the first has closed", async () => {
    const path = await place();
    const first = await LevelStore.open(path);

    await expect(LevelStore.open(path)).rejects.toThrow(StoreInUseError);
    await first.close();

    await (await LevelStore.open(path)).close();
  });

  test("has one user also when several create it at once", async () => {
    const path = await place();

    const opened = await Promise.allSettled(Array.from({ length: 4 }, async () => await LevelStore.open(path)));

    const refusals = opened.filter(({ status }) => status === "rejected");
    expect(refusals).toHaveLength(3);
    for (const refusal of refusals) expect(refusal).toMatchObject({ reason: { name: "StoreInUseError" } });
    for (const result of opened) if (result.status === "fulfilled") await result.value.close();
  });

  test("appears under its name only when it can be opened; what a dead process left of an attempt is swept", async () => {
    const path = await place();
    const dead = await LevelStore.open(`${path}.0123456789abcdef.new`);
    await dead.close();

    const store = await LevelStore.open(path);

    expect(await readdir(join(path, ".."))).toEqual(["meta"]);
    await store.close();
  });

  test("is not made anew when something is missing in it: that would hide the loss", async () => {
    const path = await place();
    const store = await LevelStore.open(path);
    await store.write([WRITE]);
    await store.close();
    await rm(join(path, "CURRENT"));

    await expect(LevelStore.open(path)).rejects.toThrow("cannot open the metadata store");
    expect((await stat(path)).isDirectory()).toBe(true);
  });
});

describe("a crash of the simulated store's process", () => {
  test("fails what is under way, and keeps what was acknowledged", async () => {
    const world = new World();
    const timed = new SimKv(async () => await world.delay(1));
    await world.run(timed.commit([WRITE]));

    const underWay = timed.commit([{ kind: "put", key: Buffer.from("other"), value: Buffer.from("x") }]);
    const failed = expect(underWay).rejects.toThrow("has died");
    timed.crash();

    await world.run(failed);
    expect(await world.run(timed.get(Buffer.from("key")))).toEqual(Buffer.from("value"));
    expect(await world.run(timed.get(Buffer.from("other")))).toBeUndefined();
  });

  test("may have happened before the crash, and be reported as failed all the same", async () => {
    const world = new World();
    const timed = new SimKv(async () => await world.delay(1));

    const failed = expect(timed.commit([WRITE])).rejects.toThrow("has died");
    await world.runFor(1.5);
    timed.crash();

    await world.run(failed);
    expect(await world.run(timed.get(Buffer.from("key")))).toEqual(Buffer.from("value"));
  });
});
