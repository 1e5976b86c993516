import { describe, expect } from "vitest";

import { errorsOf, headersOf, jsonOf, refusalOf } from "../support/registry-client.ts";
import { test } from "./one-node.ts";

const ABSENT_DIGEST = `sha256:${"0".repeat(64)}`;

describe("GET /v2/", () => {
  test("says that the registry speaks the API (oci end-1, 14.2)", async ({ client }) => {
    const reply = await client.get("/v2/");

    expect(reply.status).toBe(200);
    expect(jsonOf(reply)).toEqual({});
    expect(
      headersOf(reply, "content-type", "content-length", "docker-distribution-api-version", "www-authenticate"),
    ).toEqual({
      "content-type": "application/json",
      "content-length": "2",
      "docker-distribution-api-version": "registry/2.0",
      "www-authenticate": undefined,
    });
  });

  test("does not promise the signature store of another registry, which would make podman ask for it (oci 4)", async ({
    client,
  }) => {
    const reply = await client.get("/v2/");

    expect(reply.headers["x-registry-supports-signatures"]).toBeUndefined();
  });

  test.for(["GET /v2", "HEAD /v2/", "HEAD /v2"])(
    "is answered in place when asked as %s (oci end-1)",
    async (asked, { client }) => {
      const [method = "", path = ""] = asked.split(" ");

      const reply = await client.send(method, path);

      expect(reply.status).toBe(200);
      expect(reply.body.toString()).toBe(method === "HEAD" ? "" : "{}");
      expect(reply.headers["content-length"]).toBe("2");
    },
  );

  test("lets parameters be that it does not know, such as ns and account (oci 11.2.14)", async ({ client }) => {
    const reply = await client.get("/v2/?ns=docker.io&account=alice&origin=ghcr.io&x=%zz");

    expect(reply.status).toBe(200);
  });
});

describe("every answer below /v2/", () => {
  test.for([
    ["GET", "/v2/"],
    ["GET", "/v2/absent/tags/list"],
    ["GET", `/v2/absent/blobs/${ABSENT_DIGEST}`],
    ["HEAD", "/v2/absent/manifests/latest"],
    ["GET", "/v2/NOT-A-NAME/tags/list"],
    ["GET", "/v2/x/unknown/y"],
    ["POST", "/v2/absent/tags/list"],
    ["POST", "/v2/absent/blobs/uploads/"],
    ["GET", "/v2/_catalog"],
    ["GET", `/v2/absent/referrers/${ABSENT_DIGEST}`],
  ] as const)("carries the API version: %s %s (oci 3)", async ([method, path], { client }) => {
    const reply = await client.send(method, path);

    expect(reply.headers["docker-distribution-api-version"]).toBe("registry/2.0");
  });

  test("is nothing that a browser would run: neither guessed at nor allowed to act (reliability X-01)", async ({
    client,
  }) => {
    const reply = await client.get("/v2/");

    expect(headersOf(reply, "x-content-type-options", "content-security-policy")).toEqual({
      "x-content-type-options": "nosniff",
      "content-security-policy": expect.stringContaining("sandbox"),
    });
  });

  test("tells which node of which region gave it", async ({ client }) => {
    const reply = await client.get("/v2/");

    expect(headersOf(reply, "meridian-node", "meridian-region")).toEqual({
      "meridian-node": "eu-1",
      "meridian-region": "eu",
    });
  });

  test.for([
    "/v2/x/unknown/y",
    "/v2/x",
    "/v2/x/",
    "/v2/tags/list",
    "/v2/x/manifests",
    "/v2/x/blobs/uploads/a/b",
    "/v2/_unknown/ext",
    "/v2/index.html",
  ])("is never a page: GET %s is refused in JSON (oci 14.10)", async (path, { client }) => {
    const reply = await client.get(path);

    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.status).toBeLessThan(405);
    expect(errorsOf(reply)).toHaveLength(1);
  });

  test.for([
    ["PUT", "/v2/"],
    ["POST", "/v2/x/tags/list"],
    ["PATCH", "/v2/x/manifests/latest"],
    ["DELETE", "/v2/x/tags/list"],
    ["POST", `/v2/x/blobs/${ABSENT_DIGEST}`],
    ["PUT", `/v2/x/referrers/${ABSENT_DIGEST}`],
    ["DELETE", "/v2/_catalog"],
    ["PURGE", "/v2/x/manifests/latest"],
  ] as const)(
    "refuses what cannot be done there: %s %s is 405 UNSUPPORTED (oci 14.88)",
    async ([method, path], { client }) => {
      const reply = await client.send(method, path);

      expect(refusalOf(reply)).toEqual({ status: 405, codes: ["UNSUPPORTED"] });
    },
  );

  test("is not compressed, whatever the client accepts, and tells its length (oci 3)", async ({ client }) => {
    const reply = await client.get("/v2/absent/tags/list", { "Accept-Encoding": "zstd;q=1.0, gzip;q=0.8" });

    expect(headersOf(reply, "content-encoding", "content-length", "transfer-encoding")).toEqual({
      "content-encoding": undefined,
      "content-length": String(reply.body.length),
      "transfer-encoding": undefined,
    });
  });

  test("has no body when it refuses a HEAD (oci 3)", async ({ client }) => {
    const reply = await client.head("/v2/absent/manifests/latest");

    expect(reply.status).toBe(404);
    expect(reply.body).toEqual(Buffer.alloc(0));
  });
});
