import { describe, expect, test } from "vitest";

import { isRepositoryName, isTag, parseReference, parseRepositoryName, parseTag } from "../../../shared/reference.ts";
import { refusalOf } from "../../support/thrown-by.ts";

const HEX = "a".repeat(64);

describe("a repository name", () => {
  test.each([
    "a",
    "0",
    "library/ubuntu",
    "a.b/c_d",
    "foo--bar",
    "foo---bar",
    "foo__bar",
    "a/b/c/d/e",
    "a/blobs/uploads",
    "manifests/tags/list",
    "x".repeat(255),
    Array.from({ length: 128 }, () => "a").join("/"),
  ])("may be %s", (text) => {
    expect(parseRepositoryName(text)).toBe(text);
  });

  test.each([
    ["empty", ""],
    ["upper-case", "Foo"],
    ["upper-case in the middle", "foo/Bar"],
    ["two dots", "foo..bar"],
    ["three underscores", "foo___bar"],
    ["begun by a hyphen", "-foo"],
    ["ended by a hyphen", "foo-"],
    ["begun by an underscore", "_catalog"],
    ["ended by a stroke", "foo/"],
    ["begun by a stroke", "/foo"],
    ["two strokes", "foo//bar"],
    ["mixed separators", "foo.-bar"],
    ["a separator before a stroke", "foo-/bar"],
    ["a path upwards", "../etc/passwd"],
    ["a dot alone", "."],
    ["a colon", "foo:bar"],
    ["an encoded stroke", "foo%2fbar"],
    ["a NUL", "foo\0bar"],
    ["a line break at the end", "foo\n"],
    ["a letter beyond ASCII", "föö"],
    ["256 characters", "x".repeat(256)],
  ])("is not %s", (_, text) => {
    expect(isRepositoryName(text)).toBe(false);
    expect(refusalOf(() => parseRepositoryName(text))).toBe("NAME_INVALID");
  });

  test("is refused without repeating more of it than a name may have", () => {
    expect(() => parseRepositoryName("X".repeat(65_536))).toThrow(
      expect.objectContaining({ detail: { name: "X".repeat(255) } }),
    );
  });

  test("of 64 KiB is judged a thousand times, where a backtracking expression would not end once", () => {
    const names = [
      "a-".repeat(32_768),
      "a".repeat(65_536),
      "a/".repeat(32_768),
      "a--".repeat(21_845),
      "-".repeat(65_536),
    ];
    const longest = ["a-".repeat(127), "a__".repeat(85), `${"a".repeat(254)}!`];

    for (let round = 0; round < 1_000; round += 1) {
      expect([...names, ...longest].some(isRepositoryName)).toBe(false);
    }
  });
});

describe("a tag", () => {
  test.each(["latest", "v1.2.3", "_", "A", "1.0-rc.1_x", `sha256-${HEX}`, `sha256-${HEX}.sig`, "x".repeat(128)])(
    "may be %s",
    (text) => {
      expect(parseTag(text)).toBe(text);
    },
  );

  test.each([
    ["empty", ""],
    ["begun by a dot", ".latest"],
    ["begun by a hyphen", "-latest"],
    ["129 characters", "x".repeat(129)],
    ["a plus", "1.0+2"],
    ["a blank", "a b"],
    ["a stroke", "a/b"],
    ["a colon", "a:b"],
    ["a line break at the end", "latest\n"],
    ["64 KiB", "x".repeat(65_536)],
  ])("is not %s", (_, text) => {
    expect(isTag(text)).toBe(false);
    expect(refusalOf(() => parseTag(text))).toBe("MANIFEST_INVALID");
  });
});

describe("a reference", () => {
  test("is a digest when it holds a colon, else a tag", () => {
    expect(parseReference("latest")).toEqual({ kind: "tag", tag: "latest" });
    expect(parseReference(`sha256:${HEX}`)).toEqual({ kind: "digest", digest: `sha256:${HEX}` });
  });

  test("spelt sha256-HEX is a tag, never the digest it resembles", () => {
    expect(parseReference(`sha256-${HEX}`)).toEqual({ kind: "tag", tag: `sha256-${HEX}` });
  });

  test.each([
    ["sha256:baddigeststring", "DIGEST_INVALID"],
    ["foo:bar", "DIGEST_INVALID"],
    [".INVALID_MANIFEST_NAME", "MANIFEST_INVALID"],
    ["", "MANIFEST_INVALID"],
  ])("%j is refused as %s", (text, code) => {
    expect(refusalOf(() => parseReference(text))).toBe(code);
  });
});
