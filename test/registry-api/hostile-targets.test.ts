/** What stands behind the method: paths that lead elsewhere, spellings that mean something else once decoded, other forms. */
import { describe } from "vitest";

import { REPOSITORY_NAME_LENGTH_MAX, REQUEST_TARGET_LENGTH_MAX, TAG_LENGTH_MAX } from "../../shared/limits.ts";
import { requestHead } from "../support/raw-http.ts";
import {
  type HostileCase,
  harmless,
  holdAgainst,
  holdThatOnlyTheseAreThere,
  refused,
  refusedBy,
  VAULT,
  VAULT_BLOB,
  VAULT_IMAGE,
} from "./hostile.ts";

const LAST = ["Connection: close"];

function get(target: string, headers: readonly string[] = []): string {
  return requestHead("GET", target, headers);
}

/** A GET of each, all of them refused in the same way. */
function gets(statuses: readonly number[], targets: readonly string[]): readonly HostileCase[] {
  return targets.map((target) => refusedBy(statuses, shown(target), get(target)));
}

/** A title that fits into a line, and into a terminal. */
function shown(text: string): string {
  const escaped = text.replaceAll(/[^!-~]/g, escape);
  return escaped.length > 90 ? `${escaped.slice(0, 80)}… (${text.length} bytes)` : escaped;
}

function escape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** Text as it goes over the wire. */
function utf8(text: string): string {
  return Buffer.from(text).toString("latin1");
}

describe("a path with dot segments is refused, never followed and never redirected", () => {
  holdAgainst([
    ...gets(
      [400],
      [
        "/v2/../../etc/passwd",
        "/v2/../v2/",
        "/v2/./_catalog",
        "/v2/.",
        "/v2/..",
        "/v2/../",
        "/./v2/",
        "/../",
        "/..",
        `/v2/team/../${VAULT}/manifests/latest`,
        `/v2/team/x/../../${VAULT}/blobs/${VAULT_BLOB.digest}`,
        `/v2/${VAULT}/blobs/../blobs/${VAULT_BLOB.digest}`,
        `/v2/team/x/blobs/../../../${VAULT}/blobs/${VAULT_BLOB.digest}`,
        `/v2/team/x/manifests/../../../${VAULT}/manifests/${VAULT_IMAGE.digest}`,
        "/v2/team/x/manifests/..",
        "/v2/team/x/manifests/.",
        "/v2/team/x/blobs/uploads/../../tags/list",
        "/v2/team/x/blobs/uploads/..",
        "/v2/team/x/tags/../tags/list",
        "/v2/a/../../admin/x",
        "/api/v1/../../v2/",
        "/v2/%2e%2e/%2e%2e/etc/passwd",
        "/v2/%2E%2E/",
        "/v2/.%2e/x/tags/list",
        "/v2/%2e./x/tags/list",
        "/v2/%2e/x/tags/list",
        `/v2/team/%2e%2e/${VAULT}/manifests/latest`,
        "/v2/team/x/manifests/%2e%2e",
        "/v2/team/x/blobs/uploads/%2e%2e",
      ],
    ),
    // One layer of encoding is taken off, and what is left stays what it is.
    ...gets([400], ["/v2/%252e%252e/tags/list", "/v2/team%252f..%252fvault/tags/list"]),
    // Three dots, and dots with a path parameter, climb nowhere and name nothing.
    ...gets([400], ["/v2/.../tags/list", "/v2/..;/tags/list", "/v2/..;a=b/vault/tags/list", "/v2/...../tags/list"]),
    ...gets([404], ["/v2/team/x/manifests/...", "/v2/team/x/manifests/..latest", "/v2/team/x/manifests/.hidden"]),
  ]);
});

describe("a path with empty segments or the other slash is refused", () => {
  holdAgainst(
    gets(
      [400],
      [
        "//v2/",
        "//",
        "///",
        "//elsewhere.example/v2/",
        "/v2//",
        "/v2//_catalog",
        `/v2//${VAULT}/tags/list`,
        `/v2/${VAULT}//tags/list`,
        `/v2/${VAULT}/tags//list`,
        `/v2/${VAULT}/tags/list//`,
        "/v2/vault//private/tags/list",
        "/v2/team/x/manifests//",
        "/v2/team/x/blobs//uploads/",
        "/v2\\_catalog",
        "/v2/..\\..\\windows\\win.ini",
        "/v2/team\\x/tags/list",
        "\\v2\\",
        "/\\elsewhere.example/v2/",
      ],
    ),
  );
});

describe("a percent-encoding that hides something, or is none, is refused", () => {
  holdAgainst(
    gets(
      [400],
      [
        "/v2/vault%2fprivate/tags/list",
        "/v2/vault%2Fprivate/tags/list",
        "/v2/vault%5cprivate/tags/list",
        "/v2/team/x/manifests/a%2fb",
        "/v2/team/x/blobs%2fuploads/",
        "/v2/x%00/tags/list",
        "/v2/%00",
        "/v2/x%00.png/tags/list",
        "/v2/team/x/manifests/latest%00",
        "/v2/x%0a/tags/list",
        "/v2/x%0d%0aSet-Cookie:%20a=b/tags/list",
        "/v2/team/x/manifests/v1%0d%0aX-Injected:%20yes",
        "/v2/x%7f/tags/list",
        "/v2/x%1b%5b31m/tags/list",
        "/v2/x%/tags/list",
        "/v2/x%2/tags/list",
        "/v2/x%zz/tags/list",
        "/v2/x%u002e%u002e/tags/list",
        "/v2/x%-1/tags/list",
        "/v2/%%32%65/tags/list",
        "/v2/x%c0%af/tags/list",
        "/v2/%c0%ae%c0%ae/tags/list",
        "/v2/%e0%80%ae/tags/list",
        "/v2/x%ff/tags/list",
        "/v2/x%ed%a0%80/tags/list",
        "/v2/x%f5%80%80%80/tags/list",
        "/v2/x%e2%80%ae/tags/list",
        "/v2/x%ef%bb%bf/tags/list",
        "/v2/x%20y/tags/list",
        "/v2/x%3fn=1/tags/list",
        "/v2/x%23/tags/list",
        "/v2/%ef%bc%8e%ef%bc%8e/tags/list",
      ],
    ),
  );
  holdAgainst([
    harmless([404], "an encoded letter is that letter", "/v2/te%61m/x/tags/list", get("/v2/te%61m/x/tags/list")),
    refusedBy([404], "an encoded question mark asks nothing", get("/v2%3f/")),
  ]);
});

describe("a byte that no target may hold is refused", () => {
  holdAgainst([
    ...[0, 1, 7, 8, 0x0b, 0x0c, 0x1b, 0x1f, 0x7f].map((code) =>
      refused(`byte ${code} in a path`, get(`/v2/x${String.fromCharCode(code)}/tags/list`)),
    ),
    refused("byte 0 in a query", get("/v2/?n=\0")),
    refused("a tab", get("/v2/\tx")),
    refused("a space", get("/v2/x y/tags/list")),
    refused("a bare carriage return", get("/v2/x\r/tags/list")),
    refused("a line feed in the middle", get("/v2/x\n/tags/list")),
    refused("a fragment", get("/v2/#/../_catalog")),
    refused("a fragment in a query", get("/v2/?n=1#x")),
    refused("é in UTF-8", get(utf8("/v2/café/tags/list"))),
    refused("é in Latin-1", get("/v2/caf\u00e9/tags/list")),
    refused("a Cyrillic letter that looks Latin", get(utf8("/v2/vаult/private/tags/list"))),
    refused("a full-width stop, twice", get(utf8("/v2/．．/tags/list"))),
    refused("a right-to-left override", get(utf8("/v2/\u202eetavirp/tags/list"))),
    refused("an emoji", get(utf8("/v2/🐳/tags/list"))),
    refused("a zero-width space", get(utf8("/v2/vault\u200b/private/tags/list"))),
    refused("broken UTF-8", get("/v2/\xc3\x28/tags/list")),
    refused("an overlong slash", get("/v2/vault\xc0\xafprivate/tags/list")),
    refused("bytes above ASCII in a query", get("/v2/_catalog?last=\xff\xfe")),
  ]);
});

describe("a target of another form is refused: this is no proxy", () => {
  holdAgainst([
    ...gets(
      [400],
      [
        "http://127.0.0.1/v2/",
        "http://elsewhere.example/v2/",
        "https://elsewhere.example/v2/_catalog",
        "HTTP://ELSEWHERE.EXAMPLE/v2/",
        "http://user:word@127.0.0.1/v2/",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:22/",
        "http:///v2/",
      ],
    ),
    ...["ftp://elsewhere.example/v2/", "file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "v2/"].map(
      (target) => refused(target, get(target)),
    ),
    ...["../v2/", "?n=1", "%2fv2%2f", "*", "elsewhere.example:443", ":80", "[::1]:80", "@/v2/", ";/v2/", "&", "-"].map(
      (target) => refused(target, get(target)),
    ),
    refused("OPTIONS *", requestHead("OPTIONS", "*")),
    refused("no target at all", "GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("nothing but a method", "GET\r\nHost: a\r\n\r\n"),
    refused("two targets", get("/v2/ /v2/_catalog")),
  ]);
});

describe("a target that is very long is refused", () => {
  const long = REQUEST_TARGET_LENGTH_MAX;
  holdAgainst([
    ...gets(
      [414],
      [
        `/v2/${"a".repeat(long)}/tags/list`,
        `/v2/?${"n=1&".repeat(long / 4)}`,
        `/v2/${"a/".repeat(long / 2)}tags/list`,
        `/v2/${"../".repeat(long / 3)}etc/passwd`,
        `/v2/${"%2e".repeat(long / 3)}/tags/list`,
        `/${"/".repeat(long)}`,
      ],
    ),
    refused("64 KiB of a name", get(`/v2/${"a".repeat(64 * 1024)}/tags/list`)),
    refused("64 KiB of slashes", get("/".repeat(64 * 1024))),
    refused("64 KiB of percents", get(`/v2/${"%".repeat(64 * 1024)}`)),
    refused("64 KiB of query", get(`/v2/?${"a=b&".repeat(16 * 1024)}`)),
    refused("1 MiB of a name", get(`/v2/${"a".repeat(1024 * 1024)}`)),
    harmless(
      [200],
      "8 KiB are allowed, and nobody asked about this parameter",
      "as long as is allowed",
      get(`/v2/?x=${"y".repeat(long - "/v2/?x=".length)}`),
    ),
  ]);
});

describe("a name that is none is 400, however long and whatever it tries to be", () => {
  const names = [
    "a".repeat(REPOSITORY_NAME_LENGTH_MAX + 1),
    "a".repeat(300),
    "a".repeat(4_000),
    "a/".repeat(200).concat("a"),
    "a-".repeat(2_000).concat("!"),
    "a".repeat(3_000).concat("-"),
    "a--".repeat(1_000).concat("_"),
    "-".repeat(5_000),
    "Vault/private",
    "VAULT/PRIVATE",
    "vault/Private",
    "vault/private.",
    "vault/private-",
    "vault/-private",
    "vault/.private",
    "a..b",
    "a___b",
    "a._b",
    "a:b",
    "a@b",
    "vault/private:latest",
    `vault/private@${VAULT_IMAGE.digest}`,
    "*",
    "vault/*",
    "v%3fult",
    "[v]ault/private",
    "{vault,team}/private",
    "vault/private|x",
    "^vault.*$",
    "~root",
    "~",
    "$HOME",
    "$(id)",
    "`id`",
    "${VAULT}",
    "a;id",
    "a'or'1'='1",
    'a"b',
    "a<script>",
    "con:",
    "c:",
    "a=b",
    "a,b",
    "a+b",
    "a&b",
    "a!b",
    "(a)",
    "-rf",
    "__proto__",
    "_",
    "a_",
  ];
  holdAgainst(
    names.map((name) => {
      const isExtension = name.startsWith("_");
      return refusedBy([isExtension ? 404 : 400], shown(name), get(`/v2/${name}/tags/list`));
    }),
  );
});

describe("a name that is one of our own words is a name like any other", () => {
  const names = [
    "blobs",
    "manifests",
    "tags",
    "tags/list",
    "uploads",
    "blobs/uploads",
    "blobs/uploads/manifests",
    "referrers",
    "v2",
    "v2/v2",
    "api/v1",
    "constructor",
    "tostring",
    "hasownproperty",
    "null",
    "undefined",
    "nan",
    "true",
    "0",
    "con",
    "nul",
    "etc/passwd",
    "proc/self/environ",
    "a".repeat(REPOSITORY_NAME_LENGTH_MAX),
    "a/".repeat(127).concat("a"),
  ];
  holdAgainst(
    names.map((name) =>
      harmless([404], "the name is sound, and nobody has pushed to it", shown(name), get(`/v2/${name}/tags/list`)),
    ),
  );
});

describe("a tag that is none names nothing to a reader, and is refused to a writer", () => {
  const tags = [
    "a".repeat(TAG_LENGTH_MAX + 1),
    "a".repeat(4_000),
    "-v1",
    ".v1",
    "v1+meta",
    "v1!",
    "v1*",
    "*",
    "v1;id",
    "v1,v2",
    "v1|v2",
    "v1@x",
    "$v1",
    "(v1)",
    "v1%20",
    "%e2%80%ae",
    "%7bv1%7d",
    "v1'",
    "v1~",
    "v1=",
  ];
  holdAgainst(
    tags.flatMap((tag) => [
      refusedBy([404], `GET ${shown(tag)}`, get(`/v2/team/x/manifests/${tag}`)),
      refusedBy(
        [400],
        `PUT ${shown(tag)}`,
        `${requestHead("PUT", `/v2/team/x/manifests/${tag}`, ["Content-Length: 2", ...LAST])}{}`,
      ),
    ]),
  );
});

describe("a digest that is none is 400", () => {
  const hex = "0".repeat(64);
  const digests = [
    "sha256:",
    "sha256:0",
    `sha256:${"0".repeat(63)}`,
    `sha256:${"0".repeat(65)}`,
    `sha256:${"0".repeat(128)}`,
    `sha512:${hex}`,
    `sha256:${"A".repeat(64)}`,
    `SHA256:${hex}`,
    `sha256:${"g".repeat(64)}`,
    `sha256::${hex}`,
    `sha256:sha256:${hex}`,
    `:${hex}`,
    ":",
    `md5:${"0".repeat(32)}`,
    `sha1:${"0".repeat(40)}`,
    `sha384:${"0".repeat(96)}`,
    `blake3:${hex}`,
    `sha256+b64:${hex}`,
    `sha256:${hex}%20`,
    `__proto__:${hex}`,
    `constructor:${hex}`,
    `sha256:${"0".repeat(6_000)}`,
    `${"a".repeat(6_000)}:0`,
    `sha256:${hex}@sha256:${hex}`,
    `${VAULT_BLOB.digest},${VAULT_BLOB.digest}`,
    `${VAULT_BLOB.digest}*`,
  ];
  holdAgainst(
    digests.flatMap((digest) => [
      refusedBy([400], `blob ${shown(digest)}`, get(`/v2/team/x/blobs/${digest}`)),
      refusedBy([400], `HEAD of manifest ${shown(digest)}`, requestHead("HEAD", `/v2/team/x/manifests/${digest}`)),
    ]),
  );
  holdAgainst(
    ["latest", VAULT_BLOB.digest.replace("sha256:", ""), "..."].map((digest) =>
      refusedBy([400], `${shown(digest)} as a digest`, get(`/v2/team/x/blobs/${digest}`)),
    ),
  );
});

describe("what another repository holds is unknown here", () => {
  const paths = [
    `/v2/team/x/blobs/${VAULT_BLOB.digest}`,
    `/v2/team/x/manifests/${VAULT_IMAGE.digest}`,
    `/v2/team/x/blobs/${VAULT_IMAGE.digest}`,
    `/v2/team/x/manifests/${VAULT_BLOB.digest}`,
    `/v2/vault/blobs/${VAULT_BLOB.digest}`,
    `/v2/vault/private/x/blobs/${VAULT_BLOB.digest}`,
    `/v2/vault/privat/blobs/${VAULT_BLOB.digest}`,
    `/v2/private/blobs/${VAULT_BLOB.digest}`,
  ];
  holdAgainst(
    paths.flatMap((path) => [
      refusedBy([404], `GET ${path}`, get(path)),
      refusedBy([404], `HEAD ${path}`, requestHead("HEAD", path)),
      refusedBy([404], `DELETE ${path}`, requestHead("DELETE", path)),
    ]),
  );
  holdAgainst([
    harmless(
      [200],
      'the referrers of what is not here are an empty list (distribution-spec, "Listing Referrers")',
      "the referrers of somebody else's image",
      get(`/v2/team/x/referrers/${VAULT_IMAGE.digest}`),
    ),
  ]);
});

describe("targets", () => {
  holdThatOnlyTheseAreThere();
});
