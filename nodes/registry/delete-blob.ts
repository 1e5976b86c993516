import type { CausalToken } from "../../shared/causal-token.ts";
import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { Metadata } from "../storage/metadata.ts";
import type { AskNearPeers } from "./ask-near-peers.ts";
import { standingOf } from "./blob-standing.ts";

export type DeleteBlobRequest = {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  readonly actor: string;
};

export type DeleteBlobDeps = { readonly metadata: Metadata; readonly askNearPeers: Pick<AskNearPeers, "run"> };

/**
 * Takes a blob from a repository, on every node; others keep it, and the bytes stay until nobody has them. Manifests that
 * name it do not prevent that. Source: distribution-spec, "Deleting Blobs".
 */
export class DeleteBlob {
  readonly #deps: DeleteBlobDeps;

  constructor(deps: DeleteBlobDeps) {
    this.#deps = deps;
  }

  /** Durable when it resolves. @throws {RegistryError} `BLOB_UNKNOWN` */
  async run({ repo, digest, actor }: DeleteBlobRequest, signal: AbortSignal): Promise<CausalToken | undefined> {
    const { metadata, askNearPeers } = this.#deps;
    const standing = await standingOf(metadata.reader, repo, digest);
    const there = standing === "unknown" ? (await askNearPeers.run(repo, [digest], signal)).get(digest) : undefined;

    const { token } = await metadata.record(actor, async (turn) => {
      const standingNow = await standingOf(turn, repo, digest);
      const isLinked = standingNow === "linked" || (standingNow === "unknown" && there?.isLinked === true);
      if (!isLinked) throw new RegistryError("BLOB_UNKNOWN", { digest });
      await turn.set({ kind: "blob", repo, digest }, { kind: "removed" });
    });
    return token;
  }
}
