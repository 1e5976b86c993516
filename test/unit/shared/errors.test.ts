import { describe, expect, test } from "vitest";

import { REGISTRY_ERRORS, RegistryError } from "../../../shared/errors.ts";

test("there are the fourteen codes of the specification, and UNAVAILABLE", () => {
  expect(Object.keys(REGISTRY_ERRORS).toSorted()).toEqual([
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DENIED",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "TOOMANYREQUESTS",
    "UNAUTHORIZED",
    "UNAVAILABLE",
    "UNSUPPORTED",
  ]);
});

describe("a refusal", () => {
  test("says what its code says, unless it knows better", () => {
    const error = new RegistryError("BLOB_UNKNOWN", { digest: "x" });

    expect(error).toMatchObject({
      name: "RegistryError",
      message: "blob unknown to registry",
      code: "BLOB_UNKNOWN",
      status: 404,
      detail: { digest: "x" },
      retryAfterSeconds: undefined,
      others: [],
    });
    expect(error.cause).toBeUndefined();
  });

  test("carries a status, a message, a time to come back and further refusals when it has them", () => {
    const cause = new Error("the disk is on fire");
    const others = [{ code: "MANIFEST_BLOB_UNKNOWN", detail: { digest: "y" } }] as const;
    const error = new RegistryError("SIZE_INVALID", undefined, {
      status: 413,
      message: "too large",
      retryAfterSeconds: 5,
      others,
      cause,
    });

    expect(error).toMatchObject({ status: 413, message: "too large", retryAfterSeconds: 5, others, cause });
  });

  test.each(Object.entries(REGISTRY_ERRORS))(
    "%s has a client's or a server's status, and words",
    (_, { status, message }) => {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      expect(message).toMatch(/^[a-z].{8,}[^.]$/);
    },
  );
});
