/** Parsers are total: whatever a stranger sends, they return a value or refuse, and what they format reads back. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { parseRange, parseUploadRange } from "../../shared/byte-range.ts";
import { applyEnvironment, parseNodeConfig, writtenConfig } from "../../shared/config.ts";
import { isDigest, parseDigest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { formatHostPort, parseHostPort } from "../../shared/host-port.ts";
import { formatImageName, type ImageName, ImageNameError, parseImageName } from "../../shared/image-name.ts";
import { parseJson } from "../../shared/json.ts";
import { parseManifest } from "../../shared/manifest.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_IMAGE_INDEX,
  OCI_IMAGE_MANIFEST,
} from "../../shared/media-types.ts";
import { editsBetween } from "../../shared/nearest.ts";
import { isRepositoryName, isTag, parseReference, parseRepositoryName, parseTag } from "../../shared/reference.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../shared/units.ts";
import { damaged, digest } from "./arbitraries.ts";

/** The grammar as the specification writes it, which backtracks without end on long names. */
const SPECIFIED_NAME = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;

const nameLike = fc.string({ unit: fc.constantFrom("a", "0", ".", "_", "-", "/", "A"), maxLength: 14 });
const anything = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), nameLike, digest, fc.webUrl());

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Fails with anything but a refusal. */
function refusesOrReturns(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
  }
}

describe("names", () => {
  test("of repositories are those of the specification's grammar, up to 255 characters", () => {
    fc.assert(
      fc.property(nameLike, (text) => {
        expect(isRepositoryName(text)).toBe(SPECIFIED_NAME.test(text));
      }),
      { numRuns: 5000 },
    );
  });

  test("are returned as they are or refused, whatever is sent", () => {
    fc.assert(
      fc.property(anything, (text) => {
        for (const parse of [parseRepositoryName, parseTag, parseReference, parseDigest]) {
          refusesOrReturns(() => parse(text));
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("are never both a tag and a digest", () => {
    fc.assert(
      fc.property(anything, (text) => {
        expect(isTag(text) && isDigest(text)).toBe(false);
      }),
    );
  });
});

describe("manifests", () => {
  const types = [
    OCI_IMAGE_MANIFEST,
    OCI_IMAGE_INDEX,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    "application/vnd.example+json",
  ];
  const mediaType = fc.constantFrom(...types);
  const odd = fc.oneof(fc.constant(null), fc.integer(), fc.string({ maxLength: 5 }), fc.constant([]), fc.constant({}));
  const sometimes = <Value>(usual: fc.Arbitrary<Value>): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 20, arbitrary: usual }, { weight: 1, arbitrary: odd });
  const descriptor = sometimes(
    fc.record(
      {
        mediaType: sometimes(fc.oneof(mediaType, fc.constant("application/vnd.oci.image.layer.v1.tar+gzip"))),
        digest: sometimes(digest),
        size: sometimes(fc.nat()),
        urls: sometimes(fc.array(fc.string({ maxLength: 3 }), { maxLength: 1 })),
        annotations: sometimes(fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 })),
        platform: odd,
      },
      { requiredKeys: ["mediaType", "digest", "size"] },
    ),
  );
  const document = fc.record(
    {
      schemaVersion: sometimes(fc.constant(2)),
      mediaType: sometimes(mediaType),
      artifactType: sometimes(fc.constant("example/x")),
      config: descriptor,
      layers: sometimes(fc.array(descriptor, { maxLength: 4 })),
      manifests: sometimes(fc.array(descriptor, { maxLength: 4 })),
      subject: descriptor,
      annotations: sometimes(fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 })),
    },
    { requiredKeys: ["schemaVersion"] },
  );

  test("are read or refused, whatever the bytes", () => {
    const contentType = fc.option(fc.oneof(mediaType, fc.string()), { nil: undefined });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.json().map(bytesOf),
      document.map((value) => bytesOf(JSON.stringify(value))),
      damaged(document.map((value) => bytesOf(JSON.stringify(value)))),
    );

    fc.assert(
      fc.property(bytes, contentType, (some, type) => {
        refusesOrReturns(() => parseManifest(some, type));
      }),
      { numRuns: 3000 },
    );
  });

  test("are never taken under two of the four types, nor as an image by some and as an index by others", () => {
    fc.assert(
      fc.property(document, (value) => {
        const accepted = types.filter((type) => {
          try {
            parseManifest(bytesOf(JSON.stringify(value)), type);
            return true;
          } catch {
            return false;
          }
        });

        expect(accepted.length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 2000 },
    );
  });

  test("need no digest twice, and nothing that need not be held", () => {
    fc.assert(
      fc.property(document, fc.constantFrom(...types), (value, type) => {
        refusesOrReturns(() => {
          const manifest = parseManifest(bytesOf(JSON.stringify(value)), type);
          for (const list of [manifest.blobs, manifest.children, manifest.others]) {
            expect(new Set(list.map((each) => each.digest)).size).toBe(list.length);
            expect(list.every((each) => each.urls.length === 0)).toBe(true);
          }
        });
      }),
      { numRuns: 2000 },
    );
  });
});

describe("JSON", () => {
  test("is read as the language reads it, when it is not too deep", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 10 }), (text) => {
        expect(parseJson(bytesOf(text), 1000)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("is refused by depth exactly when it is deeper", () => {
    const depthOf = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), fc.nat({ max: 8 }), (text, depthMax) => {
        const isTooDeep = depthOf(JSON.parse(text)) > depthMax;
        const parse = (): unknown => parseJson(bytesOf(text), depthMax);

        if (isTooDeep) expect(parse).toThrow(SyntaxError);
        else expect(parse).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });
});

describe("ranges", () => {
  const rangeLike = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom("0", "1", "9", "-", ",", " ", "b") }).map((text) => `bytes=${text}`),
    fc
      .array(fc.tuple(fc.option(fc.nat(40), { nil: "" }), fc.option(fc.nat(40), { nil: "" })), { maxLength: 5 })
      .map((pairs) => `bytes=${pairs.map(([first, last]) => `${first}-${last}`).join(",")}`),
  );

  test("that can be had are not empty, lie within the blob, and are no more than it together", () => {
    fc.assert(
      fc.property(rangeLike, fc.nat(50), (header, size) => {
        const range = parseRange(header, size);
        const spans = range.kind === "partial" ? range.spans : [];

        expect(spans.every(({ start, end }) => start >= 0 && start < end && end <= size)).toBe(true);
        expect(spans.reduce((sum, { start, end }) => sum + end - start, 0)).toBeLessThanOrEqual(size);
        expect(range.kind !== "partial" || spans.length > 0).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("of uploads are whole numbers that run upwards, or refused", () => {
    fc.assert(
      fc.property(rangeLike, (header) => {
        refusesOrReturns(() => {
          const { start, end } = parseUploadRange(header);
          expect(Number.isSafeInteger(start) && Number.isSafeInteger(end) && start <= end).toBe(true);
        });
      }),
      { numRuns: 1000 },
    );
  });
});

describe("what people write", () => {
  test("as host and port reads back", () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());

    fc.assert(
      fc.property(host, fc.nat(65_535), (name, port) => {
        expect(parseHostPort(formatHostPort({ host: name, port }))).toEqual({ host: name, port });
      }),
    );
  });

  test("as an image's name reads back", () => {
    const name: fc.Arbitrary<ImageName> = fc.record({
      registry: fc.option(
        fc.oneof(
          fc.domain(),
          fc.nat(65_535).map((port) => `127.0.0.1:${port}`),
        ),
        { nil: undefined },
      ),
      repo: fc.stringMatching(/^[a-z0-9]{1,5}(\/[a-z0-9]{1,5}){0,2}$/).map(parseRepositoryName),
      tag: fc.option(fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/).map(parseTag), { nil: undefined }),
      digest: fc.option(digest, { nil: undefined }),
    });

    fc.assert(
      fc.property(
        name.filter(({ registry, repo }) => registry !== undefined || !repo.startsWith("localhost/")),
        (image) => {
          expect(parseImageName(formatImageName(image))).toEqual(image);
        },
      ),
    );
  });

  test("as an image's name is read or refused in words", () => {
    fc.assert(
      fc.property(anything, (text) => {
        try {
          parseImageName(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageNameError);
        }
      }),
    );
  });

  test("as a size or a duration is near what was told", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 50), fc.nat(3_650 * 86_400_000), (bytes, ms) => {
        expect(Math.abs((parseSize(formatSize(bytes)) ?? Number.NaN) - bytes)).toBeLessThanOrEqual(bytes * 0.06);
        expect(Math.abs((parseDuration(formatDuration(ms)) ?? Number.NaN) - ms)).toBeLessThanOrEqual(ms * 0.06);
      }),
      { numRuns: 1000 },
    );
  });

  test("is as far from one word to another as back, and no further than writing it anew", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });

    fc.assert(
      fc.property(word, word, (left, right) => {
        const edits = editsBetween(left, right);

        expect(editsBetween(right, left)).toBe(edits);
        expect(edits === 0).toBe(left === right);
        expect(edits).toBeLessThanOrEqual(Math.max(left.length, right.length));
        expect(edits).toBeGreaterThanOrEqual(Math.abs(left.length - right.length));
      }),
      { numRuns: 500 },
    );
  });
});

describe("a configuration", () => {
  const address = fc.oneof(
    fc.nat(65_535).map((port) => `127.0.0.1:${port}`),
    fc.constantFrom("x:1", "0.0.0.0:1", "", ":1"),
  );
  const plausible = fc.record(
    {
      node: fc.oneof(fc.constant("eu-1"), fc.string({ maxLength: 5 })),
      listen: fc.record({ registry: address, peer: address, ops: address }, { requiredKeys: [] }),
      advertise: fc.record({ registry: fc.webUrl(), peer: address }, { requiredKeys: [] }),
      join: fc.array(address, { maxLength: 2 }),
      insecure: fc.boolean(),
      log: fc.record({ level: fc.constantFrom("info", "debug", "loud") }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  );

  test("is complete and reads back as itself, or is refused with a reason", () => {
    fc.assert(
      fc.property(fc.oneof(plausible, fc.jsonValue()), (value) => {
        const parsed = parseNodeConfig(value);

        if (parsed.kind === "valid") expect(parseNodeConfig(writtenConfig(parsed.config))).toEqual(parsed);
        else expect(parsed.problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 1000 },
    );
  });

  test("takes any environment without stumbling", () => {
    const variable = fc.constantFrom(
      "MERIDIAN_NODE",
      "MERIDIAN_JOIN",
      "MERIDIAN_LISTEN_PEER",
      "MERIDIAN_INSECURE",
      "MERIDIAN_X",
      "HOME",
    );

    fc.assert(
      fc.property(fc.jsonValue(), fc.dictionary(variable, fc.string()), (value, environment) => {
        const parsed = parseNodeConfig(applyEnvironment(value, environment).value);

        expect(parsed.kind === "valid" || parsed.problems.length > 0).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
