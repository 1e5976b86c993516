import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";

import { SimKv } from "../../cluster-sim/sim-kv.ts";
import { World } from "../../cluster-sim/world.ts";
import { LevelKv, StoreInUseError } from "../../nodes/platform/level-kv.ts";
import type { KvWrite } from "../../nodes/ports/kv.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type KvUnderTest, kvContract } from "./kv-contract.ts";

const WRITE: KvWrite = { kind: "put", key: Buffer.from("key"), value: Buffer.from("value") };

async function openLevel(): Promise<KvUnderTest> {
  const folder = await temporaryFolder();
  const place = join(folder.path, "meta");
  const stores = [await LevelKv.open(place)];
  return {
    kv: stores[0] ?? (await LevelKv.open(place)),
    reopen: async () => {
      const again = await LevelKv.open(place);
      stores.push(again);
      return again;
    },
    dispose: async () => {
      for (const store of stores) await store.close();
      await folder.remove();
    },
  };
}

async function openSimulated(): Promise<KvUnderTest> {
  const kv = new SimKv();
  const reopen = async (): Promise<SimKv> => {
    kv.reopen();
    return await Promise.resolve(kv);
  };
  return await Promise.resolve({ kv, reopen, dispose: async () => await Promise.resolve() });
}

kvContract("LevelDB", openLevel);
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
    const first = await LevelKv.open(path);

    await expect(LevelKv.open(path)).rejects.toThrow(StoreInUseError);
    await first.close();

    await (await LevelKv.open(path)).close();
  });

  test("has one user also when several create it at once", async () => {
    const path = await place();

    const opened = await Promise.allSettled(Array.from({ length: 4 }, async () => await LevelKv.open(path)));

    const refusals = opened.filter(({ status }) => status === "rejected");
    expect(refusals).toHaveLength(3);
    for (const refusal of refusals) expect(refusal).toMatchObject({ reason: { name: "StoreInUseError" } });
    for (const result of opened) if (result.status === "fulfilled") await result.value.close();
  });

  test("appears under its name only when it can be opened; what a dead process left of an attempt is swept", async () => {
    const path = await place();
    const dead = await LevelKv.open(`${path}.0123456789abcdef.new`);
    await dead.close();

    const kv = await LevelKv.open(path);

    expect(await readdir(join(path, ".."))).toEqual(["meta"]);
    await kv.close();
  });

  test("is not made anew when something is missing in it: that would hide the loss", async () => {
    const path = await place();
    const kv = await LevelKv.open(path);
    await kv.commit([WRITE]);
    await kv.close();
    await rm(join(path, "CURRENT"));

    await expect(LevelKv.open(path)).rejects.toThrow("cannot open the metadata store");
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
