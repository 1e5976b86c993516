import { describe, expect, test } from "vitest";

import { type Ailment, diskError, WELL } from "../../../cluster-sim/ailment.ts";
import { hostKv } from "../../../cluster-sim/host-kv.ts";
import { Prng } from "../../../cluster-sim/prng.ts";
import { SimDisk } from "../../../cluster-sim/sim-disk.ts";
import { SimKv } from "../../../cluster-sim/sim-kv.ts";
import { World } from "../../../cluster-sim/world.ts";
import type { Kv } from "../../../nodes/ports/kv.ts";
import { seal, unseal } from "../../../nodes/storage/envelope.ts";
import { digestOf } from "../../../shared/digest.ts";
import { DiskFullError, DurabilityError } from "../../../shared/disk-errors.ts";
import { staged } from "../../contract/disk-contract.ts";

const KEY = Buffer.from("key");
const OTHER = Buffer.from("other");
const HELLO = Buffer.from("hello, world");

type Store = { readonly world: World; readonly kv: Kv; readonly wrongTries: () => number; readonly kept: SimKv };

/** A store with two rows, on a machine that is as ill as `ailment` says. */
async function store(ailment: Partial<Ailment>, seed = 1): Promise<Store> {
  const [world, kept] = [new World(seed), new SimKv()];
  for (const key of [KEY, OTHER]) await kept.commit([{ kind: "put", key, value: seal(key, HELLO) }]);
  let wrongTries = 0;
  const kv = hostKv(
    {
      kv: kept,
      prng: new Prng(seed),
      isDead: () => false,
      sleep: world.delay,
      commitMsMax: 0,
      ailment: () => ({ ...WELL, ...ailment }),
      commit: async (writes) => await kept.commit(writes),
      onWrongTry: () => {
        wrongTries += 1;
      },
    },
    () => undefined,
  );
  return { world, kv, wrongTries: () => wrongTries, kept };
}

describe("a store that is ill", () => {
  test("gives something else than was written, and the envelope around each value shows it", async () => {
    const { kv } = await store({ kvMisreads: 1 });
    const seen = new Set<string>();

    for (let read = 0; read < 40; read += 1) {
      const sealed = await kv.get(KEY);
      try {
        seen.add(Buffer.from(unseal(KEY, sealed ?? new Uint8Array())).toString());
      } catch (error) {
        seen.add(error instanceof Error ? error.name : "");
      }
    }

    // Another row's value may be the row's own, when there are only two.
    expect(seen).toEqual(new Set(["DamagedRowError", HELLO.toString()]));
  });

  test("fails reads, and leaves what lies there as it was", async () => {
    const { kv, kept } = await store({ kvReadErrors: 1 });

    await expect(kv.get(KEY)).rejects.toThrow("EIO");

    expect(await kept.get(KEY)).toEqual(seal(KEY, HELLO));
  });

  test("may have written a batch that it failed, and may not; a second try is reported", async () => {
    const fates = new Set<boolean>();
    for (let seed = 1; seed <= 12; seed += 1) {
      const { world, kv, kept, wrongTries } = await store({ kvWriteErrors: 1 }, seed);

      const write = world.run(kv.commit([{ kind: "put", key: KEY, value: HELLO }]));

      await expect(write).rejects.toThrow(DurabilityError);
      fates.add(Buffer.compare((await kept.get(KEY)) ?? HELLO, HELLO) === 0);
      expect(wrongTries()).toBe(0);
      await expect(world.run(kv.commit([]))).rejects.toThrow(DurabilityError);
      expect(wrongTries()).toBe(1);
    }

    expect(fates).toEqual(new Set([true, false]));
  });

  test("takes long to sync, and does it", async () => {
    const { world, kv, kept } = await store({ syncMs: 10_000 });

    await world.run(kv.commit([{ kind: "put", key: KEY, value: HELLO }]));

    expect(world.nowMs).toBeGreaterThan(500);
    expect(await kept.get(KEY)).toEqual(HELLO);
  });
});

describe("a disk that is ill", () => {
  test("is full for those who write, and not for those who read", () => {
    const full = { ...WELL, isFull: true };

    expect(diskError("append", full, new Prng(1))).toBeInstanceOf(DiskFullError);
    expect(diskError("read", full, new Prng(1))).toBeUndefined();
  });

  test("fails writes in a way after which nobody may write, and reads in a way that passes", () => {
    const failing = { ...WELL, blobWriteErrors: 1, blobReadErrors: 1 };

    expect(diskError("commit", failing, new Prng(1))).toBeInstanceOf(DurabilityError);
    expect(diskError("read", failing, new Prng(1))).not.toBeInstanceOf(DurabilityError);
    expect(diskError("read", undefined, new Prng(1))).toBeUndefined();
  });

  test("rots bit by bit, and only where it is let", async () => {
    const disk = new SimDisk();
    const [one, two] = [HELLO, Buffer.from("another")];
    for (const bytes of [one, two]) await (await staged(disk, "a", bytes)).commit(digestOf(bytes));

    const rotten = disk.rot((digest) => digest === digestOf(one));

    expect([rotten, disk.isWhole(digestOf(one)), disk.isWhole(digestOf(two))]).toEqual([1, false, true]);
    expect(await disk.stat(digestOf(one))).toBe(one.length);
  });
});
