/**
 * Which blobs on the disk are known to be what their digests say.
 *
 * Disks return other bytes than they were given, and hashing costs more than sending, so it can't be done for every
 * reader. What is promised instead: no byte of a blob is shown before all of it was hashed in this life of the
 * process, and once more whenever its stamp says that the file was written to, and once more when the last time was
 * too long ago; a scrubber hashes what nobody asks for. So nothing that happens to a file while the node is down, or
 * by way of the file system while it is up, reaches a client. What rots below, after it was hashed and while the node
 * runs, is found by the scrubber, and by the client, who hashes too. Small blobs don't come here: they are hashed on
 * their way into memory and served from there.
 *
 * A blob is hashed before its first byte is sent, not while it is: the first reader waits a moment longer, and in
 * return a rotten blob can still be fetched from another node for the same request, which never learns of it.
 */
import { createHash } from "node:crypto";

import { BoundedCache } from "../../shared/bounded-cache.ts";
import { algorithmOf, type Digest, digestFromHex } from "../../shared/digest.ts";
import { BLOB_VERIFIED_MS_MAX, VERIFIED_BLOBS_MAX } from "../../shared/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { StoredBlob } from "../ports/disk.ts";

/** `unreadable`: the disk gave an error, and perhaps will not the next time. */
export type BlobCheck = "sound" | "rotten" | "unreadable";

type Verified = { readonly stamp: string; readonly atMs: number };

export class VerifiedBlobs {
  readonly #clock: Clock;
  readonly #verified = new BoundedCache<Verified>(VERIFIED_BLOBS_MAX);
  readonly #underWay = new Map<string, Promise<BlobCheck>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The bytes under this stamp have just been hashed. */
  trust(digest: Digest, stamp: string): void {
    this.#verified.set(digest, { stamp, atMs: this.#clock.monotonicMs() }, 1);
  }

  isTrusted(digest: Digest, stamp: string): boolean {
    const verified = this.#verified.get(digest);
    return verified?.stamp === stamp && this.#clock.monotonicMs() - verified.atMs < BLOB_VERIFIED_MS_MAX;
  }

  /** Hashes all of `blob`; who asks meanwhile shares the answer. `pace` is waited for after each chunk. */
  async check(digest: Digest, blob: StoredBlob, pace?: (bytes: number) => Promise<void>): Promise<BlobCheck> {
    const name = `${digest} ${blob.stamp}`;
    // One that takes its time is no answer for somebody who waits.
    const underWay = pace === undefined ? this.#underWay.get(name) : undefined;
    if (underWay !== undefined) return await underWay;
    const checking = this.#hash(digest, blob, pace);
    if (pace !== undefined) return await checking;
    this.#underWay.set(name, checking);
    try {
      return await checking;
    } finally {
      this.#underWay.delete(name);
    }
  }

  async #hash(digest: Digest, blob: StoredBlob, pace?: (bytes: number) => Promise<void>): Promise<BlobCheck> {
    const hash = createHash(algorithmOf(digest));
    const chunks = blob.read({ start: 0, end: blob.size })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await readNext(chunks);
        if (next === "unreadable") return "unreadable";
        if (next === undefined) break;
        hash.update(next);
        await pace?.(next.length);
      }
    } finally {
      await chunks.return?.();
    }
    if (digestFromHex(algorithmOf(digest), hash.digest("hex")) !== digest) return "rotten";
    this.trust(digest, blob.stamp);
    return "sound";
  }
}

/** What the disk fails with is an answer here, and what the caller's pace fails with is not. */
async function readNext(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | "unreadable" | undefined> {
  try {
    const next = await chunks.next();
    return next.done === true ? undefined : next.value;
  } catch {
    return "unreadable";
  }
}
