import { expect, test } from "vitest";

import { SimClock } from "../../../cluster-sim/sim-clock.ts";
import { SimKv } from "../../../cluster-sim/sim-kv.ts";
import { SimTelemetry } from "../../../cluster-sim/sim-telemetry.ts";
import { World } from "../../../cluster-sim/world.ts";
import { DeleteBlob } from "../../../nodes/registry/delete-blob.ts";
import { HeadBlob } from "../../../nodes/registry/head-blob.ts";
import { HeldBlobs } from "../../../nodes/registry/held-blobs.ts";
import { MountBlob } from "../../../nodes/registry/mount-blob.ts";
import { PullBlob } from "../../../nodes/registry/pull-blob.ts";
import { PushManifest } from "../../../nodes/registry/push-manifest.ts";
import { Metadata } from "../../../nodes/storage/metadata.ts";
import { digestOf } from "../../../shared/digest.ts";
import { parseClusterId, parseNodeId, parseRegion } from "../../../shared/identity.ts";
import { OCI_IMAGE_MANIFEST } from "../../../shared/media-types.ts";
import { parseReference, parseRepositoryName, parseTag } from "../../../shared/reference.ts";
import { imageOf, indexOf, REPO } from "./regions.ts";

const NEVER = new AbortController().signal;
const digest = digestOf(Buffer.from("hello"));
const actor = "test";
const REQUEST = {
  repo: REPO,
  reference: parseReference("v1"),
  tags: [],
  contentType: undefined,
  precondition: { oneOf: undefined, noneOf: undefined },
  actor,
};

async function openNode() {
  const name = { cluster: parseClusterId("test"), node: parseNodeId("eu-1"), region: parseRegion("eu") };
  const telemetry = new SimTelemetry();
  const random = { bytes: (count: number) => new Uint8Array(count).fill(7), fraction: () => 0 };
  const clock = new SimClock(new World());
  const metadata = await Metadata.open({ kv: new SimKv(), clock, random, telemetry }, name);
  return { metadata, telemetry };
}

/** A node that has deleted the blob, and a region that has not heard of it and says that it has it. */
async function afterDelete() {
  const { metadata, telemetry } = await openNode();
  await metadata.record(actor, async (turn) => await turn.linkBlob(REPO, digest));
  const region = parseRegion("us");
  const askNearPeers = {
    run: async () => await Promise.resolve(new Map([[digest, { size: 5, region, isLinked: true }]])),
  };
  await new DeleteBlob({ metadata, askNearPeers }).run({ repo: REPO, digest, actor }, NEVER);
  return { metadata, reader: metadata.reader, askNearPeers, telemetry };
}

test("a deleted blob stays deleted, whatever a region says that has not heard of it", async () => {
  const { metadata, reader, askNearPeers, telemetry } = await afterDelete();
  const unknown = expect.objectContaining({ code: "BLOB_UNKNOWN" });
  const never = async (): Promise<never> => await Promise.reject(new Error("nothing may be fetched"));
  const held = new HeldBlobs({ rows: metadata.rowSource() });
  const blobs = { open: async () => await Promise.resolve(undefined), atHand: () => undefined };
  const pull = new PullBlob({ reader, held, blobs, fetchBlob: { open: never }, telemetry });

  await expect(new HeadBlob({ reader, held, askNearPeers }).run(REPO, digest, NEVER)).rejects.toThrow(unknown);
  await expect(pull.run(REPO, digest, NEVER)).rejects.toThrow(unknown);
  await expect(new DeleteBlob({ metadata, askNearPeers }).run({ repo: REPO, digest, actor }, NEVER)).rejects.toThrow(
    unknown,
  );
  const other = parseRepositoryName("other/app");
  const mount = new MountBlob({ metadata, askNearPeers });
  expect(await mount.run({ repo: other, digest, from: REPO, actor }, NEVER)).toBe(false);
});

test("a manifest cannot name a deleted blob before somebody has pushed it again", async () => {
  const { metadata, askNearPeers } = await afterDelete();
  const probeMiss = { manifest: async () => await Promise.resolve(false) };
  const push = new PushManifest({ metadata, askNearPeers, probeMiss });
  const request = { ...REQUEST, bytes: imageOf([], digest) };

  await expect(push.run(request, NEVER)).rejects.toThrow(expect.objectContaining({ code: "MANIFEST_BLOB_UNKNOWN" }));
  await metadata.record(actor, async (turn) => {
    turn.storeBlob(digest, 5);
    await turn.linkBlob(REPO, digest);
  });
  expect((await push.run(request, NEVER)).digest).toBe(digestOf(request.bytes));
});

test("an index's child that only a peer has is brought here before the index is judged", async () => {
  const { metadata } = await openNode();
  const child = imageOf([], digest);
  const childDigest = digestOf(child);
  const region = parseRegion("us");
  const held = { size: child.length, region, isLinked: true };
  const askNearPeers = { run: async () => await Promise.resolve(new Map([[childDigest, held]])) };
  const probeMiss = {
    manifest: async () => {
      const value = { kind: "manifest", mediaType: OCI_IMAGE_MANIFEST, size: child.length } as const;
      const key = { kind: "manifest", repo: REPO, digest: childDigest } as const;
      await metadata.record(actor, async (turn) => await turn.set(key, value, child));
      return true;
    },
  };
  const push = new PushManifest({ metadata, askNearPeers, probeMiss });

  await push.run({ ...REQUEST, bytes: indexOf([childDigest]) }, NEVER);

  expect((await metadata.reader.tag(REPO, parseTag("v1")))?.digest).toBe(digestOf(indexOf([childDigest])));
});
