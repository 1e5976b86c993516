/**
 * An image out of nothing, so that nobody needs Docker to try a registry: an index of two platforms, each with a
 * config and one small layer, and, when a size is asked for, one more layer of that size that both share.
 * Everything follows from the name and the size: the same sample has the same digests everywhere and at any time.
 */
import { createCipheriv, createHash, hash } from "node:crypto";

import type { SupportedDescriptor } from "../../../shared/descriptor.ts";
import { type Digest, digestFromHex, digestOf } from "../../../shared/digest.ts";
import { invariant } from "../../../shared/invariant.ts";
import { OCI_IMAGE_CONFIG, OCI_IMAGE_INDEX, OCI_IMAGE_MANIFEST } from "../../../shared/media-types.ts";
import type { ImageReader, ManifestContent } from "./image.ts";
import { tarEnd, tarHeader, tarPadding } from "./tar.ts";

export const SAMPLE_BYTES_MAX = 4 * 1024 * 1024 * 1024;
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar";
const EPOCH = "1970-01-01T00:00:00Z";
const PLATFORMS = [
  { os: "linux", architecture: "amd64" },
  { os: "linux", architecture: "arm64" },
] as const;
const CHUNK_BYTES = 256 * 1024;

type Blob = { readonly size: number; readonly open: () => AsyncIterable<Uint8Array> };
type Written = { readonly mediaType: string; readonly digest: Digest; readonly size: number };

/** `paddingBytes` is the size of the shared layer's file; 0 leaves the layer out. */
export async function sampleImage(name: string, paddingBytes = 0): Promise<ImageReader> {
  invariant(paddingBytes >= 0 && paddingBytes <= SAMPLE_BYTES_MAX, "a sample's size is bounded");
  const sample = new Sample();
  const shared =
    paddingBytes === 0 ? [] : [await sample.addLayer("padding.bin", paddingBytes, () => noise(name, paddingBytes))];
  const entries = [];
  for (const platform of PLATFORMS) {
    const text = Buffer.from(`Hello from ${name} on ${platform.os}/${platform.architecture}.\n`);
    const layers = [await sample.addLayer("hello.txt", text.length, () => one(text)), ...shared];
    const config = sample.addConfig(name, platform, layers);
    const manifest = { schemaVersion: 2, mediaType: OCI_IMAGE_MANIFEST, config, layers };
    entries.push({ ...sample.addManifest(OCI_IMAGE_MANIFEST, manifest), platform });
  }
  const index = { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests: entries };
  return sample.read(sample.addManifest(OCI_IMAGE_INDEX, index).digest);
}

class Sample {
  readonly #blobs = new Map<string, Blob>();
  readonly #manifests = new Map<string, ManifestContent>();

  async addLayer(path: string, size: number, open: () => AsyncIterable<Uint8Array>): Promise<Written> {
    const header = tarHeader(path, size);
    const tail = Buffer.concat([tarPadding(size), tarEnd()]);
    const blob = { size: header.length + size + tail.length, open: () => framed(header, open(), tail) };
    const hasher = createHash("sha256");
    for await (const chunk of blob.open()) hasher.update(chunk);
    const digest = digestFromHex("sha256", hasher.digest("hex"));
    this.#blobs.set(digest, blob);
    return { mediaType: LAYER_TYPE, digest, size: blob.size };
  }

  addConfig(
    name: string,
    platform: { readonly os: string; readonly architecture: string },
    layers: readonly Written[],
  ): Written {
    const bytes = encode({
      created: EPOCH,
      ...platform,
      config: { Cmd: ["/hello"], Labels: { "org.opencontainers.image.title": name } },
      // Nothing is compressed, so a layer's digest is that of its contents.
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
      history: layers.map(() => ({ created: EPOCH, created_by: `meridian sample ${name}` })),
    });
    const digest = digestOf(bytes);
    this.#blobs.set(digest, { size: bytes.length, open: () => one(bytes) });
    return { mediaType: OCI_IMAGE_CONFIG, digest, size: bytes.length };
  }

  addManifest(mediaType: string, document: unknown): Written {
    const bytes = encode(document);
    const digest = digestOf(bytes);
    this.#manifests.set(digest, { digest, mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  }

  read(rootDigest: Digest): ImageReader {
    return {
      root: this.#manifestOf(rootDigest),
      manifest: async ({ digest }) => await Promise.resolve(this.#manifestOf(digest)),
      blob: (descriptor) => this.#blobOf(descriptor).open(),
      close: async () => await Promise.resolve(),
    };
  }

  #manifestOf(digest: Digest): ManifestContent {
    const manifest = this.#manifests.get(digest);
    invariant(manifest !== undefined, "a sample holds every manifest it names");
    return manifest;
  }

  #blobOf({ digest }: SupportedDescriptor): Blob {
    const blob = this.#blobs.get(digest);
    invariant(blob !== undefined, "a sample holds every blob it names");
    return blob;
  }
}

function encode(document: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

async function* framed(
  head: Uint8Array,
  body: AsyncIterable<Uint8Array>,
  tail: Uint8Array,
): AsyncGenerator<Uint8Array> {
  yield head;
  yield* body;
  yield tail;
}

/** Bytes that no compression and no deduplication makes smaller, the same for the same name: a cipher over zeros. */
async function* noise(name: string, size: number): AsyncGenerator<Uint8Array> {
  const key = hash("sha256", name, "buffer").subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(CHUNK_BYTES);
  for (let left = size; left > 0; left -= CHUNK_BYTES) {
    yield await Promise.resolve(cipher.update(zeros.subarray(0, Math.min(left, CHUNK_BYTES))));
  }
}
