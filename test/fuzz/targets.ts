/**
 * Everything that reads what a stranger wrote. Each target parses its input and throws when the parser did anything but
 * return a value that keeps its promises, or refuse by the error that its documentation names.
 */
import { parseDocument } from "yaml";
import { parseEntityTags } from "../../nodes/http/entity-tag.ts";
import { parsePage } from "../../nodes/http/page.ts";
import { parseTarget } from "../../nodes/http/target.ts";
import { parseRange, parseUploadRange } from "../../shared/byte-range.ts";
import { MalformedBytesError } from "../../shared/bytes.ts";
import { encodeCausalToken, parseCausalToken } from "../../shared/causal-token.ts";
import {
  decodeChange,
  decodeKey,
  decodeOp,
  decodeRegister,
  encodeChange,
  encodeKey,
  encodeRegister,
} from "../../shared/change.ts";
import { applyEnvironment, parseNodeConfig, writtenConfig } from "../../shared/config.ts";
import { isDigest, parseDigest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { formatHostPort, parseHostPort } from "../../shared/host-port.ts";
import { formatImageName, ImageNameError, parseImageName } from "../../shared/image-name.ts";
import { parseJson } from "../../shared/json.ts";
import {
  ERRORS_TOLD_MAX,
  MANIFEST_DESCRIPTORS_MAX,
  MANIFEST_JSON_DEPTH_MAX,
  PAGE_ENTRIES_MAX,
} from "../../shared/limits.ts";
import { parseManifest } from "../../shared/manifest.ts";
import { parseReference, parseRepositoryName, parseTag } from "../../shared/reference.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../shared/units.ts";
import { decodeVersionVector, encodeVersionVector } from "../../shared/version-vector.ts";
import type { FuzzTarget } from "../support/fuzz/fuzzer.ts";
import { WIRE_TARGETS } from "./wire-targets.ts";

const SIZE = 1_000_000;
const HEX = "0123456789abcdef".repeat(4);
const DIGEST_WORDS = ["sha256:", "sha512:", HEX, `sha256:${HEX}`, `sha512:${HEX}${HEX}`];
const JSON_WORDS = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "null",
  "true",
  "1e999",
  "\\u0000",
  "\\ud800",
  '{"__proto__":',
  '""',
];
const MANIFEST_WORDS = [
  ...JSON_WORDS,
  '"schemaVersion":2',
  '"mediaType":',
  '"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"',
  '"layers":[]',
  '"manifests":[]',
  '"subject":',
  '"artifactType":"a/b"',
  '"annotations":{"a":"b"}',
  '"urls":["https://x/"]',
  '"data":"e30="',
  '"platform":{"os":"linux","architecture":"amd64"}',
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  `sha256:${HEX}`,
];
const CONFIG_WORDS = [
  "node: eu-1\n",
  "region: eu\n",
  "data: ./d\n",
  "listen:\n  registry: ",
  "127.0.0.1:5000",
  "join: [",
  "&a ",
  "*a",
  "insecure: true\n",
  "limits:\n",
  "4MiB",
  "30s",
  "? ",
  "!!binary ",
];

/** Fails with anything but a refusal. `undefined` when it was refused. */
function refusedOr<Value>(parse: () => Value): Value | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RegistryError || error instanceof MalformedBytesError) return undefined;
    throw error;
  }
}

function expectSame(what: string, actual: unknown, expected: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`);
  }
}

function expectBytes(what: string, actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) throw new Error(`${what}: other bytes come out than went in`);
}

/** What came in as a header, a path or an argument. */
function ofText(
  name: string,
  dictionary: readonly string[],
  run: (text: string) => void,
  bytesMax = 1_024,
): FuzzTarget {
  return { name, dictionary, bytesMax, run: (input) => run(Buffer.from(input).toString("utf8")) };
}

function ofBytes(name: string, run: (input: Uint8Array) => void): FuzzTarget {
  return {
    name,
    dictionary: ["00000000000000e1", "eu-1", "eu", "a/b", "latest", `sha256:${HEX}`],
    bytesMax: 4_096,
    run,
  };
}

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  ofText("repository-name", ["library/", "__", "--", "a"], (text) => {
    const name = refusedOr(() => parseRepositoryName(text));
    if (name !== undefined) expectSame("a repository's name", name, text);
  }),
  ofText("tag", ["latest", "v1.0", "_"], (text) => {
    const tag = refusedOr(() => parseTag(text));
    if (tag !== undefined && isDigest(tag)) throw new Error("a tag that is a digest");
  }),
  ofText("digest", DIGEST_WORDS, (text) => {
    const digest = refusedOr(() => parseDigest(text));
    if (digest !== undefined) expectSame("a digest", digest, text);
  }),
  ofText("reference", [...DIGEST_WORDS, "latest"], (text) => {
    const reference = refusedOr(() => parseReference(text));
    if (reference !== undefined) {
      expectSame("a reference", reference.kind === "tag" ? reference.tag : reference.digest, text);
    }
  }),
  ofText("image-name", [...DIGEST_WORDS, "127.0.0.1:5000/", "[::1]:5000/", "http://", "a/b", ":v1", "@"], (text) => {
    try {
      const name = parseImageName(text);
      expectSame("an image's name", parseImageName(formatImageName(name)), name);
    } catch (error) {
      if (!(error instanceof ImageNameError)) throw error;
    }
  }),
  ofText("host-port", ["[::1]", "127.0.0.1", ":5000", "%eth0"], (text) => {
    const parsed = parseHostPort(text);
    if (parsed !== undefined) expectSame("an address", parseHostPort(formatHostPort(parsed)), parsed);
  }),
  ofText("range", ["bytes=", "0-", "-1", ",", "1-2"], (text) => {
    const range = parseRange(text, SIZE);
    if (range.kind !== "partial") return;
    for (const { start, end } of range.spans) {
      if (!(start >= 0 && start < end && end <= SIZE)) throw new Error(`a span from ${start} to ${end} of ${SIZE}`);
    }
  }),
  ofText("content-range", ["bytes ", "0-1", "/*", "/2"], (text) => {
    const range = refusedOr(() => parseUploadRange(text));
    if (range !== undefined && !(range.start >= 0 && range.start <= range.end)) {
      throw new Error("a range that runs down");
    }
  }),
  ofText("target", ["/v2/", "%2e", "%2f", "%00", "..", "//", "?n=1", "&last=a", "#", "\\", "http://x"], (text) => {
    const target = refusedOr(() => parseTarget(text));
    const isOdd = target?.segments.some((segment) => segment === "." || segment === ".." || /[/\\\0]/.test(segment));
    if (isOdd === true) throw new Error("a segment that walks or separates");
  }),
  ofText("page", ["n=", "last=", "&", "%"], (text) => {
    const page = refusedOr(() => parsePage(parseTarget(`/v2/?${text}`).query, 100));
    if (page !== undefined && !(page.limit >= 0 && page.limit <= PAGE_ENTRIES_MAX)) {
      throw new Error("a page of any size");
    }
  }),
  ofText("entity-tags", ['"', "W/", "*", ",", `sha256:${HEX}`], (text) => {
    parseEntityTags(text);
  }),
  ofText("causal-token", ["AQ", "Ag", "_", "-"], (text) => {
    const dots = refusedOr(() => parseCausalToken(text));
    if (dots !== undefined) expectSame("a token", encodeCausalToken(dots), text);
  }),
  ofText("units", ["KiB", "MiB", "ms", "h", "1.5", "e9"], (text) => {
    const [size, duration] = [parseSize(text), parseDuration(text)];
    if (size !== undefined && (size < 0 || formatSize(size) === "")) throw new Error("a size that is none");
    if (duration !== undefined && (duration < 0 || formatDuration(duration) === "")) throw new Error("no duration");
  }),
  ofText(
    "configuration",
    CONFIG_WORDS,
    (text) => {
      const document = parseDocument(text, { logLevel: "error" });
      if (document.errors.length > 0) return;
      const value: unknown = safely(() => document.toJS({ maxAliasCount: 50 }));
      const parsed = parseNodeConfig(applyEnvironment(value, { MERIDIAN_NODE: "eu-1" }).value);
      if (parsed.kind === "invalid") {
        if (parsed.problems.length === 0) throw new Error("a configuration that is refused without a reason");
        return;
      }
      expectSame("a configuration", parseNodeConfig(writtenConfig(parsed.config)), { ...parsed, warnings: undefined });
    },
    4_096,
  ),
  {
    name: "json",
    dictionary: JSON_WORDS,
    bytesMax: 16_384,
    run: (input) => {
      try {
        const value = parseJson(input, MANIFEST_JSON_DEPTH_MAX);
        expectSame("a document", value, JSON.parse(Buffer.from(input).toString("utf8")));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
    },
  },
  {
    name: "manifest",
    dictionary: MANIFEST_WORDS,
    bytesMax: 65_536,
    run: (input) => {
      const manifest = refusedOr(() => parseManifest(input, undefined));
      if (manifest === undefined) return;
      const named = manifest.blobs.length + manifest.children.length + manifest.others.length;
      if (named > MANIFEST_DESCRIPTORS_MAX + ERRORS_TOLD_MAX) throw new Error("more descriptors than anybody can walk");
      // Whoever reads it under the type it was taken under reads the same.
      expectSame("a manifest", parseManifest(input, manifest.mediaType), manifest);
    },
  },
  ofBytes("op", (input) => {
    const op = refusedOr(() => decodeOp(input));
    if (op !== undefined) expectBytes("an op", encodeChange(op), input);
  }),
  ofBytes("change", (input) => {
    const change = refusedOr(() => decodeChange(input));
    if (change !== undefined) expectBytes("a change", encodeChange(change), input);
  }),
  ofBytes("register", (input) => {
    const register = refusedOr(() => decodeRegister(input));
    if (register !== undefined) expectBytes("a register", encodeRegister(register), input);
  }),
  ofBytes("register-key", (input) => {
    const key = refusedOr(() => decodeKey(input));
    if (key !== undefined) expectBytes("a key", encodeKey(key), input);
  }),
  ofBytes("version-vector", (input) => {
    const vector = refusedOr(() => decodeVersionVector(input));
    if (vector !== undefined) expectBytes("a vector", encodeVersionVector(vector), input);
  }),
  ...WIRE_TARGETS,
];

/** What YAML refuses only while it makes values, such as an alias that grows without end. */
function safely(make: () => unknown): unknown {
  try {
    return make();
  } catch {
    return undefined;
  }
}
