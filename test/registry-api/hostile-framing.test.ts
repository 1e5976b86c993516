/** Where a body ends and the next request begins: chunks, lengths that lie, and several requests in one breath. */
import { describe } from "vitest";

import { PIPELINED_REQUESTS_MAX } from "../../shared/limits.ts";
import { requestHead } from "../support/raw-http.ts";
import type { RegistryClient } from "../support/registry-client.ts";
import {
  cut,
  type HostileCase,
  harmless,
  holdAgainst,
  holdThatOnlyTheseAreThere,
  refused,
  refusedBy,
  VAULT_BLOB,
} from "./hostile.ts";

const MINE = "team/mine";
const BASE = requestHead("GET", "/v2/");
const LAST = requestHead("GET", "/v2/", ["Connection: close"]);

/** A manifest of these chunks, which is none: whatever gets through to it is 400. */
function chunked(body: string, headers: readonly string[] = []): string {
  return `${requestHead("PUT", "/v2/team/x/manifests/v1", ["Transfer-Encoding: chunked", ...headers])}${body}`;
}

function sized(length: number, body: string): string {
  return `${requestHead("PUT", "/v2/team/x/manifests/v1", [`Content-Length: ${length}`])}${body}`;
}

/** The same bytes to an open upload session. */
function toSession(method: string, headers: readonly string[], body: string): HostileCase["request"] {
  return async (client: RegistryClient) => {
    const location = await client.startUpload(MINE);
    const target = method === "PUT" ? `${location}?digest=${VAULT_BLOB.digest}` : location;
    return `${requestHead(method, target, headers)}${body}`;
  };
}

const BROKEN_CHUNKS: readonly (readonly [title: string, body: string])[] = [
  ["a size that is no number", "ZZ\r\n{}\r\n0\r\n\r\n"],
  ["a negative size", "-2\r\n{}\r\n0\r\n\r\n"],
  ["a size with a sign", "+2\r\n{}\r\n0\r\n\r\n"],
  ["a size with a prefix", "0x2\r\n{}\r\n0\r\n\r\n"],
  ["a size with a point", "2.0\r\n{}\r\n0\r\n\r\n"],
  ["a size with an underscore", "1_0\r\n{}\r\n0\r\n\r\n"],
  ["a size after a space", " 2\r\n{}\r\n0\r\n\r\n"],
  ["a size after a tab", "\t2\r\n{}\r\n0\r\n\r\n"],
  ["a size before a space", "2 \r\n{}\r\n0\r\n\r\n"],
  ["no size", "\r\n{}\r\n0\r\n\r\n"],
  ["a size of 2^64", "10000000000000000\r\n{}\r\n0\r\n\r\n"],
  ["a size of 2^64 + 2", "10000000000000002\r\n{}\r\n0\r\n\r\n"],
  ["a size of 1,000 digits", `${"f".repeat(1_000)}\r\n{}\r\n0\r\n\r\n`],
  ["a chunk longer than its size", "2\r\n{}{}\r\n0\r\n\r\n"],
  ["a chunk without its line end", "2\r\n{}0\r\n\r\n"],
  ["a chunk that ends in a bare line feed", "2\r\n{}\n0\r\n\r\n"],
  ["a size that ends in a bare line feed", "2\n{}\r\n0\r\n\r\n"],
  ["a size that ends in a bare carriage return", "2\r{}\r\n0\r\n\r\n"],
  ["chunks of bare line feeds", "2\n{}\n0\n\n"],
  ["a NUL in the size", "2\0\r\n{}\r\n0\r\n\r\n"],
  ["a byte beyond ASCII in the size", "\xb2\r\n{}\r\n0\r\n\r\n"],
  ["a NUL in an extension", "2;a=\0\r\n{}\r\n0\r\n\r\n"],
  ["a bare carriage return in an extension", "2;a=b\rc\r\n{}\r\n0\r\n\r\n"],
  ["a bare line feed in an extension", "2;a=b\nc\r\n{}\r\n0\r\n\r\n"],
  ["an extension of 64 KiB", `2;a=${"b".repeat(64 * 1024)}\r\n{}\r\n0\r\n\r\n`],
  ["64 KiB of extensions", `2${";a=b".repeat(16 * 1024)}\r\n{}\r\n0\r\n\r\n`],
  ["an extension of 64 KiB on the last chunk", `2\r\n{}\r\n0;a=${"b".repeat(64 * 1024)}\r\n\r\n`],
  ["a trailer of 64 KiB", `2\r\n{}\r\n0\r\nX-A: ${"b".repeat(64 * 1024)}\r\n\r\n`],
  ["trailers of 64 KiB", `2\r\n{}\r\n0\r\n${"X-A: bcdef\r\n".repeat(6_000)}\r\n`],
  ["a trailer without a colon", "2\r\n{}\r\n0\r\nX-A\r\n\r\n"],
  ["a trailer with a NUL", "2\r\n{}\r\n0\r\nX-A: \0\r\n\r\n"],
  ["a folded trailer", "2\r\n{}\r\n0\r\nX-A: b\r\n c\r\n\r\n"],
  ["a trailer with a space before the colon", "2\r\n{}\r\n0\r\nX-A : b\r\n\r\n"],
];

describe("a body in broken chunks is refused and its connection closed", () => {
  holdAgainst([
    ...BROKEN_CHUNKS.map(([title, body]) => refused(`manifest: ${title}`, chunked(body))),
    ...BROKEN_CHUNKS.map(([title, body]) =>
      refused(`PATCH: ${title}`, toSession("PATCH", ["Transfer-Encoding: chunked"], body)),
    ),
  ]);
});

describe("a body in chunks that are only odd is read", () => {
  holdAgainst([
    refusedBy([400], "a manifest byte by byte", chunked(`${"1\r\nx\r\n".repeat(2_000)}0\r\n\r\n`)),
    refusedBy([400], "leading zeros in a size", chunked("0000000000000002\r\n{}\r\n0\r\n\r\n")),
    refusedBy([400], "capital digits in a size", chunked(`A\r\n${"x".repeat(10)}\r\n0\r\n\r\n`)),
    refusedBy([400], "a short extension", chunked('2;a="b"\r\n{}\r\n0\r\n\r\n')),
    refusedBy(
      [400],
      "short extensions on 5,000 chunks",
      chunked(`${"1;abcdefgh=ijklmnop\r\nx\r\n".repeat(5_000)}0\r\n\r\n`),
    ),
    refusedBy([400], "no chunk but the last", chunked("0\r\n\r\n")),
    refusedBy([400], "trailers that nobody announced", chunked("2\r\n{}\r\n0\r\nX-A: b\r\n\r\n")),
    refusedBy([400], "a trailer that names a length", chunked("2\r\n{}\r\n0\r\nContent-Length: 99\r\n\r\n")),
    refusedBy([400], "a trailer that names chunks", chunked("2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    refusedBy([400], "a trailer that names another host", chunked("2\r\n{}\r\n0\r\nHost: elsewhere.example\r\n\r\n")),
    refusedBy(
      [400],
      "a trailer that names a prototype",
      chunked("2\r\n{}\r\n0\r\n__proto__: x\r\n\r\n", ["Trailer: __proto__"]),
    ),
  ]);
});

describe("a body that ends before its end is refused or dropped, and nothing of it is kept", () => {
  const halves: readonly (readonly [title: string, body: string])[] = [
    ["no chunk", ""],
    ["half a size", "2"],
    ["half a line end", "2\r"],
    ["a size alone", "2\r\n"],
    ["half a chunk", "5\r\n{}"],
    ["half a chunk of 1 GiB", "40000000\r\n{}"],
    ["half a chunk of 2^53", "20000000000000\r\n{}"],
    ["half a chunk of 2^63 - 1", "7fffffffffffffff\r\n{}"],
    ["no last chunk", "2\r\n{}\r\n"],
    ["half a last chunk", "2\r\n{}\r\n0\r\n"],
    ["half a trailer", "2\r\n{}\r\n0\r\nX-A: b"],
    ["half an extension", "2;a=b"],
  ];
  holdAgainst([
    ...halves.map(([title, body]) => cut(`manifest: ${title}`, chunked(body))),
    ...halves.map(([title, body]) => cut(`PATCH: ${title}`, toSession("PATCH", ["Transfer-Encoding: chunked"], body))),
    ...halves.map(([title, body]) => cut(`PUT: ${title}`, toSession("PUT", ["Transfer-Encoding: chunked"], body))),
    ...[3, 1_000_000, 2 ** 32, 2 ** 53 - 1].flatMap((length) => [
      cut(`manifest: 2 of ${length} bytes`, sized(length, "{}")),
      cut(`PATCH: 2 of ${length} bytes`, toSession("PATCH", [`Content-Length: ${length}`], "{}")),
      cut(`PUT: 2 of ${length} bytes`, toSession("PUT", [`Content-Length: ${length}`], "{}")),
      cut(
        `POST: 2 of ${length} bytes`,
        `${requestHead("POST", `/v2/team/x/blobs/uploads/?digest=${VAULT_BLOB.digest}`, [`Content-Length: ${length}`])}{}`,
      ),
    ]),
    cut("an invited body that never comes", sized(2, "").replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n")),
    cut("a GET with a body that never comes", requestHead("GET", "/v2/team/x/tags/list", ["Content-Length: 5"])),
  ]);
});

describe("a body that goes on after its end is the next request, and no good one", () => {
  holdAgainst([
    refusedBy([400, 400], "a manifest with two bytes too many", sized(2, "{}xx\r\n\r\n")),
    refusedBy([400, 400], "a manifest with a length of 0 and a body", sized(0, "{}\r\n\r\n")),
    refusedBy([400, 400], "chunks with more behind the last", chunked("2\r\n{}\r\n0\r\n\r\n{}\r\n\r\n")),
    harmless(
      [202, 400],
      "the first two bytes are an upload's",
      "a PATCH with bytes too many",
      toSession("PATCH", ["Content-Length: 2"], "{}{}\r\n\r\n"),
    ),
    refusedBy(
      [404, 400],
      "a GET with a body that nobody announced",
      `${requestHead("GET", "/v2/team/x/tags/list")}{"a":1}\r\n\r\n`,
    ),
    refusedBy(
      [400, 400],
      "a request hidden in a body of length 0 with a broken head",
      sized(0, "GET /v2/ HTTP/1.1\r\nHost : a\r\n\r\n"),
    ),
  ]);
});

describe("requests in one breath are answered in order, up to the first that is none", () => {
  const each = "a client may send requests without waiting for answers (RFC 9112, 9.3.2)";
  holdAgainst([
    harmless([200, 200], each, "two", BASE + LAST),
    harmless(
      Array.from({ length: PIPELINED_REQUESTS_MAX }, () => 200),
      each,
      "a hundred",
      BASE.repeat(PIPELINED_REQUESTS_MAX - 1) + LAST,
    ),
    cut("ten thousand", requestHead("GET", "/v2/team/x/tags/list").repeat(10_000)),
    harmless([200, 400], each, "one, then rubbish", `${BASE}rubbish\r\n\r\n`),
    harmless([200, 400], each, "one, then zeros", `${BASE}${"\0".repeat(1_000)}`),
    harmless([200, 400], each, "one, then a broken head", `${BASE}GET /v2/ HTTP/1.1\r\nHost: a\r\n b\r\n\r\n`),
    harmless(
      [200, 400],
      each,
      "one, then a target of another form",
      BASE + requestHead("GET", "http://elsewhere.example/", ["Connection: close"]),
    ),
    harmless([200, 405], each, "one, then CONNECT", BASE + requestHead("CONNECT", "elsewhere.example:443")),
    harmless(
      [200, 431],
      each,
      "one, then a head that is too large",
      `${BASE}${requestHead("GET", "/v2/", [`X-A: ${"b".repeat(20_000)}`])}`,
    ),
    harmless([200], "what follows a last request is not read (RFC 9112, 9.6)", "a last one, then another", LAST + BASE),
    harmless(
      [200],
      "what follows a last request is not read (RFC 9112, 9.6)",
      "a last one, then rubbish",
      `${LAST}rubbish\r\n\r\n`,
    ),
    harmless(
      [200, 200],
      "empty lines between requests are skipped (RFC 9112, 2.2)",
      "empty lines between two",
      `${BASE}\r\n\r\n${LAST}`,
    ),
    refusedBy(
      [400],
      "a refused one, then another that is never answered",
      requestHead("GET", "/v2/", ["Host: b"]) + BASE,
    ),
    refusedBy(
      [404, 404],
      "two that name nothing",
      requestHead("GET", "/v2/team/x/tags/list") + requestHead("GET", "/v2/team/x/manifests/v1"),
    ),
    refusedBy(
      [404, 404],
      "a read of somebody else's blob behind another",
      requestHead("GET", "/v2/team/x/tags/list") + requestHead("GET", `/v2/team/x/blobs/${VAULT_BLOB.digest}`),
    ),
    refusedBy(
      [400],
      "a smuggled request: a length beside chunks",
      `${requestHead("POST", "/v2/team/x/blobs/uploads/", ["Content-Length: 4", "Transfer-Encoding: chunked"])}0\r\n\r\n${BASE}`,
    ),
    refusedBy(
      [400],
      "a smuggled request: two lengths",
      `${requestHead("POST", "/v2/team/x/blobs/uploads/", ["Content-Length: 0", `Content-Length: ${BASE.length}`])}${BASE}`,
    ),
    refused(
      "a smuggled request: a coding with a form feed",
      `${requestHead("POST", "/v2/team/x/blobs/uploads/", ["Content-Length: 4", "Transfer-Encoding:\x0cchunked"])}0\r\n\r\n${BASE}`,
    ),
    refused(
      "a smuggled request: a coding behind a bare line feed",
      `${requestHead("POST", "/v2/team/x/blobs/uploads/", ["X-A: b\nTransfer-Encoding: chunked", "Content-Length: 4"])}0\r\n\r\n${BASE}`,
    ),
  ]);
});

describe("broken frames", () => {
  holdThatOnlyTheseAreThere();
});
