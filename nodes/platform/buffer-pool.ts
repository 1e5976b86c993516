/**
 * Buffers of one size that come back. A fresh 256 KiB for every read costs more than the read: the pages are zeroed
 * each time, and the collector finds out late.
 */
import { BLOB_READ_CHUNK_BYTES } from "../../shared/limits.ts";

/** What is kept for later; beyond it buffers are left to the collector. 16 MiB. */
const SPARE_BUFFERS_MAX = 64;

export class BufferPool {
  readonly #spare: Buffer[] = [];

  /** Of `BLOB_READ_CHUNK_BYTES`, with whatever was in it. */
  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOB_READ_CHUNK_BYTES);
  }

  /** Only when nothing reads or writes the buffer any more. */
  give(buffer: Buffer): void {
    if (this.#spare.length < SPARE_BUFFERS_MAX) this.#spare.push(buffer);
  }
}
