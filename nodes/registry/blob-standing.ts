import type { Digest } from "../../shared/digest.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import { winnerOf } from "../../shared/register.ts";
import type { MetadataReader } from "../storage/metadata-reader.ts";

/**
 * How a repository stands to a blob as far as this node knows. `removed` is final until the blob comes back by an op: a
 * peer that has not heard of the delete must not bring it back by saying that it still has it. `unknown` may be asked
 * of others, because a link that was made on another node, and is named by no manifest yet, is known there alone.
 */
export type BlobStanding = "linked" | "removed" | "unknown";

export async function standingOf(reader: MetadataReader, repo: RepositoryName, digest: Digest): Promise<BlobStanding> {
  if (await reader.linksBlob(repo, digest)) return "linked";
  const mark = winnerOf(await reader.register({ kind: "blob", repo, digest }));
  return mark?.value.kind === "removed" ? "removed" : "unknown";
}
