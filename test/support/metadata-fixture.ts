/** A metadata store on simulated ports, and manifests to put into it. */

import type { Clock } from "../../nodes/ports/clock.ts";
import type { Kv } from "../../nodes/ports/kv.ts";
import type { Random } from "../../nodes/ports/random.ts";
import type { Telemetry } from "../../nodes/ports/telemetry.ts";
import type { Arrived } from "../../nodes/storage/merge-arrived.ts";
import { Metadata } from "../../nodes/storage/metadata.ts";
import type { Digest } from "../../shared/digest.ts";
import { digestOf } from "../../shared/digest.ts";
import { parseClusterId, parseNodeId, parseRegion } from "../../shared/identity.ts";
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from "../../shared/reference.ts";

export const REPO = parseRepositoryName("shop/api");
export const LATEST = parseTag("latest");
export const IMAGE = "application/vnd.oci.image.manifest.v1+json";
export const INDEX = "application/vnd.oci.image.index.v1+json";

export const SILENT: Telemetry = { log: () => {}, count: () => {}, set: () => {}, observe: () => {} };

export type MadeManifest = { readonly bytes: Uint8Array; readonly digest: Digest; readonly mediaType: string };

export function imageNamed(name: string, extra: object = {}): MadeManifest {
  const config = {
    mediaType: "application/vnd.oci.image.config.v1+json",
    digest: digestOf(Buffer.from(name)),
    size: name.length,
  };
  return made(IMAGE, { schemaVersion: 2, mediaType: IMAGE, config, layers: [], annotations: { name }, ...extra });
}

export function indexOf(children: readonly MadeManifest[]): MadeManifest {
  const manifests = children.map(({ bytes, digest, mediaType }) => ({ mediaType, digest, size: bytes.length }));
  return made(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests });
}

function made(mediaType: string, document: object): MadeManifest {
  const bytes = Buffer.from(JSON.stringify(document));
  return { bytes, digest: digestOf(bytes), mediaType };
}

/** A clock that stands still until it is moved, and a counter for randomness. */
export function stillClock(startMs = 1_700_000_000_000): Clock & { readonly move: (ms: number) => void } {
  let now = startMs;
  return { wallMs: () => now, monotonicMs: () => now, move: (ms) => (now += ms) };
}

export function countingRandom(seed: number): Random {
  let next = seed;
  return {
    bytes: (count) => {
      next += 1;
      return Uint8Array.from({ length: count }, (_, index) => (next * 31 + index * 7 + (next >> 8)) & 0xff);
    },
    fraction: () => 0.5,
  };
}

export async function openMetadata(
  kv: Kv,
  name: string,
  options: { readonly clock?: Clock; readonly seed?: number; readonly opLogOpsMax?: number } = {},
): Promise<Metadata> {
  const { clock = stillClock(), seed = name.charCodeAt(0), opLogOpsMax } = options;
  const deps = { kv, clock, random: countingRandom(seed), telemetry: SILENT };
  return await Metadata.open(opLogOpsMax === undefined ? deps : { ...deps, opLogOpsMax }, {
    cluster: parseClusterId("test"),
    node: parseNodeId(`${name}-1`),
    region: parseRegion(name),
  });
}

export async function push(
  metadata: Metadata,
  manifest: MadeManifest,
  tags: readonly Tag[] = [LATEST],
  repo: RepositoryName = REPO,
): Promise<void> {
  const { digest, mediaType, bytes } = manifest;
  await metadata.record("tester", async (turn) => {
    await turn.set({ kind: "manifest", repo, digest }, { kind: "manifest", mediaType, size: bytes.length }, bytes);
    for (const tag of tags) await turn.set({ kind: "tag", repo, tag }, { kind: "tag", digest });
  });
}

/** Brings over what `target` lacks, one change at a time; stops before step `steps`, as a broken connection would. */
export async function sync(source: Metadata, target: Metadata, steps = Number.POSITIVE_INFINITY): Promise<void> {
  let left = steps;
  for await (const frame of source.missing(target.held())) {
    for (const part of frame.kind === "live" ? frame.changes.map(aloneIn) : [frame]) {
      if (left <= 0) return;
      left -= 1;
      await target.commit(part);
    }
  }
}

function aloneIn(change: Uint8Array): Arrived {
  return { kind: "live", changes: [change] };
}

/** Fetches the manifests that were too large to travel in their ops. */
export async function fetchContents(source: Metadata, target: Metadata): Promise<void> {
  for (const { digest } of await target.wantedContents()) {
    const bytes = await source.reader.content(digest);
    if (bytes !== undefined) await target.commit({ kind: "content", digest, bytes });
  }
}
