import { describe, expect, test } from "vitest";

import { digestOf } from "../../shared/digest.ts";
import { DurabilityError } from "../../shared/disk-errors.ts";
import { BLOB_READ_CHUNK_BYTES, BLOB_VERIFIED_MS_MAX, SMALL_BLOB_BYTES_MAX } from "../../shared/limits.ts";
import { parseRepositoryName } from "../../shared/reference.ts";
import { StoredNode, type StoredNodeOptions } from "../support/stored-node.ts";

const REPO = parseRepositoryName("shop/api");
/** Large enough not to be served from memory. */
const BLOB = Buffer.alloc(4 * BLOB_READ_CHUNK_BYTES + 1, "a layer ");
const DIGEST = digestOf(BLOB);
const CHUNKS = 5;

/** A node with the blob, and a count of the chunks that its disk was asked for. */
async function holder(
  options: StoredNodeOptions = {},
): Promise<{ readonly node: StoredNode; readonly reads: () => number }> {
  let reads = 0;
  const node = await StoredNode.started({
    ...options,
    fault: (operation) => {
      if (operation === "read") reads += 1;
      return options.fault?.(operation);
    },
  });
  await node.world.run(store(node));
  return {
    node,
    reads: () => {
      const count = reads;
      reads = 0;
      return count;
    },
  };
}

async function store(node: StoredNode): Promise<void> {
  const staging = await node.blobs.stage();
  await staging.append(BLOB);
  await node.blobs.commit(staging, DIGEST, REPO, "tester");
}

async function isOpened(node: StoredNode): Promise<boolean> {
  const blob = await node.blobs.open(DIGEST);
  await blob?.close();
  return blob !== undefined;
}

/** What rot makes of bytes: as long, and wrong in one place. */
function rotten(
  change: (bytes: Buffer) => void = (bytes) => bytes.writeUInt8(bytes.readUInt8(70_000) ^ 1, 70_000),
): Buffer {
  const bytes = Buffer.from(BLOB);
  change(bytes);
  return bytes;
}

test("the blob is none that memory would answer for", () => {
  expect(BLOB.length).toBeGreaterThan(SMALL_BLOB_BYTES_MAX);
  expect(Math.ceil(BLOB.length / BLOB_READ_CHUNK_BYTES)).toBe(CHUNKS);
});

describe("a large blob on the disk", () => {
  test("is not hashed again after it was received, and once after each start", async () => {
    const { node, reads } = await holder();

    await isOpened(node);
    expect(reads()).toBe(0);
    node.kill();
    await node.start();
    await isOpened(node);
    expect(reads()).toBe(CHUNKS);
    await isOpened(node);
    expect(reads()).toBe(0);
  });

  test("is hashed once for all who ask for it at one time", async () => {
    const { node, reads } = await holder();
    node.kill();
    await node.start();

    expect(await Promise.all(Array.from({ length: 8 }, async () => await isOpened(node)))).toEqual(Array(8).fill(true));

    expect(reads()).toBe(CHUNKS);
  });

  test("is hashed again when the last time is 30 days ago", async () => {
    const { node, reads } = await holder();

    await node.world.runFor(BLOB_VERIFIED_MS_MAX);
    await isOpened(node);

    expect(reads()).toBe(CHUNKS);
  });

  test.each([
    ["a flipped bit", rotten()],
    ["a zeroed page", rotten((bytes) => bytes.fill(0, 4_096, 8_192))],
    ["two swapped pages", rotten((bytes) => bytes.set([...BLOB.subarray(1, 4_097), ...BLOB.subarray(0, 4_096)]))],
  ])("with %s is never shown, whether it happened while the node ran or not, and is put aside", async (_, bytes) => {
    for (const isDown of [false, true]) {
      const { node } = await holder();
      if (isDown) node.kill();
      node.disk.damage(DIGEST, bytes);
      if (isDown) await node.start();

      expect(await isOpened(node)).toBe(false);

      expect(node.disk.quarantined(DIGEST)).toBe(BLOB.length);
      expect(await node.blobs.size(DIGEST)).toBeUndefined();
      expect([...node.blobs.lost]).toEqual([DIGEST]);
      expect(node.telemetry.read("meridian_blobs_lost")).toBe(1);
      expect(await node.metadata.reader.linksBlob(REPO, DIGEST)).toBe(true);
    }
  });

  test("that was lost is still wanted after a crash, until it is stored again; only then its remains go", async () => {
    const { node } = await holder();
    node.disk.damage(DIGEST, rotten());
    await isOpened(node);
    node.kill();
    await node.start();
    expect([...node.blobs.lost]).toEqual([DIGEST]);

    await store(node);

    expect((await node.content(DIGEST))?.equals(BLOB)).toBe(true);
    expect([...node.blobs.lost]).toEqual([]);
    expect(node.disk.quarantined(DIGEST)).toBeUndefined();
    node.kill();
    await node.start();
    expect([...node.blobs.lost]).toEqual([]);
  });

  test("that is pushed again takes the place of a rotten one that nobody had noticed", async () => {
    const { node } = await holder();
    node.disk.damage(DIGEST, rotten());

    await store(node);

    expect((await node.content(DIGEST))?.equals(BLOB)).toBe(true);
  });

  test("that comes in while a rotten one is being hashed is not put aside in its place", async () => {
    const { node } = await holder({ pauseMs: () => 1 });
    node.disk.damage(DIGEST, rotten());

    const opened = isOpened(node);
    await node.world.runFor(3);
    await node.world.run(store(node));

    expect(await node.world.run(opened)).toBe(false);
    expect(node.disk.quarantined(DIGEST)).toBeUndefined();
    expect((await node.world.run(node.content(DIGEST)))?.equals(BLOB)).toBe(true);
  });

  test("that can't be read is not shown, and stays where it is: the next time it may be", async () => {
    let isFailing = false;
    const { node } = await holder({
      fault: (operation) => (isFailing && operation === "read" ? new Error("EIO") : undefined),
    });
    node.kill();
    await node.start();

    isFailing = true;
    expect(await isOpened(node)).toBe(false);
    isFailing = false;

    expect(node.disk.quarantined(DIGEST)).toBeUndefined();
    expect((await node.content(DIGEST))?.equals(BLOB)).toBe(true);
  });

  test("that rots on a fenced node is not shown, and nothing is written for it", async () => {
    const { node } = await holder();
    node.metadata.fence(new DurabilityError("the disk is gone"));
    node.disk.damage(DIGEST, rotten());

    expect(await isOpened(node)).toBe(false);

    expect(node.disk.quarantined(DIGEST)).toBeUndefined();
  });

  test("whose file is gone at a start is wanted from then on; what nobody names is let be", async () => {
    const { node } = await holder();
    const stranger = await node.disk.stage("stranger");
    await stranger.append(Buffer.from("nobody"));
    await stranger.commit(digestOf(Buffer.from("nobody")));
    node.kill();
    await node.disk.remove(DIGEST);

    await node.start();

    expect([...node.blobs.lost]).toEqual([DIGEST]);
    expect(await node.disk.stat(digestOf(Buffer.from("nobody")))).toBe(6);
  });
});
