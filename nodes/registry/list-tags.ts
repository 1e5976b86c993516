import { RegistryError } from "../../shared/errors.ts";
import type { RepositoryName, Tag } from "../../shared/reference.ts";
import type { MetadataReader, Page } from "../storage/metadata-reader.ts";
import { type ListPage, pageOf } from "./list-page.ts";

/** The tags of a repository in byte order. */
export class ListTags {
  readonly #reader: MetadataReader;

  constructor({ reader }: { readonly reader: MetadataReader }) {
    this.#reader = reader;
  }

  /** @throws {RegistryError} `NAME_UNKNOWN` */
  async run(repo: RepositoryName, page: Page): Promise<ListPage<Tag>> {
    if (!(await this.#reader.repositoryExists(repo))) throw new RegistryError("NAME_UNKNOWN", { name: repo });
    return await pageOf(page, async (more) => await this.#reader.tags(repo, more));
  }
}
