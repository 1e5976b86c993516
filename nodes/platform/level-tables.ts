/**
 * Looks whether LevelDB's table files are what LevelDB wrote. It puts a checksum behind every block and, with the
 * options that its package exposes, never looks at it: a flipped bit is then served as a value, or makes a row vanish,
 * which no checksum around a value can show. So the blocks are read here, at every start and before the store is used.
 *
 *   block · compression (1) · masked CRC-32C of both (4)      any number of times, the index of them last
 *   footer (48): where the index of other blocks and the index of blocks lie, and eight bytes that never change
 *
 * An index names the blocks of its table; a file in which it does not read is damaged as well. Logs and the list of
 * files need no look: LevelDB compares their sums, and what it drops from them is in the journal.
 * Source: LevelDB, doc/table_format.md.
 */
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

import { crc32c, masked } from "./crc32c.ts";
import { unsnapped } from "./snappy.ts";

const FOOTER_BYTES = 48;
const MAGIC = "57fb808b247547db";
const TRAILER_BYTES = 5;
const UNCOMPRESSED = 0;
const TABLE = /^\d+\.(?:ldb|sst)$/;

/**
 * Names of tables in the folder `place` that are not what LevelDB wrote; the newest are looked at first, until `bytesMax`
 * have been read. Before the store is opened: once it is, tables come and go. Among the names may be tables that belong
 * to no store any more, half written when the power went: those LevelDB removes when it opens.
 */
export async function damagedTables(place: string, bytesMax: number): Promise<readonly string[]> {
  const names = (await readdir(place)).filter((name) => TABLE.test(name));
  const damaged: string[] = [];
  let left = bytesMax;
  for (const name of names.toSorted((one, other) => numberOf(other) - numberOf(one))) {
    const { size } = await stat(join(place, name));
    if (size > left) break;
    left -= size;
    if (!(await isWhole(join(place, name), size))) damaged.push(name);
  }
  return damaged;
}

function numberOf(name: string): number {
  return Number.parseInt(name, 10);
}

async function isWhole(path: string, size: number): Promise<boolean> {
  const file = await open(path, "r");
  try {
    return size >= FOOTER_BYTES && isTable(await readWhole(file, size));
  } finally {
    await file.close();
  }
}

/** Tables are written up to two megabytes long, and a little longer when one row is. */
async function readWhole(file: FileHandle, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  for (let done = 0; done < size; ) {
    const { bytesRead } = await file.read(bytes, done, size - done, done);
    if (bytesRead === 0) throw new Error("a table file ends early");
    done += bytesRead;
  }
  return bytes;
}

type Handle = { readonly offset: number; readonly size: number };

function isTable(bytes: Buffer): boolean {
  const footer = bytes.subarray(bytes.length - FOOTER_BYTES);
  if (footer.subarray(FOOTER_BYTES - 8).toString("hex") !== MAGIC) return false;
  const numbers = new Numbers(footer);
  const tops = [handleOf(numbers), handleOf(numbers)];
  if (!numbers.rest.subarray(0, -8).every((byte) => byte === 0)) return false;
  if (!tops.every((top) => isSound(bytes, top))) return false;
  const blocks = [...tops.flatMap((top) => handlesIn(contentOf(bytes, top))), ...tops];
  return isGapless(blocks, bytes.length - FOOTER_BYTES) && blocks.every((block) => isSound(bytes, block));
}

/** Whether the blocks lie one behind the other up to `end`: then no byte of the table is without a sum. */
function isGapless(blocks: readonly Handle[], end: number): boolean {
  let next = 0;
  for (const { offset, size } of blocks.toSorted((left, right) => left.offset - right.offset)) {
    if (offset !== next) return false;
    next = offset + size + TRAILER_BYTES;
  }
  return next === end;
}

function isSound(bytes: Buffer, { offset, size }: Handle): boolean {
  const end = offset + size + 1;
  if (end + 4 > bytes.length) return false;
  return bytes.readUInt32LE(end) === masked(crc32c(bytes.subarray(offset, end)));
}

function contentOf(bytes: Buffer, { offset, size }: Handle): Buffer {
  const content = bytes.subarray(offset, offset + size);
  return bytes[offset + size] === UNCOMPRESSED ? content : unsnapped(content);
}

/** The handles that an index names: rows of which only the values matter, then the places where keys stand whole. */
function handlesIn(index: Buffer): readonly Handle[] {
  const restarts = index.readUInt32LE(index.length - 4);
  const numbers = new Numbers(index.subarray(0, index.length - 4 * (restarts + 1)));
  const handles: Handle[] = [];
  while (!numbers.isAtEnd) {
    numbers.next();
    const keyBytes = numbers.next();
    numbers.next();
    numbers.skip(keyBytes);
    handles.push(handleOf(numbers));
  }
  return handles;
}

function handleOf(numbers: Numbers): Handle {
  return { offset: numbers.next(), size: numbers.next() };
}

/** Numbers of seven bits a byte, the lowest first. */
class Numbers {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  next(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  skip(count: number): void {
    this.#at += count;
  }
}
