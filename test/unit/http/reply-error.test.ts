import { describe, expect, test } from "vitest";

import type { Reply } from "../../../nodes/http/reply.ts";
import { isFault, replyToError } from "../../../nodes/http/reply-error.ts";
import { DamagedRowError } from "../../../nodes/storage/envelope.ts";
import { REGISTRY_ERRORS, RegistryError, type RegistryErrorCode } from "../../../shared/errors.ts";
import { InvariantError } from "../../../shared/invariant.ts";
import { ERRORS_TOLD_MAX } from "../../../shared/limits.ts";

function told({ status, headers, body }: Reply): unknown {
  const text = body.kind === "bytes" ? new TextDecoder().decode(body.bytes) : "";
  return { status, headers, document: JSON.parse(text) };
}

const JSON_TYPE = { "Content-Type": "application/json" };

describe("a failure", () => {
  test("that the client can act upon is told by code, sentence and detail", () => {
    const reply = replyToError(new RegistryError("BLOB_UNKNOWN", { digest: "sha256:ff" }));

    expect(told(reply)).toEqual({
      status: 404,
      headers: JSON_TYPE,
      document: {
        errors: [{ code: "BLOB_UNKNOWN", message: "blob unknown to registry", detail: { digest: "sha256:ff" } }],
      },
    });
  });

  test("has the status of its code unless it names another", () => {
    const codes = Object.keys(REGISTRY_ERRORS).filter((code): code is RegistryErrorCode => code in REGISTRY_ERRORS);

    expect(codes.map((code) => replyToError(new RegistryError(code)).status)).toEqual(
      Object.values(REGISTRY_ERRORS).map(({ status }) => status),
    );
    expect(replyToError(new RegistryError("SIZE_INVALID", undefined, { status: 413 })).status).toBe(413);
  });

  test("to read a row that is damaged sends the client elsewhere, and is a fault to look into", () => {
    const damaged = new DamagedRowError(Buffer.from("t"), "its checksum differs");

    expect(told(replyToError(damaged))).toMatchObject({ status: 503, headers: { "Retry-After": "5" } });
    expect(isFault(damaged)).toBe(true);
  });

  test("that passes by itself says when to come back, in whole seconds", () => {
    const reply = replyToError(new RegistryError("UNAVAILABLE", undefined, { retryAfterSeconds: 4.2 }));

    expect(reply).toMatchObject({ status: 503, headers: { ...JSON_TYPE, "Retry-After": "5" } });
  });

  test("with many parts tells some of them: an answer does not amplify its request", () => {
    const others = Array.from({ length: 10_000 }, (_, index) => ({
      code: "MANIFEST_BLOB_UNKNOWN" as const,
      detail: { index },
    }));

    const { body } = replyToError(new RegistryError("MANIFEST_BLOB_UNKNOWN", { index: -1 }, { others }));

    const text = body.kind === "bytes" ? new TextDecoder().decode(body.bytes) : "";
    const { errors }: { readonly errors: readonly unknown[] } = JSON.parse(text);
    expect(errors).toHaveLength(ERRORS_TOLD_MAX);
    expect(errors.slice(0, 2)).toEqual([
      { code: "MANIFEST_BLOB_UNKNOWN", message: REGISTRY_ERRORS.MANIFEST_BLOB_UNKNOWN.message, detail: { index: -1 } },
      { code: "MANIFEST_BLOB_UNKNOWN", message: REGISTRY_ERRORS.MANIFEST_BLOB_UNKNOWN.message, detail: { index: 0 } },
    ]);
  });

  test.each([
    ["our own mistake", new InvariantError("the secret of /data/eu-1 is 42")],
    ["the machine's failure", new Error("EIO: /data/eu-1/blobs")],
    ["what nobody should throw", "a text"],
  ])("that is %s is told as 500 and leaks nothing", (_, error) => {
    expect(told(replyToError(error))).toEqual({
      status: 500,
      headers: JSON_TYPE,
      document: { errors: [{ code: "UNAVAILABLE", message: "internal error" }] },
    });
  });
});
