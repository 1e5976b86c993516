import type { RepositoryName } from "../../shared/reference.ts";
import type { MetadataReader, Page } from "../storage/metadata-reader.ts";
import { type ListPage, pageOf } from "./list-page.ts";

/** Repositories that hold a manifest, in byte order. */
export class ListRepositories {
  readonly #reader: MetadataReader;

  constructor({ reader }: { readonly reader: MetadataReader }) {
    this.#reader = reader;
  }

  async run(page: Page): Promise<ListPage<RepositoryName>> {
    return await pageOf(page, async (more) => await this.#reader.repositories(more));
  }
}
