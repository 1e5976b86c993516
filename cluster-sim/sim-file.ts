import { hash } from "node:crypto";
import type { ByteSpan } from "../nodes/ports/disk.ts";
import { type Digest, type DigestAlgorithm, digestFromHex } from "../shared/digest.ts";
import { BLOB_READ_CHUNK_BYTES } from "../shared/limits.ts";

/** What a chunk is overwritten with as soon as it is not valid any more, so that whoever still holds it notices. */
const SPENT = 0xdd;

/** Bytes that grow and shrink at their end. */
export class SimFile {
  #bytes: Buffer;
  #size: number;

  constructor(bytes: Uint8Array = new Uint8Array()) {
    this.#bytes = Buffer.from(bytes);
    this.#size = bytes.length;
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array): void {
    const size = this.#size + bytes.length;
    if (size > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(size, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.#size);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#size);
    this.#size = size;
  }

  truncate(size: number): void {
    this.#size = Math.min(size, this.#size);
  }

  /** The same bytes, but for one bit in the middle. */
  twisted(): SimFile {
    const bytes = Uint8Array.from(this.#bytes.subarray(0, this.#size));
    const at = bytes.length >> 1;
    if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ 1;
    return new SimFile(bytes);
  }

  digest(algorithm: DigestAlgorithm): Digest {
    return digestFromHex(algorithm, hash(algorithm, this.#bytes.subarray(0, this.#size), "hex"));
  }

  /** `step` is awaited for each chunk: the time that reading takes. */
  async *read({ start, end }: ByteSpan, step: () => Promise<void>): AsyncGenerator<Uint8Array, void> {
    for (let at = start; at < end; at += BLOB_READ_CHUNK_BYTES) {
      await step();
      const chunkEnd = Math.min(at + BLOB_READ_CHUNK_BYTES, end);
      if (chunkEnd > this.#size) throw new Error(`the file ends at ${this.#size}, before what was asked for`);
      const chunk = Uint8Array.from(this.#bytes.subarray(at, chunkEnd));
      try {
        yield chunk;
      } finally {
        chunk.fill(SPENT);
      }
    }
  }
}
