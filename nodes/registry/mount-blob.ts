import type { Digest } from "../../shared/digest.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { Metadata } from "../storage/metadata.ts";
import type { AskNearPeers } from "./ask-near-peers.ts";
import { standingOf } from "./blob-standing.ts";

export type MountBlobRequest = {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  /** Where the caller says the blob is; `undefined` leaves it to the registry, which looks in the repository itself. */
  readonly from: RepositoryName | undefined;
  readonly actor: string;
};

export type MountBlobDeps = { readonly metadata: Metadata; readonly askNearPeers: Pick<AskNearPeers, "run"> };

/** Gives a repository a blob that another has, without its bytes being sent again. */
export class MountBlob {
  readonly #deps: MountBlobDeps;

  constructor(deps: MountBlobDeps) {
    this.#deps = deps;
  }

  /** Whether the repository has the blob now, durably. `false` is no error: the client uploads it instead. */
  async run({ repo, digest, from = repo, actor }: MountBlobRequest, signal: AbortSignal): Promise<boolean> {
    const { metadata, askNearPeers } = this.#deps;
    const standing = await standingOf(metadata.reader, from, digest);
    if (standing === "removed") return false;
    const isHere = standing === "linked" && (await metadata.reader.blobSize(digest)) !== undefined;
    const there = isHere ? undefined : (await askNearPeers.run(from, [digest], signal)).get(digest);

    const { result } = await metadata.record(actor, async (turn) => {
      const standingNow = await standingOf(turn, from, digest);
      const isLinked = standingNow === "linked" || (standingNow === "unknown" && there?.isLinked === true);
      const isHeld = there !== undefined || (await turn.blobSize(digest)) !== undefined;
      if (!isLinked || !isHeld) return false;
      await turn.linkBlob(repo, digest);
      return true;
    });
    return result;
  }
}
