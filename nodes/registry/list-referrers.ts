import type { Digest } from "../../shared/digest.ts";
import { REFERRERS_PAGE_BYTES_MAX } from "../../shared/limits.ts";
import type { ReferrerDescriptor } from "../../shared/manifest.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { MetadataReader } from "../storage/metadata-reader.ts";
import type { ListPage } from "./list-page.ts";

export type ListReferrersRequest = {
  readonly repo: RepositoryName;
  readonly subject: Digest;
  /** Descriptors of any of these types; all when empty. */
  readonly artifactTypes: readonly string[];
  readonly after: string | undefined;
  /** At most so many; `undefined` lets the bytes alone decide. */
  readonly limit: number | undefined;
};

/** Room for what surrounds the descriptors, and for the separators between them. */
const ENVELOPE_BYTES = 4_096;
/** Each may be a manifest of 4 MiB. */
const READ_AHEAD = 32;

/**
 * What refers to a manifest, in byte order of digests. Several clients read no second page, so a page ends only where the
 * next descriptor would make it longer than they read. Source: distribution-spec, "Listing Referrers".
 */
export class ListReferrers {
  readonly #reader: Pick<MetadataReader, "referrers">;

  constructor({ reader }: { readonly reader: Pick<MetadataReader, "referrers"> }) {
    this.#reader = reader;
  }

  /** Nothing is unknown here: neither repository nor subject need exist. */
  async run({
    repo,
    subject,
    artifactTypes,
    after,
    limit,
  }: ListReferrersRequest): Promise<ListPage<ReferrerDescriptor>> {
    const entries: ReferrerDescriptor[] = [];
    if (limit === 0) return { entries, hasMore: false };
    let bytes = ENVELOPE_BYTES;
    for await (const descriptor of this.#all(repo, subject, after)) {
      if (artifactTypes.length > 0 && !artifactTypes.includes(descriptor.artifactType ?? "")) continue;
      bytes += Buffer.byteLength(JSON.stringify(descriptor)) + 1;
      const isFull = entries.length === limit || (entries.length > 0 && bytes > REFERRERS_PAGE_BYTES_MAX);
      if (isFull) return { entries, hasMore: true };
      entries.push(descriptor);
    }
    return { entries, hasMore: false };
  }

  async *#all(repo: RepositoryName, subject: Digest, after: string | undefined): AsyncGenerator<ReferrerDescriptor> {
    let last = after;
    while (true) {
      const batch = await this.#reader.referrers(repo, subject, { after: last, limit: READ_AHEAD });
      yield* batch;
      if (batch.length < READ_AHEAD) return;
      last = batch.at(-1)?.digest;
    }
  }
}
