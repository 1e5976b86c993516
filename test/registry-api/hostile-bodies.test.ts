/** What a manifest, or a question to the management API, can be made of: too deep, too wide, ambiguous, or something else. */
import { describe } from "vitest";

import { MANIFEST_BYTES_MAX, MANIFEST_DESCRIPTORS_MAX } from "../../shared/limits.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_IMAGE_INDEX,
  OCI_IMAGE_MANIFEST,
} from "../../shared/media-types.ts";
import { descriptorOf, EMPTY } from "../support/oci-fixtures.ts";
import { requestHead } from "../support/raw-http.ts";
import {
  type HostileCase,
  harmless,
  holdAgainst,
  holdThatOnlyTheseAreThere,
  refusedBy,
  test,
  VAULT,
  VAULT_BLOB,
  VAULT_IMAGE,
} from "./hostile.ts";

const PART = JSON.stringify(descriptorOf(EMPTY));
const PUSHED = "team/pushed";

const AS_CLIENTS = "the bytes are kept as they came, and the last of two keys counts, as in every client";
const EXTENSIBLE = "what nobody knows is kept and sent nowhere but in the document (image-spec, Extensibility)";
const GO = "Go writes what is empty as null";

type Body = string | Uint8Array;

/** A manifest push, byte for byte. */
function push(body: Body, contentType = OCI_IMAGE_MANIFEST, target = "/v2/team/x/manifests/v1"): Uint8Array {
  const bytes = Buffer.from(body);
  const type = contentType === "" ? [] : [`Content-Type: ${contentType}`];
  const head = requestHead("PUT", target, [...type, `Content-Length: ${bytes.length}`]);
  return Buffer.concat([Buffer.from(head, "latin1"), bytes]);
}

/** An image whose parts are there and sound but for what is put over them. */
function image(fields: string): string {
  return `{"schemaVersion":2,"mediaType":"${OCI_IMAGE_MANIFEST}","config":${PART},"layers":[${PART}]${fields === "" ? "" : `,${fields}`}}`;
}

function index(manifests: string, fields = ""): string {
  return `{"schemaVersion":2,"mediaType":"${OCI_IMAGE_INDEX}","manifests":${manifests}${fields}}`;
}

function part(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...descriptorOf(EMPTY), ...fields });
}

function withLayer(layer: string): string {
  return `{"schemaVersion":2,"mediaType":"${OCI_IMAGE_MANIFEST}","config":${PART},"layers":[${layer}]}`;
}

function invalid(title: string, body: Body, contentType?: string): HostileCase {
  return refusedBy([400], title, push(body, contentType));
}

function accepted(because: string, title: string, body: Body, contentType?: string): HostileCase {
  return harmless([201], because, title, push(body, contentType, `/v2/${PUSHED}/manifests/v1`));
}

// Or every manifest would be refused for what it names.
test.beforeAll(async ({ node }) => {
  await Promise.all(["team/x", PUSHED].map(async (repo) => await node.client.pushBlob(repo, EMPTY.bytes)));
});

describe("a manifest that is not JSON, or not one JSON, is 400", () => {
  holdAgainst([
    invalid("nothing", ""),
    invalid("spaces", " ".repeat(1_000)),
    invalid("a word", "manifest"),
    invalid("null", "null"),
    invalid("true", "true"),
    invalid("a number", "1e999"),
    invalid("a string", '"sha256"'),
    invalid("a list", "[]"),
    invalid("an empty object", "{}"),
    invalid("half an object", '{"schemaVersion":2'),
    invalid("a comma too many", '{"schemaVersion":2,}'),
    invalid("a comment", `/* */${image("")}`),
    invalid("single quotes", "{'schemaVersion':2}"),
    invalid("two documents", `${image("")}${image("")}`),
    invalid("rubbish behind it", `${image("")}x`),
    invalid("a NUL behind it", `${image("")}\0`),
    accepted(AS_CLIENTS, "a byte order mark", `\ufeff${image("")}`),
    invalid("UTF-16", Buffer.from(image(""), "utf16le")),
    invalid("invalid UTF-8 in a value", Buffer.from(image('"x":"\xff"'), "latin1")),
    invalid("an overlong encoding", Buffer.from(image('"x":"\xc0\xaf"'), "latin1")),
    invalid("a surrogate in UTF-8", Buffer.from(image('"x":"\xed\xa0\x80"'), "latin1")),
    invalid("a bare control character", image('"x":"a\u0001b"')),
    invalid("a bare line feed in a string", image('"x":"a\nb"')),
    invalid("an escape that is none", image('"x":"\\x41"')),
    invalid("NaN", image('"x":NaN')),
    invalid("Infinity", image('"x":-Infinity')),
    invalid("a number with a leading zero", image('"x":01')),
    invalid("a hexadecimal number", image('"x":0x1')),
    invalid("YAML", "schemaVersion: 2\nlayers: []\n"),
    invalid("XML", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    invalid("gzip", Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])),
    invalid("zeros", Buffer.alloc(100_000)),
    invalid("64 KiB of an open brace", "{".repeat(64 * 1024)),
    invalid("64 KiB of an open quote", `{"${"a".repeat(64 * 1024)}`),
  ]);
});

describe("a JSON bomb is 400", () => {
  const nested = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth);
  holdAgainst([
    invalid("lists 33 deep", image(`"x":${nested(33, "[", "]")}`)),
    invalid("lists 1,000,000 deep", image(`"x":${nested(1_000_000, "[", "]")}`)),
    invalid("lists 1,000,000 deep that never close", `{"x":${"[".repeat(1_000_000)}`),
    invalid("objects 200,000 deep", image(`"x":${'{"x":'.repeat(200_000)}1${"}".repeat(200_000)}`)),
    invalid("annotations 10,000 deep", image(`"annotations":${'{"x":'.repeat(10_000)}1${"}".repeat(10_000)}`)),
    invalid("a layer 10,000 deep", withLayer(`${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`)),
    invalid(
      "a list of 1,000,000 numbers as layers",
      `{"schemaVersion":2,"config":${PART},"layers":[${"1,".repeat(1_000_000)}1]}`,
    ),
    invalid("200,000 null layers", `{"schemaVersion":2,"config":${PART},"layers":[${"null,".repeat(200_000)}null]}`),
    invalid("200,000 empty layers", `{"schemaVersion":2,"config":${PART},"layers":[${"{},".repeat(200_000)}{}]}`),
    invalid("200,000 keys that nobody knows, all the same", `{${'"k":1,'.repeat(200_000)}"k":2}`),
    invalid(
      "more descriptors than are allowed",
      withLayer(Array.from({ length: MANIFEST_DESCRIPTORS_MAX }, () => PART).join(",")),
    ),
    invalid(
      "more children than are allowed",
      index(`[${Array.from({ length: MANIFEST_DESCRIPTORS_MAX + 1 }, () => PART).join(",")}]`),
      OCI_IMAGE_INDEX,
    ),
    invalid("a key of 1 MB, twice", `{"${"k".repeat(1_000_000)}":1,"${"k".repeat(1_000_000)}":2}`),
    invalid("a schema version of 1,000,000 digits", `{"schemaVersion":${"2".repeat(1_000_000)}}`),
    invalid("a size of 100,000 digits", withLayer(PART.replace(/"size":\d+/, `"size":${"9".repeat(100_000)}`))),
    refusedBy([413], "4 MiB and one byte", push(" ".repeat(MANIFEST_BYTES_MAX + 1))),
    refusedBy([413], "4 MiB and one byte of braces", push("{".repeat(MANIFEST_BYTES_MAX + 1))),
    refusedBy([413], "16 MiB", push(" ".repeat(4 * MANIFEST_BYTES_MAX))),
    invalid("4 MiB of spaces", " ".repeat(MANIFEST_BYTES_MAX)),
    invalid("4 MiB of braces", "[".repeat(MANIFEST_BYTES_MAX)),
    invalid("4 MiB of escapes", `"${"\\u0041".repeat(MANIFEST_BYTES_MAX / 6 - 2)}"`),
  ]);
});

describe("a manifest that can be read in two ways is 400, or read as every client reads it", () => {
  holdAgainst([
    accepted(AS_CLIENTS, "two lists of layers", image('"layers":[]')),
    accepted(AS_CLIENTS, "two configs", image(`"config":${PART}`)),
    invalid("two media types", image(`"mediaType":"${OCI_IMAGE_INDEX}"`)),
    invalid("two schema versions", image('"schemaVersion":1')),
    accepted(AS_CLIENTS, "two subjects", image(`"subject":${PART},"subject":${PART}`)),
    accepted(AS_CLIENTS, "two digests in a layer", withLayer(`{"digest":"${VAULT_BLOB.digest}",${PART.slice(1)}`)),
    accepted(AS_CLIENTS, "two sizes in a layer", withLayer(`{"size":3,${PART.slice(1)}`)),
    accepted(AS_CLIENTS, "two annotations of one name", image('"annotations":{"a":"b","a":"c"}')),
    accepted(AS_CLIENTS, "a key and the same key in escapes", image('"lay\\u0065rs":[]')),
    invalid("layers and manifests", image('"manifests":[]')),
    invalid("manifests and layers", index("[]", ',"layers":[]'), OCI_IMAGE_INDEX),
    invalid("manifests and a config", index("[]", `,"config":${PART}`), OCI_IMAGE_INDEX),
    invalid("layers and manifests, untyped", `{"schemaVersion":2,"config":${PART},"layers":[],"manifests":[]}`, ""),
    invalid("fsLayers beside layers", image('"fsLayers":[]')),
    invalid("an image under the type of an index", image(""), OCI_IMAGE_INDEX),
    invalid("an index under the type of an image", index("[]"), OCI_IMAGE_MANIFEST),
    invalid("an OCI image under Docker's type", image(""), DOCKER_MANIFEST),
    invalid("an OCI index under Docker's type", index("[]"), DOCKER_MANIFEST_LIST),
    invalid("an image that says it is Docker's list", image("").replace(OCI_IMAGE_MANIFEST, DOCKER_MANIFEST_LIST)),
    invalid("an untyped index under the type of an image", '{"schemaVersion":2,"manifests":[]}', OCI_IMAGE_MANIFEST),
    invalid(
      "an untyped image under the type of an index",
      `{"schemaVersion":2,"config":${PART},"layers":[]}`,
      OCI_IMAGE_INDEX,
    ),
  ]);
});

describe("a manifest that reaches for a prototype is read as it stands, and refused for what it lacks, if it lacks anything", () => {
  holdAgainst(
    ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"].flatMap((key) => [
      invalid(`${key} instead of everything`, `{"${key}":{"schemaVersion":2,"config":${PART},"layers":[]}}`),
      accepted(EXTENSIBLE, `${key} beside sound fields`, image(`"${key}":{"mediaType":"${OCI_IMAGE_INDEX}"}`)),
      invalid(`${key} in a layer`, withLayer(`{"${key}":${PART}}`)),
      accepted(EXTENSIBLE, `${key} as a media type`, withLayer(part({ mediaType: key }))),
      invalid(`${key} as a digest`, withLayer(part({ digest: key }))),
    ]),
  );
});

describe("a manifest with fields of the wrong kind is 400", () => {
  const wrong = ["null", "true", "0", "-1", '""', '"x"', "[]", "[[]]", "{}", "1e400"];
  holdAgainst([
    ...["0", "1", "3", "-2", "2.5", '"2"', "null", "true", "[2]", "{}", "1e400", "2e99999"].map((version) =>
      invalid(`schemaVersion ${version}`, image("").replace('"schemaVersion":2', `"schemaVersion":${version}`)),
    ),
    ...["1", "[]", "{}", "true"].map((value) =>
      invalid(`mediaType ${value}`, image("").replace(`"${OCI_IMAGE_MANIFEST}"`, value)),
    ),
    ...wrong.map((value) => invalid(`config ${value}`, `{"schemaVersion":2,"config":${value},"layers":[]}`)),
    ...wrong
      .filter((value) => value !== "[]" && value !== "null")
      .map((value) => invalid(`layers ${value}`, `{"schemaVersion":2,"config":${PART},"layers":${value}}`)),
    ...wrong
      .filter((value) => value !== "[]" && value !== "null")
      .map((value) => invalid(`manifests ${value}`, index(value), OCI_IMAGE_INDEX)),
    accepted(GO, "mediaType null", image("").replace(`"${OCI_IMAGE_MANIFEST}"`, "null")),
    accepted(GO, "layers null", `{"schemaVersion":2,"config":${PART},"layers":null}`),
    accepted(GO, "manifests null", index("null"), OCI_IMAGE_INDEX),
    ...wrong
      .filter((value) => value !== "null")
      .map((value) => invalid(`subject ${value}`, image(`"subject":${value}`))),
    ...wrong.map((value) => invalid(`a layer that is ${value}`, withLayer(value))),
    ...[-1, 0.5, "2", null, [], {}, true, 2 ** 53].map((size) =>
      invalid(`a size of ${JSON.stringify(size)}`, withLayer(part({ size }))),
    ),
    invalid("a size of 1e400", withLayer(PART.replace(/"size":\d+/, '"size":1e400'))),
    ...[
      null,
      1,
      [],
      {},
      "",
      "sha256:",
      "sha256:x",
      `sha256:${"0".repeat(63)}`,
      "../../etc/passwd",
      "a".repeat(100_000),
    ].map((digest) => invalid(`a digest that is ${JSON.stringify(digest).slice(0, 40)}`, withLayer(part({ digest })))),
    ...[1, [], {}, true, "a".repeat(10_000)].map((mediaType) =>
      invalid(`a media type that is ${JSON.stringify(mediaType).slice(0, 40)}`, withLayer(part({ mediaType }))),
    ),
    ...["a/b\r\nX-Injected: yes", "a b/c", "text/html\0"].map((mediaType) =>
      accepted(EXTENSIBLE, `a layer's type that is ${JSON.stringify(mediaType)}`, withLayer(part({ mediaType }))),
    ),
    ...["a/b\r\nX-Injected: yes", "a b/c", "text/html\0"].map((mediaType) =>
      invalid(
        `a manifest's type that is ${JSON.stringify(mediaType)}`,
        image("").replace(JSON.stringify(OCI_IMAGE_MANIFEST), JSON.stringify(mediaType)),
        "",
      ),
    ),
    ...[1, "x", [1], { a: 1 }, { a: null }, { a: {} }].map((annotations) =>
      invalid(`annotations ${JSON.stringify(annotations)}`, image(`"annotations":${JSON.stringify(annotations)}`)),
    ),
    invalid("an artifact type that is a list", image('"artifactType":[]')),
    invalid(
      "a subject in another repository",
      image(`"subject":{"mediaType":"x/y","digest":"../${VAULT}@${VAULT_IMAGE.digest}","size":1}`),
    ),
  ]);
});

describe("a manifest under a type that is none, or none of ours, is refused", () => {
  const types = [
    "text/html",
    "application/json",
    "application/xml",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "*/*",
    "/",
    "__proto__",
    "\xff/\xff",
    "a".repeat(10_000),
    `${OCI_IMAGE_MANIFEST}, ${OCI_IMAGE_INDEX}`,
    `${OCI_IMAGE_MANIFEST}x`,
  ];
  holdAgainst(types.map((type) => refusedBy([400], type.slice(0, 60), push(image(""), type))));
  holdAgainst([accepted("parameters of no type say nothing, and the document names its own", ";", image(""), ";")]);
});

describe("a manifest that names what another repository holds is refused like one that names nothing", () => {
  const held = JSON.stringify(descriptorOf(VAULT_BLOB));
  holdAgainst([
    invalid("somebody else's blob as a layer", withLayer(held)),
    invalid(
      "somebody else's blob as a config",
      `{"schemaVersion":2,"mediaType":"${OCI_IMAGE_MANIFEST}","config":${held},"layers":[]}`,
    ),
    invalid(
      "somebody else's image as a child",
      index(`[${JSON.stringify(descriptorOf(VAULT_IMAGE))}]`),
      OCI_IMAGE_INDEX,
    ),
    refusedBy(
      [400],
      "the digest of somebody else's image over other bytes",
      push(image(""), OCI_IMAGE_MANIFEST, `/v2/team/x/manifests/${VAULT_IMAGE.digest}`),
    ),
    refusedBy(
      [400],
      "somebody else's image itself",
      push(VAULT_IMAGE.bytes, OCI_IMAGE_MANIFEST, `/v2/team/x/manifests/${VAULT_IMAGE.digest}`),
    ),
  ]);
  holdAgainst([
    harmless(
      [201],
      'a subject need not be there (distribution-spec, "Pushing Manifests with Subject")',
      "somebody else's image as a subject",
      push(
        index("[]", `,"subject":${JSON.stringify(descriptorOf(VAULT_IMAGE))}`),
        OCI_IMAGE_INDEX,
        `/v2/${PUSHED}/manifests/v1`,
      ),
    ),
    harmless(
      [201],
      'fields that nobody knows are kept (image-spec, "Extensibility")',
      "an index with a prototype in its annotations",
      push(
        index("[]", ',"annotations":{"__proto__":"x","constructor":"y","":"z"}'),
        OCI_IMAGE_INDEX,
        `/v2/${PUSHED}/manifests/v2`,
      ),
    ),
    harmless(
      [200],
      "only its own repository's referrers are told",
      "the referrers that somebody else's image has here",
      requestHead("GET", `/v2/${PUSHED}/referrers/${VAULT_IMAGE.digest}`),
    ),
  ]);
});

describe("a question to the management API that is none is 400", () => {
  const wait = (body: Body): Uint8Array => {
    const bytes = Buffer.from(body);
    return Buffer.concat([
      Buffer.from(requestHead("POST", "/api/v1/wait", [`Content-Length: ${bytes.length}`])),
      bytes,
    ]);
  };
  const asked = { image: "team/x:v1", regions: "all", level: "known", timeoutMs: 0 };
  holdAgainst([
    ...[
      "",
      "null",
      "[]",
      "{}",
      "1",
      '"x"',
      "{",
      "x",
      "\ufeff{}",
      "[".repeat(100_000),
      `{"__proto__":${JSON.stringify(asked)}}`,
    ].map((body) => refusedBy([400], body === "" ? "nothing" : body.slice(0, 40), wait(body))),
    ...[
      { image: 1 },
      { image: "" },
      { image: "../../etc/passwd" },
      { image: `a:${"b".repeat(1_000)}` },
      { image: `a@${"b".repeat(1_000)}` },
      { image: "a".repeat(100_000) },
      { image: "http://elsewhere.example/a:b" },
      { image: "@".repeat(1_000) },
      { image: ":".repeat(1_000) },
      { regions: [] },
      { regions: "eu" },
      { regions: ["*"] },
      { regions: ["__proto__.x"] },
      { regions: ["e".repeat(100_000)] },
      { regions: Array.from({ length: 301 }, () => "eu") },
      { regions: [1] },
      { level: "unknown" },
      { level: "constructor" },
      { level: 1 },
      { timeoutMs: -1 },
      { timeoutMs: 0.5 },
      { timeoutMs: 1e300 },
      { timeoutMs: "1" },
      { extra: true },
    ].map((fields) =>
      refusedBy([400], JSON.stringify(fields).slice(0, 60), wait(JSON.stringify({ ...asked, ...fields }))),
    ),
    refusedBy([413], "more than 1 MiB", wait(" ".repeat(1024 * 1024 + 1))),
  ]);
});

describe("hostile bodies", () => {
  holdThatOnlyTheseAreThere(PUSHED);
});
