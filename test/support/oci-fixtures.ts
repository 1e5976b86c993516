/**
 * Content to push: bytes with the digest and the type under which a registry must give them back. Everything is made from
 * its arguments, so that two runs push the same bytes.
 */
import { createCipheriv, hash } from "node:crypto";

import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_IMAGE_INDEX,
  OCI_IMAGE_MANIFEST,
} from "../../shared/media-types.ts";

export type Algorithm = "sha256" | "sha512";

export type Content = { readonly mediaType: string; readonly digest: string; readonly bytes: Buffer };

export type DescriptorFields = {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly [field: string]: unknown;
};

export type ImageFields = {
  readonly config?: Content | DescriptorFields;
  readonly layers?: readonly (Content | DescriptorFields)[];
  /** Put into the document as they are, over everything else. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly mediaType?: string;
};

const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG = "application/vnd.oci.image.config.v1+json";
export const EMPTY_TYPE = "application/vnd.oci.empty.v1+json";

export function digestOf(bytes: Uint8Array | string, algorithm: Algorithm = "sha256"): string {
  return `${algorithm}:${hash(algorithm, bytes, "hex")}`;
}

export function content(bytes: Uint8Array | string, mediaType: string, algorithm: Algorithm = "sha256"): Content {
  const buffer = Buffer.from(bytes);
  return { mediaType, bytes: buffer, digest: digestOf(buffer, algorithm) };
}

/** `size` bytes without a pattern, always the same for one `seed`. */
export function noise(size: number, seed: string): Buffer {
  const key = Buffer.from(hash("sha256", seed, "hex"), "hex");
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

export function layer(seed: string, size = 256): Content {
  return content(noise(size, seed), LAYER);
}

export function config(seed: string): Content {
  return content(JSON.stringify({ architecture: "amd64", os: "linux", author: seed }), CONFIG);
}

/** The empty descriptor of image-spec: two bytes that nearly every artifact has as its config. */
export const EMPTY: Content = content("{}", EMPTY_TYPE);

export function descriptorOf({ mediaType, digest, bytes }: Content): DescriptorFields {
  return { mediaType, digest, size: bytes.length };
}

function isContent(part: Content | DescriptorFields): part is Content {
  return Buffer.isBuffer(part.bytes);
}

function described(part: Content | DescriptorFields): DescriptorFields {
  return isContent(part) ? descriptorOf(part) : part;
}

/** `document` as JSON, pushed as `mediaType`. */
export function manifest(document: Readonly<Record<string, unknown>>, mediaType: string): Content {
  return content(JSON.stringify(document), mediaType);
}

export function image({ mediaType = OCI_IMAGE_MANIFEST, ...of }: ImageFields): Content {
  return manifest(
    {
      schemaVersion: 2,
      mediaType,
      config: described(of.config ?? EMPTY),
      layers: (of.layers ?? []).map(described),
      ...of.fields,
    },
    mediaType,
  );
}

export function dockerImage(of: Omit<ImageFields, "mediaType">): Content {
  return image({ ...of, mediaType: DOCKER_MANIFEST });
}

export function index(
  entries: readonly (Content | DescriptorFields)[],
  { mediaType = OCI_IMAGE_INDEX, fields = {} }: Pick<ImageFields, "mediaType" | "fields"> = {},
): Content {
  return manifest({ schemaVersion: 2, mediaType, manifests: entries.map(described), ...fields }, mediaType);
}

export function dockerList(entries: readonly (Content | DescriptorFields)[]): Content {
  return index(entries, { mediaType: DOCKER_MANIFEST_LIST });
}

/** An artifact about `subject`, as signatures, bills of materials and attestations are. */
export function artifact(
  subject: Content | DescriptorFields,
  artifactType: string,
  annotations?: Readonly<Record<string, string>>,
): Content {
  return image({
    layers: [EMPTY],
    fields: { artifactType, subject: described(subject), ...(annotations === undefined ? {} : { annotations }) },
  });
}
