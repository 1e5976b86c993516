import { describe, expect, test } from "vitest";

import {
  allowsRange,
  judgeRead,
  parseEntityTags,
  strongDigestsOf,
  weakDigestsOf,
} from "../../../nodes/http/entity-tag.ts";
import { linkToNext, parsePage } from "../../../nodes/http/page.ts";
import { Query } from "../../../nodes/http/target.ts";
import { digestOf } from "../../../shared/digest.ts";
import { PAGE_ENTRIES_MAX } from "../../../shared/limits.ts";
import { refusalOf, thrownBy } from "../../support/thrown-by.ts";

const digest = digestOf(new Uint8Array([1]));
const other = digestOf(new Uint8Array([2]));

describe("entity tags", () => {
  test.each([
    [`"${digest}"`, [digest], [digest]],
    [digest, [digest], [digest]],
    [`W/"${digest}"`, [], [digest]],
    [`"${other}" , W/"${digest}",${digest}`, [other, digest], [other, digest, digest]],
    ["", [], []],
    [' "" ', [""], [""]],
    ['"', ['"'], ['"']],
  ])("are read quoted, bare, weak and in lists: %s", (header, strong, weak) => {
    const tags = parseEntityTags(header);

    expect(tags === undefined ? undefined : strongDigestsOf(tags)).toEqual(strong);
    expect(tags === undefined ? undefined : weakDigestsOf(tags)).toEqual(weak);
  });

  test("may be a star, or absent", () => {
    expect(parseEntityTags(" * ")).toEqual({ kind: "any" });
    expect(parseEntityTags(undefined)).toBeUndefined();
  });

  test.each([
    [{}, "proceed"],
    [{ "if-none-match": `"${digest}"` }, "not-modified"],
    [{ "if-none-match": `W/"${digest}"` }, "not-modified"],
    [{ "if-none-match": "*" }, "not-modified"],
    [{ "if-none-match": `"${other}"` }, "proceed"],
    [{ "if-match": `"${digest}"` }, "proceed"],
    [{ "if-match": "*" }, "proceed"],
    [{ "if-match": `"${other}"` }, "failed"],
    [{ "if-match": `W/"${digest}"` }, "failed"],
    // RFC 9110, 13.2.2: If-Match is judged first.
    [{ "if-match": `"${other}"`, "if-none-match": `"${digest}"` }, "failed"],
  ])("decide what a read is answered: %j", (headers, verdict) => {
    expect(judgeRead(headers, digest)).toBe(verdict);
  });

  test("let a range count only when If-Range names exactly these bytes", () => {
    expect(allowsRange(undefined, digest)).toBe(true);
    expect(allowsRange(`"${digest}"`, digest)).toBe(true);
    expect(allowsRange(`W/"${digest}"`, digest)).toBe(false);
    expect(allowsRange(`"${other}"`, digest)).toBe(false);
    expect(allowsRange("Thu, 01 Jan 2026 00:00:00 GMT", digest)).toBe(false);
  });
});

describe("a page", () => {
  test.each([
    ["", { limit: 100, after: undefined }],
    ["n=", { limit: 100, after: undefined }],
    ["n=0", { limit: 0, after: undefined }],
    ["n=7&last=v1", { limit: 7, after: "v1" }],
    ["last=", { limit: 100, after: "" }],
    ["n=1000000000", { limit: PAGE_ENTRIES_MAX, after: undefined }],
    ["n=2147483648", { limit: PAGE_ENTRIES_MAX, after: undefined }],
  ])("is what was asked for, within bounds: %s", (text, page) => {
    expect(parsePage(new Query(text), 100)).toEqual(page);
  });

  test.each(["n=-1", "n=abc", "n=1e9", "n=NaN", "n=1;2", "n=%201", "n=1.5", "n=0x10", `n=${"9".repeat(17)}`])(
    "of no whole number is refused with 400: %s",
    (text) => {
      expect(refusalOf(() => parsePage(new Query(text), 100))).toBe("UNSUPPORTED");
      expect(thrownBy(() => parsePage(new Query(text), 100))).toMatchObject({ status: 400 });
    },
  );

  test("tells the next one by a relative link whose values survive any client", () => {
    const link = linkToNext("/v2/a/b/tags/list", { limit: 2, last: "v1 & more/+?" }, [["artifactType", "a/b+json"]]);

    expect(link).toBe('</v2/a/b/tags/list?n=2&last=v1%20%26%20more%2F%2B%3F&artifactType=a%2Fb%2Bjson>; rel="next"');
    const [, query = ""] = /\?([^>]*)>/.exec(link) ?? [];
    expect(new Query(query).first("last")).toBe("v1 & more/+?");
  });
});
