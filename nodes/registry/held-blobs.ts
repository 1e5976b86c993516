import type { Digest } from "../../shared/digest.ts";
import { BLOB_LINK_MEMORY_BYTES_MAX } from "../../shared/limits.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import { Remembered, type RowSource } from "../storage/remembered.ts";
import { standingOf } from "./blob-standing.ts";

/**
 * Which blobs a repository has whose bytes are here, and how large they are. By repository: that a digest is known for
 * one says nothing to another.
 */
export class HeldBlobs {
  readonly #sizes: Remembered<number>;

  constructor({ rows }: { readonly rows: RowSource }) {
    this.#sizes = new Remembered(rows, { bytesMax: BLOB_LINK_MEMORY_BYTES_MAX, bytesOf: () => 0 });
  }

  /** In bytes, when the answer is at hand. */
  peek(repo: RepositoryName, digest: Digest): number | undefined {
    return this.#sizes.peek(nameOf(repo, digest));
  }

  /** In bytes; `undefined` when the repository does not have the blob as far as is known here, or its bytes are elsewhere. */
  async sizeOf(repo: RepositoryName, digest: Digest): Promise<number | undefined> {
    return await this.#sizes.get(nameOf(repo, digest), async (reader) =>
      (await standingOf(reader, repo, digest)) === "linked" ? await reader.blobSize(digest) : undefined,
    );
  }
}

function nameOf(repo: RepositoryName, digest: Digest): string {
  return `${repo} ${digest}`;
}
