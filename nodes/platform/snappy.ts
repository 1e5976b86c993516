/**
 * Takes apart what Snappy has put together: as much of it as it takes to read the indexes of LevelDB's tables. The
 * caller has compared a checksum; what is malformed all the same gives bytes of which nothing else is promised.
 * Source: google/snappy, format_description.txt.
 */
export function unsnapped(bytes: Uint8Array): Buffer {
  let at = 0;
  const take = (): number => bytes[at++] ?? 0;
  const number = (count: number): number => {
    let value = 0;
    for (let index = 0; index < count; index += 1) value += take() * 0x100 ** index;
    return value;
  };

  let size = 0;
  for (let scale = 1, byte = 0x80; byte >= 0x80; scale *= 0x80) {
    byte = take();
    size += (byte & 0x7f) * scale;
  }
  const target = Buffer.alloc(size);
  for (let end = 0; end < size && at < bytes.length; ) {
    const tag = take();
    const upper = tag >>> 2;
    if ((tag & 3) === 0) {
      const length = (upper < 60 ? upper : number(upper - 59)) + 1;
      target.set(bytes.subarray(at, at + Math.min(length, size - end)), end);
      at += length;
      end += length;
      continue;
    }
    const isShort = (tag & 3) === 1;
    const length = isShort ? (upper & 7) + 4 : upper + 1;
    const back = isShort ? ((tag >>> 5) << 8) | take() : number((tag & 3) === 2 ? 2 : 4);
    // What is copied may reach into what the copy has just written.
    for (let left = length; left > 0 && end < size; left -= 1) {
      target[end] = target[end - back] ?? 0;
      end += 1;
    }
  }
  return target;
}
