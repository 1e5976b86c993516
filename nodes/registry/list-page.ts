import type { Page } from "../storage/metadata-reader.ts";

export type ListPage<Entry> = {
  readonly entries: readonly Entry[];
  /** Whether more follow the last entry: a client is given a link only then, also when the page is exactly full. */
  readonly hasMore: boolean;
};

/** Reads one entry more than the page holds. A page of nothing says nothing about what follows. */
export async function pageOf<Entry>(
  page: Page,
  read: (page: Page) => Promise<readonly Entry[]>,
): Promise<ListPage<Entry>> {
  if (page.limit === 0) return { entries: [], hasMore: false };
  const entries = await read({ ...page, limit: page.limit + 1 });
  return { entries: entries.slice(0, page.limit), hasMore: entries.length > page.limit };
}
