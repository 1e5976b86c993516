import { describe, expect, test } from "vitest";

import {
  algorithmOf,
  digestFromHex,
  digestOf,
  hexOf,
  isDigest,
  parseDigest,
  parseDigestAlgorithm,
} from "../../../shared/digest.ts";
import { InvariantError } from "../../../shared/invariant.ts";
import { refusalOf } from "../../support/thrown-by.ts";

const SHA256_OF_NOTHING = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SHA512_OF_NOTHING =
  "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" +
  "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";

describe("a digest", () => {
  test("is computed with sha256 unless sha512 is asked for", () => {
    const nothing = new Uint8Array();

    expect(digestOf(nothing)).toBe(SHA256_OF_NOTHING);
    expect(digestOf(nothing, "sha512")).toBe(SHA512_OF_NOTHING);
  });

  test("knows its algorithm and its hex digits", () => {
    const [short, long] = [parseDigest(SHA256_OF_NOTHING), parseDigest(SHA512_OF_NOTHING)];

    expect([algorithmOf(short), algorithmOf(long)]).toEqual(["sha256", "sha512"]);
    expect(hexOf(short)).toBe(SHA256_OF_NOTHING.slice(7));
  });

  test.each([
    ["nothing", ""],
    ["an algorithm alone", "sha256:"],
    ["too few digits", SHA256_OF_NOTHING.slice(0, -1)],
    ["too many digits", `${SHA256_OF_NOTHING}0`],
    ["upper-case digits", SHA256_OF_NOTHING.toUpperCase().replace("SHA256", "sha256")],
    ["an upper-case algorithm", SHA256_OF_NOTHING.replace("sha256", "SHA256")],
    ["the length of the other algorithm", SHA512_OF_NOTHING.replace("sha512", "sha256")],
    ["an algorithm nobody here computes", `blake3:${SHA256_OF_NOTHING.slice(7)}`],
    ["a line break at the end", `${SHA256_OF_NOTHING}\n`],
    ["a blank before", ` ${SHA256_OF_NOTHING}`],
    ["digits that are no hex", `sha256:${"g".repeat(64)}`],
    ["a tag that looks like one", SHA256_OF_NOTHING.replace(":", "-")],
    ["64 KiB of digits", `sha256:${"a".repeat(65_536)}`],
  ])("is not %s", (_, text) => {
    expect(isDigest(text)).toBe(false);
    expect(refusalOf(() => parseDigest(text))).toBe("DIGEST_INVALID");
  });

  test("is refused without repeating more of it than a person reads", () => {
    expect(() => parseDigest("x".repeat(65_536))).toThrow(
      expect.objectContaining({ detail: { digest: "x".repeat(160) } }),
    );
  });

  test("comes from a hash function whole, or the process stops", () => {
    expect(digestFromHex("sha256", SHA256_OF_NOTHING.slice(7))).toBe(SHA256_OF_NOTHING);
    expect(() => digestFromHex("sha256", "abc")).toThrow(InvariantError);
  });
});

test("sha256 and sha512 are the algorithms, and md5 is refused", () => {
  expect(parseDigestAlgorithm("sha256")).toBe("sha256");
  expect(parseDigestAlgorithm("sha512")).toBe("sha512");
  expect(refusalOf(() => parseDigestAlgorithm("md5"))).toBe("DIGEST_INVALID");
  expect(refusalOf(() => parseDigestAlgorithm(""))).toBe("DIGEST_INVALID");
});
