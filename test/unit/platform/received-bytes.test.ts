import { constants } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { ReceivedBytes } from "../../../nodes/platform/received-bytes.ts";
import { type Slot, SlotPool } from "../../../nodes/platform/slot-pool.ts";
import { WriteLanes } from "../../../nodes/platform/write-lanes.ts";
import { digestOf } from "../../../shared/digest.ts";
import {
  SMALL_BLOB_BYTES_MAX,
  UPLOAD_SLOT_BYTES,
  UPLOAD_SLOTS_EACH_MAX,
  UPLOAD_SLOTS_MAX,
} from "../../../shared/limits.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const MIB = 1024 * 1024;

let slots: SlotPool;
let lanes: WriteLanes;
let folder: { readonly path: string; readonly remove: () => Promise<void> };
let handle: FileHandle;

beforeEach(async () => {
  slots = new SlotPool();
  lanes = new WriteLanes();
  folder = await temporaryFolder();
  handle = await open(join(folder.path, "file"), constants.O_RDWR | constants.O_CREAT);
});

afterEach(async () => {
  await lanes.stop();
  await handle.close();
  await folder.remove();
});

function receivedIn(target: FileHandle): ReceivedBytes {
  return new ReceivedBytes(target, 0, { slots, lanes }, { onWritten: () => undefined });
}

describe("bytes that are received", () => {
  test("stay in memory while they are few, and are in the file once they have settled", async () => {
    const received = receivedIn(handle);
    const bytes = Buffer.alloc(SMALL_BLOB_BYTES_MAX, "a");

    await received.add(bytes);
    expect([await received.digest("sha256"), (await readFile(join(folder.path, "file"))).length, slots.inUse]).toEqual([
      digestOf(bytes),
      0,
      0,
    ]);
    await received.settle();

    expect(await readFile(join(folder.path, "file"))).toEqual(bytes);
  });

  test("that became many after they had settled are hashed from the first of them on", async () => {
    const received = receivedIn(handle);
    await received.add(Buffer.alloc(10, "a"));
    await received.settle();

    for (let part = 0; part < 5; part += 1) await received.add(Buffer.alloc(MIB, "b"));

    const whole = Buffer.concat([Buffer.alloc(10, "a"), Buffer.alloc(5 * MIB, "b")]);
    expect(await received.digest("sha256")).toBe(digestOf(whole));
    expect(await readFile(join(folder.path, "file"))).toEqual(whole);
    await received.close();
  });

  test("hold no more slots than one upload may, however fast they come, and none when it is over", async () => {
    const received = receivedIn(handle);
    let most = 0;

    for (let part = 0; part < 40; part += 1) {
      await received.add(Buffer.alloc(MIB));
      most = Math.max(most, slots.inUse);
    }
    await received.close();

    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(UPLOAD_SLOTS_EACH_MAX + 1);
    expect(slots.inUse).toBe(0);
  });

  test("are sent when nothing is added to them, so that a slow client holds no slot", async () => {
    const received = receivedIn(handle);

    await received.add(Buffer.alloc(SMALL_BLOB_BYTES_MAX + 1));
    await expect.poll(() => slots.inUse).toBe(0);

    expect((await readFile(join(folder.path, "file"))).length).toBe(SMALL_BLOB_BYTES_MAX + 1);
    await received.close();
  });

  test("that cannot be written are told of, once, and gone; after a cut it can go on", async () => {
    const full = await open("/dev/full", constants.O_RDWR);
    const received = receivedIn(full);
    await received.add(Buffer.alloc(3 * MIB));

    await expect(received.settle()).rejects.toMatchObject({ code: "ENOSPC" });

    expect([received.size, slots.inUse]).toEqual([0, 0]);
    await received.cut(0);
    await received.settle();
    await expect(received.digest("sha256")).resolves.toBe(digestOf(Buffer.alloc(0)));
    await received.close();
    await full.close();
  });

  test("whose thread has ended are lost, and the next to come have another thread", async () => {
    const [lost, next] = [receivedIn(handle), receivedIn(handle)];
    await lost.add(Buffer.alloc(MIB));
    await lost.settle();
    await lanes.stop();

    await lost.add(Buffer.alloc(MIB));
    await expect(lost.settle()).rejects.toThrow("a writing thread has ended");
    await next.add(Buffer.alloc(2 * MIB, "x"));

    expect(await next.digest("sha256")).toBe(digestOf(Buffer.alloc(2 * MIB, "x")));
    expect(slots.inUse).toBe(0);
    await Promise.all([lost.close(), next.close()]);
  });
});

describe("the pool of slots", () => {
  test("gives so many and no more, and to those who wait in their turn", async () => {
    const taken: Slot[] = [];
    for (let count = 0; count < UPLOAD_SLOTS_MAX; count += 1) taken.push(await slots.take());
    const order: string[] = [];
    const [first, second] = ["first", "second"].map(async (name) => {
      const slot = await slots.take();
      order.push(name);
      return slot;
    });

    expect([slots.inUse, order]).toEqual([UPLOAD_SLOTS_MAX, []]);
    const [one, two, ...others] = taken;
    if (one === undefined || two === undefined) throw new Error("there are slots");
    slots.give(one);
    slots.give(two);

    expect([await first, await second, order]).toEqual([one, two, ["first", "second"]]);
    for (const slot of [one, two, ...others]) slots.give(slot);
    expect(slots.inUse).toBe(0);
    expect(one.bytes.length).toBe(UPLOAD_SLOT_BYTES);
  });
});
