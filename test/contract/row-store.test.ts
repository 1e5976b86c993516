/** What a row store is beyond a key-value store, whose contract it runs behind the journal: when a write is safe. */
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";

import { SimRowStore } from "../../cluster-sim/sim-row-store.ts";
import { levelStoreAt, StoreInUseError } from "../../nodes/platform/level-store.ts";
import type { KvWrite } from "../../nodes/ports/kv.ts";
import type { RowStore, RowStorePlace } from "../../nodes/ports/row-store.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const removals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const remove of removals.splice(0)) await remove();
});

async function levelPlace(): Promise<RowStorePlace> {
  const folder = await temporaryFolder();
  removals.push(folder.remove);
  return levelStoreAt(join(folder.path, "meta"), () => "2026-01-31");
}

describe.each([
  ["LevelDB", levelPlace],
  ["the simulated store", async () => await Promise.resolve(new SimRowStore())],
] as const)("%s", (_, placeOf) => {
  test("reads at once what was written, and has it all after a flush and a close", async () => {
    const place = await placeOf();
    const store = await openedAt(place);
    await store.write([put("a", "1"), put("b", "1")]);
    await store.write([{ kind: "delete", key: Buffer.from("b") }]);

    expect(await textAt(store, "a")).toBe("1");
    await store.flush();
    await store.close();

    const again = await openedAt(place);
    expect([await textAt(again, "a"), await textAt(again, "b")]).toEqual(["1", undefined]);
    await again.close();
  });

  test("takes writes while it is flushed, in any number", async () => {
    const store = await openedAt(await placeOf());
    const keys = Array.from({ length: 200 }, (_unused, index) => `key ${index}`);

    await Promise.all([
      ...keys.map(async (key) => await store.write([put(key, "x".repeat(1_000))])),
      store.flush(),
      store.flush(),
    ]);

    for (const key of keys) expect(await textAt(store, key)).toHaveLength(1_000);
    await store.close();
  });

  test("is replaced by an empty one, and that one stays", async () => {
    const place = await placeOf();
    const store = await openedAt(place);
    await store.write([put("a", "1")]);

    const fresh = await place.replace();
    expect(await textAt(fresh, "a")).toBeUndefined();
    await fresh.write([put("a", "2")]);
    await fresh.close();

    const again = await openedAt(place);
    expect(await textAt(again, "a")).toBe("2");
    await again.close();
  });

  test("refuses everything once it is closed", async () => {
    const store = await openedAt(await placeOf());
    await store.close();

    await expect(store.write([put("a", "1")])).rejects.toThrow();
    await expect(store.get(Buffer.from("a"))).rejects.toThrow();
  });
});

test("LevelDB in use by another is not put aside, damaged or not", async () => {
  const folder = await temporaryFolder();
  removals.push(folder.remove);
  const [one, other] = ["one", "other"].map((name) => levelStoreAt(join(folder.path, "meta"), () => name));
  const store = await one?.open();

  await expect(other?.open()).rejects.toThrow(StoreInUseError);
  await expect(other?.replace()).rejects.toThrow(StoreInUseError);

  await store?.close();
});

function put(key: string, value: string): KvWrite {
  return { kind: "put", key: Buffer.from(key), value: Buffer.from(value) };
}

async function openedAt(place: RowStorePlace): Promise<RowStore> {
  const store = await place.open();
  if (store === undefined) throw new Error("the store is damaged");
  return store;
}

async function textAt(store: RowStore, key: string): Promise<string | undefined> {
  const value = await store.get(Buffer.from(key));
  return value === undefined ? undefined : Buffer.from(value).toString();
}
