import { encodeChange, opOf } from "../../shared/change.ts";
import type { Digest } from "../../shared/digest.ts";
import { type Hlc, hlcOf, nextHlc } from "../../shared/hlc.ts";
import type { NodeIdentity } from "../../shared/identity.ts";
import { MANIFEST_INLINE_BYTES_MAX } from "../../shared/limits.ts";
import type { MemberNews } from "../../shared/member.ts";
import { encodeMemberNews } from "../../shared/member-news.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import { type RegisterKey, type RegisterValue, type Version, winnerOf } from "../../shared/register.ts";
import type { Dot } from "../../shared/version-vector.ts";
import * as keys from "./keys.ts";
import type { MergeChange } from "./merge-change.ts";
import { MetadataReader } from "./metadata-reader.ts";
import type { OpLog } from "./op-log.ts";
import {
  decodeHlc,
  encodeHlc,
  encodeNumber,
  encodeScrub,
  encodeUpload,
  type ScrubRow,
  type UploadRow,
} from "./rows.ts";
import type { Overlay } from "./view.ts";
import type { WriteHolds } from "./write-holds.ts";

export type TurnDeps = {
  readonly rows: Overlay;
  readonly merge: MergeChange;
  readonly log: OpLog;
  readonly self: NodeIdentity;
  readonly actor: string;
  readonly holds: Pick<WriteHolds, "expectNone">;
  readonly wallMs: number;
  /** Up to here this node has promised to write nothing more. */
  readonly clockFloor: Hlc;
};

/**
 * One caller's turn at the writer: it reads what is there, decides, and writes, and nothing comes between. What it
 * wrote it also reads; none of it is durable, or seen by anybody else, before `Metadata.record` resolves.
 */
export class Turn extends MetadataReader {
  readonly #deps: TurnDeps;
  readonly #dots: Dot[] = [];

  constructor(deps: TurnDeps) {
    super(deps.rows);
    this.#deps = deps;
  }

  /** The dots of what this turn has written, or found to be written already. */
  get dots(): readonly Dot[] {
    return this.#dots;
  }

  /**
   * Writes a register: an op with the next dot, over everything that is here now. Writing what is there already makes
   * no op. `content` are the bytes of a manifest; they travel inside the op when they are small.
   * @throws {RegistryError} `UNAVAILABLE` while an op is needed and the node makes none.
   */
  async set(key: RegisterKey, value: RegisterValue, content?: Uint8Array): Promise<void> {
    const { log, merge, self, actor, holds } = this.#deps;
    const seen = await this.register(key);
    const [only, ...siblings] = seen.versions;
    if (only !== undefined && siblings.length === 0 && sameValue(only.value, value)) {
      this.#dots.push(only.dot);
      if (content !== undefined && key.kind === "manifest") await merge.storeContent(key.digest, content);
      return;
    }

    holds.expectNone();
    const hlc = await this.#tick();
    const author = { node: self.node, region: self.region, actor };
    const travelling = content !== undefined && content.length <= MANIFEST_INLINE_BYTES_MAX ? content : undefined;
    const at = (dot: Dot): Version => ({ dot, hlc, author, value });
    const dot = await log.append(self.origin, (next) => encodeChange(opOf(key, at(next), seen.context, travelling)));
    await merge.run({ ...opOf(key, at(dot), seen.context), content });
    this.#dots.push(dot);
  }

  /** The blob's bytes are durable on this node's disk. */
  storeBlob(digest: Digest, size: number): void {
    this.#deps.rows.put(keys.blobRow(digest), encodeNumber(size));
  }

  /** The blob was here and is not any more: somebody has to fetch it. */
  loseBlob(digest: Digest): void {
    this.#deps.rows.delete(keys.blobRow(digest));
    this.#deps.rows.put(keys.lostBlobRow(digest), new Uint8Array());
  }

  /** A lost blob is here again, or nobody wants it. */
  forgetLostBlob(digest: Digest): void {
    this.#deps.rows.delete(keys.lostBlobRow(digest));
  }

  /** The repository has the blob. If it was deleted there, here or elsewhere, an op brings it back. */
  async linkBlob(repo: RepositoryName, digest: Digest): Promise<void> {
    this.#deps.rows.put(keys.blobLinkRow(repo, digest), new Uint8Array());
    const mark = winnerOf(await this.register({ kind: "blob", repo, digest }));
    if (mark?.value.kind === "removed") await this.set({ kind: "blob", repo, digest }, { kind: "linked" });
  }

  putScrub(scrub: ScrubRow): void {
    this.#deps.rows.put(keys.SCRUB, encodeScrub(scrub));
  }

  putUpload(upload: UploadRow): void {
    this.#deps.rows.put(keys.uploadRow(upload.id), encodeUpload(upload));
  }

  dropUpload(id: string): void {
    this.#deps.rows.delete(keys.uploadRow(id));
  }

  /** Incarnations up to `upto` are in use, and never to be used by another life. */
  reserveIncarnations(upto: number): void {
    this.#deps.rows.put(keys.INCARNATIONS, encodeNumber(upto));
  }

  putMember(news: MemberNews): void {
    this.#deps.rows.put(keys.memberRow(news.node), encodeMemberNews([news]));
  }

  async #tick(): Promise<Hlc> {
    const { rows, clockFloor, wallMs } = this.#deps;
    const row = await rows.get(keys.CLOCK);
    const last = row === undefined ? hlcOf(0n) : decodeHlc(row);
    const hlc = nextHlc(last > clockFloor ? last : clockFloor, wallMs);
    rows.put(keys.CLOCK, encodeHlc(hlc));
    return hlc;
  }
}

function sameValue(left: RegisterValue, right: RegisterValue): boolean {
  if (left.kind === "tag") return right.kind === "tag" && left.digest === right.digest;
  if (left.kind === "manifest") {
    return right.kind === "manifest" && left.mediaType === right.mediaType && left.size === right.size;
  }
  return left.kind === right.kind;
}
