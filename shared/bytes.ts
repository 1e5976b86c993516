/**
 * The one binary notation of Meridian: what lies in the key-value store, in the op log and inside op messages is
 * written by `ByteWriter` and read by `ByteReader`. Integers are LEB128 varints, strings and byte strings carry their
 * length before them. Nothing is optional and nothing is reordered, so equal values have equal bytes and a hash over
 * them identifies the value. JSON was the alternative: it has no canonical form and costs four times the space in keys.
 */
import { invariant } from "./invariant.ts";

// A byte order mark is a character like any other here, or a string would not come back as it was written.
const UTF8_DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const CAPACITY_START = 128;
const NOTHING = Buffer.alloc(0);
/** Names, digests and origins, which are nearly all the text there is, are shorter; a loop beats a call out of JavaScript. */
const SHORT_TEXT_MAX = 127;

/** Bytes that do not decode to what they should be: damage on disk, or a peer that is broken or lies. */
export class MalformedBytesError extends Error {
  override readonly name = "MalformedBytesError";
}

export class ByteWriter {
  #buffer = Buffer.allocUnsafe(CAPACITY_START);
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
    this.#length = this.#buffer.writeBigUInt64BE(BigInt.asUintN(64, value), this.#length);
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
    if (text.length <= SHORT_TEXT_MAX && this.#wroteAscii(text)) return this;
    this.writeVarint(Buffer.byteLength(text));
    this.#reserve(text.length * 3);
    this.#length += this.#buffer.write(text, this.#length);
    return this;
  }

  /** What was written. Nothing can be written after it. */
  finish(): Uint8Array {
    const { buffer, byteOffset } = this.#buffer;
    const bytes = new Uint8Array(buffer, byteOffset, this.#length);
    this.#buffer = NOTHING;
    return bytes;
  }

  /** Writes nothing when a character is beyond ASCII: its bytes are then not as many as its characters. */
  #wroteAscii(text: string): boolean {
    this.#reserve(1 + text.length);
    const buffer = this.#buffer;
    const start = this.#length + 1;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code > 0x7f) return false;
      buffer[start + at] = code;
    }
    buffer[start - 1] = text.length;
    this.#length = start + text.length;
    return true;
  }

  #push(byte: number): void {
    this.#buffer[this.#length] = byte;
    this.#length += 1;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Every method throws {@link MalformedBytesError} when the bytes end early or are not what was asked for. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  /** The same bytes. */
  readonly #buffer: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
    return this.#buffer.readBigUInt64BE(this.#take(8));
  }

  /** A view into the bytes being read, not a copy. */
  readBytes(): Uint8Array {
    const start = this.#take(this.readVarint());
    return this.#bytes.subarray(start, this.#at);
  }

  readString(): string {
    const start = this.#take(this.readVarint());
    if (this.#isShortAscii(start, this.#at)) return this.#buffer.toString("latin1", start, this.#at);
    try {
      return UTF8_DECODER.decode(this.#bytes.subarray(start, this.#at));
    } catch (cause) {
      throw new MalformedBytesError("a string is not UTF-8", { cause });
    }
  }

  /** Nothing may follow a complete value. */
  expectEnd(): void {
    if (!this.isAtEnd) throw new MalformedBytesError(`${this.#bytes.length - this.#at} bytes follow the value`);
  }

  /** Passes over `length` bytes. @returns where they begin. */
  #take(length: number): number {
    if (length > this.#bytes.length - this.#at) throw new MalformedBytesError("a value ends early");
    const start = this.#at;
    this.#at += length;
    return start;
  }

  #isShortAscii(start: number, end: number): boolean {
    if (end - start > SHORT_TEXT_MAX) return false;
    for (let at = start; at < end; at += 1) if ((this.#bytes[at] ?? 0) > 0x7f) return false;
    return true;
  }
}
