import { describe, expect, test } from "vitest";

import { parseTarget, Query } from "../../../nodes/http/target.ts";
import { RegistryError } from "../../../shared/errors.ts";
import { REQUEST_TARGET_LENGTH_MAX } from "../../../shared/limits.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const HEX = "0123456789abcdef".repeat(4);

describe("a request target", () => {
  test.each([
    ["/", [], true],
    ["/v2", ["v2"], false],
    ["/v2/", ["v2"], true],
    ["/v2/a/b/manifests/latest", ["v2", "a", "b", "manifests", "latest"], false],
    ["/v2/a/blobs/uploads/", ["v2", "a", "blobs", "uploads"], true],
    [`/v2/a/blobs/sha256%3A${HEX}`, ["v2", "a", "blobs", `sha256:${HEX}`], false],
    ["/v2/a/manifests/v1%2E0", ["v2", "a", "manifests", "v1.0"], false],
    ["/v2/a/manifests/...", ["v2", "a", "manifests", "..."], false],
    ["/v2/caf%C3%A9/tags/list", ["v2", "café", "tags", "list"], false],
    // Decoded once: what comes out is no longer an encoding.
    ["/v2/a/manifests/%252e%252e", ["v2", "a", "manifests", "%2e%2e"], false],
    ["/v2/a/manifests/x?y=/../", ["v2", "a", "manifests", "x"], false],
  ])("is cut into segments, each decoded once: %s", (raw, segments, endsInSlash) => {
    const target = parseTarget(raw);

    expect({ segments: target.segments, endsInSlash: target.endsInSlash }).toEqual({ segments, endsInSlash });
  });

  test.each([
    ["an absolute target", "http://elsewhere/v2/"],
    ["an authority", "elsewhere:443"],
    ["an asterisk", "*"],
    ["nothing", ""],
    ["two slashes", "/v2//a/tags/list"],
    ["two slashes at the start", "//elsewhere/v2/"],
    ["two slashes at the end", "/v2/a/blobs/uploads//"],
    ["a dot segment", "/v2/a/../../admin"],
    ["a single dot", "/v2/./a"],
    ["a dot segment at the end", "/v2/a/.."],
    ["an encoded dot segment", "/v2/%2e%2e/etc/passwd"],
    ["a half-encoded dot segment", "/v2/.%2E/etc"],
    ["an encoded slash", "/v2/a%2fb/tags/list"],
    ["an encoded slash in capitals", "/v2/a%2Fb/tags/list"],
    ["an encoded backslash", "/v2/a%5Cb"],
    ["a backslash", "/v2/a\\b"],
    ["an encoded NUL", "/v2/a%00b/tags/list"],
    ["an encoded line break", "/v2/a%0d%0ab"],
    ["an encoded DEL", "/v2/a%7fb"],
    ["a raw NUL", "/v2/a\0b"],
    ["a space", "/v2/a b"],
    ["a tab", "/v2/a\tb"],
    ["a raw byte beyond ASCII", "/v2/caf\u00e9/tags/list"],
    ["a fragment", "/v2/a#b"],
    ["half an encoding", "/v2/a%2"],
    ["an encoding that is none", "/v2/a%zz"],
    ["an encoded byte that is no UTF-8", "/v2/a%ff"],
    ["an overlong encoding of a slash", "/v2/a%c0%afb"],
  ])("is refused with 400 when it is or holds %s", (_, raw) => {
    const error = thrownBy(() => parseTarget(raw));

    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({ code: "NAME_INVALID", status: 400 });
  });

  test("is refused with 414 beyond its longest length, and not at it", () => {
    const longest = `/${"a".repeat(REQUEST_TARGET_LENGTH_MAX - 1)}`;

    expect(parseTarget(longest).segments).toEqual([longest.slice(1)]);
    expect(thrownBy(() => parseTarget(`${longest}a`))).toMatchObject({ code: "NAME_INVALID", status: 414 });
  });

  test("takes time in proportion to its length", () => {
    const targets = ["a-".repeat(4_000), "%2D".repeat(2_700), "a/".repeat(4_000), "%25".repeat(2_700)];

    const startedMs = performance.now();
    for (let round = 0; round < 20; round += 1) for (const path of targets) thrownBy(() => parseTarget(`/${path}`));

    expect((performance.now() - startedMs) / (20 * targets.length)).toBeLessThan(10);
  });

  test("keeps the path for the log without the query", () => {
    expect(parseTarget("/v2/a%2Eb/tags/list?last=secret").path).toBe("/v2/a%2Eb/tags/list");
  });
});

describe("a query", () => {
  test("gives every value of a name, in order, decoded", () => {
    const query = new Query("tag=a&n=5&tag=b%2Fc&empty=&bare&t%61g=d");

    expect(query.all("tag")).toEqual(["a", "b/c", "d"]);
    expect(query.first("n")).toBe("5");
    expect(query.all("empty")).toEqual([""]);
    expect(query.all("bare")).toEqual([""]);
    expect(query.all("absent")).toEqual([]);
    expect(query.first("absent")).toBeUndefined();
  });

  test("leaves a plus a plus, because media types hold one and nothing of ours holds a space", () => {
    const query = new Query("artifactType=application/vnd.a+json&artifactType=application%2Fvnd.b%2Bjson");

    expect(query.all("artifactType")).toEqual(["application/vnd.a+json", "application/vnd.b+json"]);
  });

  test("refuses nobody for a parameter that nobody asked about", () => {
    const query = new Query("ns=%zz&&=&a=b=c&%ff=1&__proto__=x");

    expect(query.first("ns")).toBe("%zz");
    expect(query.first("a")).toBe("b=c");
    expect(query.first("__proto__")).toBe("x");
  });
});
