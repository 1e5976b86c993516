import { describe, expect, test } from "vitest";

import { ScrubBlobs } from "../../../nodes/cluster/scrub-blobs.ts";
import { type Digest, digestOf } from "../../../shared/digest.ts";
import { SCRUB_ROUND_MS, SCRUB_START_MS } from "../../../shared/limits.ts";
import { StoredNode } from "../../support/stored-node.ts";

const KIB = 1024;
const BLOB_BYTES = 1024 * KIB;
const BYTES_PER_SECOND = 1024 * KIB;

async function storeOn(node: StoredNode, name: string): Promise<Digest> {
  const bytes = Buffer.alloc(BLOB_BYTES, name);
  const staging = await node.blobs.stage();
  await staging.append(bytes);
  await node.blobs.commit(staging, digestOf(bytes));
  return digestOf(bytes);
}

function scrubberOf(node: StoredNode): ScrubBlobs {
  const { metadata, blobs, clock, timers, telemetry } = node;
  const scrubber = new ScrubBlobs({ metadata, blobs, clock, timers, telemetry, scrubBytesPerSecond: BYTES_PER_SECOND });
  scrubber.start();
  return scrubber;
}

async function nodeWith(...names: readonly string[]): Promise<{ node: StoredNode; digests: readonly Digest[] }> {
  const node = await StoredNode.started();
  const digests: Digest[] = [];
  for (const name of names) digests.push(await storeOn(node, name));
  return { node, digests: digests.toSorted() };
}

describe("the scrubber", () => {
  test("hashes every blob in a round at its pace, tells how far it is, and rests until the next", async () => {
    const { node } = await nodeWith("a", "b", "c", "d");
    const scrubber = scrubberOf(node);

    await node.world.runFor(SCRUB_START_MS - 1);
    expect(scrubber.progress.blobs).toBe(0);
    await node.world.runFor(2_500);
    expect(scrubber.progress).toMatchObject({ blobs: 2, bytes: 2 * BLOB_BYTES });
    await node.world.runFor(3_000);

    const round = { startedMs: expect.any(Number), after: undefined, blobs: 4, bytes: 4 * BLOB_BYTES, rotten: 0 };
    expect(scrubber.progress).toEqual(round);
    expect(node.telemetry.read("meridian_scrubbed_blobs_total", { result: "sound" })).toBe(4);
    expect(node.telemetry.read("meridian_scrubbed_bytes_total")).toBe(4 * BLOB_BYTES);
    await node.world.runFor(SCRUB_ROUND_MS - 10_000);
    expect(node.telemetry.read("meridian_scrubbed_blobs_total", { result: "sound" })).toBe(4);
    await node.world.runFor(20_000);
    expect(node.telemetry.read("meridian_scrubbed_blobs_total", { result: "sound" })).toBe(8);
    await scrubber.stop();
  });

  test("finds what has rotted and what is gone, and goes on with the rest", async () => {
    const { node, digests } = await nodeWith("a", "b", "c", "d");
    const [first = digestOf(Buffer.alloc(0)), second = first, third = first] = digests;
    node.disk.damage(first, Buffer.alloc(BLOB_BYTES, "rot"));
    node.disk.damage(second, Buffer.alloc(BLOB_BYTES - 1, "short"));
    await node.disk.remove(third);
    const scrubber = scrubberOf(node);

    await node.world.runFor(SCRUB_START_MS + 10_000);

    expect(scrubber.progress).toMatchObject({ after: undefined, blobs: 4, rotten: 3 });
    expect([...node.blobs.lost].toSorted()).toEqual([first, second, third]);
    await scrubber.stop();
  });

  test("goes on after a restart where its progress was last kept, and not from the beginning", async () => {
    const { node, digests } = await nodeWith("a", "b", "c");
    const startedMs = node.clock.wallMs();
    await node.metadata.record("tester", async (turn) => {
      turn.putScrub({ startedMs, after: digests[1], blobs: 2, bytes: 2 * BLOB_BYTES, rotten: 0 });
      await Promise.resolve();
    });
    node.kill();
    await node.start();
    const scrubber = scrubberOf(node);

    await node.world.runFor(SCRUB_START_MS + 5_000);

    expect(scrubber.progress).toEqual({ startedMs, after: undefined, blobs: 3, bytes: 3 * BLOB_BYTES, rotten: 0 });
    expect(node.telemetry.read("meridian_scrubbed_blobs_total", { result: "sound" })).toBe(1);
    expect(await node.metadata.reader.scrub()).toEqual(scrubber.progress);
    await scrubber.stop();
  });

  test("stops at once, in the middle of a blob", async () => {
    const { node } = await nodeWith("a");
    const scrubber = scrubberOf(node);
    await node.world.runFor(SCRUB_START_MS + 400);

    await node.world.run(scrubber.stop());

    expect(scrubber.progress.blobs).toBe(0);
  });
});
