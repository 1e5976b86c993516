import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { MetadataReader } from "../storage/metadata-reader.ts";
import type { AskNearPeers } from "./ask-near-peers.ts";
import { standingOf } from "./blob-standing.ts";
import type { HeldBlobs } from "./held-blobs.ts";
import type { BlobSource } from "./pull-blob.ts";

export type BlobSeen = { readonly size: number; readonly source: BlobSource };

export type HeadBlobDeps = {
  readonly reader: MetadataReader;
  readonly held: HeldBlobs;
  readonly askNearPeers: Pick<AskNearPeers, "run">;
};

/**
 * Tells of a blob without moving a byte of it.
 *
 * Who asks is almost always about to push, and skips the upload on a yes. So a blob that is known while no holder can
 * be reached is answered with a no, where a pull would hear 503: the client then sends its own copy, and a cut between
 * regions does not stop it. A yes would let it push an image that nobody on this side can pull.
 */
export class HeadBlob {
  readonly #deps: HeadBlobDeps;

  constructor(deps: HeadBlobDeps) {
    this.#deps = deps;
  }

  /** When it takes no waiting. */
  atHand(repo: RepositoryName, digest: Digest): BlobSeen | undefined {
    const size = this.#deps.held.peek(repo, digest);
    return size === undefined ? undefined : { size, source: "local" };
  }

  /** @throws {RegistryError} `BLOB_UNKNOWN`, with the detail `known` when only its holders are out of reach. */
  async run(repo: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobSeen> {
    const { reader, held, askNearPeers } = this.#deps;
    const heldBytes = await held.sizeOf(repo, digest);
    if (heldBytes !== undefined) return { size: heldBytes, source: "local" };

    const standing = await standingOf(reader, repo, digest);
    if (standing === "removed") throw new RegistryError("BLOB_UNKNOWN", { digest });
    const isLinked = standing === "linked";
    const size = await reader.blobSize(digest);
    const elsewhere = (await askNearPeers.run(repo, [digest], signal)).get(digest);
    if (elsewhere === undefined || !(isLinked || elsewhere.isLinked)) {
      throw new RegistryError("BLOB_UNKNOWN", isLinked ? { digest, known: true } : { digest });
    }
    return size === undefined
      ? { size: elsewhere.size, source: `peer:${elsewhere.region}` }
      : { size, source: "local" };
  }
}
