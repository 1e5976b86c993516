import { describe, expect, test } from "vitest";

import { digestOf } from "../../../shared/digest.ts";
import { MANIFEST_BYTES_MAX, MANIFEST_DESCRIPTORS_MAX } from "../../../shared/limits.ts";
import { type Manifest, parseManifest, referrerDescriptorOf } from "../../../shared/manifest.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_EMPTY,
  OCI_IMAGE_CONFIG,
  OCI_IMAGE_INDEX,
  OCI_IMAGE_MANIFEST,
  OCI_LAYER_TAR_GZIP,
} from "../../../shared/media-types.ts";
import { refusalOf, thrownBy } from "../../support/thrown-by.ts";

type Json = Readonly<Record<string, unknown>>;

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function parse(document: unknown, contentType?: string): Manifest {
  return parseManifest(bytesOf(JSON.stringify(document)), contentType);
}

function named(mediaType: string, name: string, more: Json = {}): Json {
  return { mediaType, digest: digestOf(bytesOf(name)), size: name.length, ...more };
}

/** The same as the parser gives it back. */
function read(mediaType: string, name: string, more: Json = {}): Json {
  const absent = { urls: [], artifactType: undefined, annotations: undefined, platform: undefined };
  return { ...named(mediaType, name), ...absent, ...more };
}

const CONFIG = named(OCI_IMAGE_CONFIG, "config");
const LAYER = named(OCI_LAYER_TAR_GZIP, "layer");
const IMAGE = { schemaVersion: 2, mediaType: OCI_IMAGE_MANIFEST, config: CONFIG, layers: [LAYER] };
const INDEX = { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests: [named(OCI_IMAGE_MANIFEST, "child")] };
const BLAKE3 = `blake3:${"a".repeat(64)}`;

describe("an image", () => {
  test("needs its config and its layers", () => {
    expect(parse(IMAGE)).toEqual({
      kind: "image",
      mediaType: OCI_IMAGE_MANIFEST,
      config: read(OCI_IMAGE_CONFIG, "config"),
      layers: [read(OCI_LAYER_TAR_GZIP, "layer")],
      blobs: [read(OCI_IMAGE_CONFIG, "config"), read(OCI_LAYER_TAR_GZIP, "layer")],
      children: [],
      others: [],
      external: [],
      subject: undefined,
      artifactType: OCI_IMAGE_CONFIG,
      annotations: undefined,
    });
  });

  test("needs a layer once, however often it stands in the list", () => {
    const manifest = parse({ ...IMAGE, layers: [LAYER, LAYER, CONFIG] });

    expect(manifest.blobs).toEqual([read(OCI_IMAGE_CONFIG, "config"), read(OCI_LAYER_TAR_GZIP, "layer")]);
    expect(manifest.kind === "image" && manifest.layers.length).toBe(3);
  });

  test.each([
    ["none", []],
    ["Go's way of writing none", null],
  ])("may have no layers: %s", (_, layers) => {
    expect(parse({ ...IMAGE, layers }).blobs).toEqual([read(OCI_IMAGE_CONFIG, "config")]);
  });

  test("does not need layers that are to be had elsewhere, or that nobody here can verify", () => {
    const foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    const nondistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    const layers = [
      named(foreign, "foreign"),
      named(nondistributable, "nondistributable"),
      named(OCI_LAYER_TAR_GZIP, "linked", { urls: ["https://example.com/layer"] }),
      { ...LAYER, digest: BLAKE3 },
    ];
    const manifest = parse({ ...IMAGE, layers });

    expect(manifest.blobs).toEqual([read(OCI_IMAGE_CONFIG, "config")]);
    expect(manifest.external).toEqual([
      read(foreign, "foreign"),
      read(nondistributable, "nondistributable"),
      read(OCI_LAYER_TAR_GZIP, "linked", { urls: ["https://example.com/layer"] }),
      read(OCI_LAYER_TAR_GZIP, "layer", { digest: BLAKE3 }),
    ]);
  });

  test("of Docker's is read like OCI's, without its subject", () => {
    const manifest = parse({ ...IMAGE, mediaType: DOCKER_MANIFEST, subject: LAYER });

    expect([manifest.kind, manifest.mediaType, manifest.subject]).toEqual(["image", DOCKER_MANIFEST, undefined]);
  });

  test("keeps what it does not know, and does not mind the type of its parts", () => {
    const config = named("application/vnd.example.thing", "config", { data: null, newUnspecifiedField: null });
    const manifest = parse({ ...IMAGE, config, layers: [named("example", "layer")], somethingNew: { deep: [1] } });

    expect(manifest.blobs).toEqual([read("application/vnd.example.thing", "config"), read("example", "layer")]);
  });
});

describe("an index", () => {
  test("needs its children as manifests, and anything else as whatever is there", () => {
    const cache = named("application/vnd.buildkit.cacheconfig.v0", "cache");
    const manifests = [
      named(OCI_IMAGE_MANIFEST, "image", { platform: { os: "linux", architecture: "arm64", variant: "v8" } }),
      named(OCI_IMAGE_INDEX, "index"),
      named(DOCKER_MANIFEST, "docker"),
      named(DOCKER_MANIFEST_LIST, "list"),
      LAYER,
      cache,
      { ...LAYER, digest: BLAKE3 },
    ];
    const manifest = parse({ ...INDEX, manifests });

    expect(manifest.children.map(({ mediaType }) => mediaType)).toEqual([
      OCI_IMAGE_MANIFEST,
      OCI_IMAGE_INDEX,
      DOCKER_MANIFEST,
      DOCKER_MANIFEST_LIST,
    ]);
    expect(manifest.children[0]?.platform).toEqual({ os: "linux", architecture: "arm64", variant: "v8" });
    expect(manifest.others).toEqual([
      read(OCI_LAYER_TAR_GZIP, "layer"),
      read("application/vnd.buildkit.cacheconfig.v0", "cache"),
    ]);
    expect(manifest.external.map(({ digest }) => digest)).toEqual([BLAKE3]);
    expect(manifest.blobs).toEqual([]);
  });

  test.each([
    ["none", []],
    ["Go's way of writing none", null],
  ])("may have no entries: %s", (_, manifests) => {
    expect(parse({ ...INDEX, manifests })).toMatchObject({ kind: "index", entries: [], children: [], others: [] });
  });

  test("reads the type of a child whatever its case, as clients do", () => {
    const manifest = parse({ ...INDEX, manifests: [named(OCI_IMAGE_MANIFEST.toUpperCase(), "child")] });

    expect(manifest.children.length).toBe(1);
  });

  test("does not mind a platform that nobody understands", () => {
    const manifests = [named(OCI_IMAGE_MANIFEST, "child", { platform: { os: 7 } })];

    expect(parse({ ...INDEX, manifests }).children[0]?.platform).toBeUndefined();
  });

  test("has the type of artifact that it says, and none besides", () => {
    expect(parse(INDEX).artifactType).toBeUndefined();
    expect(parse({ ...INDEX, artifactType: "example/a" }).artifactType).toBe("example/a");
  });
});

describe("a referrer", () => {
  const subject = named(OCI_IMAGE_MANIFEST, "subject");
  const annotations = { "org.opencontainers.image.created": "2026-11-23", __proto__: undefined };

  test("is listed by the type of artifact it names, with its annotations", () => {
    const manifest = parse({ ...IMAGE, subject, artifactType: "example/sbom", annotations });

    expect(manifest.subject).toEqual(read(OCI_IMAGE_MANIFEST, "subject"));
    expect(referrerDescriptorOf(manifest, digestOf(bytesOf("me")), 99)).toEqual({
      mediaType: OCI_IMAGE_MANIFEST,
      digest: digestOf(bytesOf("me")),
      size: 99,
      artifactType: "example/sbom",
      annotations: { "org.opencontainers.image.created": "2026-11-23" },
    });
  });

  test.each([undefined, null, ""])("that names none (%j) is listed by the type of its config", (artifactType) => {
    expect(parse({ ...IMAGE, subject, artifactType }).artifactType).toBe(OCI_IMAGE_CONFIG);
    expect(parse({ ...IMAGE, artifactType, config: named(OCI_EMPTY, "{}") }).artifactType).toBe(OCI_EMPTY);
  });

  test("leaves out of its entry what it does not say", () => {
    const entry = referrerDescriptorOf(parse({ ...INDEX, subject }), digestOf(bytesOf("me")), 99);

    expect(Object.keys(entry)).toEqual(["mediaType", "digest", "size"]);
  });

  test("may be about a digest that nobody here can compute", () => {
    expect(parse({ ...IMAGE, subject: { ...subject, digest: "blake3:abc" } }).subject?.digest).toBe("blake3:abc");
  });

  test("keeps an annotation called __proto__ like any other", () => {
    const text = JSON.stringify({ ...IMAGE, annotations: {} }).replace(
      '"annotations":{}',
      '"annotations":{"__proto__":"x"}',
    );
    const { annotations: kept } = parseManifest(bytesOf(text), undefined);

    expect(JSON.stringify(kept)).toBe('{"__proto__":"x"}');
  });
});

describe("an unknown type of manifest", () => {
  test.each([
    ["that says what it is", { mediaType: "application/vnd.example+json", layers: [{}] }, undefined],
    ["that only the header names", { anything: 1 }, "application/vnd.example+json"],
    ["with a version of its own", { mediaType: "application/vnd.example+json", schemaVersion: 1 }, undefined],
  ])("is taken as it is: one %s", (_, document, contentType) => {
    expect(parse(document, contentType)).toEqual({
      kind: "opaque",
      mediaType: "application/vnd.example+json",
      blobs: [],
      children: [],
      others: [],
      external: [],
      subject: undefined,
      artifactType: undefined,
      annotations: undefined,
    });
  });

  test("such as the dropped artifact manifest refers to nothing", () => {
    const mediaType = "application/vnd.oci.artifact.manifest.v1+json";

    expect(parse({ mediaType, blobs: [LAYER], subject: CONFIG })).toMatchObject({ kind: "opaque", subject: undefined });
  });
});

describe("what a manifest is", () => {
  test.each([
    ["header and document agree", IMAGE, OCI_IMAGE_MANIFEST],
    ["the header has parameters", IMAGE, `${OCI_IMAGE_MANIFEST}; charset=utf-8`],
    ["the header is in capitals", IMAGE, OCI_IMAGE_MANIFEST.toUpperCase()],
    ["there is no header", IMAGE, undefined],
    ["the header is empty", IMAGE, ""],
    ["the document does not say", { ...IMAGE, mediaType: undefined }, OCI_IMAGE_MANIFEST],
    ["the document says nothing at all", { ...IMAGE, mediaType: "" }, OCI_IMAGE_MANIFEST],
    ["the document says null", { ...IMAGE, mediaType: null }, OCI_IMAGE_MANIFEST],
  ])("is known when %s", (_, document, contentType) => {
    expect(parse(document, contentType).mediaType).toBe(OCI_IMAGE_MANIFEST);
  });

  test("does not depend on white space, a byte order mark or repeated keys", () => {
    const text = `\uFEFF\n${JSON.stringify(IMAGE, null, 4).replace("{", '{ "layers": 7,')}  \n`;

    expect(parseManifest(bytesOf(text), OCI_IMAGE_MANIFEST)).toEqual(parse(IMAGE));
  });
});

const REFUSALS: readonly (readonly [string, unknown, string | undefined, string])[] = [
  ["header and document disagree", IMAGE, OCI_IMAGE_INDEX, "mediaType"],
  ["header and document disagree about an unknown type", { mediaType: "a/b" }, "a/c", "mediaType"],
  [
    "an image that names no type comes under an unknown one",
    { ...IMAGE, mediaType: "" },
    "application/vnd.example+json",
    "mediaType",
  ],
  [
    "an index whose list is null comes under an unknown type",
    { schemaVersion: 2, manifests: null },
    "application/vnd.example+json",
    "mediaType",
  ],
  ["neither header nor document says the type", { ...IMAGE, mediaType: undefined }, undefined, "mediaType"],
  ["the type is none", {}, "text", "mediaType"],
  ["the type would break a header", { mediaType: "a/b\r\nX: y" }, undefined, "mediaType"],
  ["the type is a number", { ...IMAGE, mediaType: 7 }, OCI_IMAGE_MANIFEST, "mediaType"],
  ["Docker's manifest does not say what it is", { ...IMAGE, mediaType: undefined }, DOCKER_MANIFEST, "mediaType"],
  ["Docker's list does not say what it is", { ...INDEX, mediaType: undefined }, DOCKER_MANIFEST_LIST, "mediaType"],
  [
    "an image travels under a type that is none of an image",
    { ...IMAGE, mediaType: undefined },
    "application/json",
    "mediaType",
  ],
  ["an index travels under a type that is none of an index", { ...INDEX, mediaType: undefined }, "a/b", "mediaType"],

  ["layers and manifests stand side by side in an image", { ...IMAGE, manifests: [] }, undefined, "manifests"],
  ["layers and manifests stand side by side in an index", { ...INDEX, layers: [] }, undefined, "manifests"],
  ["a config stands in an index", { ...INDEX, config: CONFIG }, undefined, "manifests"],
  ["both stand in a document of unknown type", { mediaType: "a/b", layers: [], manifests: [] }, undefined, "manifests"],
  ["an index is called an image", { ...INDEX, mediaType: OCI_IMAGE_MANIFEST }, undefined, "manifests"],
  ["an image is called an index", { ...IMAGE, mediaType: OCI_IMAGE_INDEX }, undefined, "layers"],
  ["Manifests is spelt in capitals", { ...IMAGE, Manifests: [] }, undefined, "Manifests"],
  ["layers is spelt with a long s", { ...INDEX, layerſ: [] }, undefined, "layerſ"],
  ["mediaType is spelt in small letters", { ...IMAGE, mediatype: OCI_IMAGE_INDEX }, undefined, "mediatype"],

  [
    "it is Docker's first format",
    { mediaType: "application/vnd.docker.distribution.manifest.v1+json" },
    undefined,
    "schemaVersion",
  ],
  [
    "it is Docker's first format, signed",
    {},
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "schemaVersion",
  ],
  [
    "it is Docker's first format under another name",
    { schemaVersion: 1, fsLayers: [] },
    "application/json",
    "schemaVersion",
  ],
  ["its version is 1", { ...IMAGE, schemaVersion: 1 }, undefined, "schemaVersion"],
  ["its version is a text", { ...IMAGE, schemaVersion: "2" }, undefined, "schemaVersion"],
  ["its version is missing", { ...INDEX, schemaVersion: undefined }, undefined, "schemaVersion"],

  ["there is no config", { ...IMAGE, config: undefined }, undefined, "config"],
  ["the config is null", { ...IMAGE, config: null }, undefined, "config"],
  ["there are no layers", { ...IMAGE, layers: undefined }, undefined, "layers"],
  ["the layers are no list", { ...IMAGE, layers: {} }, undefined, "layers"],
  ["a layer is null", { ...IMAGE, layers: [LAYER, null] }, undefined, "layers[1]"],
  ["a layer is a text", { ...IMAGE, layers: ["x"] }, undefined, "layers[0]"],
  ["a layer is empty", { ...IMAGE, layers: [{}] }, undefined, "layers[0].mediaType"],
  ["an entry is a list", { ...INDEX, manifests: [[]] }, undefined, "manifests[0]"],
  ["the entries are a text", { ...INDEX, manifests: "x" }, undefined, "manifests"],
  ["the subject is a text", { ...IMAGE, subject: "x" }, undefined, "subject"],
  ["the annotations are a list", { ...IMAGE, annotations: [] }, undefined, "annotations"],
  ["an annotation is a number", { ...IMAGE, annotations: { a: 1 } }, undefined, 'annotations["a"]'],
  ["the type of artifact is a number", { ...IMAGE, artifactType: 1 }, undefined, "artifactType"],
  [
    "the type of artifact is longer than a type can be",
    { ...IMAGE, artifactType: "x".repeat(256) },
    undefined,
    "artifactType",
  ],

  ["a digest is missing", { ...IMAGE, config: { ...CONFIG, digest: undefined } }, undefined, "config.digest"],
  ["a digest is a number", { ...IMAGE, config: { ...CONFIG, digest: 7 } }, undefined, "config.digest"],
  ["a digest is too short", { ...IMAGE, config: { ...CONFIG, digest: "sha256:abc" } }, undefined, "config.digest"],
  [
    "a digest is in capitals",
    { ...IMAGE, config: { ...CONFIG, digest: `sha256:${"A".repeat(64)}` } },
    undefined,
    "config.digest",
  ],
  [
    "a digest has no algorithm",
    { ...IMAGE, config: { ...CONFIG, digest: "a".repeat(64) } },
    undefined,
    "config.digest",
  ],
  [
    "a digest of an unknown algorithm has nothing after it",
    { ...IMAGE, config: { ...CONFIG, digest: "blake3:" } },
    undefined,
    "config.digest",
  ],
  [
    "a digest would break a header",
    { ...IMAGE, subject: { ...CONFIG, digest: "x:a\r\nb" } },
    undefined,
    "subject.digest",
  ],
  [
    "a digest is endless",
    { ...IMAGE, subject: { ...CONFIG, digest: `x:${"a".repeat(254)}` } },
    undefined,
    "subject.digest",
  ],
  ["a size is missing", { ...IMAGE, layers: [{ ...LAYER, size: undefined }] }, undefined, "layers[0].size"],
  ["a size is negative", { ...IMAGE, layers: [{ ...LAYER, size: -1 }] }, undefined, "layers[0].size"],
  ["a size is no whole number", { ...IMAGE, layers: [{ ...LAYER, size: 1.5 }] }, undefined, "layers[0].size"],
  ["a size is a text", { ...IMAGE, layers: [{ ...LAYER, size: "5" }] }, undefined, "layers[0].size"],
  ["a size is beyond counting", { ...IMAGE, layers: [{ ...LAYER, size: 2 ** 53 }] }, undefined, "layers[0].size"],
  ["urls are a text", { ...IMAGE, layers: [{ ...LAYER, urls: "x" }] }, undefined, "layers[0].urls"],
  ["an url is a number", { ...IMAGE, layers: [{ ...LAYER, urls: [1] }] }, undefined, "layers[0].urls[0]"],
  ["a part's type is a number", { ...IMAGE, layers: [{ ...LAYER, mediaType: 1 }] }, undefined, "layers[0].mediaType"],
  ["a part's type is empty", { ...IMAGE, layers: [{ ...LAYER, mediaType: "" }] }, undefined, "layers[0].mediaType"],

  ["it is a list", [IMAGE], undefined, "the document"],
  ["it is null", null, OCI_IMAGE_MANIFEST, "the document"],
  ["it is a text", "blablabla", OCI_IMAGE_MANIFEST, "the document"],
];

describe("a manifest is refused as MANIFEST_INVALID, and told where, when", () => {
  test.each(REFUSALS)("%s", (_, document, contentType, at) => {
    const error = thrownBy(() => parse(document, contentType));

    expect(error).toMatchObject({ code: "MANIFEST_INVALID", status: 400, detail: { at } });
  });

  test.each(["", "blablabla", "{", '{"schemaVersion":2', "\0"])("it is no JSON: %j", (text) => {
    expect(refusalOf(() => parseManifest(bytesOf(text), OCI_IMAGE_MANIFEST))).toBe("MANIFEST_INVALID");
  });

  test("it is nested deeper than 32", () => {
    const deep = `{"mediaType":"a/b","x":${"[".repeat(32)}${"]".repeat(32)}}`;

    expect(refusalOf(() => parseManifest(bytesOf(deep), undefined))).toBe("MANIFEST_INVALID");
    expect(parseManifest(bytesOf(deep.replace("[[", "[").replace("]]", "]")), undefined).kind).toBe("opaque");
  });
});

describe("a manifest that would cost more than it is worth", () => {
  test("is refused with 413 beyond four MiB, and taken at exactly four", () => {
    const document = JSON.stringify({ ...IMAGE, annotations: { a: "" } });
    const text = document.replace('"a":""', `"a":"${"x".repeat(MANIFEST_BYTES_MAX - document.length)}"`);

    expect(parseManifest(bytesOf(text), undefined).kind).toBe("image");
    expect(thrownBy(() => parseManifest(bytesOf(`${text} `), undefined))).toMatchObject({
      code: "SIZE_INVALID",
      status: 413,
    });
  });

  test("may name ten thousand parts, and not one more", () => {
    const layers = (count: number): readonly Json[] => Array.from({ length: count }, () => LAYER);

    expect(parse({ ...IMAGE, layers: layers(MANIFEST_DESCRIPTORS_MAX - 1) }).kind).toBe("image");
    expect(refusalOf(() => parse({ ...IMAGE, layers: layers(MANIFEST_DESCRIPTORS_MAX) }))).toBe("MANIFEST_INVALID");
    expect(refusalOf(() => parse({ ...INDEX, manifests: layers(MANIFEST_DESCRIPTORS_MAX + 1) }))).toBe(
      "MANIFEST_INVALID",
    );
  });

  test.each([
    ["two hundred thousand null layers", `{"schemaVersion":2,"config":{},"layers":[${"null,".repeat(199_999)}null]}`],
    ["a hundred thousand empty layers", `{"schemaVersion":2,"config":{},"layers":[${"{},".repeat(99_999)}{}]}`],
    [
      "an annotation with a name of three megabytes",
      `{"schemaVersion":2,"config":${JSON.stringify(CONFIG)},"layers":[],"annotations":{"${"x".repeat(3_000_000)}":1}}`,
    ],
    ["a type of three megabytes", `{"mediaType":"${"x".repeat(3_000_000)}"}`],
  ])("is answered in a few words: %s", (_, text) => {
    const error = thrownBy(() => parseManifest(bytesOf(text), OCI_IMAGE_MANIFEST));

    expect(error).toMatchObject({ code: "MANIFEST_INVALID" });
    expect(JSON.stringify(error).length).toBeLessThan(1000);
    expect(error instanceof Error && error.message.length).toBeLessThan(500);
  });
});
