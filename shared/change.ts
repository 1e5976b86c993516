/**
 * What travels between nodes and what `Metadata.commit` takes: the state of one register as its sender knows it,
 * perhaps with the manifest's bytes. An *op* is the smallest change, one version that its origin has just written,
 * with the context the writer had seen; a live entry of a catch-up session is a whole register. Both merge alike.
 *
 * The encoding is canonical: an op is forwarded and hash-chained as the very bytes its origin wrote.
 */
import { ByteReader, ByteWriter, MalformedBytesError } from "./bytes.ts";
import { isDigest } from "./digest.ts";
import { hlcOf } from "./hlc.ts";
import { isNodeId, isOrigin, isRegion, type Origin } from "./identity.ts";
import { invariant, unreachable } from "./invariant.ts";
import { ACTOR_LENGTH_MAX } from "./limits.ts";
import { isMediaType } from "./media-types.ts";
import { isRepositoryName, isTag } from "./reference.ts";
import {
  type Author,
  type Context,
  isCovered,
  joinContexts,
  type Register,
  type RegisterKey,
  type RegisterValue,
  type Version,
} from "./register.ts";
import { compareDots, type Dot } from "./version-vector.ts";

export type Change = {
  readonly key: RegisterKey;
  readonly register: Register;
  /** The manifest's bytes, when they are small enough to travel along. */
  readonly content: Uint8Array | undefined;
};

/** A change of exactly one version. */
export type Op = Change;

/** The op by which an origin writes `version` over what `seen` held. */
export function opOf(key: RegisterKey, version: Version, seen: Context, content?: Uint8Array): Op {
  const context = joinContexts(seen, new Map([[version.dot.origin, version.dot.seq]]));
  return { key, register: { versions: [version], context }, content };
}

/** The dot of an op. */
export function dotOf(op: Op): Dot {
  const [version, ...others] = op.register.versions;
  invariant(version !== undefined && others.length === 0, "an op holds one version");
  return version.dot;
}

const KEY_KINDS = ["tag", "manifest", "blob"] as const;
const VALUE_KINDS = ["removed", "tag", "manifest", "linked"] as const;

export function encodeChange(change: Change): Uint8Array {
  const writer = new ByteWriter();
  writeKey(writer, change.key);
  writeRegister(writer, change.register);
  if (change.content === undefined) return writer.writeVarint(0).finish();
  return writer.writeVarint(1).writeBytes(change.content).finish();
}

/** @throws {MalformedBytesError} when `bytes` are not a change that this version understands. */
export function decodeChange(bytes: Uint8Array): Change {
  const reader = new ByteReader(bytes);
  const key = readKey(reader);
  const register = readRegister(reader);
  const content = readContent(reader);
  reader.expectEnd();
  if (!register.versions.every(({ value }) => fits(value, key))) {
    throw new MalformedBytesError("a value does not fit its key");
  }
  if (content !== undefined && key.kind !== "manifest") throw new MalformedBytesError("only a manifest has content");
  return { key, register, content };
}

/** @throws {MalformedBytesError} also when `bytes` hold more or less than one version, or one that its own context does not know. */
export function decodeOp(bytes: Uint8Array): Op {
  const op = decodeChange(bytes);
  const [version] = op.register.versions;
  if (version === undefined || op.register.versions.length !== 1) {
    throw new MalformedBytesError("an op holds one version");
  }
  if (op.register.context.get(version.dot.origin) !== version.dot.seq) {
    throw new MalformedBytesError("an op's context ends at its own dot");
  }
  return op;
}

export function encodeRegister(register: Register): Uint8Array {
  const writer = new ByteWriter();
  writeRegister(writer, register);
  return writer.finish();
}

/** @throws {MalformedBytesError} when `bytes` are not a register. */
export function decodeRegister(bytes: Uint8Array): Register {
  const reader = new ByteReader(bytes);
  const register = readRegister(reader);
  reader.expectEnd();
  return register;
}

export function encodeKey(key: RegisterKey): Uint8Array {
  const writer = new ByteWriter();
  writeKey(writer, key);
  return writer.finish();
}

/** @throws {MalformedBytesError} when `bytes` are not a register's key. */
export function decodeKey(bytes: Uint8Array): RegisterKey {
  const reader = new ByteReader(bytes);
  const key = readKey(reader);
  reader.expectEnd();
  return key;
}

function writeKey(writer: ByteWriter, key: RegisterKey): void {
  writer.writeVarint(KEY_KINDS.indexOf(key.kind)).writeString(key.repo);
  switch (key.kind) {
    case "tag":
      writer.writeString(key.tag);
      return;
    case "manifest":
    case "blob":
      writer.writeString(key.digest);
      return;
    default:
      unreachable(key);
  }
}

function readKey(reader: ByteReader): RegisterKey {
  const kind = KEY_KINDS[reader.readVarint()];
  const repo = reader.readString();
  const name = reader.readString();
  if (kind === undefined) throw new MalformedBytesError("an unknown kind of register");
  if (!isRepositoryName(repo)) throw new MalformedBytesError("a key names no repository");
  if (kind === "tag") {
    if (!isTag(name)) throw new MalformedBytesError("a key names no tag");
    return { kind, repo, tag: name };
  }
  if (!isDigest(name)) throw new MalformedBytesError("a key names no digest");
  return { kind, repo, digest: name };
}

function writeRegister(writer: ByteWriter, { versions, context }: Register): void {
  writer.writeVarint(versions.length);
  for (const { dot, hlc, author, value } of versions) {
    writer.writeString(dot.origin).writeVarint(dot.seq).writeUint64(hlc);
    writer.writeString(author.node).writeString(author.region).writeString(author.actor);
    writeValue(writer, value);
  }
  writer.writeVarint(context.size);
  for (const [origin, seq] of [...context].toSorted(([left], [right]) => (left < right ? -1 : 1))) {
    writer.writeString(origin).writeVarint(seq);
  }
}

function readRegister(reader: ByteReader): Register {
  const versions = readVersions(reader);
  const context = readContext(reader);
  if (!versions.every(({ dot }) => isCovered(dot, context))) {
    throw new MalformedBytesError("a register's context knows every version in it");
  }
  return { versions, context };
}

/** In strict dot order: two versions under one dot would be kept twice by every later merge. */
function readVersions(reader: ByteReader): readonly Version[] {
  const versions: Version[] = [];
  for (let left = reader.readVarint(); left > 0; left -= 1) {
    const version = readVersion(reader);
    const last = versions.at(-1);
    if (last !== undefined && compareDots(last.dot, version.dot) >= 0) {
      throw new MalformedBytesError("versions come in the order of their dots, each once");
    }
    versions.push(version);
  }
  return versions;
}

function readContext(reader: ByteReader): Context {
  const context = new Map<Origin, number>();
  let last: Origin | undefined;
  for (let left = reader.readVarint(); left > 0; left -= 1) {
    const origin = readOrigin(reader);
    const seq = reader.readVarint();
    if (last !== undefined && last >= origin) {
      throw new MalformedBytesError("a context names its origins in order, each once");
    }
    if (seq < 1) throw new MalformedBytesError("a context counts from 1");
    context.set(origin, seq);
    last = origin;
  }
  return context;
}

function readContent(reader: ByteReader): Uint8Array | undefined {
  switch (reader.readVarint()) {
    case 0:
      return undefined;
    case 1:
      return reader.readBytes();
    default:
      throw new MalformedBytesError("content is there or it is not");
  }
}

function fits(value: RegisterValue, key: RegisterKey): boolean {
  switch (value.kind) {
    case "removed":
      return true;
    case "tag":
    case "manifest":
      return value.kind === key.kind;
    case "linked":
      return key.kind === "blob";
    default:
      return unreachable(value);
  }
}

function readVersion(reader: ByteReader): Version {
  const dot = { origin: readOrigin(reader), seq: reader.readVarint() };
  if (dot.seq < 1) throw new MalformedBytesError("a dot is numbered from 1");
  return { dot, hlc: hlcOf(reader.readUint64()), author: readAuthor(reader), value: readValue(reader) };
}

function readOrigin(reader: ByteReader): Origin {
  const origin = reader.readString();
  if (!isOrigin(origin)) throw new MalformedBytesError("a dot names no origin");
  return origin;
}

function readAuthor(reader: ByteReader): Author {
  const node = reader.readString();
  const region = reader.readString();
  const actor = reader.readString();
  if (!isNodeId(node) || !isRegion(region)) throw new MalformedBytesError("an author names no node or no region");
  if (actor.length > ACTOR_LENGTH_MAX) throw new MalformedBytesError("an actor's name is too long");
  return { node, region, actor };
}

function writeValue(writer: ByteWriter, value: RegisterValue): void {
  writer.writeVarint(VALUE_KINDS.indexOf(value.kind));
  switch (value.kind) {
    case "removed":
    case "linked":
      return;
    case "tag":
      writer.writeString(value.digest);
      return;
    case "manifest":
      writer.writeString(value.mediaType).writeVarint(value.size);
      return;
    default:
      unreachable(value);
  }
}

function readValue(reader: ByteReader): RegisterValue {
  const kind = VALUE_KINDS[reader.readVarint()];
  switch (kind) {
    case "removed":
    case "linked":
      return { kind };
    case "tag": {
      const digest = reader.readString();
      if (!isDigest(digest)) throw new MalformedBytesError("a tag names no digest");
      return { kind, digest };
    }
    case "manifest": {
      const mediaType = reader.readString();
      // It is sent to clients as a header: no peer may put a line break there.
      if (!isMediaType(mediaType)) throw new MalformedBytesError("a manifest has no media type");
      return { kind, mediaType, size: reader.readVarint() };
    }
    case undefined:
      throw new MalformedBytesError("an unknown kind of value");
    default:
      return unreachable(kind);
  }
}
