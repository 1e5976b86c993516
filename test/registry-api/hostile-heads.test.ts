/** Methods and headers: what the first lines of a request can claim, twice, too long, in part or in another language. */
import { describe } from "vitest";

import { HEADERS_MAX } from "../../shared/limits.ts";
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
const BLOB = Buffer.from("0123456789");

function get(headers: readonly string[], target = "/v2/"): string {
  return requestHead("GET", target, headers);
}

/** A head as it stands, without the `Host` that `requestHead` adds. */
function head(...lines: readonly string[]): string {
  return [...lines, "", ""].join("\r\n");
}

function put(headers: readonly string[], body = ""): string {
  return `${requestHead("PUT", "/v2/team/x/manifests/v1", headers)}${body}`;
}

/** A read of ten bytes that are there. */
function ofBlob(method: string, headers: readonly string[]): HostileCase["request"] {
  return async (client: RegistryClient) => {
    const digest = await client.pushBlob(MINE, BLOB);
    return requestHead(method, `/v2/${MINE}/blobs/${digest}`, headers);
  };
}

describe("a method that the endpoint does not know is refused", () => {
  holdAgainst([
    ...["OPTIONS", "PROPFIND", "MKCOL", "LOCK", "SEARCH", "PURGE", "REPORT", "M-SEARCH", "COPY", "LINK", "ACL"].map(
      (method) => refusedBy([405], method, requestHead(method, "/v2/")),
    ),
    ...["POST", "PUT", "PATCH", "DELETE"].map((method) =>
      refusedBy([405], `${method} /v2/`, requestHead(method, "/v2/", ["Content-Length: 0"])),
    ),
    ...["POST", "PATCH"].map((method) =>
      refusedBy(
        [405],
        `${method} of a manifest`,
        requestHead(method, "/v2/team/x/manifests/v1", ["Content-Length: 0"]),
      ),
    ),
    refusedBy(
      [405],
      "TRACE, which would echo credentials",
      requestHead("TRACE", "/v2/", ["Authorization: Basic eDp5"]),
    ),
    refusedBy([405], "CONNECT elsewhere", requestHead("CONNECT", "elsewhere.example:443")),
    refusedBy([405], "CONNECT to ourselves", requestHead("CONNECT", "127.0.0.1:5000")),
    refusedBy([405], "CONNECT with a path", requestHead("CONNECT", "/v2/")),
    ...[
      "get",
      "Get",
      "gET",
      "FOO",
      "GETGET",
      "G",
      "",
      " GET",
      "GET\t",
      "GE\0T",
      "\xc7ET",
      "PRI",
      "SSH-2.0-x",
      "123",
    ].map((method) => refused(`method ${JSON.stringify(method)}`, requestHead(method, "/v2/"))),
    refused("a method of 64 KiB", requestHead("G".repeat(64 * 1024), "/v2/")),
  ]);
});

describe("a first line that is not HTTP/1.1 is refused", () => {
  holdAgainst([
    ...[
      "HTTP/2.0",
      "HTTP/0.9",
      "HTTP/3",
      "HTTP/9.9",
      "HTTP/1.1x",
      "HTTP/1.",
      "HTTP/11",
      "HTTP/-1.1",
      "http/1.1",
      "HTCPCP/1.0",
    ].map((version) => refused(version, head(`GET /v2/ ${version}`, "Host: a"))),
    refused("HTTP/0.9", "GET /v2/\r\n\r\n"),
    refused("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    refused("a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    refused("a SOCKS hello", "\x05\x01\x00\r\n\r\n"),
    refused("an SSH hello", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    refused("a PROXY line", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("an answer", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    refused("a redis command", "*1\r\n$4\r\nPING\r\n\r\n"),
    refused("mail", "EHLO elsewhere.example\r\n\r\n"),
    refused("zeros", Buffer.alloc(64 * 1024)),
    refused("all bytes", Buffer.from(Array.from({ length: 256 }, (_, byte) => 255 - byte))),
    cut("nothing", ""),
    cut("empty lines alone", "\r\n".repeat(1_000)),
    cut("half a method", "GE"),
    cut("half a first line", "GET /v2/ HT"),
    cut("half a head", "GET /v2/ HTTP/1.1\r\nHost: a\r\nX-A: b"),
    cut("a head without its last line", "GET /v2/ HTTP/1.1\r\nHost: a\r\n"),
  ]);
  holdAgainst([
    harmless(
      [200],
      "HTTP/1.0 knows no Host (RFC 9112, 3.2)",
      "HTTP/1.0",
      head("GET /v2/ HTTP/1.0", "Connection: close"),
    ),
    harmless(
      [200],
      "empty lines before a request are skipped (RFC 9112, 2.2)",
      "an empty line first",
      `\r\n${get(["Connection: close"])}`,
    ),
  ]);
});

describe("a head that says where it wants to go twice, or not at all, is refused", () => {
  holdAgainst([
    refusedBy([400], "no Host", head("GET /v2/ HTTP/1.1")),
    refusedBy([400], "two hosts", head("GET /v2/ HTTP/1.1", "Host: a", "Host: b")),
    refusedBy([400], "the same host twice", head("GET /v2/ HTTP/1.1", "Host: a", "Host: a")),
    refusedBy([400], "two hosts that differ in case", head("GET /v2/ HTTP/1.1", "Host: a", "hOST: b")),
    refusedBy([400], "a hundred hosts", head("GET /v2/ HTTP/1.1", ...Array.from({ length: 100 }, () => "Host: a"))),
    refusedBy([400], "two hosts in HTTP/1.0", head("GET /v2/ HTTP/1.0", "Host: a", "Host: b")),
    refused("a space before the colon", head("GET /v2/ HTTP/1.1", "Host : a")),
    refused("a folded host", head("GET /v2/ HTTP/1.1", "Host: a", " b")),
    refused("a folded first header", head("GET /v2/ HTTP/1.1", " Host: a")),
    refused("a NUL in the host", head("GET /v2/ HTTP/1.1", "Host: a\0b")),
  ]);
});

describe("a header that no honest client writes is refused", () => {
  holdAgainst([
    refused("no colon", get(["X-A"])),
    refused("no name", get([": b"])),
    refused("a space in the name", get(["X A: b"])),
    refused("a tab before the colon", get(["X-A\t: b"])),
    refused("a name beyond ASCII", get(["X-\xc4: b"])),
    ...['"', "(", ")", ",", "/", ";", "<", "=", "?", "@", "[", "\\", "]", "{", "}"].map((character) =>
      refused(`${character} in the name`, get([`X${character}A: b`])),
    ),
    ...[0, 1, 8, 0x0b, 0x0c, 0x1b, 0x7f].map((code) =>
      refused(`byte ${code} in a value`, get([`X-A: b${String.fromCharCode(code)}c`])),
    ),
    refused("byte 0 in a name", get(["X\0A: b"])),
    refused("a folded value", get(["X-A: b", " c"])),
    refused("a value folded by a tab", get(["X-A: b", "\tc"])),
    refused("a bare carriage return in a value", get(["X-A: b\rX-C: d"])),
    refused("a bare line feed between headers", "GET /v2/ HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n"),
    refused("bare line feeds throughout", "GET /v2/ HTTP/1.1\nHost: a\n\n"),
    refused("bare carriage returns throughout", "GET /v2/ HTTP/1.1\rHost: a\r\r"),
    refused("a line feed after the first line", "GET /v2/ HTTP/1.1\nHost: a\r\n\r\n"),
    refused("a carriage return too many", "GET /v2/ HTTP/1.1\r\r\nHost: a\r\n\r\n"),
  ]);
});

describe("a head that is too large is refused before it is whole", () => {
  const many = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `X-${at}: ${at}`);
  holdAgainst([
    refusedBy([431], "101 headers", get(many(HEADERS_MAX))),
    refusedBy([431], "1,000 short headers", get(many(1_000))),
    refused("100,000 headers", get(many(100_000))),
    refused("10,000 empty headers", get(Array.from({ length: 10_000 }, () => "a:"))),
    refusedBy([431], "a value of 17 KiB", get([`X-A: ${"b".repeat(17 * 1024)}`])),
    refusedBy([431], "a name of 17 KiB", get([`${"X".repeat(17 * 1024)}: b`])),
    refused("a value of 1 MiB", get([`X-A: ${"b".repeat(1024 * 1024)}`])),
    refused("a cookie of 64 KiB", get([`Cookie: ${"a=b; ".repeat(13_000)}`])),
    refused("a token of 64 KiB", get([`Authorization: Bearer ${"e".repeat(64 * 1024)}`])),
    refused("a list of 20,000 types", get([`Accept: ${"a/b,".repeat(20_000)}`])),
  ]);
  holdAgainst([
    harmless(
      [200],
      "spaces around a value are no part of it; none is kept, and the time of a head is bounded",
      "64 KiB of spaces before a value",
      get([`X-A:${" ".repeat(64 * 1024)}b`]),
    ),
    harmless([200], "100 headers are allowed", "100 headers", get(many(HEADERS_MAX - 2).concat("Connection: close"))),
  ]);
});

describe("a length that is none, or one beside another, is refused", () => {
  holdAgainst([
    ...["-1", "+2", "0x2", "2.0", "2e0", "two", "", " ", "2 2", "2,2", "2, 3", "1_0", "NaN", "Infinity", "２"].map(
      (length) =>
        refusedBy([400], `Content-Length: ${JSON.stringify(length)}`, put([`Content-Length: ${length}`], "{}")),
    ),
    refusedBy([400], "a length beyond 64 bits", put([`Content-Length: ${"9".repeat(20)}`], "{}")),
    refusedBy([400], "a length of 4,000 digits", put([`Content-Length: ${"9".repeat(4_000)}`], "{}")),
    refusedBy([400], "two lengths that agree", put(["Content-Length: 2", "Content-Length: 2"], "{}")),
    refusedBy([400], "two lengths that do not", put(["Content-Length: 2", "Content-Length: 3"], "{}")),
    refusedBy([400], "two lengths in other cases", put(["content-length: 2", "CONTENT-LENGTH: 2"], "{}")),
    refusedBy([400], "a length, then chunks", put(["Content-Length: 2", "Transfer-Encoding: chunked"], "0\r\n\r\n")),
    refusedBy([400], "chunks, then a length", put(["Transfer-Encoding: chunked", "Content-Length: 2"], "0\r\n\r\n")),
    refusedBy([400], "chunks and a length of 0", put(["Transfer-Encoding: chunked", "Content-Length: 0"], "0\r\n\r\n")),
    refused(
      "a hidden length: a space before the colon",
      put(["Content-Length : 2", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    ),
    refused("a folded length", put(["Content-Length:", " 2"], "{}")),
  ]);
});

describe("a transfer coding that could be read in two ways is refused", () => {
  const codings = [
    "chunked, identity",
    "identity, chunked, identity",
    "chunked, chunked",
    "chunked,",
    "xchunked",
    "chunkedx",
    "chunked;a=b",
    '"chunked"',
    "'chunked'",
    "chunked\x0b",
    "\x0bchunked",
    "chunked\x00",
    "identity",
    "gzip",
    "gzip, chunked",
    "identity, chunked",
    "br, gzip, chunked",
    "deflate",
    "",
    "chunked gzip",
    "\xffchunked",
  ];
  holdAgainst([
    ...codings.map((coding) =>
      refused(
        `Transfer-Encoding: ${JSON.stringify(coding)}`,
        put([`Transfer-Encoding: ${coding}`], "2\r\n{}\r\n0\r\n\r\n"),
      ),
    ),
    refused("two codings", put(["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], "0\r\n\r\n")),
    refused("chunked twice", put(["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "0\r\n\r\n")),
    refused("a folded coding", put(["Transfer-Encoding:", " chunked"], "0\r\n\r\n")),
    refused("a coding with a space before the colon", put(["Transfer-Encoding : chunked"], "0\r\n\r\n")),
    refused("chunks in HTTP/1.0", put(["Transfer-Encoding: chunked"], "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0")),
  ]);
});

describe("an expectation, an upgrade or a connection header changes nothing", () => {
  const nobody = "nobody is bound to upgrade (RFC 9110, 7.8)";
  const unmet = "a server may go on without what was expected (RFC 9110, 10.1.1)";
  const ignored = "what is not understood is ignored (RFC 9110, 5.1)";
  holdAgainst([
    harmless([200], unmet, "an expectation that nobody can meet", get(["Expect: 200-ok"])),
    harmless([200], unmet, "two expectations", get(["Expect: 100-continue, more"])),
    refusedBy(
      [400],
      "a body that is waited for and then is none",
      put(["Expect: 100-continue", "Content-Length: 2", "Connection: close"], "{}"),
    ),
    harmless([200], "there is no body to ask for", "an expectation without a body", get(["Expect: 100-continue"])),
    harmless([200], nobody, "Upgrade to HTTP/2", get(["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"])),
    harmless([200], nobody, "Upgrade to a web socket", get(["Connection: Upgrade", "Upgrade: websocket"])),
    harmless([200], nobody, "Upgrade to nothing known", get(["Connection: upgrade", "Upgrade: \xff/1"])),
    harmless([200], ignored, "a connection header that strikes out the host", get(["Connection: close, Host"])),
    harmless([200], ignored, "a connection header of many words", get([`Connection: ${"x,".repeat(2_000)}close`])),
    ...[
      "X-HTTP-Method-Override: DELETE",
      "X-Original-URL: /v2/_catalog",
      "X-Rewrite-URL: /v2/_catalog",
      "X-Forwarded-Host: elsewhere.example",
      "X-Forwarded-For: 127.0.0.1",
      "Forwarded: host=elsewhere.example",
      "Host-Override: elsewhere.example",
      "Proxy: http://elsewhere.example/",
      "Origin: https://elsewhere.example",
      "Trailer: Content-Length",
      "TE: trailers, deflate;q=9",
      "Accept-Encoding: gzip;q=1e400, *;q=nan",
      "Accept: */*;q=x, ;;;",
      "Authorization: Bearer a.b.c",
      "Authorization: Basic !!!",
      "Authorization: \xff",
      "Cookie: __proto__=x",
      "__proto__: x",
      "constructor: x",
    ].map((line) => harmless([200], ignored, line, get([line]))),
    refusedBy([400], "a version that is none", get(["Meridian-Min-Version: not a token"], "/v2/_catalog")),
    refusedBy(
      [400],
      "a version of 10,000 characters",
      get([`Meridian-Min-Version: ${"A".repeat(10_000)}`], "/v2/_catalog"),
    ),
    refusedBy([400], "a staleness that is no number", get(["Meridian-Max-Staleness-Ms: soon"], "/v2/_catalog")),
    refusedBy([400], "two versions", get(["Meridian-Min-Version: A", "Meridian-Min-Version: B"], "/v2/_catalog")),
  ]);
});

describe("an odd range of a blob is ignored, served or 416", () => {
  const unread = "a range that is not understood is ignored (RFC 9110, 14.2)";
  const beyond = "sizes are bounded, and so is what is sent (RFC 9110, 14.1.2)";
  holdAgainst([
    ...["bytes=10-", "bytes=5-4", "bytes=-0", "bytes=99999999999999999999-", "bytes=10-20,30-40"].map((range) =>
      refusedBy([416], range, ofBlob("GET", [`Range: ${range}`])),
    ),
    ...[
      "bytes=",
      "bytes",
      "bytes=-",
      "bytes=a-b",
      "bytes=0x0-0x5",
      "bytes=--5",
      "bytes=1-2-3",
      "bytes 0-5",
      "items=0-5",
      "=0-5",
      "bytes=0-5;6-7",
      "bytes=0.5-1",
      "bytes=+1-2",
      "bytes=NaN-",
      "bytes=1e9-",
      "bytes=\xff-",
      `bytes=${"0-0,".repeat(3_000)}`,
      `bytes=${"0-,".repeat(60)}0-`,
      `bytes=${",".repeat(5_000)}`,
    ].map((range) => harmless([200], unread, range.slice(0, 40), ofBlob("GET", [`Range: ${range}`]))),
    ...[
      "bytes=0-99999999999999999999",
      "bytes=-99999999999999999999",
      `bytes=${"0".repeat(5_000)}1-2`,
      "BYTES=0-1",
    ].map((range) => harmless([206], beyond, range.slice(0, 40), ofBlob("GET", [`Range: ${range}`]))),
    harmless([200], unread, "two range headers", ofBlob("GET", ["Range: bytes=50-", "Range: bytes=60-"])),
    harmless([200], "a range counts for GET alone (RFC 9110, 14.2)", "HEAD", ofBlob("HEAD", ["Range: bytes=50-"])),
    harmless(
      [200],
      "a date is no strong validator",
      "If-Range: a date",
      ofBlob("GET", ["If-Range: x", "Range: bytes=50-"]),
    ),
    refusedBy([404], "a range of what is not here", get(["Range: bytes=0-5"], `/v2/team/x/blobs/${VAULT_BLOB.digest}`)),
  ]);
});

describe("an odd condition on a blob is read as it stands", () => {
  const none = "it names no tag of ours, so nothing is not modified (RFC 9110, 13.1.2)";
  holdAgainst([
    ...['"', '""', "W/", 'W/"', "sha256:", "a,b,c", "\xff", `${'"x",'.repeat(2_000)}"y"`].flatMap((tag) => [
      refusedBy([412], `If-Match: ${tag.slice(0, 40)}`, ofBlob("GET", [`If-Match: ${tag}`])),
      harmless([200], none, `If-None-Match: ${tag.slice(0, 40)}`, ofBlob("GET", [`If-None-Match: ${tag}`])),
    ]),
    refusedBy([412], "If-Match of a HEAD", ofBlob("HEAD", ['If-Match: "x"'])),
    refusedBy([412], "If-Match beside a range", ofBlob("GET", ['If-Match: "x"', "Range: bytes=0-3"])),
    harmless([304], "whatever is there is here already", "If-None-Match: *", ofBlob("GET", ["If-None-Match: *"])),
    harmless(
      [200],
      "content has no date",
      "If-Modified-Since",
      ofBlob("GET", ["If-Modified-Since: Sat, 99 Foo 99999"]),
    ),
    refusedBy([404], "If-Match: * of what is not here", get(["If-Match: *"], `/v2/team/x/blobs/${VAULT_BLOB.digest}`)),
    refusedBy(
      [404],
      "If-None-Match: * of what is not here",
      get(["If-None-Match: *"], `/v2/team/x/blobs/${VAULT_BLOB.digest}`),
    ),
  ]);
});

describe("heads", () => {
  holdThatOnlyTheseAreThere();
});
