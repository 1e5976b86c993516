/** JSON from strangers: bounded before it is built, and an `unknown` until somebody looked. */

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/**
 * A byte order mark is skipped; the last of two equal keys counts, as in every client.
 * @throws {SyntaxError} when `bytes` are not UTF-8, not JSON, or nested deeper than `depthMax`.
 */
export function parseJson(bytes: Uint8Array, depthMax: number): unknown {
  if (isDeeperThan(bytes, depthMax)) throw new SyntaxError(`nested deeper than ${depthMax}`);
  return JSON.parse(decodeUtf8(bytes));
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SyntaxError("not UTF-8", { cause });
  }
}

/** Reads brackets outside strings, in one pass and without recursion; exact up to the first byte that is not JSON. */
function isDeeperThan(bytes: Uint8Array, depthMax: number): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (isInString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isInString = false;
      continue;
    }
    if (byte === QUOTE) isInString = true;
    else if (OPENING.has(byte)) depth += 1;
    else if (CLOSING.has(byte)) depth -= 1;
    if (depth > depthMax) return true;
  }
  return false;
}
