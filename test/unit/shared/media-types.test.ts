import { describe, expect, test } from "vitest";

import {
  canonicalMediaType,
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  isDockerManifestMediaType,
  isImageMediaType,
  isIndexMediaType,
  isManifestMediaType,
  isMediaType,
  isNondistributableMediaType,
  isSchema1MediaType,
  OCI_IMAGE_INDEX,
  OCI_IMAGE_MANIFEST,
  OCI_LAYER_TAR_GZIP,
  withoutParameters,
} from "../../../shared/media-types.ts";

const SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json";
const SIGNED_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";

describe("a media type", () => {
  test.each([
    [OCI_IMAGE_MANIFEST, "image"],
    [DOCKER_MANIFEST, "image"],
    [OCI_IMAGE_INDEX, "index"],
    [DOCKER_MANIFEST_LIST, "index"],
    ["application/vnd.oci.artifact.manifest.v1+json", "neither"],
    [SCHEMA1, "neither"],
    ["application/json", "neither"],
  ])("%s is that of an image, an index or neither: %s", (text, kind) => {
    expect([isImageMediaType(text), isIndexMediaType(text), isManifestMediaType(text)]).toEqual([
      kind === "image",
      kind === "index",
      kind !== "neither",
    ]);
  });

  test("is Docker's, or it is not", () => {
    expect([DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_IMAGE_MANIFEST].map(isDockerManifestMediaType)).toEqual([
      true,
      true,
      false,
    ]);
    expect([SCHEMA1, SIGNED_SCHEMA1, DOCKER_MANIFEST].map(isSchema1MediaType)).toEqual([true, true, false]);
  });

  test.each([
    ["application/vnd.oci.image.layer.nondistributable.v1.tar", true],
    ["application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", true],
    ["application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", true],
    ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", true],
    [OCI_LAYER_TAR_GZIP, false],
    ["application/vnd.docker.image.rootfs.diff.tar.gzip", false],
  ])("%s is kept from registries by its licence: %s", (text, expected) => {
    expect(isNondistributableMediaType(text)).toBe(expected);
  });

  test.each([
    [OCI_IMAGE_MANIFEST, OCI_IMAGE_MANIFEST],
    [`${OCI_IMAGE_MANIFEST}; charset=utf-8`, OCI_IMAGE_MANIFEST],
    [`  ${OCI_IMAGE_MANIFEST} ;a=b;c=d`, OCI_IMAGE_MANIFEST],
    ["", ""],
    [";", ""],
  ])("is what stands before the parameters of %j", (header, expected) => {
    expect(withoutParameters(header)).toBe(expected);
  });

  test("of a manifest is the same in capitals; that of anything else is its owner's to spell", () => {
    expect(canonicalMediaType(OCI_IMAGE_INDEX.toUpperCase())).toBe(OCI_IMAGE_INDEX);
    expect(canonicalMediaType(SIGNED_SCHEMA1.toUpperCase())).toBe(SIGNED_SCHEMA1);
    expect(canonicalMediaType("application/vnd.Example+json")).toBe("application/vnd.Example+json");
  });

  test.each(["a/b", OCI_IMAGE_MANIFEST, "application/vnd.in-toto+json", `a/${"b".repeat(127)}`])(
    "may be %s",
    (text) => {
      expect(isMediaType(text)).toBe(true);
    },
  );

  test.each([
    "",
    "application",
    "application/",
    "/json",
    "a/b/c",
    "a b/c",
    "a/b; charset=utf-8",
    "a/b\r\nX-Evil: 1",
    "a/b\n",
    "a/é",
    "*/*",
    `a/${"b".repeat(128)}`,
  ])("is not %j", (text) => {
    expect(isMediaType(text)).toBe(false);
  });
});
