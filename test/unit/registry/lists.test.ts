import { describe, expect, test } from "vitest";

import { pageOf } from "../../../nodes/registry/list-page.ts";
import { ListReferrers } from "../../../nodes/registry/list-referrers.ts";
import type { Page } from "../../../nodes/storage/metadata-reader.ts";
import { digestOf } from "../../../shared/digest.ts";
import { REFERRERS_PAGE_BYTES_MAX } from "../../../shared/limits.ts";
import type { ReferrerDescriptor } from "../../../shared/manifest.ts";
import { REPO } from "./regions.ts";

async function numbers({ after, limit }: Page): Promise<readonly string[]> {
  const all = ["1", "2", "3", "4"];
  return await Promise.resolve(all.filter((number) => number > (after ?? "")).slice(0, limit));
}

describe("a page", () => {
  test.each([
    [{ limit: 2 }, ["1", "2"], true],
    [{ limit: 2, after: "2" }, ["3", "4"], false],
    [{ limit: 3, after: "1" }, ["2", "3", "4"], false],
    [{ limit: 4 }, ["1", "2", "3", "4"], false],
    [{ limit: 9, after: "4" }, [], false],
    [{ limit: 0 }, [], false],
  ])("of %j says whether more follow", async (page, entries, hasMore) => {
    expect(await pageOf(page, numbers)).toEqual({ entries, hasMore });
  });
});

describe("referrers", () => {
  const subject = digestOf(Buffer.from("subject"));

  /** So many of them, in byte order, each told in about so many bytes. */
  function listOf(count: number, bytes: number): ListReferrers {
    const all = Array.from(
      { length: count },
      (_, index): ReferrerDescriptor => ({
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: digestOf(Buffer.from(`${index}`)),
        size: index,
        artifactType: index % 2 === 0 ? "even/type" : "odd/type",
        annotations: { note: "x".repeat(bytes) },
      }),
    ).toSorted((left, right) => (left.digest < right.digest ? -1 : 1));
    return new ListReferrers({
      reader: {
        referrers: async (_repo, _subject, { after = "", limit }) =>
          await Promise.resolve(all.filter(({ digest }) => digest > after).slice(0, limit)),
      },
    });
  }

  async function readAll(list: ListReferrers, limit: number | undefined, artifactTypes: readonly string[] = []) {
    const pages: (readonly ReferrerDescriptor[])[] = [];
    let after: string | undefined;
    do {
      const { entries, hasMore } = await list.run({ repo: REPO, subject, artifactTypes, after, limit });
      pages.push(entries);
      after = hasMore ? entries.at(-1)?.digest : undefined;
    } while (after !== undefined);
    return pages;
  }

  test("come in one page while it stays below what clients read", async () => {
    expect((await readAll(listOf(500, 10), undefined)).map((page) => page.length)).toEqual([500]);
  });

  test("come in pages below that, and none is lost or told twice", async () => {
    const pages = await readAll(listOf(100, 100_000), undefined);

    expect(pages.map((page) => JSON.stringify(page).length < REFERRERS_PAGE_BYTES_MAX)).toEqual(pages.map(() => true));
    expect(pages.length).toBe(3);
    expect(new Set(pages.flat().map(({ digest }) => digest)).size).toBe(100);
  });

  test("come one by one when each fills a page", async () => {
    const pages = await readAll(listOf(3, REFERRERS_PAGE_BYTES_MAX), undefined);

    expect(pages.map((page) => page.length)).toEqual([1, 1, 1]);
  });

  test("are filtered before they are counted", async () => {
    const pages = await readAll(listOf(100, 10), 20, ["odd/type"]);

    expect(pages.map((page) => page.length)).toEqual([20, 20, 10]);
    expect(new Set(pages.flat().map(({ artifactType }) => artifactType))).toEqual(new Set(["odd/type"]));
    expect((await readAll(listOf(10, 10), undefined, ["odd/type", "even/type"])).flat()).toHaveLength(10);
    expect(await readAll(listOf(10, 10), 0)).toEqual([[]]);
  });
});
