/**
 * Buffers that come back. A fresh 256 KiB for every read costs more than the read: the pages are zeroed each time, and
 * the collector finds out late.
 *
 * A reader who does not read holds his buffers for as long as he is borne with, and there may be thousands of him. So
 * what is out at once has a budget, and the more of it is out the smaller are the next ones: a few readers get the
 * size that is fastest, a crowd the size that the budget bears, and nobody waits for a slow one to give his back.
 */
import { BLOB_READ_CHUNK_BYTES, READ_BUFFER_BYTES_MIN, READ_BUFFERS_BYTES_MAX } from "../../shared/limits.ts";

/** What is kept for later; beyond it buffers are left to the collector. 16 MiB. */
const SPARE_BUFFERS_MAX = 64;
/** A new buffer takes at most this part of what is left of the budget. */
const SHARE = 1 / 16;

export class BufferPool {
  readonly #spare: Buffer[] = [];
  #outBytes = 0;

  /** From `READ_BUFFER_BYTES_MIN` to `BLOB_READ_CHUNK_BYTES` long, with whatever was in it. */
  take(): Buffer {
    const size = this.#sizeNow();
    this.#outBytes += size;
    const spare = size === BLOB_READ_CHUNK_BYTES ? this.#spare.pop() : undefined;
    return spare ?? Buffer.allocUnsafeSlow(size);
  }

  /** Only when nothing reads or writes the buffer any more. */
  give(buffer: Buffer): void {
    this.#outBytes -= buffer.length;
    const isWhole = buffer.length === BLOB_READ_CHUNK_BYTES;
    if (isWhole && this.#spare.length < SPARE_BUFFERS_MAX) this.#spare.push(buffer);
  }

  /** The buffer, or a larger one in its place when the crowd has gone. As for {@link give}, nothing may use it. */
  renewed(buffer: Buffer): Buffer {
    if (buffer.length === BLOB_READ_CHUNK_BYTES || this.#sizeNow() <= buffer.length) return buffer;
    this.give(buffer);
    return this.take();
  }

  #sizeNow(): number {
    const share = Math.max(0, READ_BUFFERS_BYTES_MAX - this.#outBytes) * SHARE;
    if (share >= BLOB_READ_CHUNK_BYTES) return BLOB_READ_CHUNK_BYTES;
    return Math.max(READ_BUFFER_BYTES_MIN, 2 ** Math.floor(Math.log2(Math.max(1, share))));
  }
}
