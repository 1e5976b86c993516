/**
 * What a manifest says, read once at the edge. The registry never writes a manifest: it stores and serves the bytes as
 * they came, hashes those, and only reads them here, to know what must be held before the manifest is accepted,
 * what refers to what, and what kind of thing it is.
 *
 * The hard part is that one document must mean one thing. CVE-2021-41190: bytes holding both `layers` and `manifests`
 * are an image to one client and an index to another, under the same digest and signature. So a document that could be
 * read both ways is refused, whatever its type; so is a field that differs from a known one by case alone, because Go
 * reads it as that field and others do not; and a document that does not name its type is only taken as what its
 * shape says. Everything else is lenient, as image-spec demands: unknown fields, types and digest algorithms pass.
 *
 * Source: image-spec manifest.md, image-index.md; distribution-spec, "Pushing Manifests".
 */
import {
  type Annotations,
  type Descriptor,
  isExternal,
  isSupported,
  MalformedFieldError,
  parseAnnotations,
  parseDescriptor,
  parseType,
  type SupportedDescriptor,
} from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { RegistryError } from "./errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, parseJson } from "./json.ts";
import { MANIFEST_BYTES_MAX, MANIFEST_DESCRIPTORS_MAX, MANIFEST_JSON_DEPTH_MAX } from "./limits.ts";
import {
  canonicalMediaType,
  isDockerManifestMediaType,
  isImageMediaType,
  isIndexMediaType,
  isManifestMediaType,
  isMediaType,
  isSchema1MediaType,
  withoutParameters,
} from "./media-types.ts";

/** What it takes to accept, replicate and find a manifest. No digest stands twice in one of the lists. */
type Needs = {
  /** To be served as `Content-Type`, without parameters. */
  readonly mediaType: string;
  /** Must be held as blobs before the manifest is accepted: config and layers. */
  readonly blobs: readonly SupportedDescriptor[];
  /** Must exist as manifests: entries of an index whose media type is one of the four that this registry reads. */
  readonly children: readonly SupportedDescriptor[];
  /** Must exist as manifest or as blob: entries of an index of any other media type, such as a build cache's layers. */
  readonly others: readonly SupportedDescriptor[];
  /** Need not be held: layers to be had elsewhere, and digests that this registry cannot verify. */
  readonly external: readonly Descriptor[];
  /** Which manifest this one is about. It need not exist. */
  readonly subject: Descriptor | undefined;
  /** As the referrers API tells it: the manifest's own, else the media type of an image's config. */
  readonly artifactType: string | undefined;
  readonly annotations: Annotations | undefined;
};

export type ImageManifest = Needs & {
  readonly kind: "image";
  readonly config: Descriptor;
  /** As the manifest lists them, repeats included. */
  readonly layers: readonly Descriptor[];
};

export type IndexManifest = Needs & {
  readonly kind: "index";
  /** As the manifest lists them, repeats included. */
  readonly entries: readonly Descriptor[];
};

/** JSON of a type that this registry does not know: it needs nothing and refers to nothing. */
export type OpaqueManifest = Needs & { readonly kind: "opaque" };

export type Manifest = ImageManifest | IndexManifest | OpaqueManifest;

/** One entry of a referrers list. Source: distribution-spec, "Listing Referrers". */
export type ReferrerDescriptor = {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly annotations?: Annotations | undefined;
};

/** How `manifest` shows in the referrers list of its subject. */
export function referrerDescriptorOf(manifest: Manifest, digest: Digest, size: number): ReferrerDescriptor {
  const { mediaType, artifactType, annotations } = manifest;
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/**
 * Reads `bytes` as the manifest that `contentType` (with or without parameters), or the document itself, says it is.
 * @throws {RegistryError} `SIZE_INVALID` (413) beyond 4 MiB, else `MANIFEST_INVALID` with the place in `detail.at`.
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  if (bytes.length > MANIFEST_BYTES_MAX) {
    throw new RegistryError("SIZE_INVALID", { bytes: bytes.length, bytesMax: MANIFEST_BYTES_MAX }, { status: 413 });
  }

  try {
    const document = parseDocument(bytes);
    const mediaType = mediaTypeOf(document, contentType);
    refuseConfusion(document, mediaType);
    if (isImageMediaType(mediaType)) return readImage(document, mediaType);
    if (isIndexMediaType(mediaType)) return readIndex(document, mediaType);
    return { kind: "opaque", mediaType, ...NEEDS_NOTHING };
  } catch (cause) {
    if (!(cause instanceof MalformedFieldError)) throw cause;
    const message = `manifest invalid: ${cause.message}`;
    throw new RegistryError("MANIFEST_INVALID", { at: cause.at, problem: cause.message }, { message, cause });
  }
}

const NEEDS_NOTHING = {
  blobs: [],
  children: [],
  others: [],
  external: [],
  subject: undefined,
  artifactType: undefined,
  annotations: undefined,
} as const;

/** Go matches field names whatever their case, so that these must not appear in another one. */
const FIELDS_BY_FOLD: ReadonlyMap<string, string> = new Map(
  ["schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations"].map(
    (field) => [fold(field), field],
  ),
);

function fold(field: string): string {
  // Down and up again: the long s and the Kelvin sign are letters of ASCII only after both.
  return field.toLowerCase().toUpperCase();
}

function parseDocument(bytes: Uint8Array): JsonObject {
  const document = parseWhole(bytes);
  if (!isJsonObject(document)) throw new MalformedFieldError("the document", "is not a JSON object");
  return document;
}

function parseWhole(bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes, MANIFEST_JSON_DEPTH_MAX);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new MalformedFieldError("the document", `is not JSON: ${cause.message.slice(0, 120)}`);
  }
}

/** The type that header and document agree upon. */
function mediaTypeOf(document: JsonObject, contentType: string | undefined): string {
  const said = contentType === undefined ? "" : canonicalMediaType(withoutParameters(contentType));
  const inside = canonicalMediaType(parseType(document["mediaType"], "mediaType") ?? "");
  if (said !== "" && inside !== "" && said !== inside) {
    throw new MalformedFieldError(
      "mediaType",
      `is ${JSON.stringify(inside)}, but Content-Type says ${JSON.stringify(said.slice(0, 255))}`,
    );
  }

  const mediaType = said === "" ? inside : said;
  if (mediaType === "") throw new MalformedFieldError("mediaType", "is missing, and so is Content-Type");
  if (!isMediaType(mediaType)) throw new MalformedFieldError("mediaType", "is not a media type");
  if (inside === "" && isDockerManifestMediaType(mediaType)) {
    throw new MalformedFieldError("mediaType", "is missing; Docker's manifests carry it");
  }
  return mediaType;
}

function isPresent(document: JsonObject, field: string): boolean {
  return document[field] !== undefined && document[field] !== null;
}

function refuseConfusion(document: JsonObject, mediaType: string): void {
  if (isSchema1MediaType(mediaType) || isPresent(document, "fsLayers")) {
    throw new MalformedFieldError("schemaVersion", "is 1; only version 2 is supported");
  }
  const isLikeImage = isPresent(document, "layers") || isPresent(document, "config");
  const isLikeIndex = isPresent(document, "manifests");
  if (isLikeImage && isLikeIndex) {
    throw new MalformedFieldError("manifests", "stands beside layers or config: an index to some, an image to others");
  }
  if (isManifestMediaType(mediaType)) {
    refuseFieldsInOtherCase(document);
    if (document["schemaVersion"] !== 2) throw new MalformedFieldError("schemaVersion", "is not 2");
    return;
  }
  // Here a field that is null counts as well: a reader who is told the right type would take it for an empty list.
  const hasShape = ["layers", "config", "manifests"].some((field) => document[field] !== undefined);
  if (hasShape && parseType(document["mediaType"], "mediaType") === undefined) {
    throw new MalformedFieldError("mediaType", `is missing, and Content-Type names neither an image nor an index`);
  }
}

function refuseFieldsInOtherCase(document: JsonObject): void {
  for (const field of Object.keys(document)) {
    const known = FIELDS_BY_FOLD.get(fold(field));
    if (known !== undefined && known !== field) {
      throw new MalformedFieldError(field, `would be read as ${known} by some clients and ignored by others`);
    }
  }
}

function readImage(document: JsonObject, mediaType: string): ImageManifest {
  if (isPresent(document, "manifests")) throw new MalformedFieldError("manifests", "has no place in an image");
  const layerValues = listAt(document, "layers");
  refuseCrowd(layerValues.length + 1);
  const config = parseDescriptor(document["config"], "config");
  const layers = layerValues.map((value, index) => parseDescriptor(value, `layers[${index}]`));
  const parts = [config, ...layers];
  const about = readAbout(document, mediaType);
  return {
    kind: "image",
    mediaType,
    config,
    layers,
    blobs: distinct(parts.filter((part) => !isExternal(part)).filter(isSupported)),
    children: [],
    others: [],
    external: distinct(parts.filter(isExternal)),
    ...about,
    artifactType: about.artifactType ?? config.mediaType,
  };
}

function readIndex(document: JsonObject, mediaType: string): IndexManifest {
  if (isPresent(document, "layers")) throw new MalformedFieldError("layers", "has no place in an index");
  if (isPresent(document, "config")) throw new MalformedFieldError("config", "has no place in an index");
  const entryValues = listAt(document, "manifests");
  refuseCrowd(entryValues.length);
  const entries = entryValues.map((value, index) => parseDescriptor(value, `manifests[${index}]`));
  const held = entries.filter((entry) => !isExternal(entry)).filter(isSupported);
  return {
    kind: "index",
    mediaType,
    entries,
    blobs: [],
    children: distinct(held.filter((entry) => isManifestMediaType(canonicalMediaType(entry.mediaType)))),
    others: distinct(held.filter((entry) => !isManifestMediaType(canonicalMediaType(entry.mediaType)))),
    external: distinct(entries.filter(isExternal)),
    ...readAbout(document, mediaType),
  };
}

/** What both kinds may say of themselves. Docker's formats know no subject. */
function readAbout(document: JsonObject, mediaType: string): Pick<Needs, "subject" | "artifactType" | "annotations"> {
  const isAbout = isPresent(document, "subject") && !isDockerManifestMediaType(mediaType);
  return {
    subject: isAbout ? parseDescriptor(document["subject"], "subject") : undefined,
    artifactType: parseType(document["artifactType"], "artifactType"),
    annotations: parseAnnotations(document["annotations"], "annotations"),
  };
}

/** Go writes an empty list as `null`. */
function listAt(document: JsonObject, field: string): readonly unknown[] {
  const value = document[field];
  if (value === undefined) throw new MalformedFieldError(field, "is missing");
  if (value === null) return [];
  if (!isJsonArray(value)) throw new MalformedFieldError(field, "is not a list");
  return value;
}

function refuseCrowd(descriptors: number): void {
  if (descriptors <= MANIFEST_DESCRIPTORS_MAX) return;
  throw new MalformedFieldError(
    "the document",
    `names ${descriptors} parts; at most ${MANIFEST_DESCRIPTORS_MAX} are allowed`,
  );
}

/** The first descriptor of each digest. */
function distinct<Kind extends Descriptor>(descriptors: readonly Kind[]): readonly Kind[] {
  const byDigest = new Map<string, Kind>();
  for (const descriptor of descriptors) {
    if (!byDigest.has(descriptor.digest)) byDigest.set(descriptor.digest, descriptor);
  }
  return [...byDigest.values()];
}
