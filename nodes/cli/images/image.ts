/**
 * An image as the command line moves it: from something that can be read (a registry, an OCI layout, a Docker archive,
 * memory) to something that can be written. Every command that carries an image is `transfer` between two of these.
 */
import type { SupportedDescriptor } from "../../../shared/descriptor.ts";
import type { Digest } from "../../../shared/digest.ts";

export type ManifestContent = { readonly digest: Digest; readonly mediaType: string; readonly bytes: Uint8Array };

export type ImageReader = {
  /** The manifest or index that is the image. */
  readonly root: ManifestContent;
  /** Bytes whose digest has been checked. */
  readonly manifest: (descriptor: SupportedDescriptor, signal: AbortSignal) => Promise<ManifestContent>;
  /** The bytes as they lie there; whoever takes them checks the digest. May be called again after a failure. */
  readonly blob: (descriptor: SupportedDescriptor, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly close: () => Promise<void>;
};

/** How a blob came to be at its target; told to whoever watches. */
export type BlobArrival = "sent" | "stored" | "mounted" | "already there";

export type BlobOffer = {
  readonly descriptor: SupportedDescriptor;
  /** The bytes, from the start, with digest and size checked at the end: it throws rather than end with others. */
  readonly open: () => AsyncIterable<Uint8Array>;
};

export type ImageWriter = {
  readonly putBlob: (offer: BlobOffer, signal: AbortSignal) => Promise<BlobArrival>;
  /** A manifest that the image names; what it names itself has been put before. */
  readonly putManifest: (content: ManifestContent, signal: AbortSignal) => Promise<void>;
  /** Puts the image itself and makes it known by its name; the last call. */
  readonly name: (root: ManifestContent, signal: AbortSignal) => Promise<void>;
  /** Instead of `name`, when something failed: nothing half-written stays. */
  readonly discard: () => Promise<void>;
};
