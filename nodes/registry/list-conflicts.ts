import type { Conflict, MetadataReader, Page } from "../storage/metadata-reader.ts";
import { type ListPage, pageOf } from "./list-page.ts";

/** Tags that were moved on two sides which had not seen each other, and by nobody since; with the versions that lost. */
export class ListConflicts {
  readonly #reader: MetadataReader;

  constructor({ reader }: { readonly reader: MetadataReader }) {
    this.#reader = reader;
  }

  async run(page: Page): Promise<ListPage<Conflict>> {
    return await pageOf(page, async (more) => await this.#reader.conflicts(more));
  }
}
