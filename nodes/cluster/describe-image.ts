import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { type Manifest, parseManifest } from "../../shared/manifest.ts";
import type { Reference, RepositoryName } from "../../shared/reference.ts";
import type { ImageState } from "../ports/peers.ts";
import type { Metadata } from "../storage/metadata.ts";
import type { MetadataReader } from "../storage/metadata-reader.ts";

/** Parts that an account names one by one; the counts go on beyond. */
const MISSING_TOLD_MAX = 1_000;
/** Manifests below one index, however deep. A document may name more than anybody could walk. */
const MANIFESTS_WALKED_MAX = 10_000;

type Part = { readonly digest: Digest; readonly size: number };

/** How far an image has come on this node: what belongs to it, and what of that is durable here. */
export async function describeImage(
  metadata: Pick<Metadata, "reader">,
  repo: RepositoryName,
  reference: Reference,
): Promise<ImageState> {
  const { reader } = metadata;
  const digest = reference.kind === "digest" ? reference.digest : (await reader.tag(repo, reference.tag))?.digest;
  const record = digest === undefined ? undefined : await reader.manifest(repo, digest);
  if (record === undefined) return { ...NOTHING, digest };

  const parts = new Map<Digest, Part & { readonly isHeld: boolean }>();
  await walk(reader, { digest: record.digest, mediaType: record.mediaType, size: record.bytes.length }, parts);
  const all = [...parts.values()];
  const held = all.filter(({ isHeld }) => isHeld);
  const missing = all.filter(({ isHeld }) => !isHeld).map(({ digest: part, size }) => ({ digest: part, size }));
  return {
    digest,
    isKnown: true,
    blobsTotal: all.length,
    blobsHeld: held.length,
    bytesTotal: sizeOf(all),
    bytesHeld: sizeOf(held),
    missing: missing.slice(0, MISSING_TOLD_MAX),
  };
}

const NOTHING: ImageState = {
  digest: undefined,
  isKnown: false,
  blobsTotal: 0,
  blobsHeld: 0,
  bytesTotal: 0,
  bytesHeld: 0,
  missing: [],
};

/** Puts into `parts` the manifest, all manifests below it and all their blobs, each once. */
async function walk(
  reader: MetadataReader,
  root: Part & { readonly mediaType: string },
  parts: Map<Digest, Part & { readonly isHeld: boolean }>,
): Promise<void> {
  const open = [root];
  let walked = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (parts.has(next.digest)) continue;
    const bytes = await reader.content(next.digest);
    parts.set(next.digest, { digest: next.digest, size: next.size, isHeld: bytes !== undefined });
    const manifest = bytes === undefined ? undefined : readable(bytes, next.mediaType);
    if (manifest === undefined || walked >= MANIFESTS_WALKED_MAX) continue;
    walked += 1;

    for (const blob of [...manifest.blobs, ...manifest.others]) {
      if (parts.has(blob.digest)) continue;
      const isHeld = (await reader.blobSize(blob.digest)) !== undefined || (await isManifestHere(reader, blob.digest));
      parts.set(blob.digest, { digest: blob.digest, size: blob.size, isHeld });
    }
    for (const { digest, mediaType, size } of manifest.children) open.push({ digest, mediaType, size });
  }
}

async function isManifestHere(reader: MetadataReader, digest: Digest): Promise<boolean> {
  return (await reader.content(digest)) !== undefined;
}

/** A child may turn out to be no manifest: then it has no parts, and its index was accepted with that. */
function readable(bytes: Uint8Array, mediaType: string): Manifest | undefined {
  try {
    return parseManifest(bytes, mediaType);
  } catch (cause) {
    if (cause instanceof RegistryError) return undefined;
    throw cause;
  }
}

function sizeOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { size }) => sum + size, 0);
}
