/**
 * A hash that can go back. A chunk of an upload that breaks off is cut away again, and the hash with it. Copying the
 * state of a native hash costs a third of a microsecond, so a copy is kept every so often: going back re-reads at
 * most that much, and a hundred gigabytes leave some thousand small copies. Hashes in WebAssembly, whose state could
 * even be saved to disk, are five times slower on every upload in order to be faster on the broken ones.
 */
import { createHash, type Hash } from "node:crypto";

import { type Digest, type DigestAlgorithm, digestFromHex } from "../../shared/digest.ts";

const CHECKPOINT_BYTES = 64 * 1024 * 1024;

type Checkpoint = { readonly length: number; readonly hash: Hash };

export class CheckpointedHash {
  readonly #algorithm: DigestAlgorithm;
  readonly #checkpoints: Checkpoint[] = [];
  #hash: Hash;
  #length = 0;

  constructor(algorithm: DigestAlgorithm) {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /** Bytes taken in: what comes next continues there. */
  get length(): number {
    return this.#length;
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#length += bytes.length;
    if (this.#length - (this.#checkpoints.at(-1)?.length ?? 0) < CHECKPOINT_BYTES) return;
    this.#checkpoints.push({ length: this.#length, hash: this.#hash.copy() });
  }

  /** Forgets what lies beyond `length`, and perhaps some before: `this.length` tells from where to feed again. */
  rewind(length: number): void {
    if (length >= this.#length) return;
    while ((this.#checkpoints.at(-1)?.length ?? 0) > length) this.#checkpoints.pop();
    const last = this.#checkpoints.at(-1);
    this.#hash = last === undefined ? createHash(this.#algorithm) : last.hash.copy();
    this.#length = last?.length ?? 0;
  }

  /** Of what was taken in so far; more may follow. */
  digest(): Digest {
    return digestFromHex(this.#algorithm, this.#hash.copy().digest("hex"));
  }
}
