/**
 * The key space of the metadata store: one letter, then the parts. Parts of text end in a zero byte, which no
 * name, tag or digest can hold, so the byte order of keys is the order of their parts and a repository's rows never
 * mix with those of a repository whose name it begins. Numbers are eight bytes, big-endian.
 *
 *   what is replicated                            what follows from it on this node
 *   t repo tag            tag register            T repo digest tag       tags whose winner names the manifest
 *   m repo digest         manifest register       R repo                  live manifests and tags of a repository
 *   x repo digest         blob register           r blob repo manifest    who names a blob
 *   M digest              a manifest's bytes      f repo subject digest   referrer descriptor
 *                                                 c repo tag hlc o seq    one move of a tag
 *   how far we are                                k repo tag              a tag with siblings that disagree
 *   v origin              vector entry, chain     w digest waiter         what a manifest's bytes would complete
 *   q origin seq          op log
 *   o origin seq          live index: dot → key   what lies here alone
 *   I                     name, origin, boot      b digest                a blob that is durable on this node
 *   H                     clock's high water      l repo digest           a blob that was uploaded or mounted
 *   N                     incarnations in use     n node                  what was last heard of a member
 *   C                     counters, state sum     u id                    an upload session
 *                                                 z digest                a blob that was lost here and is to be fetched
 *   P origin              why it is parked        p origin seq            an op of a parked origin
 *   J                     how far the journal is in this store             S  acknowledged rows may be missing
 *   Z                     where the scrubber stands
 */
import { type Digest, isDigest } from "../../shared/digest.ts";
import type { Hlc } from "../../shared/hlc.ts";
import { isOrigin, type NodeId, type Origin } from "../../shared/identity.ts";
import { invariant, unreachable } from "../../shared/invariant.ts";
import { isRepositoryName, isTag, type RepositoryName, type Tag } from "../../shared/reference.ts";
import type { RegisterKey } from "../../shared/register.ts";
import type { Dot } from "../../shared/version-vector.ts";

/**
 * The bytes of a key, each as the character of its number (Latin-1): the order of such texts is that of the bytes. Writes are
 * found by their key very many times a second, and texts are hashed and compared faster than bytes.
 */
export type Key = string;
/** `from` inclusive, `to` exclusive. */
export type KeySpan = { readonly from: Key; readonly to: Key };

const NOT_ASCII = /[\u0080-\uffff]/;

function text(letter: string, ...parts: readonly string[]): Key {
  let key = letter;
  for (const part of parts) key += `${part}\0`;
  // Names are ASCII; what somebody asks for need not be.
  return NOT_ASCII.test(key) ? Buffer.from(key, "utf8").toString("latin1") : key;
}

const BYTE = 0x100;
const WORD = 2 ** 32;

function number(value: number): Key {
  return word(Math.floor(value / WORD)) + word(value % WORD);
}

function word(value: number): Key {
  return String.fromCharCode(value >>> 24, (value >>> 16) % BYTE, (value >>> 8) % BYTE, value % BYTE);
}

function timestamp(value: Hlc): Key {
  return word(Number(value >> 32n)) + word(Number(value & 0xffff_ffffn));
}

export function bytesOf(key: Key): Buffer {
  return Buffer.from(key, "latin1");
}

export function keyOf(bytes: Uint8Array): Key {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** Every key that begins with `prefix`: the first key past them differs in the prefix's last byte, a letter or a zero. */
function under(prefix: Key): KeySpan {
  const last = prefix.length - 1;
  return { from: prefix, to: prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1) };
}

/** The parts of text after the letter. */
export function partsOf(key: Uint8Array): readonly string[] {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("utf8", 1).split("\0").slice(0, -1);
}

/** The digest among the parts of a key that this file made. */
export function digestPart(key: Uint8Array, index: number): Digest {
  const part = partsOf(key)[index] ?? "";
  invariant(isDigest(part), "a key names a digest");
  return part;
}

/** The origin among the parts of a key that this file made. */
export function originPart(key: Uint8Array, index: number): Origin {
  const part = partsOf(key)[index] ?? "";
  invariant(isOrigin(part), "a key names an origin");
  return part;
}

const TAG_LETTER = "t".charCodeAt(0);
const MANIFEST_LETTER = "m".charCodeAt(0);

export const SELF: Key = text("I");
export const CLOCK: Key = text("H");
export const INCARNATIONS: Key = text("N");
export const COUNTERS: Key = text("C");
export const SUSPICION: Key = text("S");
export const SCRUB: Key = text("Z");

/** As bytes, like every key below the views. */
export const JOURNAL_MARK: Uint8Array = bytesOf(text("J"));

/** Every row of the store, likewise. */
export const ALL: { readonly from: Uint8Array; readonly to: Uint8Array } = {
  from: Buffer.alloc(0),
  to: Buffer.from([0xff]),
};

export function registerRow(key: RegisterKey): Key {
  switch (key.kind) {
    case "tag":
      return text("t", key.repo, key.tag);
    case "manifest":
      return text("m", key.repo, key.digest);
    case "blob":
      return text("x", key.repo, key.digest);
    default:
      return unreachable(key);
  }
}

/** Every register, kind by kind. */
export function allRegisters(): readonly KeySpan[] {
  return ["t", "m", "x"].map((letter) => under(text(letter)));
}

/** The register whose row has this key. */
export function registerOfRow(key: Uint8Array): RegisterKey {
  const [repo = "", name = ""] = partsOf(key);
  invariant(isRepositoryName(repo), "a register's row names a repository");
  if (key[0] === TAG_LETTER) {
    invariant(isTag(name), "a tag's row names a tag");
    return { kind: "tag", repo, tag: name };
  }
  return { kind: key[0] === MANIFEST_LETTER ? "manifest" : "blob", repo, digest: digestPart(key, 1) };
}

/** The tags of `repo` after `after`, which need not exist. */
export function tagsOf(repo: RepositoryName, after: string | undefined): KeySpan {
  const all = under(text("t", repo));
  return after === undefined ? all : { from: justAfter(text("t", repo, after)), to: all.to };
}

export function contentRow(digest: Digest): Key {
  return text("M", digest);
}

export function tagAtRow(repo: RepositoryName, digest: Digest, tag: Tag): Key {
  return text("T", repo, digest, tag);
}

export function tagsAt(repo: RepositoryName, digest: Digest): KeySpan {
  return under(text("T", repo, digest));
}

export function repositoryRow(repo: RepositoryName): Key {
  return text("R", repo);
}

export function repositories(after: string | undefined): KeySpan {
  const all = under(text("R"));
  return after === undefined ? all : { from: justAfter(text("R", after)), to: all.to };
}

export function namedByRow(blob: string, repo: RepositoryName, manifest: Digest): Key {
  return text("r", blob, repo, manifest);
}

export function namedBy(blob: string, repo: RepositoryName): KeySpan {
  return under(text("r", blob, repo));
}

/** Who names `blob`, in whatever repository. */
export function namers(blob: string): KeySpan {
  return under(text("r", blob));
}

export function referrerRow(repo: RepositoryName, subject: string, digest: Digest): Key {
  return text("f", repo, subject, digest);
}

export function referrersOf(repo: RepositoryName, subject: string, after: string | undefined): KeySpan {
  const all = under(text("f", repo, subject));
  return after === undefined ? all : { from: justAfter(text("f", repo, subject, after)), to: all.to };
}

export function moveRow(repo: RepositoryName, tag: Tag, at: Hlc, dot: Dot): Key {
  return text("c", repo, tag) + timestamp(at) + text("", dot.origin) + number(dot.seq);
}

export function movesOf(repo: RepositoryName, tag: Tag): KeySpan {
  return under(text("c", repo, tag));
}

export function conflictRow(repo: RepositoryName, tag: Tag): Key {
  return text("k", repo, tag);
}

/** `after` is `repo tag`, separated by a space, as the page before ended. */
export function conflicts(after: string | undefined): KeySpan {
  const all = under(text("k"));
  return after === undefined ? all : { from: justAfter(text("k", ...after.split(" "))), to: all.to };
}

/** Waits for the bytes of `digest`: a repository that links it, or an index that lists it. */
export type Waiter =
  | { readonly kind: "repository"; readonly repo: RepositoryName }
  | { readonly kind: "index"; readonly digest: Digest };

export function waitRow(digest: Digest, waiter: Waiter): Key {
  return waiter.kind === "repository"
    ? text("w", digest, "repository", waiter.repo)
    : text("w", digest, "index", waiter.digest);
}

export function waiterOf(key: Uint8Array): Waiter {
  const [, kind, name = ""] = partsOf(key);
  if (kind === "index") return { kind, digest: digestPart(key, 2) };
  invariant(kind === "repository" && isRepositoryName(name), "a repository or an index waits");
  return { kind, repo: name };
}

export function waiters(digest: Digest): KeySpan {
  return under(text("w", digest));
}

export function allWaiters(): KeySpan {
  return under(text("w"));
}

export function originRow(origin: Origin): Key {
  return text("v", origin);
}

export function origins(): KeySpan {
  return under(text("v"));
}

export function parkedRow(origin: Origin): Key {
  return text("P", origin);
}

export function parkedOrigins(): KeySpan {
  return under(text("P"));
}

export function parkedOpRow(dot: Dot): Key {
  return text("p", dot.origin) + number(dot.seq);
}

/** What is parked of `origin` from `seq` on. */
export function parkedOps(origin: Origin, seq: number): KeySpan {
  return { from: parkedOpRow({ origin, seq }), to: under(text("p", origin)).to };
}

export function logRow(dot: Dot): Key {
  return text("q", dot.origin) + number(dot.seq);
}

/** The log of `origin` from `seq` on. */
export function logFrom(origin: Origin, seq: number): KeySpan {
  return { from: logRow({ origin, seq }), to: under(text("q", origin)).to };
}

export function liveRow(dot: Dot): Key {
  return text("o", dot.origin) + number(dot.seq);
}

export function liveFrom(origin: Origin, seq: number): KeySpan {
  return { from: liveRow({ origin, seq }), to: under(text("o", origin)).to };
}

/** The number at the end of a log or live key. */
export function seqOf(key: Uint8Array): number {
  return Number(Buffer.from(key.buffer, key.byteOffset, key.byteLength).readBigUInt64BE(key.byteLength - 8));
}

export function blobRow(digest: Digest): Key {
  return text("b", digest);
}

/** The blobs after `after` that are durable here. */
export function blobs(after: Digest | undefined): KeySpan {
  const all = under(text("b"));
  return after === undefined ? all : { from: justAfter(text("b", after)), to: all.to };
}

export function lostBlobRow(digest: Digest): Key {
  return text("z", digest);
}

export function lostBlobs(): KeySpan {
  return under(text("z"));
}

export function blobLinkRow(repo: RepositoryName, digest: Digest): Key {
  return text("l", repo, digest);
}

export function uploadRow(id: string): Key {
  return text("u", id);
}

export function allUploads(): KeySpan {
  return under(text("u"));
}

export function memberRow(node: NodeId): Key {
  return text("n", node);
}

export function allMembers(): KeySpan {
  return under(text("n"));
}

/** The first key that can follow `key`. */
export function justAfter(key: Key): Key {
  return `${key}\0`;
}
