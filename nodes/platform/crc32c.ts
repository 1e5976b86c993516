/**
 * CRC-32C (Castagnoli), which LevelDB uses and Node has not: zlib's is the other polynomial. Eight bytes a step by
 * eight tables ("slicing by 8", Kounavis and Berry, 2008).
 */
const POLYNOMIAL = 0x82f63b78;
const SLICES = 8;
const BYTE_VALUES = 256;
const TABLE = slices();
const MASK_DELTA = 0xa282ead8;

/** All tables one behind the other. */
function slices(): Int32Array {
  const made = new Int32Array(SLICES * BYTE_VALUES);
  for (let value = 0; value < BYTE_VALUES; value += 1) {
    let crc = value;
    for (let slice = 0; slice < SLICES; slice += 1) {
      // One more byte of zeros goes by with each further table.
      for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? POLYNOMIAL : 0);
      made[slice * BYTE_VALUES + value] = crc;
    }
  }
  return made;
}

/** Unsigned. */
export function crc32c(bytes: Uint8Array): number {
  const table = TABLE;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = -1;
  let at = 0;
  for (const end = bytes.length - SLICES; at <= end; at += SLICES) {
    const low = crc ^ view.getInt32(at, true);
    const high = view.getInt32(at + 4, true);
    crc =
      (table[0x700 | (low & 0xff)] ?? 0) ^
      (table[0x600 | ((low >>> 8) & 0xff)] ?? 0) ^
      (table[0x500 | ((low >>> 16) & 0xff)] ?? 0) ^
      (table[0x400 | (low >>> 24)] ?? 0) ^
      (table[0x300 | (high & 0xff)] ?? 0) ^
      (table[0x200 | ((high >>> 8) & 0xff)] ?? 0) ^
      (table[0x100 | ((high >>> 16) & 0xff)] ?? 0) ^
      (table[high >>> 24] ?? 0);
  }
  for (; at < bytes.length; at += 1) crc = (table[(crc ^ view.getUint8(at)) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** As LevelDB stores a sum, so that a sum over bytes which hold sums says something. */
export function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
