/**
 * What time, cheap cables and falling firmware do to files: a bit turns over, a page comes back empty, two pages come back
 * in each other's place, an end is missing. The file keeps its name, and but for the last its length.
 */
import { open, readFile, truncate } from "node:fs/promises";

import type { Prng } from "../../../cluster-sim/prng.ts";

export const DAMAGES = ["flipped bit", "zeroed page", "swapped pages", "cut short"] as const;
export type Damage = (typeof DAMAGES)[number];

const PAGE_BYTES = 4096;
/** Of a file that has no two pages, sectors trade places. */
const SECTOR_BYTES = 512;

/** Damages the file at `path`. Returns where, or `undefined` when this damage would leave it as it is. */
export async function damageFile(path: string, damage: Damage, prng: Prng): Promise<string | undefined> {
  const bytes = await readFile(path);
  if (bytes.length === 0) return undefined;
  switch (damage) {
    case "flipped bit":
      return await flipBit(path, bytes, prng);
    case "zeroed page":
      return await zeroPage(path, bytes, prng);
    case "swapped pages":
      return await swapPages(path, bytes, prng);
    case "cut short":
      return await cutShort(path, bytes, prng);
  }
}

async function flipBit(path: string, bytes: Buffer, prng: Prng): Promise<string> {
  const [at, bit] = [prng.integer(0, bytes.length - 1), prng.integer(0, 7)];
  await writeAt(path, Buffer.of(bytes.readUInt8(at) ^ (1 << bit)), at);
  return `bit ${bit} of byte ${at}`;
}

async function zeroPage(path: string, bytes: Buffer, prng: Prng): Promise<string | undefined> {
  const page = prng.integer(0, Math.ceil(bytes.length / PAGE_BYTES) - 1);
  const old = bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  if (old.every((byte) => byte === 0)) return undefined;
  await writeAt(path, Buffer.alloc(old.length), page * PAGE_BYTES);
  return `page ${page}`;
}

async function swapPages(path: string, bytes: Buffer, prng: Prng): Promise<string | undefined> {
  const size = bytes.length < 2 * PAGE_BYTES ? SECTOR_BYTES : PAGE_BYTES;
  const pages = Math.floor(bytes.length / size);
  if (pages < 2) return undefined;
  const first = prng.integer(0, pages - 2);
  const second = prng.integer(first + 1, pages - 1);
  const old = [first, second].map((page) => bytes.subarray(page * size, (page + 1) * size));
  if (old[0] === undefined || old[1] === undefined || old[0].equals(old[1])) return undefined;
  await writeAt(path, old[1], first * size);
  await writeAt(path, old[0], second * size);
  return `pages ${first} and ${second} of ${size} bytes`;
}

async function cutShort(path: string, bytes: Buffer, prng: Prng): Promise<string> {
  const size = prng.integer(0, bytes.length - 1);
  await truncate(path, size);
  return `from byte ${size}`;
}

/** In place, as a disk would. */
async function writeAt(path: string, bytes: Uint8Array, at: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.write(bytes, 0, bytes.length, at);
  } finally {
    await file.close();
  }
}
