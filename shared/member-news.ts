/**
 * News of members, as bytes: between nodes, in the store, and under the digest by which two nodes find out that they
 * know the same. A description carries its length, and what it holds beyond the fields known here is skipped: a newer
 * node may say more of itself.
 */
import { hash } from "node:crypto";
import { ByteReader, ByteWriter, MalformedBytesError } from "./bytes.ts";
import { isNodeId, isOrigin, isRegion, type NodeId } from "./identity.ts";
import {
  MEMBER_ACCUSERS_MAX,
  MEMBER_ADDRESS_LENGTH_MAX,
  MEMBER_FEATURES_MAX,
  MEMBER_LABEL_LENGTH_MAX,
  MEMBERS_MAX,
} from "./limits.ts";
import { MEMBER_ROLES, MEMBER_STANDINGS, type MemberDescription, type MemberNews } from "./member.ts";

const DIGEST_BYTES = 16;

export function encodeMemberNews(news: readonly MemberNews[]): Uint8Array {
  const writer = new ByteWriter().writeVarint(news.length);
  for (const { node, incarnation, standing, accusers, evictions, description } of news) {
    writer.writeString(node).writeVarint(incarnation).writeVarint(MEMBER_STANDINGS.indexOf(standing));
    writer.writeVarint(evictions).writeVarint(accusers.length);
    for (const accuser of accusers) writer.writeString(accuser);
    writer.writeBytes(description === undefined ? new Uint8Array() : encodeDescription(description));
  }
  return writer.finish();
}

/** @throws {MalformedBytesError} */
export function decodeMemberNews(bytes: Uint8Array): readonly MemberNews[] {
  const reader = new ByteReader(bytes);
  const news = readList(reader, MEMBERS_MAX, "news of members", () => readNews(reader));
  if (!reader.isAtEnd) throw new MalformedBytesError("something follows the news of members");
  return news;
}

/** 16 bytes; equal for two lists exactly when they say the same of the same nodes. Who accused whom does not count. */
export function digestOfMembers(news: readonly MemberNews[]): Uint8Array {
  const writer = new ByteWriter();
  for (const { node, incarnation, standing, evictions } of news.toSorted(byName)) {
    writer.writeString(node).writeVarint(incarnation).writeString(standing).writeVarint(evictions);
  }
  return new Uint8Array(hash("sha256", writer.finish(), "buffer").subarray(0, DIGEST_BYTES));
}

function byName(left: MemberNews, right: MemberNews): number {
  return left.node < right.node ? -1 : 1;
}

function encodeDescription(description: MemberDescription): Uint8Array {
  const { region, origin, boot, nonce, protocol, advertise, version, labels, features } = description;
  const writer = new ByteWriter()
    .writeString(region)
    .writeString(origin)
    .writeVarint(boot)
    .writeString(nonce)
    .writeVarint(protocol.min)
    .writeVarint(protocol.max)
    .writeString(advertise.registry)
    .writeString(advertise.peer)
    .writeString(version)
    .writeString(labels.zone)
    .writeVarint(MEMBER_ROLES.indexOf(labels.role))
    .writeVarint(labels.capacityBytes === undefined ? 0 : labels.capacityBytes + 1)
    .writeString(labels.costClass)
    .writeVarint(features.length);
  for (const feature of features) writer.writeString(feature);
  return writer.finish();
}

function readNews(reader: ByteReader): MemberNews {
  const node = readNode(reader);
  const incarnation = reader.readVarint();
  const standing = MEMBER_STANDINGS[reader.readVarint()];
  if (standing === undefined) throw new MalformedBytesError("a member has a standing that is not known here");
  const evictions = reader.readVarint();
  const accusers = readList(reader, MEMBER_ACCUSERS_MAX, "accusers", () => readNode(reader));
  const described = reader.readBytes();
  const description = described.length === 0 ? undefined : readDescription(new ByteReader(described));
  return { node, incarnation, standing, accusers, evictions, description };
}

function readDescription(reader: ByteReader): MemberDescription {
  const region = reader.readString();
  const origin = reader.readString();
  if (!isRegion(region)) throw new MalformedBytesError("a member has no region");
  if (!isOrigin(origin)) throw new MalformedBytesError("a member has no origin");
  const boot = reader.readVarint();
  const nonce = reader.readString();
  if (nonce !== "" && !isOrigin(nonce)) throw new MalformedBytesError("a member's nonce is none");
  const protocol = { min: reader.readVarint(), max: reader.readVarint() };
  const advertise = { registry: readText(reader, ADDRESS), peer: readText(reader, ADDRESS) };
  const version = readText(reader, LABEL);
  const zone = readText(reader, LABEL);
  const role = MEMBER_ROLES[reader.readVarint()];
  if (role === undefined) throw new MalformedBytesError("a member has a role that is not known here");
  const capacity = reader.readVarint();
  const costClass = readText(reader, LABEL);
  const features = readList(reader, MEMBER_FEATURES_MAX, "features", () => readText(reader, LABEL));
  const capacityBytes = capacity === 0 ? undefined : capacity - 1;
  const labels = { zone, role, capacityBytes, costClass };
  return { region, origin, boot, nonce, protocol, advertise, version, labels, features };
}

const ADDRESS = MEMBER_ADDRESS_LENGTH_MAX;
const LABEL = MEMBER_LABEL_LENGTH_MAX;

function readText(reader: ByteReader, lengthMax: number): string {
  const text = reader.readString();
  if (text.length > lengthMax) throw new MalformedBytesError("a member says something too long of itself");
  return text;
}

function readNode(reader: ByteReader): NodeId {
  const name = reader.readString();
  if (!isNodeId(name)) throw new MalformedBytesError("a member has no name");
  return name;
}

function readList<Item>(reader: ByteReader, countMax: number, what: string, read: () => Item): readonly Item[] {
  const count = reader.readVarint();
  if (count > countMax) throw new MalformedBytesError(`more than ${countMax} ${what}`);
  return Array.from({ length: count }, read);
}
