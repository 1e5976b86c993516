/** What the rows hold, as bytes and back. A row that does not decode was written by nobody: {@link MalformedBytesError}. */
import { ByteReader, ByteWriter, MalformedBytesError } from "../../shared/bytes.ts";
import { decodeRegister, encodeRegister } from "../../shared/change.ts";
import { type Digest, isDigest } from "../../shared/digest.ts";
import { type Hlc, hlcOf } from "../../shared/hlc.ts";
import { isNodeId, isOrigin, isRegion, type Origin } from "../../shared/identity.ts";
import { isRepositoryName, type RepositoryName } from "../../shared/reference.ts";
import { type Author, EMPTY_REGISTER, type Register, registerOf, type Version } from "../../shared/register.ts";
import type { Dot, SeqRange } from "../../shared/version-vector.ts";

/** What identifies the data directory, and its last start. */
export type SelfRow = {
  readonly node: string;
  readonly origin: Origin;
  readonly boot: number;
  /** Empty in a directory of a version that drew none. */
  readonly nonce: string;
};

export function encodeSelf({ node, origin, boot, nonce }: SelfRow): Uint8Array {
  return new ByteWriter().writeString(node).writeString(origin).writeVarint(boot).writeString(nonce).finish();
}

export function decodeSelf(bytes: Uint8Array): SelfRow {
  const reader = new ByteReader(bytes);
  const row = { node: reader.readString(), origin: readOrigin(reader), boot: reader.readVarint() };
  return { ...row, nonce: reader.isAtEnd ? "" : reader.readString() };
}

/** A tag's register and which of its versions is shown: not the winner while the winner's manifest is on its way. */
export type TagRow = {
  readonly register: Register;
  readonly visible: Version | undefined;
  /** Moves in the tag's history, kept here so that trimming need not count them. */
  readonly moves: number;
};

export const EMPTY_TAG: TagRow = { register: EMPTY_REGISTER, visible: undefined, moves: 0 };

export function encodeTagRow({ register, visible, moves }: TagRow): Uint8Array {
  // The visible version may have been replaced in the register already, so it is kept whole.
  return new ByteWriter()
    .writeBytes(encodeRegister(register))
    .writeBytes(encodeRegister(visible === undefined ? EMPTY_REGISTER : registerOf(visible)))
    .writeVarint(moves)
    .finish();
}

export function decodeTagRow(bytes: Uint8Array): TagRow {
  const reader = new ByteReader(bytes);
  const register = decodeRegister(reader.readBytes());
  const [visible] = decodeRegister(reader.readBytes()).versions;
  return { register, visible, moves: reader.readVarint() };
}

/** A manifest's bytes. Complete: they and those of every manifest below them are here. */
export type ContentRow = { readonly bytes: Uint8Array; readonly mediaType: string; readonly isComplete: boolean };

export function encodeContent({ bytes, mediaType, isComplete }: ContentRow): Uint8Array {
  return new ByteWriter()
    .writeVarint(isComplete ? 1 : 0)
    .writeString(mediaType)
    .writeBytes(bytes)
    .finish();
}

export function decodeContent(bytes: Uint8Array): ContentRow {
  const reader = new ByteReader(bytes);
  return { isComplete: reader.readVarint() === 1, mediaType: reader.readString(), bytes: reader.readBytes() };
}

/** How far one origin is known. */
export type OriginRow = {
  readonly upto: number;
  readonly beyond: readonly SeqRange[];
  /** The origin's hash chain at `upto`; empty when the ops up to there did not come one by one. */
  readonly chain: Uint8Array;
  /** The log holds every op from here to `upto`. */
  readonly logFrom: number;
};

export const UNKNOWN_ORIGIN: OriginRow = { upto: 0, beyond: [], chain: new Uint8Array(), logFrom: 1 };

export function encodeOrigin({ upto, beyond, chain, logFrom }: OriginRow): Uint8Array {
  const writer = new ByteWriter().writeVarint(upto).writeVarint(logFrom).writeBytes(chain).writeVarint(beyond.length);
  for (const { from, to } of beyond) writer.writeVarint(from).writeVarint(to);
  return writer.finish();
}

export function decodeOrigin(bytes: Uint8Array): OriginRow {
  const reader = new ByteReader(bytes);
  const upto = reader.readVarint();
  const logFrom = reader.readVarint();
  const chain = reader.readBytes();
  const beyond: SeqRange[] = [];
  for (let left = reader.readVarint(); left > 0; left -= 1) {
    beyond.push({ from: reader.readVarint(), to: reader.readVarint() });
  }
  return { upto, beyond, chain, logFrom };
}

/** One op as its origin wrote it, with the origin's hash chain after it. */
export type LogRow = { readonly chain: Uint8Array; readonly op: Uint8Array };

export function encodeLog({ chain, op }: LogRow): Uint8Array {
  return new ByteWriter().writeBytes(chain).writeBytes(op).finish();
}

export function decodeLog(bytes: Uint8Array): LogRow {
  const reader = new ByteReader(bytes);
  return { chain: reader.readBytes(), op: reader.readBytes() };
}

export type CountersRow = {
  readonly repositories: number;
  readonly tags: number;
  /** Sum modulo 2^128 of a hash of every register: equal on two nodes exactly when their registers are. */
  readonly stateSum: bigint;
};

export const NO_COUNTERS: CountersRow = { repositories: 0, tags: 0, stateSum: 0n };

const LOW_64_BITS = (1n << 64n) - 1n;

export function encodeCounters({ repositories, tags, stateSum }: CountersRow): Uint8Array {
  return new ByteWriter()
    .writeVarint(repositories)
    .writeVarint(tags)
    .writeUint64(stateSum >> 64n)
    .writeUint64(stateSum & LOW_64_BITS)
    .finish();
}

export function decodeCounters(bytes: Uint8Array): CountersRow {
  const reader = new ByteReader(bytes);
  const repositories = reader.readVarint();
  const tags = reader.readVarint();
  return { repositories, tags, stateSum: (reader.readUint64() << 64n) | reader.readUint64() };
}

/** Live manifests and visible tags of one repository. */
export type RepositoryRow = { readonly manifests: number; readonly tags: number };

export const EMPTY_REPOSITORY: RepositoryRow = { manifests: 0, tags: 0 };

export function encodeRepository({ manifests, tags }: RepositoryRow): Uint8Array {
  return new ByteWriter().writeVarint(manifests).writeVarint(tags).finish();
}

export function decodeRepository(bytes: Uint8Array): RepositoryRow {
  const reader = new ByteReader(bytes);
  return { manifests: reader.readVarint(), tags: reader.readVarint() };
}

/** One write to a tag, as far as this node saw it happen. */
export type MoveRow = {
  readonly dot: Dot;
  readonly at: Hlc;
  readonly author: Author;
  readonly from: Digest | undefined;
  readonly to: Digest | undefined;
  /** It once stood beside a later version that had not seen it, and was not the one shown. */
  readonly hasLost: boolean;
};

export function encodeMove({ dot, at, author, from, to, hasLost }: MoveRow): Uint8Array {
  const writer = new ByteWriter().writeString(dot.origin).writeVarint(dot.seq).writeUint64(at);
  writer.writeString(author.node).writeString(author.region).writeString(author.actor);
  return writer
    .writeString(from ?? "")
    .writeString(to ?? "")
    .writeVarint(hasLost ? 1 : 0)
    .finish();
}

export function decodeMove(bytes: Uint8Array): MoveRow {
  const reader = new ByteReader(bytes);
  const dot = { origin: readOrigin(reader), seq: reader.readVarint() };
  const at = hlcOf(reader.readUint64());
  const node = reader.readString();
  const region = reader.readString();
  const actor = reader.readString();
  if (!isNodeId(node) || !isRegion(region)) throw new MalformedBytesError("a move names no node or no region");
  const author: Author = { node, region, actor };
  return { dot, at, author, from: readDigest(reader), to: readDigest(reader), hasLost: reader.readVarint() === 1 };
}

export type UploadRow = {
  /** 32 hex digits, a dot, the name of the node that holds the bytes. */
  readonly id: string;
  readonly repo: RepositoryName;
  /** Wall-clock milliseconds. */
  readonly startedMs: number;
  readonly touchedMs: number;
};

export function encodeUpload({ id, repo, startedMs, touchedMs }: UploadRow): Uint8Array {
  return new ByteWriter().writeString(id).writeString(repo).writeVarint(startedMs).writeVarint(touchedMs).finish();
}

export function decodeUpload(bytes: Uint8Array): UploadRow {
  const reader = new ByteReader(bytes);
  const id = reader.readString();
  const repo = reader.readString();
  if (!isRepositoryName(repo)) throw new MalformedBytesError("an upload names no repository");
  return { id, repo, startedMs: reader.readVarint(), touchedMs: reader.readVarint() };
}

/** Where the scrubber stands in its round, or stood when the last one was over. */
export type ScrubRow = {
  /** When the round began, in wall-clock milliseconds; 0 when there was none. */
  readonly startedMs: number;
  /** The last blob that was hashed; `undefined` when no round is under way. */
  readonly after: Digest | undefined;
  readonly blobs: number;
  readonly bytes: number;
  readonly rotten: number;
};

export const NO_SCRUB: ScrubRow = { startedMs: 0, after: undefined, blobs: 0, bytes: 0, rotten: 0 };

export function encodeScrub({ startedMs, after, blobs, bytes, rotten }: ScrubRow): Uint8Array {
  return new ByteWriter()
    .writeVarint(startedMs)
    .writeString(after ?? "")
    .writeVarint(blobs)
    .writeVarint(bytes)
    .writeVarint(rotten)
    .finish();
}

export function decodeScrub(row: Uint8Array): ScrubRow {
  const reader = new ByteReader(row);
  const startedMs = reader.readVarint();
  const after = readDigest(reader);
  return { startedMs, after, blobs: reader.readVarint(), bytes: reader.readVarint(), rotten: reader.readVarint() };
}

export function encodeNumber(value: number): Uint8Array {
  return new ByteWriter().writeVarint(value).finish();
}

export function decodeNumber(bytes: Uint8Array): number {
  return new ByteReader(bytes).readVarint();
}

export function encodeHlc(hlc: Hlc): Uint8Array {
  return new ByteWriter().writeUint64(hlc).finish();
}

export function decodeHlc(bytes: Uint8Array): Hlc {
  return hlcOf(new ByteReader(bytes).readUint64());
}

function readOrigin(reader: ByteReader): Origin {
  const origin = reader.readString();
  if (!isOrigin(origin)) throw new MalformedBytesError("a row names no origin");
  return origin;
}

function readDigest(reader: ByteReader): Digest | undefined {
  const text = reader.readString();
  if (text === "") return undefined;
  if (!isDigest(text)) throw new MalformedBytesError("a row names no digest");
  return text;
}
