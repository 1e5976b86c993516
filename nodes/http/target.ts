/**
 * The request target, judged before anything routes it. Frameworks decode first and match later, so that
 * `/v2/a%2fb`, `/v2/a/../../admin` or `GET http://elsewhere/v2/` reach a handler as something the client did not
 * plainly write, and every check that looked at another spelling was bypassed. Here the raw bytes are read once, left
 * to right: origin-form only, no dot segments, no empty segments, no control characters, and each segment is
 * decoded once, after it has been cut off, and must not come out as a separator or a dot segment. What passes has
 * one spelling for one meaning; what does not is refused with 400 before any route exists.
 *
 * Source: RFC 9112, section 3.2; reliability findings on encoded, dotted and absolute targets.
 */
import { RegistryError } from "../../shared/errors.ts";
import { REQUEST_TARGET_LENGTH_MAX } from "../../shared/limits.ts";

export type Target = {
  /** Path and query as they were sent. */
  readonly raw: string;
  /** Decoded, without the slashes between them. */
  readonly segments: readonly string[];
  readonly endsInSlash: boolean;
  /** Without the query: fit for a log. */
  readonly path: string;
  readonly query: Query;
};

const PERCENT = 0x25;
const SPACE = 0x20;
const DELETE = 0x7f;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws {RegistryError} `NAME_INVALID`: 414 when too long, else 400. */
export function parseTarget(raw: string): Target {
  if (raw.length > REQUEST_TARGET_LENGTH_MAX) {
    throw new RegistryError(
      "NAME_INVALID",
      { length: raw.length, lengthMax: REQUEST_TARGET_LENGTH_MAX },
      { status: 414, message: "request target too long" },
    );
  }
  if (!raw.startsWith("/")) throw refused("is not a path");
  if (hasForbiddenCharacter(raw)) throw refused("holds a character that no target may hold");

  const queryAt = raw.indexOf("?");
  const path = queryAt < 0 ? raw : raw.slice(0, queryAt);
  const query = new Query(queryAt < 0 ? "" : raw.slice(queryAt + 1));
  if (path === "/") return { raw, segments: [], endsInSlash: true, path, query };

  const endsInSlash = path.endsWith("/");
  const segments = path.slice(1, endsInSlash ? -1 : undefined).split("/");
  return { raw, segments: segments.map(decodeSegment), endsInSlash, path, query };
}

function refused(problem: string): RegistryError {
  return new RegistryError("NAME_INVALID", undefined, { message: `the request target ${problem}` });
}

/** Controls and spaces, what is beyond ASCII, the fragment that belongs to the client, and the other slash. */
function hasForbiddenCharacter(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code <= SPACE || code >= DELETE) return true;
  }
  return text.includes("#") || text.includes("\\");
}

function decodeSegment(raw: string): string {
  if (raw === "") throw refused("holds an empty segment");
  const segment = raw.includes("%") ? decodePercent(raw) : raw;
  if (segment === undefined) throw refused("holds a broken percent-encoding");
  if (segment === "." || segment === "..") throw refused("holds a dot segment");
  if (holdsSeparator(segment)) throw refused("hides a separator or a control character in a segment");
  return segment;
}

function holdsSeparator(segment: string): boolean {
  if (segment.includes("/") || segment.includes("\\")) return true;
  for (let at = 0; at < segment.length; at += 1) {
    const code = segment.charCodeAt(at);
    if (code < SPACE || code === DELETE) return true;
  }
  return false;
}

/** Every `%XX` as one byte, the whole as UTF-8; `undefined` when it is not that. */
function decodePercent(text: string): string | undefined {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code !== PERCENT) {
      bytes.push(code);
      continue;
    }
    const hex = text.slice(at + 1, at + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return undefined;
    bytes.push(Number.parseInt(hex, 16));
    at += 2;
  }
  try {
    return UTF8.decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

/**
 * The parameters behind the `?`. Nobody is refused for a parameter that nobody asked about, so a broken encoding stays
 * as it is and whoever reads the value judges it. `+` is a plus: no value of ours can hold a space, while media types
 * and tags of other worlds arrive with a bare plus.
 */
export class Query {
  readonly #values = new Map<string, string[]>();

  constructor(text: string) {
    for (const pair of text.split("&")) {
      if (pair === "") continue;
      const equals = pair.indexOf("=");
      const name = decodeLeniently(equals < 0 ? pair : pair.slice(0, equals));
      const value = decodeLeniently(equals < 0 ? "" : pair.slice(equals + 1));
      const values = this.#values.get(name);
      if (values === undefined) this.#values.set(name, [value]);
      else values.push(value);
    }
  }

  /** In the order they came. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** The first of them. */
  first(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }
}

function decodeLeniently(text: string): string {
  return text.includes("%") ? (decodePercent(text) ?? text) : text;
}
