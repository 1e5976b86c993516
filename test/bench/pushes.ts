/** Writing load: unique content, hashed before the clock starts, pushed by some connections at once. */
import { createHash, hash } from "node:crypto";

import { type Address, type Answer, Exchange, expectStatus, headerOf, requestHead } from "./exchange.ts";

export const REPOSITORY = "bench/img";
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

export type Blob = { readonly digest: string; readonly parts: readonly Uint8Array[]; readonly size: number };
export type Pushable = { readonly tag: string; readonly bytes: Uint8Array };

let counter = 0;

/** Differs from every other in this process and, by its salt, from those of earlier runs. */
function unique(): string {
  counter += 1;
  return `${SALT}-${counter.toString().padStart(12, "0")}`;
}

const SALT = Date.now().toString(36);
const UNIQUE_BYTES = unique().length;
const noise = new Map<number, Buffer>();
const noiseHashes = new Map<number, ReturnType<typeof createHash>>();

/** Blobs of one size share all but their last bytes, so that thousands of them cost neither memory nor hashing. */
export function uniqueBlob(size: number): Blob {
  const length = size - UNIQUE_BYTES;
  const common = noise.get(length) ?? noiseOf(length);
  noise.set(length, common);
  const state = noiseHashes.get(length) ?? createHash("sha256").update(common);
  noiseHashes.set(length, state);
  const tail = Buffer.from(unique());
  return { digest: `sha256:${state.copy().update(tail).digest("hex")}`, parts: [common, tail], size };
}

function noiseOf(length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  let state = 0x2545f491;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + at;
    bytes.writeInt32LE(state | 0, at);
  }
  return bytes;
}

/** A manifest that nobody has, of blobs that are there, under a tag that nobody has. */
export function uniqueManifest(config: Blob, layer: Blob): Pushable {
  const name = unique();
  const document = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: config.digest, size: config.size },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: layer.digest, size: layer.size }],
    annotations: { "bench.name": name },
  };
  return { tag: `t-${name}`, bytes: Buffer.from(JSON.stringify(document)) };
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${hash("sha256", bytes, "hex")}`;
}

/** By POST and PUT, as clients push. */
export async function pushBlob(exchange: Exchange, blob: Blob, repository = REPOSITORY): Promise<void> {
  const opened = await exchange.ask([
    requestHead("POST", `/v2/${repository}/blobs/uploads/`, { "Content-Length": "0" }),
  ]);
  expectStatus(opened, 202);
  const target = locationOf(opened);
  const query = `${target.includes("?") ? "&" : "?"}digest=${blob.digest}`;
  const head = requestHead("PUT", target + query, {
    "Content-Type": "application/octet-stream",
    "Content-Length": String(blob.size),
  });
  expectStatus(await exchange.ask([head, ...blob.parts]), 201);
}

export async function pushManifest(
  exchange: Exchange,
  { tag, bytes }: Pushable,
  repository = REPOSITORY,
): Promise<void> {
  const head = requestHead("PUT", `/v2/${repository}/manifests/${tag}`, {
    "Content-Type": OCI_MANIFEST,
    "Content-Length": String(bytes.length),
  });
  expectStatus(await exchange.ask([head, bytes]), 201);
}

function locationOf(answer: Answer): string {
  const location = headerOf(answer.head, "location");
  if (location === undefined) throw new Error(`an upload without a location: ${answer.head}`);
  return location.startsWith("/") ? location : location.slice(new URL(location).origin.length);
}

export type Pushed = { readonly pushes: number; readonly elapsedMs: number };

/**
 * Takes from `jobs` with some connections at once, until they are done or the time is up.
 * @throws when a push is refused.
 */
export async function pushAll(
  address: Address,
  connections: number,
  jobs: readonly ((exchange: Exchange) => Promise<void>)[],
  durationMs = Number.POSITIVE_INFINITY,
): Promise<Pushed> {
  const exchanges = Array.from({ length: connections }, () => new Exchange(address));
  let next = 0;
  let pushes = 0;
  const startedMs = performance.now();
  const work = async (exchange: Exchange): Promise<void> => {
    for (let job = jobs[next++]; job !== undefined; job = jobs[next++]) {
      await job(exchange);
      pushes += 1;
      if (performance.now() - startedMs > durationMs) return;
    }
  };
  try {
    await Promise.all(exchanges.map(work));
    return { pushes, elapsedMs: performance.now() - startedMs };
  } finally {
    for (const exchange of exchanges) exchange.close();
  }
}
