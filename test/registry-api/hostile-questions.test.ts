/** Parameters behind the question mark, and upload sessions that are somebody else's, or nobody's. */
import { describe } from "vitest";

import { PAGE_ENTRIES_MAX, TAG_PARAMETERS_MAX } from "../../shared/limits.ts";
import { OCI_IMAGE_INDEX } from "../../shared/media-types.ts";
import { digestOf, index } from "../support/oci-fixtures.ts";
import { requestHead } from "../support/raw-http.ts";
import type { RegistryClient } from "../support/registry-client.ts";
import {
  type HostileCase,
  harmless,
  holdAgainst,
  holdThatOnlyTheseAreThere,
  refused,
  refusedBy,
  test,
  VAULT,
  VAULT_BLOB,
  VAULT_IMAGE,
} from "./hostile.ts";

const MINE = "team/mine";
const IMAGE = index([]);
const ABSENT = digestOf("absent");
const LISTS = [`/v2/${MINE}/tags/list`, "/v2/_catalog", `/v2/${MINE}/referrers/${ABSENT}`, "/api/v1/repositories"];

function get(target: string): string {
  return requestHead("GET", target);
}

test.beforeAll(async ({ node }) => {
  await node.client.pushManifest(MINE, "v1", IMAGE);
});

describe("a page of no size that is a number is 400", () => {
  const sizes = [
    "-1",
    "-0",
    "+1",
    "1.5",
    "0x10",
    "NaN",
    "Infinity",
    "-Infinity",
    "null",
    "true",
    "[]",
    "1;2",
    "1,2",
    "%20",
    "1%20",
    "%00",
    "%0a",
    "%ff",
    "１",
    "²",
    "1e9",
    "1_000",
    "__proto__",
    "9".repeat(17),
    "9".repeat(4_000),
  ];
  holdAgainst(
    LISTS.flatMap((list) =>
      sizes.map((n) => refused(`${list.slice(0, 30)}?n=${n.slice(0, 30)}`, get(`${list}?n=${n}`))),
    ),
  );
});

describe("a page of any size that is a number is no larger than the largest page", () => {
  const clamped = `no more than ${PAGE_ENTRIES_MAX} entries are told`;
  holdAgainst(
    LISTS.slice(0, 3).flatMap((list) =>
      [
        "0",
        "1000000000",
        "2147483647",
        "2147483648",
        "4294967296",
        "9007199254740993",
        "9999999999999999",
        "0000000000000001",
        "",
        "5&n=-1",
      ].map((n) => harmless([200], clamped, `${list.slice(0, 30)}?n=${n}`, get(`${list}?n=${n}`))),
    ),
  );
});

describe("a list that begins after something odd is a list", () => {
  const exclusive = '`last` need not exist (distribution-spec, "Listing Tags")';
  const marks = [
    "%00",
    "%ff",
    "%0d%0aX-Injected:%20yes",
    "%2f..%2f",
    "..",
    "*",
    "%",
    "%zz",
    "%ef%bf%bf",
    "%f0%9f%90%b3",
    "~",
    "%C3%BF",
    "a".repeat(7_000),
    "__proto__",
    "!",
    VAULT,
    `${VAULT}%00`,
    `${VAULT}/tag-`,
    "&last=&last=x",
    "=",
  ];
  holdAgainst(
    LISTS.slice(0, 2).flatMap((list) =>
      marks.map((last) =>
        harmless(
          [200],
          exclusive,
          `${list.slice(0, 30)}?n=3&last=${last.slice(0, 30)}`,
          get(`${list}?n=3&last=${last}`),
        ),
      ),
    ),
  );
});

describe("a parameter that nobody asked about, however often and however odd, changes nothing", () => {
  const ignored = "what is not understood is ignored";
  holdAgainst(
    [
      "?",
      "??",
      "?&&&&",
      "?=",
      "?=&=",
      "?a",
      "?__proto__=x&__proto__=y",
      "?constructor=x",
      "?%",
      "?%00=%00",
      "?%ff",
      "?n%00=1",
      `?${"a&".repeat(4_000)}`,
      `?${Array.from({ length: 900 }, (_, at) => `k${at}=1`).join("&")}`,
      "?method=DELETE",
      "?_method=DELETE",
      `?name=${VAULT}`,
      "?next=//elsewhere.example/",
      "?url=http://169.254.169.254/",
    ].map((query) => harmless([200], ignored, query.slice(0, 50), get(`/v2/${MINE}/tags/list${query}`))),
  );
});

describe("a filter of referrers that nothing matches finds nothing", () => {
  const none = 'an unknown type is the type of nothing (distribution-spec, "Listing Referrers")';
  holdAgainst([
    ...[
      "*",
      "%00",
      "%ff",
      "a".repeat(7_000),
      "__proto__",
      ".*",
      "(a+)+$",
      "%0d%0aX-Injected:%20yes",
      "a/b%0d%0a",
      "'%20or%201=1",
      "application/vnd.*",
    ].map((type) =>
      harmless([200], none, type.slice(0, 40), get(`/v2/${MINE}/referrers/${ABSENT}?artifactType=${type}`)),
    ),
    harmless(
      [200],
      none,
      "400 types",
      get(
        `/v2/${MINE}/referrers/${ABSENT}?${Array.from({ length: 400 }, (_, at) => `artifactType=a/${at}`).join("&")}`,
      ),
    ),
    refusedBy(
      [431],
      "2,000 types",
      get(
        `/v2/${MINE}/referrers/${ABSENT}?${Array.from({ length: 2_000 }, (_, at) => `artifactType=a/${at}`).join("&")}`,
      ),
    ),
    ...["sha256:", "latest", "*", `sha256:${"0".repeat(63)}g`, `${ABSENT}%00`, "..%2f"].map((digest) =>
      refusedBy([400], `of ${digest.slice(0, 30)}`, get(`/v2/${MINE}/referrers/${digest}`)),
    ),
  ]);
});

describe("a push of a manifest under tags that are none, or too many, is refused", () => {
  const push = (query: string): string =>
    `${requestHead("PUT", `/v2/${MINE}/manifests/${IMAGE.digest}?${query}`, [`Content-Type: ${OCI_IMAGE_INDEX}`, `Content-Length: ${IMAGE.bytes.length}`])}${IMAGE.bytes.toString("latin1")}`;
  const tags = (count: number): string => Array.from({ length: count }, (_, at) => `tag=t${at}`).join("&");
  holdAgainst([
    ...[
      "",
      "%00",
      "..",
      "-",
      "a%2fb",
      "a%20b",
      "a".repeat(129),
      "*",
      "%ff",
      "%e2%80%ae",
      "v1%0d%0aX-Injected:%20yes",
      "v1,v2",
      "v1;v2",
      VAULT_IMAGE.digest,
    ].map((tag) => refusedBy([400], `tag=${tag.slice(0, 40)}`, push(`tag=${tag}`))),
    refusedBy([400], "a sound tag and one that is none", push("tag=sound&tag=/")),
    refusedBy([414], `${TAG_PARAMETERS_MAX + 1} tags`, push(tags(TAG_PARAMETERS_MAX + 1))),
    refusedBy([414], "1,000 tags", push(tags(1_000))),
    refusedBy([431], "2,000 tags", push(tags(2_000))),
    refusedBy([431], "20,000 tags", push(tags(20_000))),
    harmless([201], "a tag twice is a tag", "one tag, 1,000 times", push("tag=v1&".repeat(1_000))),
  ]);
});

/** With a session of the same client in `repo`. */
function inSession(
  method: string,
  target: (id: string) => string,
  options: { readonly headers?: readonly string[]; readonly body?: string } = {},
): HostileCase["request"] {
  return async (client: RegistryClient) => {
    const location = await client.startUpload(MINE);
    const id = location.slice(location.lastIndexOf("/") + 1);
    const { headers = [], body = "" } = options;
    return `${requestHead(method, target(id), [...headers, `Content-Length: ${body.length}`])}${body}`;
  };
}

describe("an upload session that is not there, or not in this repository, is 404", () => {
  const hex = "0".repeat(32);
  const ids = [
    hex,
    `${hex}.eu-1`,
    `${hex}.us-1`,
    `${hex}.`,
    `.eu-1`,
    "x",
    "-",
    "_",
    "a".repeat(4_000),
    `${hex}.${"a".repeat(4_000)}`,
    `${hex.toUpperCase()}.EU-1`,
    `${hex}.eu-1.eu-1`,
    `${hex}.eu-1%20`,
    "__proto__",
    "constructor",
    "%7b%7d",
    "*",
    "%2a",
    "~",
    "00000000-0000-0000-0000-000000000000",
    `${hex}.elsewhere.example`,
    `${hex}.127.0.0.1:22`,
    `${hex}.__proto__`,
    "eyJhbGciOiJub25lIn0.e30.",
    `${hex}.eu-1;x`,
    "%e2%80%ae",
  ];
  const methods = ["GET", "PATCH", "PUT", "DELETE"] as const;
  holdAgainst(
    ids.flatMap((id) =>
      methods.map((method) =>
        refusedBy(
          [404],
          `${method} ${id.slice(0, 50)}`,
          requestHead(method, `/v2/${MINE}/blobs/uploads/${id}${method === "PUT" ? `?digest=${ABSENT}` : ""}`, [
            "Content-Length: 0",
          ]),
        ),
      ),
    ),
  );
  holdAgainst(
    [VAULT, "team/other", `${MINE}/x`, "team"].flatMap((repo) =>
      methods.map((method) =>
        refusedBy(
          [404],
          `${method} in ${repo}`,
          inSession(
            method,
            (id) => `/v2/${repo}/blobs/uploads/${id}${method === "PUT" ? `?digest=${digestOf("")}` : ""}`,
          ),
        ),
      ),
    ),
  );
  holdAgainst(
    ["%00", "..", "%2e%2e", "a%2fb", "a%5cb", "%0a", "%ff"].map((id) =>
      refusedBy([400], `GET ${id}`, get(`/v2/${MINE}/blobs/uploads/${id}`)),
    ),
  );
});

describe("an upload that says something odd about itself is refused", () => {
  const at = (id: string): string => `/v2/${MINE}/blobs/uploads/${id}`;
  const put = (query: string, body = "x"): HostileCase["request"] =>
    inSession("PUT", (id) => `${at(id)}${query}`, { body });
  holdAgainst([
    ...[
      "5-5",
      "0-1",
      "1-1",
      "0-",
      "-1",
      "-",
      "a-b",
      "1-0",
      "0-0-0",
      "",
      "bytes",
      "bytes 0-0/0/0",
      "0 - 0",
      "0x0-0x0",
      "0,0",
      `0-${"9".repeat(400)}`,
      `${"9".repeat(400)}-`,
      "9007199254740993-9007199254740993",
      "\xff",
    ].map((range) =>
      refused(
        `Content-Range: ${range.slice(0, 40)}`,
        inSession("PATCH", at, { headers: [`Content-Range: ${range}`], body: "x" }),
      ),
    ),
    refused(
      "two content ranges",
      inSession("PATCH", at, { headers: ["Content-Range: 0-0", "Content-Range: 1-1"], body: "x" }),
    ),
    refusedBy([400], "PUT without a digest", put("")),
    refusedBy([400], "PUT with an empty digest", put("?digest=")),
    refusedBy([400], "PUT with two digests", put(`?digest=${digestOf("x")}&digest=${digestOf("x")}`)),
    refusedBy([414], "PUT with 200 digests", put(`?${`digest=${digestOf("x")}&`.repeat(200)}`)),
    refusedBy([400], "PUT with 100 digests", put(`?${`digest=${digestOf("x")}&`.repeat(100)}`)),
    refusedBy([400], "PUT with the digest of other bytes", put(`?digest=${digestOf("y")}`)),
    refusedBy([400], "PUT with the digest of somebody else's blob", put(`?digest=${VAULT_BLOB.digest}`)),
    refusedBy([400], "PUT of nothing with the digest of somebody else's blob", put(`?digest=${VAULT_BLOB.digest}`, "")),
    ...[
      "md5:d41d8cd98f00b204e9800998ecf8427e",
      "sha256:%00",
      "sha256:..",
      "x",
      ":",
      `SHA256:${"0".repeat(64)}`,
      `sha256:${"0".repeat(64)}%0a`,
    ].map((digest) => refusedBy([400], `PUT with the digest ${digest.slice(0, 40)}`, put(`?digest=${digest}`))),
    ...["gzip", "br", "deflate", "gzip, identity", "x", "\xff"].map((coding) =>
      refusedBy(
        [415],
        `PATCH in ${coding}`,
        inSession("PATCH", at, { headers: [`Content-Encoding: ${coding}`], body: "x" }),
      ),
    ),
    refusedBy([405], "POST to a session", inSession("POST", at)),
    refusedBy(
      [404],
      "a path behind a session",
      inSession("PATCH", (id) => `${at(id)}/x`),
    ),
    refusedBy(
      [404],
      "the state of another registry",
      inSession("PATCH", (id) => `${at(`${id}x`)}?_state=eyJOYW1lIjoieCJ9`),
    ),
  ]);
});

describe("a push in one request that says something odd is refused", () => {
  const post = (query: string, body = "x"): string =>
    `${requestHead("POST", `/v2/${MINE}/blobs/uploads/?${query}`, [`Content-Length: ${body.length}`])}${body}`;
  const ignored = 'a mount that cannot be done becomes an upload (distribution-spec, "Mounting a blob")';
  holdAgainst([
    ...["md5", "sha1", "SHA256", "*", "__proto__", "%00", "a".repeat(4_000)].map((algorithm) =>
      refusedBy([400], `digest-algorithm=${algorithm.slice(0, 20)}`, post(`digest-algorithm=${algorithm}`)),
    ),
    refusedBy([400], "the digest of somebody else's blob", post(`digest=${VAULT_BLOB.digest}`)),
    refusedBy([400], "two digests", post(`digest=${digestOf("x")}&digest=${digestOf("y")}`)),
    refusedBy([400], "a digest that is none", post("digest=../../etc/passwd")),
    ...[
      `mount=${VAULT_BLOB.digest}&from=team/nobody`,
      `mount=${VAULT_BLOB.digest}&from=${MINE}`,
      `mount=${VAULT_BLOB.digest}&from=../${VAULT}`,
      `mount=${VAULT_BLOB.digest}&from=${VAULT}/`,
      `mount=${VAULT_BLOB.digest}&from=${VAULT}%00`,
      `mount=${VAULT_BLOB.digest}&from=*`,
      `mount=${VAULT_BLOB.digest}&from=http://elsewhere.example/${VAULT}`,
      `mount=${VAULT_BLOB.digest.toUpperCase()}&from=${VAULT}`,
      `mount=*&from=${VAULT}`,
      `mount=&from=${VAULT}`,
      `mount=${ABSENT}&from=${VAULT}`,
      `mount=../${VAULT_BLOB.digest}&from=${VAULT}`,
      `from=${VAULT}`,
      "mount=&from=",
    ].map((query) => harmless([202], ignored, query.replace(VAULT_BLOB.digest, "DIGEST"), post(query, ""))),
  ]);
});

describe("hostile questions", () => {
  holdThatOnlyTheseAreThere(MINE);
});
