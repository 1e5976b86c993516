/**
 * The media types that a registry must tell apart. Whatever is not named here is stored and served as it came:
 * image-spec forbids refusing a type because it is unknown.
 */
import { MEDIA_TYPE_LENGTH_MAX } from "./limits.ts";

export const OCI_IMAGE_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_IMAGE_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER_TAR_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
export const OCI_EMPTY = "application/vnd.oci.empty.v1+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const OCTET_STREAM = "application/octet-stream";

const IMAGE_TYPES: ReadonlySet<string> = new Set([OCI_IMAGE_MANIFEST, DOCKER_MANIFEST]);
const INDEX_TYPES: ReadonlySet<string> = new Set([OCI_IMAGE_INDEX, DOCKER_MANIFEST_LIST]);
const DOCKER_TYPES: ReadonlySet<string> = new Set([DOCKER_MANIFEST, DOCKER_MANIFEST_LIST]);

/** Docker's first manifest format carried its own signature and no digests of its parts; every client has dropped it. */
const SCHEMA1_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
]);

const NONDISTRIBUTABLE_PREFIXES = [
  "application/vnd.oci.image.layer.nondistributable.",
  "application/vnd.docker.image.rootfs.foreign.diff.tar",
] as const;

/** RFC 6838, section 4.2: two restricted names of at most 127 characters. */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/** A type and a subtype without parameters: safe to be sent back in a header. */
export function isMediaType(text: string): boolean {
  return text.length <= MEDIA_TYPE_LENGTH_MAX && MEDIA_TYPE.test(text);
}

/** What a `Content-Type` names once its parameters are cut off; not yet known to be a media type. */
export function withoutParameters(contentType: string): string {
  const [essence = ""] = contentType.split(";", 1);
  return essence.trim();
}

/**
 * Media types compare without regard to case (RFC 6838, 4.2), and Go's clients lower them: one of the manifest types
 * in capitals is that type, not an unknown one. The spelling of other types is their owner's and stays.
 */
export function canonicalMediaType(text: string): string {
  const lower = text.toLowerCase();
  return isManifestMediaType(lower) || isSchema1MediaType(lower) ? lower : text;
}

export function isImageMediaType(text: string): boolean {
  return IMAGE_TYPES.has(text);
}

export function isIndexMediaType(text: string): boolean {
  return INDEX_TYPES.has(text);
}

/** One of the four types whose content this registry reads. */
export function isManifestMediaType(text: string): boolean {
  return isImageMediaType(text) || isIndexMediaType(text);
}

export function isDockerManifestMediaType(text: string): boolean {
  return DOCKER_TYPES.has(text);
}

export function isSchema1MediaType(text: string): boolean {
  return SCHEMA1_TYPES.has(text);
}

/** Layers that their licence keeps with their publisher: named by manifests, and rightly absent from registries. */
export function isNondistributableMediaType(text: string): boolean {
  return NONDISTRIBUTABLE_PREFIXES.some((prefix) => text.startsWith(prefix));
}
