/**
 * What a client has seen, in a header's worth of text: `Meridian-Version` carries one after every write, and a read that
 * brings it back as `Meridian-Min-Version` is answered only by a node that holds at least as much.
 *
 * A token names for some origins the last op seen and stands for everything up to it. It is base64url of a format byte,
 * the dots in order, and four bytes of checksum: a token cut off by a proxy is refused, not read as an older one.
 * It is no secret and no proof; whoever makes one up only makes himself wait.
 */
import { hash } from "node:crypto";

import type { Brand } from "./brand.ts";
import { ByteReader, ByteWriter, MalformedBytesError } from "./bytes.ts";
import { RegistryError } from "./errors.ts";
import { isOrigin } from "./identity.ts";
import { invariant } from "./invariant.ts";
import { CAUSAL_TOKEN_DOTS_MAX, CAUSAL_TOKEN_LENGTH_MAX } from "./limits.ts";
import { compareDots, type Dot, type VersionVector } from "./version-vector.ts";

export type CausalToken = Brand<string, "CausalToken">;

const FORMAT = 1;
const CHECKSUM_BYTES = 4;

/** The token of having seen `dots`, at least one and of at most `CAUSAL_TOKEN_DOTS_MAX` origins; of each origin the last counts. */
export function encodeCausalToken(dots: Iterable<Dot>): CausalToken {
  const last = lastOfEach(dots);
  invariant(last.length > 0 && last.length <= CAUSAL_TOKEN_DOTS_MAX, "a token names some origins, and not too many");
  const writer = new ByteWriter().writeVarint(FORMAT).writeVarint(last.length);
  for (const { origin, seq } of last) writer.writeUint64(BigInt(`0x${origin}`)).writeVarint(seq);
  const body = writer.finish();
  const token = Buffer.concat([body, checksumOf(body)]).toString("base64url");
  invariant(isCausalToken(token), "a token can be read back");
  return token;
}

export function isCausalToken(text: string): text is CausalToken {
  return decode(text) !== undefined;
}

/**
 * The dots of a token, in order, one for each origin.
 * @throws {RegistryError} `UNSUPPORTED` with status 400 when `text` is no whole token.
 */
export function parseCausalToken(text: string): readonly Dot[] {
  const dots = decode(text);
  if (dots !== undefined) return dots;
  throw new RegistryError("UNSUPPORTED", { token: text.slice(0, 80) }, { status: 400, message: "not a version token" });
}

/** Whether whoever holds `held` has seen everything that the token's `dots` stand for. */
export function isSeen(dots: readonly Dot[], held: VersionVector): boolean {
  return dots.every(({ origin, seq }) => held.upto(origin) >= seq);
}

function lastOfEach(dots: Iterable<Dot>): readonly Dot[] {
  const byOrigin = new Map<string, Dot>();
  for (const dot of dots) {
    if (dot.seq > (byOrigin.get(dot.origin)?.seq ?? 0)) byOrigin.set(dot.origin, dot);
  }
  return [...byOrigin.values()].toSorted(compareDots);
}

function checksumOf(body: Uint8Array): Uint8Array {
  return hash("sha256", body, "buffer").subarray(0, CHECKSUM_BYTES);
}

function decode(text: string): readonly Dot[] | undefined {
  if (text.length > CAUSAL_TOKEN_LENGTH_MAX) return undefined;
  const bytes = Buffer.from(text, "base64url");
  // Node skips what is not base64url and ignores left-over bits; a token has one spelling.
  if (bytes.toString("base64url") !== text) return undefined;
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  if (!bytes.subarray(-CHECKSUM_BYTES).equals(checksumOf(body))) return undefined;
  try {
    return readDots(new ByteReader(body));
  } catch (cause) {
    if (cause instanceof MalformedBytesError) return undefined;
    throw cause;
  }
}

function readDots(reader: ByteReader): readonly Dot[] | undefined {
  if (reader.readVarint() !== FORMAT) return undefined;
  const dots: Dot[] = [];
  for (let left = reader.readVarint(); left > 0; left -= 1) {
    const origin = reader.readUint64().toString(16).padStart(16, "0");
    const seq = reader.readVarint();
    const last = dots.at(-1);
    if (!isOrigin(origin) || seq < 1 || (last !== undefined && last.origin >= origin)) return undefined;
    dots.push({ origin, seq });
  }
  reader.expectEnd();
  return dots.length > 0 && dots.length <= CAUSAL_TOKEN_DOTS_MAX ? dots : undefined;
}
