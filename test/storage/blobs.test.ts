import { describe, expect, test } from "vitest";

import { digestOf } from "../../shared/digest.ts";
import { DiskFullError } from "../../shared/disk-errors.ts";
import { InvariantError } from "../../shared/invariant.ts";
import { DISK_RESERVE_BYTES, SMALL_BLOB_BYTES_MAX } from "../../shared/limits.ts";
import { parseRepositoryName } from "../../shared/reference.ts";
import { StoredNode } from "../support/stored-node.ts";

const REPO = parseRepositoryName("shop/api");
const HELLO = Buffer.from("hello, world");
const DIGEST = digestOf(HELLO);

async function store(node: StoredNode, repo?: typeof REPO): Promise<void> {
  const staging = await node.blobs.stage();
  await staging.append(HELLO);
  await node.blobs.commit(staging, DIGEST, repo, "tester");
}

describe("a blob", () => {
  test("is here once it is committed: its bytes, its size, and its name in the repository it was given to", async () => {
    const node = await StoredNode.started();
    expect(await node.blobs.open(DIGEST)).toBeUndefined();
    expect(await node.blobs.size(DIGEST)).toBeUndefined();

    await store(node, REPO);

    expect(await node.content(DIGEST)).toEqual(HELLO);
    expect(await node.blobs.size(DIGEST)).toBe(HELLO.length);
    expect(await node.metadata.reader.linksBlob(REPO, DIGEST)).toBe(true);
    expect(await node.disk.staged()).toEqual([]);
  });

  test("that was fetched for no repository is given to none", async () => {
    const node = await StoredNode.started();

    await store(node);

    expect(await node.content(DIGEST)).toEqual(HELLO);
    expect(await node.metadata.reader.linksBlob(REPO, DIGEST)).toBe(false);
  });

  test("survives the death of the process", async () => {
    const node = await StoredNode.started();
    await store(node, REPO);

    node.kill();
    await node.start();

    expect(await node.content(DIGEST)).toEqual(HELLO);
  });

  test("whose bytes lie on the disk without a name is not here, and can be committed again", async () => {
    const node = await StoredNode.started();
    const staging = await node.disk.stage("a");
    await staging.append(HELLO);
    await staging.commit(DIGEST);

    expect(await node.blobs.open(DIGEST)).toBeUndefined();
    await store(node);

    expect(await node.content(DIGEST)).toEqual(HELLO);
    expect(node.telemetry.told).toEqual([]);
  });

  test("that has not the size it was stored with, or is gone, is not opened, and told of", async () => {
    const node = await StoredNode.started();
    await store(node, REPO);

    node.disk.damage(DIGEST, HELLO.subarray(1));
    expect(await node.blobs.open(DIGEST)).toBeUndefined();
    await store(node, REPO);
    await node.disk.remove(DIGEST);
    expect(await node.blobs.open(DIGEST)).toBeUndefined();

    expect(node.telemetry.read("meridian_storage_errors_total", { operation: "open-blob" })).toBe(2);
    expect(node.telemetry.told).toEqual([
      {
        level: "error",
        event: "a blob on disk is not what was stored",
        fields: { digest: DIGEST, size: HELLO.length, found: HELLO.length - 1 },
      },
      { level: "info", event: "a lost blob is here again", fields: { digest: DIGEST } },
      {
        level: "error",
        event: "a blob on disk is not what was stored",
        fields: { digest: DIGEST, size: HELLO.length, found: "nothing" },
      },
    ]);
  });

  test("that has rotted is noticed when it comes into memory, and not shown", async () => {
    const node = await StoredNode.started();
    await store(node);
    await node.disk.remove(DIGEST);
    const staging = await node.disk.stage("rot");
    await staging.append(Buffer.from("hello, w0rld"));
    await staging.commit(DIGEST);

    expect(await node.content(DIGEST)).toBeUndefined();
    expect(node.blobs.atHand(DIGEST)).toBeUndefined();
    expect(node.telemetry.read("meridian_storage_errors_total", { operation: "open-blob" })).toBe(1);
  });

  test("of small size is in memory once it was read, and a larger one when it was read twice", async () => {
    const node = await StoredNode.started();
    const large = Buffer.alloc(SMALL_BLOB_BYTES_MAX + 1, "large");
    const staging = await node.blobs.stage();
    await staging.append(large);
    await node.blobs.commit(staging, digestOf(large));
    await store(node);

    await node.content(DIGEST);
    await node.content(digestOf(large));
    expect([node.blobs.atHand(DIGEST), node.blobs.atHand(digestOf(large))]).toEqual([HELLO, undefined]);
    expect(await node.content(digestOf(large))).toEqual(large);
    expect(node.blobs.atHand(digestOf(large))).toEqual(large);
  });

  test("that has lost bytes is whole again when it is committed again", async () => {
    const node = await StoredNode.started();
    await store(node);
    node.disk.damage(DIGEST, HELLO.subarray(1));

    await store(node);

    expect(await node.content(DIGEST)).toEqual(HELLO);
  });

  test("is never stored under a digest that is not its own, whatever the caller has compared", async () => {
    const node = await StoredNode.started();
    const staging = await node.blobs.stage();
    await staging.append(HELLO.subarray(1));

    await expect(node.blobs.commit(staging, DIGEST, REPO, "tester")).rejects.toThrow(InvariantError);

    expect(await node.blobs.open(DIGEST)).toBeUndefined();
    expect(await node.disk.stat(DIGEST)).toBeUndefined();
  });

  test("for which the disk has no room is refused as such, and the node goes on", async () => {
    const node = await StoredNode.started({
      fault: (operation) => (operation === "commit" ? new DiskFullError("ENOSPC") : undefined),
    });

    await expect(store(node, REPO)).rejects.toMatchObject({ code: "UNAVAILABLE", status: 503, message: "disk full" });

    expect(node.metadata.isFenced()).toBeUndefined();
    expect(await node.blobs.size(DIGEST)).toBeUndefined();
  });

  test("that would take the room which the metadata store needs is not begun", async () => {
    const node = await StoredNode.started({ capacityBytes: DISK_RESERVE_BYTES + 10 });

    await expect(node.blobs.stage(11)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      status: 503,
      message: "disk full",
    });
    await (await node.blobs.stage(10)).discard();

    expect(await node.disk.staged()).toEqual([]);
  });

  test("tells how long its commit took", async () => {
    const node = await StoredNode.started({ pauseMs: () => 1 });

    await node.world.run(store(node, REPO));

    expect(node.telemetry.observed("meridian_disk_sync_duration_seconds")).toEqual([0.002]);
  });
});
