import { BoundedCache } from "../../shared/bounded-cache.ts";
import { algorithmOf, type Digest, digestOf } from "../../shared/digest.ts";
import {
  BLOB_MEMORY_BYTES_MAX,
  BLOB_READ_CHUNK_BYTES,
  BLOBS_SEEN_ONCE_MAX,
  MEDIUM_BLOB_BYTES_MAX,
  SMALL_BLOB_BYTES_MAX,
} from "../../shared/limits.ts";
import type { ByteSpan, StoredBlob } from "../ports/disk.ts";

/**
 * Bytes of blobs that were read lately. What a digest names never changes, so nothing here can be stale; whether a
 * repository has the blob, and whether this node has it still, is asked of the metadata before anybody is shown a byte.
 *
 * Bytes are hashed on their way in: what has rotted on the disk is noticed here, and what is here is right. A blob of medium
 * size comes in when it is read a second time, because hashing costs as much as sending, and most are read once.
 */
export class BlobMemory {
  readonly #blobs = new BoundedCache<Uint8Array>(BLOB_MEMORY_BYTES_MAX);
  readonly #seenOnce = new BoundedCache<true>(BLOBS_SEEN_ONCE_MAX);

  get(digest: Digest): Uint8Array | undefined {
    return this.#blobs.get(digest);
  }

  /** Whether a blob that is about to be read from the disk should come in. */
  wants(digest: Digest, size: number): boolean {
    if (size <= SMALL_BLOB_BYTES_MAX) return true;
    if (size > MEDIUM_BLOB_BYTES_MAX) return false;
    if (this.#seenOnce.get(digest) !== undefined) return true;
    this.#seenOnce.set(digest, true, 1);
    return false;
  }

  /** Returns whether the bytes are those of the digest; others are not kept. */
  keep(digest: Digest, bytes: Uint8Array): boolean {
    if (digestOf(bytes, algorithmOf(digest)) !== digest) return false;
    this.#blobs.set(digest, bytes, bytes.length);
    return true;
  }

  /** To be called when the bytes on the disk go, or are doubted. */
  forget(digest: Digest): void {
    this.#blobs.delete(digest);
  }
}

/** All of `blob`, whose size is no larger than a blob of medium size. */
export async function readWhole(blob: StoredBlob): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(blob.size);
  let at = 0;
  for await (const chunk of blob.read({ start: 0, end: blob.size })) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** `bytes` as if they lay on the disk. */
export function inMemory(bytes: Uint8Array): StoredBlob {
  return {
    size: bytes.length,
    stamp: "memory",
    bytes,
    async *read({ start, end }: ByteSpan) {
      for (let at = start; at < end; at += BLOB_READ_CHUNK_BYTES) {
        yield await Promise.resolve(bytes.subarray(at, Math.min(end, at + BLOB_READ_CHUNK_BYTES)));
      }
    },
    close: async () => await Promise.resolve(),
  };
}
