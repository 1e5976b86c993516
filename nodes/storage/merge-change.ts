/**
 * What one change does to the rows: the register is merged, and everything that follows from it is brought up to date
 * in the same turn. A local push and an op from another continent take this same way.
 *
 * What is shown follows three rules. A manifest is *complete* once its bytes and those of all manifests below it are
 * here; completeness never goes back. A manifest counts for its repository (referrers, names of blobs, listings) while
 * it is linked there and complete. A tag shows its winner once the winner's manifest counts; until then the best of its
 * siblings that does, else what it showed before, so that a pull never meets a gap between an op and the bytes it
 * speaks of.
 */
import { hash } from "node:crypto";
import { MalformedBytesError } from "../../shared/bytes.ts";
import { type Change, encodeKey, encodeRegister } from "../../shared/change.ts";
import { algorithmOf, type Digest, digestOf } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { unreachable } from "../../shared/invariant.ts";
import { TAG_HISTORY_MOVES_MAX } from "../../shared/limits.ts";
import { type Manifest, parseManifest } from "../../shared/manifest.ts";
import type { RepositoryName, Tag } from "../../shared/reference.ts";
import {
  isCovered,
  isLater,
  mergeRegisters,
  type Register,
  sameDot,
  type Version,
  winnerOf,
} from "../../shared/register.ts";
import * as keys from "./keys.ts";
import { MetadataReader } from "./metadata-reader.ts";
import {
  type CountersRow,
  decodeCounters,
  decodeMove,
  encodeContent,
  encodeCounters,
  encodeMove,
  encodeRepository,
  encodeTagRow,
  NO_COUNTERS,
  type TagRow,
} from "./rows.ts";
import type { Overlay } from "./view.ts";

/** Moves beyond the limit are left until this many have gathered, so that most writes trim nothing. */
const HISTORY_SLACK = 14;

const STATE_SUM_MODULUS = 1n << 128n;

type TagName = { readonly repo: RepositoryName; readonly tag: Tag };

/** What a merge did that others want to hear of. */
export type MergeOutcome = { readonly isChanged: boolean; readonly isNewConflict: boolean };

export class MergeChange {
  readonly #rows: Overlay;
  readonly #reader: MetadataReader;
  /** As they are after what was merged so far; `undefined` before they were needed. */
  #counters: CountersRow | undefined;

  constructor(rows: Overlay) {
    this.#rows = rows;
    this.#reader = new MetadataReader(rows);
  }

  /** @throws {MalformedBytesError} when the content is not what the key names. Nothing else about a change can be wrong. */
  async run(change: Change): Promise<MergeOutcome> {
    const row = change.key.kind === "tag" ? await this.#reader.tagRow(change.key.repo, change.key.tag) : undefined;
    const before = row?.register ?? (await this.#reader.register(change.key));
    const after = mergeRegisters(before, change.register);
    const bytes = { before: encodeRegister(before), after: encodeRegister(after) };
    const isChanged = !sameBytes(bytes.before, bytes.after);
    if (isChanged) {
      const key = encodeKey(change.key);
      this.#rows.replaced({ key: change.key, before, after });
      this.#indexLive(key, before, after);
      const sum = fingerprint(key, after, bytes.after) - fingerprint(key, before, bytes.before) + STATE_SUM_MODULUS;
      await this.#count((counters) => ({
        ...counters,
        stateSum: (counters.stateSum + sum) % STATE_SUM_MODULUS,
      }));
    }

    switch (change.key.kind) {
      case "tag": {
        if (!isChanged || row === undefined) return { isChanged, isNewConflict: false };
        return { isChanged, isNewConflict: await this.#tagWritten(change.key, row, change.register, after) };
      }
      case "manifest":
        if (isChanged) await this.#linkWritten(change.key.repo, change.key.digest, before, after);
        if (change.content !== undefined) await this.storeContent(change.key.digest, change.content);
        return { isChanged, isNewConflict: false };
      case "blob":
        if (isChanged) this.#rows.put(keys.registerRow(change.key), encodeRegister(after));
        return { isChanged, isNewConflict: false };
      default:
        return unreachable(change.key);
    }
  }

  /** Writes down what was counted. The last thing to do with it in a turn. */
  finish(): void {
    if (this.#counters !== undefined) this.#rows.put(keys.COUNTERS, encodeCounters(this.#counters));
  }

  /**
   * Keeps a manifest's bytes and shows what waited for them. Bytes that are here already change nothing.
   * @throws {MalformedBytesError} when `bytes` do not hash to `digest`.
   */
  async storeContent(digest: Digest, bytes: Uint8Array): Promise<void> {
    if ((await this.#reader.contentRow(digest)) !== undefined) return;
    if (digestOf(bytes, algorithmOf(digest)) !== digest) throw new MalformedBytesError(`content is not ${digest}`);

    const mediaType = await this.#mediaTypeOf(digest);
    this.#rows.put(keys.contentRow(digest), encodeContent({ bytes, mediaType, isComplete: false }));
    await this.#completeWhatCan(digest);
  }

  /** The type that a repository which waits for the bytes says they have. */
  async #mediaTypeOf(digest: Digest): Promise<string> {
    for await (const { key } of this.#rows.rows(keys.waiters(digest))) {
      const waiter = keys.waiterOf(key);
      if (waiter.kind !== "repository") continue;
      const link = await this.#reader.manifestLink(waiter.repo, digest);
      if (link !== undefined) return link.mediaType;
    }
    return "";
  }

  /** From `digest` upwards: an index may be complete once its last child is. */
  async #completeWhatCan(digest: Digest): Promise<void> {
    const candidates: Digest[] = [digest];
    for (let next = candidates.pop(); next !== undefined; next = candidates.pop()) {
      const content = await this.#reader.contentRow(next);
      if (content === undefined || content.isComplete || !(await this.#hasAllChildren(next))) continue;

      this.#rows.put(keys.contentRow(next), encodeContent({ ...content, isComplete: true }));
      const waiting: keys.Waiter[] = [];
      for await (const { key } of this.#rows.rows(keys.waiters(next))) waiting.push(keys.waiterOf(key));
      for (const waiter of waiting) {
        this.#rows.delete(keys.waitRow(next, waiter));
        if (waiter.kind === "index") candidates.push(waiter.digest);
        else await this.#startCounting(waiter.repo, next);
      }
    }
  }

  /** Leaves a waiter at each child that is not complete yet. */
  async #hasAllChildren(digest: Digest): Promise<boolean> {
    const manifest = await this.#manifest(digest);
    let hasAll = true;
    for (const child of manifest?.children ?? []) {
      const content = await this.#reader.contentRow(child.digest);
      if (content?.isComplete === true) continue;
      this.#rows.put(keys.waitRow(child.digest, { kind: "index", digest }), new Uint8Array());
      hasAll = false;
    }
    return hasAll;
  }

  async #linkWritten(repo: RepositoryName, digest: Digest, before: Register, after: Register): Promise<void> {
    this.#rows.put(keys.registerRow({ kind: "manifest", repo, digest }), encodeRegister(after));
    const wasLinked = winnerOf(before)?.value.kind === "manifest";
    const isLinked = winnerOf(after)?.value.kind === "manifest";
    // Deleted before it was ever linked here: a tag that waits for it goes on showing what was before no longer.
    if (!isLinked && before.versions.length === 0) await this.#showTagsAt(repo, digest);
    if (wasLinked === isLinked) return;

    await this.#countInRepository(repo, { manifests: isLinked ? 1 : -1, tags: 0 });
    const isComplete = (await this.#reader.contentRow(digest))?.isComplete === true;
    if (!isComplete) {
      const row = keys.waitRow(digest, { kind: "repository", repo });
      if (isLinked) this.#rows.put(row, new Uint8Array());
      else this.#rows.delete(row);
    } else if (isLinked) await this.#startCounting(repo, digest);
    else await this.#stopCounting(repo, digest);
  }

  async #startCounting(repo: RepositoryName, digest: Digest): Promise<void> {
    const manifest = await this.#manifest(digest);
    for (const named of namesOf(manifest)) this.#rows.put(keys.namedByRow(named, repo, digest), new Uint8Array());
    if (manifest?.subject !== undefined) {
      this.#rows.put(keys.referrerRow(repo, manifest.subject.digest, digest), new Uint8Array());
    }
    await this.#showTagsAt(repo, digest);
  }

  async #stopCounting(repo: RepositoryName, digest: Digest): Promise<void> {
    const manifest = await this.#manifest(digest);
    for (const named of namesOf(manifest)) this.#rows.delete(keys.namedByRow(named, repo, digest));
    if (manifest?.subject !== undefined) this.#rows.delete(keys.referrerRow(repo, manifest.subject.digest, digest));
    await this.#showTagsAt(repo, digest);
  }

  async #showTagsAt(repo: RepositoryName, digest: Digest): Promise<void> {
    for (const tag of await this.#reader.tagsAt(repo, digest)) {
      const row = await this.#reader.tagRow(repo, tag);
      await this.#putTag(repo, tag, row, row);
    }
  }

  /** Returns whether the tag has become one that concurrent writes disagree about. */
  async #tagWritten({ repo, tag }: TagName, before: TagRow, arrived: Register, register: Register): Promise<boolean> {
    const moves = before.moves + (await this.#recordMoves({ repo, tag }, before.register, arrived, register));

    const oldTarget = targetOf(winnerOf(before.register));
    const newTarget = targetOf(winnerOf(register));
    if (oldTarget !== newTarget) {
      if (oldTarget !== undefined) this.#rows.delete(keys.tagAtRow(repo, oldTarget, tag));
      if (newTarget !== undefined) this.#rows.put(keys.tagAtRow(repo, newTarget, tag), new Uint8Array());
    }
    await this.#putTag(repo, tag, before, { ...before, register, moves: await this.#trimMoves(repo, tag, moves) });

    const wasDisputed = isDisputed(before.register);
    if (isDisputed(register)) this.#rows.put(keys.conflictRow(repo, tag), new Uint8Array());
    else if (wasDisputed) this.#rows.delete(keys.conflictRow(repo, tag));
    return isDisputed(register) && !wasDisputed;
  }

  async #putTag(repo: RepositoryName, tag: Tag, before: TagRow, after: TagRow): Promise<void> {
    const visible = await this.#visibleOf(repo, after);
    this.#rows.put(keys.registerRow({ kind: "tag", repo, tag }), encodeTagRow({ ...after, visible }));
    const more = (visible === undefined ? 0 : 1) - (before.visible === undefined ? 0 : 1);
    if (more !== 0) await this.#countInRepository(repo, { manifests: 0, tags: more });
  }

  /** The latest version whose manifest counts. A delete on the way there, of the tag or of the manifest, hides the tag. */
  async #visibleOf(repo: RepositoryName, { register, visible }: TagRow): Promise<Version | undefined> {
    for (const version of register.versions.toSorted((left, right) => (isLater(left, right) ? -1 : 1))) {
      if (version.value.kind !== "tag") return undefined;
      if (await this.#counts(repo, version)) return version;
      const link = winnerOf(await this.#reader.register({ kind: "manifest", repo, digest: version.value.digest }));
      if (link?.value.kind === "removed") return undefined;
    }
    // All that the register holds is on its way: what was shown stays, if it can still be served.
    return visible !== undefined && (await this.#counts(repo, visible)) ? visible : undefined;
  }

  async #counts(repo: RepositoryName, { value }: Version): Promise<boolean> {
    return value.kind === "tag" && (await this.#reader.manifest(repo, value.digest)) !== undefined;
  }

  /** Writes down each version that is new here, and marks those that stand beside a winner. Returns how many are new. */
  async #recordMoves({ repo, tag }: TagName, before: Register, arrived: Register, after: Register): Promise<number> {
    const winner = winnerOf(after);
    let added = 0;
    for (const version of arrived.versions) {
      const row = keys.moveRow(repo, tag, version.hlc, version.dot);
      // What nobody here has heard of has not been written down either.
      if (isCovered(version.dot, before.context) && (await this.#rows.get(row)) !== undefined) continue;
      const seen = before.versions.filter(({ dot }) => isCovered(dot, arrived.context));
      const from = targetOf(winnerOf({ versions: seen, context: before.context }));
      const { dot, hlc: at, author } = version;
      this.#rows.put(row, encodeMove({ dot, at, author, from, to: targetOf(version), hasLost: false }));
      added += 1;
    }
    for (const version of after.versions) {
      if (winner !== undefined && !sameDot(version.dot, winner.dot)) await this.#markLost(repo, tag, version);
    }
    return added;
  }

  async #markLost(repo: RepositoryName, tag: Tag, { hlc, dot }: Version): Promise<void> {
    const row = keys.moveRow(repo, tag, hlc, dot);
    const bytes = await this.#rows.get(row);
    if (bytes !== undefined) this.#rows.put(row, encodeMove({ ...decodeMove(bytes), hasLost: true }));
  }

  async #trimMoves(repo: RepositoryName, tag: Tag, moves: number): Promise<number> {
    if (moves <= TAG_HISTORY_MOVES_MAX + HISTORY_SLACK) return moves;
    const oldest = this.#rows.rows(keys.movesOf(repo, tag), { limit: moves - TAG_HISTORY_MOVES_MAX });
    const trimmed: Uint8Array[] = [];
    for await (const { key } of oldest) trimmed.push(key);
    for (const key of trimmed) this.#rows.delete(keys.keyOf(key));
    return moves - trimmed.length;
  }

  #indexLive(key: Uint8Array, before: Register, after: Register): void {
    for (const { dot } of before.versions) {
      if (!after.versions.some((version) => sameDot(version.dot, dot))) this.#rows.delete(keys.liveRow(dot));
    }
    for (const { dot } of after.versions) {
      if (!before.versions.some((version) => sameDot(version.dot, dot))) {
        this.#rows.put(keys.liveRow(dot), key);
      }
    }
  }

  async #countInRepository(repo: RepositoryName, more: { manifests: number; tags: number }): Promise<void> {
    const before = await this.#reader.repositoryRow(repo);
    const after = { manifests: before.manifests + more.manifests, tags: before.tags + more.tags };
    if (after.manifests === 0 && after.tags === 0) this.#rows.delete(keys.repositoryRow(repo));
    else this.#rows.put(keys.repositoryRow(repo), encodeRepository(after));

    const existed = before.manifests + before.tags > 0 ? 1 : 0;
    const exists = after.manifests + after.tags > 0 ? 1 : 0;
    await this.#count(({ repositories, tags, stateSum }) => ({
      repositories: repositories + exists - existed,
      tags: tags + more.tags,
      stateSum,
    }));
  }

  async #count(change: (counters: CountersRow) => CountersRow): Promise<void> {
    if (this.#counters === undefined) {
      const row = await this.#rows.get(keys.COUNTERS);
      this.#counters = row === undefined ? NO_COUNTERS : decodeCounters(row);
    }
    this.#counters = change(this.#counters);
  }

  /** `undefined` for bytes that this version refuses to read but another node took: they are kept and name nothing. */
  async #manifest(digest: Digest): Promise<Manifest | undefined> {
    const content = await this.#reader.contentRow(digest);
    if (content === undefined) return undefined;
    try {
      return parseManifest(content.bytes, content.mediaType === "" ? undefined : content.mediaType);
    } catch (cause) {
      if (cause instanceof RegistryError) return undefined;
      throw cause;
    }
  }
}

function namesOf(manifest: Manifest | undefined): ReadonlySet<string> {
  if (manifest === undefined) return new Set();
  const named = [...manifest.blobs, ...manifest.children, ...manifest.others];
  return new Set(named.map(({ digest }) => digest));
}

function targetOf(version: Version | undefined): Digest | undefined {
  return version?.value.kind === "tag" ? version.value.digest : undefined;
}

/** Whether siblings say different things; two regions that pushed the same digest do not. */
function isDisputed({ versions }: Register): boolean {
  return new Set(versions.map((version) => targetOf(version))).size > 1;
}

/** 128 bits of a hash over the key and the register, as bytes; 0 for a register that was never written. */
function fingerprint(key: Uint8Array, register: Register, bytes: Uint8Array): bigint {
  if (register.context.size === 0) return 0n;
  const digest = hash("sha256", Buffer.concat([key, bytes]), "buffer");
  return (digest.readBigUInt64BE(0) << 64n) | digest.readBigUInt64BE(8);
}

/** The rows that `MergeChange.run` reads in most cases, to be fetched for many changes at once. */
export function rowsReadFor({ key, register }: Change): readonly keys.Key[] {
  const own = keys.registerRow(key);
  const repository = keys.repositoryRow(key.repo);
  switch (key.kind) {
    case "tag": {
      const targets = register.versions.flatMap(({ value }) => (value.kind === "tag" ? [value.digest] : []));
      const behind = targets.flatMap((digest) => [
        keys.registerRow({ kind: "manifest", repo: key.repo, digest }),
        keys.contentRow(digest),
      ]);
      return [own, repository, ...behind];
    }
    case "manifest":
      return [own, repository, keys.contentRow(key.digest)];
    case "blob":
      return [own];
    default:
      return unreachable(key);
  }
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
