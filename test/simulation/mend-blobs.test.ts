/** A blob that rots on one node while others have it, in a simulated world. */
import { describe, expect, test } from "vitest";

import { MendBlobs } from "../../nodes/cluster/mend-blobs.ts";
import type { Digest } from "../../shared/digest.ts";
import { MEND_RETRY_MS_MAX } from "../../shared/limits.ts";
import { bytesOf, PullingNode } from "../support/pulling-node.ts";

const BLOB = bytesOf(2 * 1024 * 1024 + 12_345);

function mender(node: PullingNode): MendBlobs {
  const { metadata, blobs, fetch: fetchBlob, directory, timers, telemetry } = node;
  const mending = new MendBlobs({ metadata, blobs, fetchBlob, directory, timers, telemetry });
  mending.start();
  return mending;
}

/** A node that has pulled the blob, and whose copy has rotted since. */
async function rottenNode(): Promise<{ readonly node: PullingNode; readonly digest: Digest }> {
  const node = await PullingNode.start();
  const digest = await node.know(BLOB, ["eu"]);
  expect((await node.pull(digest)).equals(BLOB)).toBe(true);
  await node.world.runFor(1_000);
  const rotten = Buffer.from(BLOB);
  rotten[1_000_000] = 1 ^ (rotten[1_000_000] ?? 0);
  node.disk.damage(digest, rotten);
  return { node, digest };
}

describe("a blob that has rotted", () => {
  test("is served right all the same, from another node, to the first who asks", async () => {
    const { node, digest } = await rottenNode();

    const blob = await node.open(digest);

    expect(blob.source).toBe("peer:eu");
    await blob.close();
    expect((await node.pull(digest)).equals(BLOB)).toBe(true);
  });

  test("is fetched again in the background, and what was put aside goes when it is here", async () => {
    const { node, digest } = await rottenNode();
    const mending = mender(node);
    const seen = await node.world.run(node.blobs.open(digest));
    expect([seen, node.blobs.lost.size, node.disk.quarantined(digest)]).toEqual([undefined, 1, BLOB.length]);

    await node.world.runFor(5_000);

    expect([node.blobs.lost.size, node.disk.quarantined(digest)]).toEqual([0, undefined]);
    expect(node.telemetry.valueOf("meridian_blobs_mended_total")).toBe(1);
    expect(await node.world.run(node.blobs.size(digest))).toBe(BLOB.length);
    const blob = await node.open(digest);
    expect(blob.source).toBe("local");
    await blob.close();
    await node.world.run(mending.stop());
  });

  test("that nobody else has stays in the queue, with what is left of it, until somebody has it", async () => {
    const { node, digest } = await rottenNode();
    node.holder("eu").drop(digest);
    const mending = mender(node);
    await node.world.run(node.blobs.open(digest));

    await node.world.runFor(10 * MEND_RETRY_MS_MAX);
    expect([node.blobs.lost.size, node.disk.quarantined(digest)]).toEqual([1, BLOB.length]);
    node.holder("us").put(BLOB);
    await node.world.runFor(2 * MEND_RETRY_MS_MAX);

    expect([node.blobs.lost.size, node.disk.quarantined(digest)]).toEqual([0, undefined]);
    await node.world.run(mending.stop());
  });

  test("is left alone by a node that may not write", async () => {
    const { node, digest } = await rottenNode();
    await node.world.run(node.blobs.open(digest));
    node.metadata.fence(new Error("the disk is gone"));
    const mending = mender(node);

    await node.world.runFor(10 * MEND_RETRY_MS_MAX);

    expect(node.blobs.lost.size).toBe(1);
    await node.world.run(mending.stop());
  });
});
