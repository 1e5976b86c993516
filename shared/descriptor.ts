/**
 * How a manifest names a piece of content: what it is, its digest, its size. Source: image-spec, descriptor.md.
 *
 * A digest of an algorithm that this registry cannot compute is still a digest: image-spec wants a descriptor with an
 * unregistered algorithm to pass. It is therefore a type of its own, which nothing that reads or fetches blobs accepts.
 */
import type { Brand } from "./brand.ts";
import { type Digest, isDigest, isDigestAlgorithm } from "./digest.ts";
import { isJsonArray, isJsonObject } from "./json.ts";
import { DESCRIPTOR_DIGEST_LENGTH_MAX, MEDIA_TYPE_LENGTH_MAX } from "./limits.ts";
import { isNondistributableMediaType } from "./media-types.ts";

/** A well-formed digest of an algorithm other than those of `DIGEST_ALGORITHMS`. */
export type UnsupportedDigest = Brand<string, "UnsupportedDigest">;

export type Annotations = Readonly<Record<string, string>>;

export type Platform = {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | undefined;
};

export type Descriptor = {
  readonly mediaType: string;
  readonly digest: Digest | UnsupportedDigest;
  /** Bytes. */
  readonly size: number;
  readonly urls: readonly string[];
  readonly artifactType: string | undefined;
  readonly annotations: Annotations | undefined;
  /** In an index, where an image runs; `undefined` also when it says so in a way nobody understands. */
  readonly platform: Platform | undefined;
};

/** A descriptor of content that this registry can hold and verify. */
export type SupportedDescriptor = Descriptor & { readonly digest: Digest };

/** Something in a JSON document is not what it must be. */
export class MalformedFieldError extends Error {
  override readonly name = "MalformedFieldError";
  /** Where, as `layers[3].size`. */
  readonly at: string;

  constructor(at: string, problem: string) {
    super(`${at} ${problem}`);
    this.at = at;
  }
}

/** An error must not repeat a name of four megabytes. */
const KEY_TOLD_LENGTH_MAX = 80;

/** Source: image-spec descriptor.md, "Digests". The separators are no letters or digits, so there is one way to match. */
const GRAMMATICAL_DIGEST = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):[a-zA-Z0-9=_-]+$/;

function isUnsupportedDigest(text: string): text is UnsupportedDigest {
  if (text.length > DESCRIPTOR_DIGEST_LENGTH_MAX) return false;
  const algorithm = GRAMMATICAL_DIGEST.exec(text)?.[1];
  return algorithm !== undefined && !isDigestAlgorithm(algorithm);
}

export function isSupported(descriptor: Descriptor): descriptor is SupportedDescriptor {
  return isDigest(descriptor.digest);
}

/** Content that a registry need not hold although a manifest names it: it is to be had elsewhere, or cannot be verified. */
export function isExternal(descriptor: Descriptor): boolean {
  return isNondistributableMediaType(descriptor.mediaType) || descriptor.urls.length > 0 || !isSupported(descriptor);
}

/**
 * A descriptor found at `at`. Unknown fields are let be; `null` and the empty string count as absent, as in Go.
 * @throws {MalformedFieldError}
 */
export function parseDescriptor(value: unknown, at: string): Descriptor {
  if (!isJsonObject(value)) throw new MalformedFieldError(at, "is not a descriptor");
  const mediaType = parseType(value["mediaType"], `${at}.mediaType`);
  if (mediaType === undefined) throw new MalformedFieldError(`${at}.mediaType`, "is missing");
  return {
    mediaType,
    digest: parseDescriptorDigest(value["digest"], `${at}.digest`),
    size: parseSize(value["size"], `${at}.size`),
    urls: parseUrls(value["urls"], `${at}.urls`),
    artifactType: parseType(value["artifactType"], `${at}.artifactType`),
    annotations: parseAnnotations(value["annotations"], `${at}.annotations`),
    platform: platformOf(value["platform"]),
  };
}

/**
 * A media type as manifests carry it: its syntax is not judged, because unknown types must pass; its length is.
 * @throws {MalformedFieldError}
 */
export function parseType(value: unknown, at: string): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw new MalformedFieldError(at, "is not a string");
  if (value.length > MEDIA_TYPE_LENGTH_MAX) {
    throw new MalformedFieldError(at, `is longer than ${MEDIA_TYPE_LENGTH_MAX} characters`);
  }
  return value;
}

/** @throws {MalformedFieldError} */
export function parseAnnotations(value: unknown, at: string): Annotations | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw new MalformedFieldError(at, "is not an object");
  const entries = Object.entries(value).map(([key, text]): readonly [string, string] => {
    if (typeof text === "string") return [key, text];
    throw new MalformedFieldError(`${at}[${JSON.stringify(key.slice(0, KEY_TOLD_LENGTH_MAX))}]`, "is not a string");
  });
  return Object.fromEntries(entries);
}

function parseDescriptorDigest(value: unknown, at: string): Digest | UnsupportedDigest {
  if (typeof value === "string" && (isDigest(value) || isUnsupportedDigest(value))) return value;
  throw new MalformedFieldError(at, value === undefined ? "is missing" : "is not a digest");
}

function parseSize(value: unknown, at: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new MalformedFieldError(at, value === undefined ? "is missing" : "is not a count of bytes");
}

function parseUrls(value: unknown, at: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!isJsonArray(value)) throw new MalformedFieldError(at, "is not a list");
  return value.map((url, index) => {
    if (typeof url !== "string") throw new MalformedFieldError(`${at}[${index}]`, "is not a string");
    return url;
  });
}

function platformOf(value: unknown): Platform | undefined {
  if (!isJsonObject(value)) return undefined;
  const { os, architecture, variant } = value;
  if (typeof os !== "string" || typeof architecture !== "string") return undefined;
  return { os, architecture, variant: typeof variant === "string" && variant !== "" ? variant : undefined };
}
