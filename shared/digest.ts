import { hash } from "node:crypto";

import type { Brand } from "./brand.ts";
import { RegistryError } from "./errors.ts";
import { invariant } from "./invariant.ts";

/** Registered algorithms that this registry verifies. Source: image-spec descriptor.md, "Registered Algorithms". */
export const DIGEST_ALGORITHMS = ["sha256", "sha512"] as const;
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number];

/** `sha256:` and 64, or `sha512:` and 128 lower-case hex digits. Source: image-spec descriptor.md, "Digests". */
export type Digest = Brand<string, "Digest">;

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** @throws {RegistryError} `DIGEST_INVALID` when `text` is not a digest of an algorithm this registry supports. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new RegistryError(
    "DIGEST_INVALID",
    { digest: text.slice(0, 160) },
    { message: "not a digest this registry supports" },
  );
}

export function isDigestAlgorithm(text: string): text is DigestAlgorithm {
  return DIGEST_ALGORITHMS.some((algorithm) => algorithm === text);
}

/** @throws {RegistryError} `DIGEST_INVALID` when `text` names no supported algorithm. */
export function parseDigestAlgorithm(text: string): DigestAlgorithm {
  if (isDigestAlgorithm(text)) return text;
  throw new RegistryError(
    "DIGEST_INVALID",
    { algorithm: text.slice(0, 32) },
    { message: "unsupported digest algorithm" },
  );
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha256:") ? "sha256" : "sha512";
}

/** The hex digits alone. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** The digest of `bytes`, which are hashed in one go: for manifests, not for layers. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return digestFromHex(algorithm, hash(algorithm, bytes, "hex"));
}

/** From what a hash function returned: anything but a digest is our own mistake. */
export function digestFromHex(algorithm: DigestAlgorithm, hex: string): Digest {
  const text = `${algorithm}:${hex}`;
  invariant(isDigest(text), "a hash function returns lower-case hex of its own length");
  return text;
}
