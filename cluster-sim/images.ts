/** Images as clients push them: a few bytes each, always the same for the same name, with layers that images share. */
import { type Digest, digestOf } from "../shared/digest.ts";
import { OCI_IMAGE_INDEX, OCI_IMAGE_MANIFEST } from "../shared/media-types.ts";

export type Image = {
  readonly name: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly blobs: readonly Uint8Array[];
  readonly children: readonly Image[];
};

const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";
/** Layers that images share: their number modulo this names one. */
const BASES = 3;
/** More than travels inside an op. */
const LARGE_LETTERS = 33_000;

/** Made once each: a run asks for the same few images thousands of times. */
const MADE = new Map<string, Image>();

/** A single-platform image; a large one's manifest is too large for an op. */
export function imageOf(number: number, size: "small" | "large"): Image {
  const name = `${size}-${number}`;
  const known = MADE.get(name);
  if (known !== undefined) return known;
  const blobs = [
    Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", name })),
    Buffer.from(`base ${number % BASES} `.repeat(40)),
    Buffer.from(`layer of ${name} `.repeat(10 + 20 * (number % 4))),
  ];
  const [config, ...layers] = blobs.map((bytes) => ({ digest: digestOf(bytes), size: bytes.length }));
  const annotations = { name, ...(size === "large" ? { notes: "x".repeat(LARGE_LETTERS) } : {}) };
  const document = {
    schemaVersion: 2,
    mediaType: OCI_IMAGE_MANIFEST,
    config: { mediaType: CONFIG, ...config },
    layers: layers.map((layer) => ({ mediaType: LAYER, ...layer })),
    annotations,
  };
  const image = made(name, document, blobs, []);
  MADE.set(name, image);
  return image;
}

/** Two images under one name. */
export function indexOf(number: number, images: number): Image {
  const children = [imageOf(number, "small"), imageOf((number + 1) % images, number % 3 === 0 ? "large" : "small")];
  const manifests = children.map(({ digest, bytes }) => ({
    mediaType: OCI_IMAGE_MANIFEST,
    digest,
    size: bytes.length,
  }));
  return made(`index-${number}`, { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests }, [], children);
}

function made(name: string, document: object, blobs: readonly Uint8Array[], children: readonly Image[]): Image {
  const bytes = Buffer.from(JSON.stringify(document));
  return { name, digest: digestOf(bytes), bytes, blobs, children };
}
