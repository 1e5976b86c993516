import { RegistryError } from "../../shared/errors.ts";
import type { RepositoryName, Tag } from "../../shared/reference.ts";
import type { MetadataReader, Page, TagState } from "../storage/metadata-reader.ts";
import { type ListPage, pageOf } from "./list-page.ts";

export type NamedTagState = TagState & { readonly tag: Tag };

/** The tags of a repository in byte order, each with what it names and who moved it there. */
export class ListTagStates {
  readonly #reader: MetadataReader;

  constructor({ reader }: { readonly reader: MetadataReader }) {
    this.#reader = reader;
  }

  /** @throws {RegistryError} `NAME_UNKNOWN` */
  async run(repo: RepositoryName, page: Page): Promise<ListPage<NamedTagState>> {
    if (!(await this.#reader.repositoryExists(repo))) throw new RegistryError("NAME_UNKNOWN", { name: repo });
    const { entries: tags, hasMore } = await pageOf(page, async (more) => await this.#reader.tags(repo, more));
    const entries: NamedTagState[] = [];
    for (const tag of tags) {
      const state = await this.#reader.tag(repo, tag);
      // Deleted between the two reads: then it is on no list.
      if (state !== undefined) entries.push({ tag, ...state });
    }
    return { entries, hasMore };
  }
}
