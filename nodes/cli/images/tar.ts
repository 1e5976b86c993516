/**
 * As much of tar as images need: writing regular files, and an index of the regular files of an archive with their
 * places, so that a layer is read where it lies.
 *
 * An archive comes from a stranger. Nothing is ever extracted, yet names are judged as if it were: absolute paths, `..`,
 * links and devices are refused, because another tool will extract the same file, and so is a name that stands
 * twice, because tools differ in which of the two they take.
 * Format: POSIX.1-2017 `pax`, "ustar Interchange Format"; GNU's long names and base-256 sizes.
 */
import type { FileHandle } from "node:fs/promises";

const BLOCK_BYTES = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const ENTRIES_MAX = 100_000;
/** Long names and pax headers: metadata, never content. */
const EXTENSION_BYTES_MAX = 1024 * 1024;
const OCTAL_SIZE_MAX = 0o77777777777;

/** The archive is damaged, cut short, or holds what no image needs. */
export class TarError extends Error {
  override readonly name = "TarError";
}

/** A regular file inside an archive: bytes from `start`, in the archive. */
export type TarEntry = { readonly start: number; readonly size: number };

/** The header of a regular file whose `size` bytes follow it, padded by {@link tarPadding}. Equal files have equal headers. */
export function tarHeader(path: string, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  if (Buffer.byteLength(path) > NAME_BYTES) throw new TarError(`a name of more than ${NAME_BYTES} bytes: ${path}`);
  block.write(path, 0);
  block.write("0000644\0", 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  writeSize(block, size);
  block.write("00000000000\0", 136);
  block.write("0", 156);
  block.write("ustar\x0000", 257);
  block.write("0000000\0", 329);
  block.write("0000000\0", 337);
  block.write(`${checksumOf(block).toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** Zeros from the end of a file of `size` bytes to the next block. */
export function tarPadding(size: number): Uint8Array {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** Two empty blocks. */
export function tarEnd(): Uint8Array {
  return Buffer.alloc(2 * BLOCK_BYTES);
}

/** The regular files of the archive by name, without a leading `./`. @throws {TarError} */
export async function readTarIndex(file: FileHandle): Promise<ReadonlyMap<string, TarEntry>> {
  const archiveBytes = (await file.stat()).size;
  const entries = new Map<string, TarEntry>();
  const extended: Extended = { path: undefined, size: undefined };
  let at = 0;
  for (let seen = 0; seen < ENTRIES_MAX; seen += 1) {
    const block = await readBlock(file, at, archiveBytes);
    if (block === undefined || block.every((byte) => byte === 0)) return entries;
    const header = parseHeader(block);
    const size = isExtension(header.type) ? header.size : (extended.size ?? header.size);
    const start = at + BLOCK_BYTES;
    if (start + size > archiveBytes) {
      throw new TarError(`the archive ends inside ${told(extended.path ?? header.path)}`);
    }
    at = start + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;

    if (isExtension(header.type)) {
      readExtension(header.type, await readAt(file, start, checkedExtensionSize(size)), extended);
      continue;
    }
    addEntry(entries, header.type, extended.path ?? header.path, { start, size });
    extended.path = undefined;
    extended.size = undefined;
  }
  throw new TarError(`the archive holds more than ${ENTRIES_MAX} entries`);
}

/** Reads `entry` in pieces of at most `chunkBytes`. */
export async function* readTarEntry(
  file: FileHandle,
  entry: TarEntry,
  chunkBytes = 256 * 1024,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  while (done < entry.size) {
    const chunk = await readAt(file, entry.start + done, Math.min(chunkBytes, entry.size - done));
    done += chunk.length;
    yield chunk;
  }
}

type Extended = { path: string | undefined; size: number | undefined };
type Header = { readonly path: string; readonly size: number; readonly type: string };

function writeSize(block: Buffer, size: number): void {
  if (size <= OCTAL_SIZE_MAX) {
    block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
    return;
  }
  block.writeBigUInt64BE(BigInt(size), 128);
  block[124] = 0x80;
}

/** Unsigned sum of the header's bytes, its own field taken as spaces. */
function checksumOf(block: Uint8Array): number {
  let sum = 0;
  for (const [at, byte] of block.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
  return sum;
}

async function readBlock(file: FileHandle, at: number, archiveBytes: number): Promise<Buffer | undefined> {
  if (at === archiveBytes) return undefined;
  if (at + BLOCK_BYTES > archiveBytes) throw new TarError("the archive ends inside a header");
  return await readAt(file, at, BLOCK_BYTES);
}

async function readAt(file: FileHandle, at: number, count: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(count);
  let done = 0;
  while (done < count) {
    const { bytesRead } = await file.read(buffer, done, count - done, at + done);
    if (bytesRead === 0) throw new TarError("the archive became shorter while it was read");
    done += bytesRead;
  }
  return buffer;
}

function parseHeader(block: Buffer): Header {
  const sum = Number.parseInt(textAt(block, 148, 8).trim(), 8);
  if (sum !== checksumOf(block)) {
    throw new TarError("a header's checksum does not match: this is no tar archive, or a damaged one");
  }
  const isUstar = textAt(block, 257, 5) === "ustar";
  const prefix = isUstar && block[262] === 0 ? textAt(block, 345, PREFIX_BYTES) : "";
  const name = textAt(block, 0, NAME_BYTES);
  return { path: prefix === "" ? name : `${prefix}/${name}`, size: sizeOf(block), type: textAt(block, 156, 1) };
}

function sizeOf(block: Buffer): number {
  const isBase256 = ((block[124] ?? 0) & 0x80) !== 0;
  const size = isBase256 ? Number(block.readBigUInt64BE(128)) : sizeFromOctal(textAt(block, 124, 12).trim());
  if (!Number.isSafeInteger(size) || size < 0) throw new TarError("a header holds no size");
  return size;
}

function sizeFromOctal(text: string): number {
  return text === "" ? 0 : Number.parseInt(text, 8);
}

function textAt(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.subarray(0, end < 0 ? length : end).toString("utf8");
}

function isExtension(type: string): boolean {
  return type === "x" || type === "g" || type === "L" || type === "K";
}

function checkedExtensionSize(size: number): number {
  if (size > EXTENSION_BYTES_MAX) throw new TarError(`an extended header of ${size} bytes`);
  return size;
}

function readExtension(type: string, bytes: Buffer, extended: Extended): void {
  if (type === "L") extended.path = bytes.toString("utf8").replace(/\0.*$/s, "");
  if (type !== "x") return;
  for (const [key, value] of paxRecords(bytes)) {
    if (key === "path") extended.path = value;
    if (key === "size") extended.size = sizeFromPax(value);
  }
}

/** Records of the form `LENGTH KEY=VALUE\n`, where the length counts the whole record. */
function* paxRecords(bytes: Buffer): Generator<readonly [string, string]> {
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(bytes.subarray(at, space).toString("latin1"));
    if (!Number.isSafeInteger(length) || length <= space - at || at + length > bytes.length) {
      throw new TarError("a pax header holds a broken record");
    }
    const record = bytes.subarray(space + 1, at + length - 1).toString("utf8");
    const equals = record.indexOf("=");
    if (equals > 0) yield [record.slice(0, equals), record.slice(equals + 1)];
    at += length;
  }
}

function sizeFromPax(text: string): number {
  const size = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(size)) throw new TarError("a pax header holds no size");
  return size;
}

function addEntry(entries: Map<string, TarEntry>, type: string, path: string, entry: TarEntry): void {
  const name = checkedName(path);
  if (type === "5") return;
  if (type === "1" || type === "2") throw new TarError(`${told(name)} is a link`);
  if (type !== "0" && type !== "") throw new TarError(`${told(name)} is neither a file nor a folder`);
  if (entries.has(name)) throw new TarError(`${told(name)} stands twice in the archive`);
  entries.set(name, entry);
}

/** @throws {TarError} when the path would lead out of the folder it is extracted in. */
function checkedName(path: string): string {
  const name = path.replace(/^(?:\.\/)+/, "").replace(/\/$/, "");
  if (path.startsWith("/") || name.includes("\\") || name.includes("\0")) {
    throw new TarError(`${told(path)} is not a relative path`);
  }
  if (name.split("/").includes("..")) throw new TarError(`${told(path)} leads out of the archive`);
  return name;
}

function told(text: string): string {
  return JSON.stringify(text.slice(0, 120));
}
