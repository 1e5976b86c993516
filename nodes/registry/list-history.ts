import { RegistryError } from "../../shared/errors.ts";
import type { RepositoryName, Tag } from "../../shared/reference.ts";
import type { MetadataReader, Move } from "../storage/metadata-reader.ts";

/** The last moves of a tag, newest first: who, where, when, from what to what. */
export class ListHistory {
  readonly #reader: MetadataReader;

  constructor({ reader }: { readonly reader: MetadataReader }) {
    this.#reader = reader;
  }

  /** @throws {RegistryError} `MANIFEST_UNKNOWN` when nobody has ever moved the tag. */
  async run(repo: RepositoryName, tag: Tag): Promise<readonly Move[]> {
    const moves = await this.#reader.history(repo, tag);
    if (moves.length === 0) throw new RegistryError("MANIFEST_UNKNOWN", { tag });
    return moves;
  }
}
