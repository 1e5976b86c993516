/**
 * The one binary notation of Meridian: what lies in the key-value store, in the op log and inside op messages is
 * written by `ByteWriter` and read by `ByteReader`. Integers are LEB128 varints, strings and byte strings carry their
 * length before them. Nothing is optional and nothing is reordered, so equal values have equal bytes and a hash over
 * them identifies the value. JSON was the alternative: it has no canonical form and costs four times the space in keys.
 */
import { invariant } from "./invariant.ts";

const UTF8_ENCODER = new TextEncoder();
// A byte order mark is a character like any other here, or a string would not come back as it was written.
const UTF8_DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const CAPACITY_START = 128;

/** Bytes that do not decode to what they should be: damage on disk, or a peer that is broken or lies. */
export class MalformedBytesError extends Error {
  override readonly name = "MalformedBytesError";
}

export class ByteWriter {
  #buffer = new Uint8Array(CAPACITY_START);
  #length = 0;

  /** A non-negative integer up to 2^53 - 1. */
  writeVarint(value: number): this {
    invariant(Number.isSafeInteger(value) && value >= 0, "a varint is a non-negative safe integer");
    this.#reserve(8);
    let rest = value;
    while (rest > 0x7f) {
      this.#push((rest % 0x80) + 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#push(rest);
    return this;
  }

  /** An unsigned 64-bit integer, big-endian. */
  writeUint64(value: bigint): this {
    this.#reserve(8);
    new DataView(this.#buffer.buffer).setBigUint64(this.#length, value);
    this.#length += 8;
    return this;
  }

  writeBytes(bytes: Uint8Array): this {
    this.writeVarint(bytes.length);
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Half a surrogate pair, which UTF-8 cannot hold, becomes U+FFFD. */
  writeString(text: string): this {
    return this.writeBytes(UTF8_ENCODER.encode(text));
  }

  /** What was written, as its own copy. */
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  #push(byte: number): void {
    this.#buffer[this.#length] = byte;
    this.#length += 1;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer);
    this.#buffer = grown;
  }
}

/** Every method throws {@link MalformedBytesError} when the bytes end early or are not what was asked for. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  readVarint(): number {
    let value = 0;
    let scale = 1;
    while (true) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new MalformedBytesError("a number ends early");
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw new MalformedBytesError("a number exceeds 2^53 - 1");
      // Equal values have equal bytes: no number is longer than it needs to be.
      if (byte === 0 && scale > 1) throw new MalformedBytesError("a number ends in a needless zero");
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  readUint64(): bigint {
    const bytes = this.#take(8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
  }

  /** A view into the bytes being read, not a copy. */
  readBytes(): Uint8Array {
    return this.#take(this.readVarint());
  }

  readString(): string {
    const bytes = this.readBytes();
    try {
      return UTF8_DECODER.decode(bytes);
    } catch (cause) {
      throw new MalformedBytesError("a string is not UTF-8", { cause });
    }
  }

  /** Nothing may follow a complete value. */
  expectEnd(): void {
    if (!this.isAtEnd) throw new MalformedBytesError(`${this.#bytes.length - this.#at} bytes follow the value`);
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw new MalformedBytesError("a value ends early");
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }
}
