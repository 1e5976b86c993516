import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import { type FetchBlob, type FetchedBlob, type FetchedFrom, localBlob } from "../cluster/fetch-blob.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { MetadataReader } from "../storage/metadata-reader.ts";
import { standingOf } from "./blob-standing.ts";
import type { HeldBlobs } from "./held-blobs.ts";

const FROM_HERE = Object.freeze({ source: "local" });

export type BlobSource = FetchedFrom;
/** An open blob. Whoever opened it closes it, read or not. */
export type PulledBlob = FetchedBlob;

export type PullBlobDeps = {
  readonly reader: MetadataReader;
  readonly held: HeldBlobs;
  readonly blobs: Pick<Blobs, "open" | "atHand">;
  readonly fetchBlob: Pick<FetchBlob, "open">;
  readonly telemetry: Telemetry;
};

/**
 * Opens a blob of a repository: from the own disk, else streamed through from the nearest holder while it is stored.
 * Content belongs to the repositories that received it: bytes that lie here for another one are not shown.
 */
export class PullBlob {
  readonly #deps: PullBlobDeps;

  constructor(deps: PullBlobDeps) {
    this.#deps = deps;
  }

  /** The bytes of a blob, when it takes no waiting to say that the repository has it and what they are. */
  atHand(repo: RepositoryName, digest: Digest): Uint8Array | undefined {
    const size = this.#deps.held.peek(repo, digest);
    if (size === undefined) return undefined;
    const bytes = this.#deps.blobs.atHand(digest);
    if (bytes?.length !== size) return undefined;
    this.#deps.telemetry.count("meridian_blob_source_total", FROM_HERE);
    return bytes;
  }

  /** @throws {RegistryError} `BLOB_UNKNOWN`, or `UNAVAILABLE` when it is known and no holder can be reached. */
  async run(repo: RepositoryName, digest: Digest, signal: AbortSignal): Promise<PulledBlob> {
    const isHeld = (await this.#deps.held.sizeOf(repo, digest)) !== undefined;
    const local = isHeld ? await this.#openLocal(digest) : undefined;
    if (local !== undefined) return local;
    if ((await standingOf(this.#deps.reader, repo, digest)) === "removed") {
      throw new RegistryError("BLOB_UNKNOWN", { digest });
    }
    return await this.#deps.fetchBlob.open(repo, digest, signal);
  }

  async #openLocal(digest: Digest): Promise<PulledBlob | undefined> {
    const stored = await this.#deps.blobs.open(digest);
    return stored === undefined ? undefined : localBlob(this.#deps.telemetry, stored);
  }
}
