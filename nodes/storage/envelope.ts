/**
 * LevelDB is not trusted to notice damage: one flipped bit in a table file is returned as a value without an error in
 * a third of the cases. Every value therefore lies in an envelope whose checksum covers the key as well, so that a
 * value which turns up under another key (a misdirected write) is noticed like a torn one.
 *
 *   version (1) · CRC-32 of key and value, big-endian (4) · value
 */
import { crc32 } from "node:zlib";

const VERSION = 1;
const HEADER_BYTES = 5;

/** A stored value is not what was written. The row must not be served, and the node should stop trusting its disk. */
export class DamagedRowError extends Error {
  override readonly name = "DamagedRowError";
  readonly key: Uint8Array;

  constructor(key: Uint8Array, why: string) {
    super(`a stored value is damaged: ${why} (key ${Buffer.from(key).toString("latin1")})`);
    this.key = key;
  }
}

export function seal(key: Uint8Array, value: Uint8Array): Uint8Array {
  const sealed = Buffer.allocUnsafe(HEADER_BYTES + value.length);
  sealed.writeUInt8(VERSION, 0);
  sealed.writeUInt32BE(checksum(key, value), 1);
  sealed.set(value, HEADER_BYTES);
  return sealed;
}

/** @throws {DamagedRowError} when `sealed` was not sealed under `key`, or has changed since. */
export function unseal(key: Uint8Array, sealed: Uint8Array): Uint8Array {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes.length < HEADER_BYTES) throw new DamagedRowError(key, "it is cut short");
  if (bytes.readUInt8(0) !== VERSION) throw new DamagedRowError(key, "its envelope has an unknown version");
  const value = bytes.subarray(HEADER_BYTES);
  if (bytes.readUInt32BE(1) !== checksum(key, value)) throw new DamagedRowError(key, "its checksum differs");
  return value;
}

/** Whether `unseal` would open it. */
export function isSealed(key: Uint8Array, sealed: Uint8Array): boolean {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes.length < HEADER_BYTES || bytes.readUInt8(0) !== VERSION) return false;
  return bytes.readUInt32BE(1) === checksum(key, bytes.subarray(HEADER_BYTES));
}

function checksum(key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key));
}
