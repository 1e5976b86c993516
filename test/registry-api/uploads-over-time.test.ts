import { expect, test } from "vitest";

import { UPLOAD_IDLE_MS_MAX } from "../../shared/limits.ts";
import { digestOf, noise } from "../support/oci-fixtures.ts";
import { locationOf, refusalOf } from "../support/registry-client.ts";
import { startTestNode } from "../support/test-node.ts";

const HALF = noise(500_000, "before the restart");
const REST = noise(400_000, "after the restart");

test("an upload goes on where it was when the node is restarted (oci end-13)", async () => {
  await using node = await startTestNode();
  const location = locationOf(await node.client.sendChunk(await node.client.startUpload("team/image"), 0, HALF));

  await node.restart();

  const progress = await node.client.get(location);
  expect([progress.status, progress.headers["range"]]).toEqual([204, `0-${HALF.length - 1}`]);
  const sent = await node.client.sendChunk(location, HALF.length, REST);
  const whole = Buffer.concat([HALF, REST]);
  const finished = await node.client.finishUpload(locationOf(sent), digestOf(whole));
  expect(finished.status).toBe(201);
  expect((await node.client.getBlob("team/image", digestOf(whole))).body).toEqual(whole);
});

test("what was acknowledged is there after a restart: blobs, manifests, tags, and nothing that was cancelled", async () => {
  await using node = await startTestNode();
  const digest = await node.client.pushBlob("team/image", HALF);
  const cancelled = await node.client.startUpload("team/image");
  await node.client.delete(cancelled);

  await node.restart();

  expect((await node.client.getBlob("team/image", digest)).body).toEqual(HALF);
  expect((await node.client.get(cancelled)).status).toBe(404);
});

test("an upload that nobody has touched for a day is forgotten, and its bytes are freed (oci 14.41)", async () => {
  await using node = await startTestNode();
  const location = locationOf(await node.client.sendChunk(await node.client.startUpload("team/image"), 0, HALF));
  const before = await node.storedBytes();

  await node.restart({ laterMs: UPLOAD_IDLE_MS_MAX + 1_000 });

  await expect
    .poll(async () => refusalOf(await node.client.get(location)))
    .toEqual({
      status: 404,
      codes: ["BLOB_UPLOAD_UNKNOWN"],
    });
  await expect.poll(async () => await node.storedBytes()).toBeLessThan(before - HALF.length / 2);
});
