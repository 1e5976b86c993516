/**
 * What the rows mean. Reads of what is durable go through `Metadata.reader`; a turn of the writer reads with the
 * same methods, and sees its own writes.
 */

import { decodeRegister } from "../../shared/change.ts";
import type { Digest } from "../../shared/digest.ts";
import type { Hlc } from "../../shared/hlc.ts";
import { invariant } from "../../shared/invariant.ts";
import { TAG_HISTORY_MOVES_MAX } from "../../shared/limits.ts";
import { parseManifest, type ReferrerDescriptor, referrerDescriptorOf } from "../../shared/manifest.ts";
import type { MemberNews } from "../../shared/member.ts";
import { decodeMemberNews } from "../../shared/member-news.ts";
import { isRepositoryName, isTag, type RepositoryName, type Tag } from "../../shared/reference.ts";
import {
  type Author,
  EMPTY_REGISTER,
  type Register,
  type RegisterKey,
  sameDot,
  type Version,
  winnerOf,
} from "../../shared/register.ts";
import { DamagedRowError } from "./envelope.ts";
import * as keys from "./keys.ts";
import {
  type ContentRow,
  decodeContent,
  decodeMove,
  decodeNumber,
  decodeRepository,
  decodeScrub,
  decodeTagRow,
  decodeUpload,
  EMPTY_REPOSITORY,
  EMPTY_TAG,
  type MoveRow,
  NO_SCRUB,
  type RepositoryRow,
  type ScrubRow,
  type TagRow,
  type UploadRow,
} from "./rows.ts";
import type { View } from "./view.ts";

export type { UploadRow } from "./rows.ts";

export type TagState = { readonly digest: Digest; readonly version: Version };
export type ManifestRecord = { readonly digest: Digest; readonly mediaType: string; readonly bytes: Uint8Array };
export type ManifestLink = { readonly mediaType: string; readonly size: number; readonly version: Version };

/** `after` is exclusive and need not exist. */
export type Page = { readonly after?: string | undefined; readonly limit: number };

export type Move = {
  readonly at: Hlc;
  readonly author: Author;
  readonly from: Digest | undefined;
  /** `undefined` for a delete. */
  readonly to: Digest | undefined;
  readonly outcome: "current" | "replaced" | "conflict-lost";
};

export type Conflict = {
  readonly repo: RepositoryName;
  readonly tag: Tag;
  readonly winner: Version;
  readonly losers: readonly Version[];
};

export class MetadataReader {
  readonly view: View;

  constructor(view: View) {
    this.view = view;
  }

  /** What the tag shows: the winner, or while the winner's manifest is on its way what it showed before. */
  async tag(repo: RepositoryName, tag: Tag): Promise<TagState | undefined> {
    const { visible } = await this.tagRow(repo, tag);
    return visible?.value.kind === "tag" ? { digest: visible.value.digest, version: visible } : undefined;
  }

  /** Whether the tag still shows what a later write has replaced, because that write's manifest is on its way. */
  async isBehind(repo: RepositoryName, tag: Tag): Promise<boolean> {
    const { register, visible } = await this.tagRow(repo, tag);
    return visible !== undefined && !register.versions.some(({ dot }) => sameDot(dot, visible.dot));
  }

  /** Linked in `repo`, and all its bytes are here, for an index those of its children as well. */
  async manifest(repo: RepositoryName, digest: Digest): Promise<ManifestRecord | undefined> {
    const link = await this.manifestLink(repo, digest);
    if (link === undefined) return undefined;
    const content = await this.contentRow(digest);
    return content?.isComplete === true ? { digest, mediaType: link.mediaType, bytes: content.bytes } : undefined;
  }

  /** Linked in `repo`; the bytes may still be elsewhere. */
  async manifestLink(repo: RepositoryName, digest: Digest): Promise<ManifestLink | undefined> {
    const version = winnerOf(await this.register({ kind: "manifest", repo, digest }));
    if (version?.value.kind !== "manifest") return undefined;
    return { mediaType: version.value.mediaType, size: version.value.size, version };
  }

  /** A manifest's bytes, whichever repository has it. */
  async content(digest: Digest): Promise<Uint8Array | undefined> {
    return (await this.contentRow(digest))?.bytes;
  }

  /** In bytes, when the blob is durable on this node. */
  async blobSize(digest: Digest): Promise<number | undefined> {
    const row = await this.view.get(keys.blobRow(digest));
    return row === undefined ? undefined : decodeNumber(row);
  }

  /** Every blob that is durable here, in the order of their digests. */
  async *blobs(): AsyncIterable<{ readonly digest: Digest; readonly size: number }> {
    for await (const { key, value } of this.view.rows(keys.blobs(undefined))) {
      yield { digest: keys.digestPart(key, 0), size: decodeNumber(value) };
    }
  }

  /** The first blob after `digest`, or of all. */
  async blobAfter(digest: Digest | undefined): Promise<{ readonly digest: Digest; readonly size: number } | undefined> {
    for await (const { key, value } of this.view.rows(keys.blobs(digest), { limit: 1 })) {
      return { digest: keys.digestPart(key, 0), size: decodeNumber(value) };
    }
    return undefined;
  }

  /** Blobs that were here, and are to be fetched again. */
  async lostBlobs(): Promise<readonly Digest[]> {
    const lost: Digest[] = [];
    for await (const { key } of this.view.rows(keys.lostBlobs())) lost.push(keys.digestPart(key, 0));
    return lost;
  }

  /** A repository that names or was given the blob. */
  async repositoryOfBlob(digest: Digest): Promise<RepositoryName | undefined> {
    for await (const { key } of this.view.rows(keys.namers(digest), { limit: 1 })) return repositoryPart(key, 1);
    return undefined;
  }

  /** Whether the repository has the blob: uploaded or mounted here, or named by one of its manifests, and not deleted since. */
  async linksBlob(repo: RepositoryName, digest: Digest): Promise<boolean> {
    const mark = winnerOf(await this.register({ kind: "blob", repo, digest }));
    if (mark?.value.kind === "removed") return false;
    if ((await this.view.get(keys.blobLinkRow(repo, digest))) !== undefined) return true;
    for await (const _ of this.view.rows(keys.namedBy(digest, repo), { limit: 1 })) return true;
    return false;
  }

  /** Who pushed the manifests of `repo` that name the blob, through which nodes: the likely holders. One entry a node. */
  async blobAuthors(repo: RepositoryName, digest: Digest): Promise<readonly Author[]> {
    const authors = new Map<string, Author>();
    for await (const { key } of this.view.rows(keys.namedBy(digest, repo))) {
      const manifest = keys.digestPart(key, 2);
      for (const { author } of (await this.register({ kind: "manifest", repo, digest: manifest })).versions) {
        authors.set(author.node, author);
      }
    }
    return [...authors.values()];
  }

  /** Tags whose winner is the manifest, shown or not. */
  async tagsAt(repo: RepositoryName, digest: Digest): Promise<readonly Tag[]> {
    const tags: Tag[] = [];
    for await (const { key } of this.view.rows(keys.tagsAt(repo, digest))) tags.push(tagPart(key, 2));
    return tags;
  }

  /** Visible tags in byte order. */
  async tags(repo: RepositoryName, { after, limit }: Page): Promise<readonly Tag[]> {
    const tags: Tag[] = [];
    if (limit <= 0) return tags;
    for await (const { key, value } of this.view.rows(keys.tagsOf(repo, after))) {
      if (decodeTagRow(value).visible === undefined) continue;
      tags.push(tagPart(key, 1));
      if (tags.length >= limit) break;
    }
    return tags;
  }

  /** Repositories with at least one manifest, in byte order. */
  async repositories({ after, limit }: Page): Promise<readonly RepositoryName[]> {
    const names: RepositoryName[] = [];
    if (limit <= 0) return names;
    for await (const { key } of this.view.rows(keys.repositories(after), { limit })) names.push(repositoryPart(key, 0));
    return names;
  }

  async repositoryExists(repo: RepositoryName): Promise<boolean> {
    return (await this.view.get(keys.repositoryRow(repo))) !== undefined;
  }

  /** Descriptors of the manifests of `repo` that name `subject`, in byte order of their digests. */
  async referrers(
    repo: RepositoryName,
    subject: string,
    { after, limit }: Page,
  ): Promise<readonly ReferrerDescriptor[]> {
    const descriptors: ReferrerDescriptor[] = [];
    if (limit <= 0) return descriptors;
    for await (const { key } of this.view.rows(keys.referrersOf(repo, subject, after), { limit })) {
      const digest = keys.digestPart(key, 2);
      const content = await this.contentRow(digest);
      invariant(content !== undefined, "a referrer is listed only when its bytes are here");
      const manifest = parseManifest(content.bytes, content.mediaType);
      descriptors.push(referrerDescriptorOf(manifest, digest, content.bytes.length));
    }
    return descriptors;
  }

  /** The last moves of a tag, newest first. */
  async history(repo: RepositoryName, tag: Tag): Promise<readonly Move[]> {
    const { register } = await this.tagRow(repo, tag);
    const moves: Move[] = [];
    const newest = { reverse: true, limit: TAG_HISTORY_MOVES_MAX };
    for await (const { value } of this.view.rows(keys.movesOf(repo, tag), newest)) {
      const move = decodeMove(value);
      const { at, author, from, to } = move;
      moves.push({ at, author, from, to, outcome: outcomeOf(move, register) });
    }
    return moves;
  }

  /** Tags that hold versions which disagree and have not seen each other. `after` is the last page's `repo tag`. */
  async conflicts({ after, limit }: Page): Promise<readonly Conflict[]> {
    const found: Conflict[] = [];
    if (limit <= 0) return found;
    for await (const { key } of this.view.rows(keys.conflicts(after), { limit })) {
      const repo = repositoryPart(key, 0);
      const tag = tagPart(key, 1);
      const { register } = await this.tagRow(repo, tag);
      const winner = winnerOf(register);
      invariant(winner !== undefined, "a conflict has a winner");
      const losers = register.versions.filter((version) => !sameDot(version.dot, winner.dot));
      found.push({ repo, tag, winner, losers });
    }
    return found;
  }

  async scrub(): Promise<ScrubRow> {
    const row = await this.view.get(keys.SCRUB);
    return row === undefined ? NO_SCRUB : decodeScrub(row);
  }

  async upload(id: string): Promise<UploadRow | undefined> {
    const row = await this.view.get(keys.uploadRow(id));
    return row === undefined ? undefined : decodeUpload(row);
  }

  /** Every session. A row that is not what was written is passed over: `onDamaged` hears of it. */
  async *uploads(onDamaged: (error: DamagedRowError) => void): AsyncIterable<UploadRow> {
    const all = keys.allUploads();
    let { from } = all;
    for (let isAtEnd = false; !isAtEnd; ) {
      try {
        for await (const { value } of this.view.rows({ ...all, from })) yield decodeUpload(value);
        isAtEnd = true;
      } catch (cause) {
        if (!(cause instanceof DamagedRowError)) throw cause;
        onDamaged(cause);
        from = keys.justAfter(keys.keyOf(cause.key));
      }
    }
  }

  /** Incarnations up to here are in use; 0 in a store that never had one. A damaged row counts as none. */
  async incarnationsReserved(onDamaged: (error: DamagedRowError) => void): Promise<number> {
    try {
      const row = await this.view.get(keys.INCARNATIONS);
      return row === undefined ? 0 : decodeNumber(row);
    } catch (cause) {
      if (!(cause instanceof DamagedRowError)) throw cause;
      onDamaged(cause);
      return 0;
    }
  }

  /** What was last heard of each member. What is damaged is heard anew: it is passed over, and `onDamaged` told. */
  async *members(onDamaged: (error: DamagedRowError) => void): AsyncIterable<MemberNews> {
    const all = keys.allMembers();
    let { from } = all;
    for (let isAtEnd = false; !isAtEnd; ) {
      try {
        for await (const { value } of this.view.rows({ ...all, from })) yield* decodeMemberNews(value);
        isAtEnd = true;
      } catch (cause) {
        if (!(cause instanceof DamagedRowError)) throw cause;
        onDamaged(cause);
        from = keys.justAfter(keys.keyOf(cause.key));
      }
    }
  }

  async register(key: RegisterKey): Promise<Register> {
    const row = await this.view.get(keys.registerRow(key));
    if (row === undefined) return EMPTY_REGISTER;
    return key.kind === "tag" ? decodeTagRow(row).register : decodeRegister(row);
  }

  async tagRow(repo: RepositoryName, tag: Tag): Promise<TagRow> {
    const row = await this.view.get(keys.registerRow({ kind: "tag", repo, tag }));
    return row === undefined ? EMPTY_TAG : decodeTagRow(row);
  }

  async contentRow(digest: Digest): Promise<ContentRow | undefined> {
    const row = await this.view.get(keys.contentRow(digest));
    return row === undefined ? undefined : decodeContent(row);
  }

  async repositoryRow(repo: RepositoryName): Promise<RepositoryRow> {
    const row = await this.view.get(keys.repositoryRow(repo));
    return row === undefined ? EMPTY_REPOSITORY : decodeRepository(row);
  }
}

function outcomeOf(move: MoveRow, register: Register): Move["outcome"] {
  const winner = winnerOf(register);
  if (winner !== undefined && sameDot(winner.dot, move.dot)) return "current";
  return move.hasLost ? "conflict-lost" : "replaced";
}

function repositoryPart(key: Uint8Array, index: number): RepositoryName {
  const part = keys.partsOf(key)[index] ?? "";
  invariant(isRepositoryName(part), "a key names a repository");
  return part;
}

function tagPart(key: Uint8Array, index: number): Tag {
  const part = keys.partsOf(key)[index] ?? "";
  invariant(isTag(part), "a key names a tag");
  return part;
}
