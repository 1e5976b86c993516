import { describe, expect, test } from "vitest";

import { API_ENDPOINTS } from "../../../nodes/http/open-api.ts";
import { RouteTable } from "../../../nodes/http/route-table.ts";
import { ROUTES } from "../../../nodes/http/routes.ts";
import { parseTarget } from "../../../nodes/http/target.ts";
import { ACCESS_KINDS } from "../../../shared/access.ts";

const registry = new RouteTable(ROUTES.filter(({ listeners }) => listeners.includes("registry")));
const ops = new RouteTable(ROUTES.filter(({ listeners }) => listeners.includes("ops")));

function find(method: string, raw: string, table = registry) {
  const found = table.find(method, parseTarget(raw));
  switch (found.kind) {
    case "found":
      return { path: found.route.path, ...Object.fromEntries(found.placeholders) };
    case "other-methods":
      return { path: found.path, allowed: found.methods };
    case "unknown":
      return undefined;
  }
}

describe("a path", () => {
  test.each([
    ["GET", "/v2/", { path: "/v2/" }],
    ["GET", "/v2", { path: "/v2/" }],
    ["HEAD", "/v2/", { path: "/v2/" }],
    ["POST", "/v2/a/blobs/uploads/", { path: "/v2/<name>/blobs/uploads/", name: "a" }],
    ["POST", "/v2/a/blobs/uploads", { path: "/v2/<name>/blobs/uploads/", name: "a" }],
    ["PATCH", "/v2/a/b/blobs/uploads/1f.eu-1", { path: "/v2/<name>/blobs/uploads/<id>", name: "a/b", id: "1f.eu-1" }],
    ["GET", "/v2/a/blobs/sha256%3Aff", { path: "/v2/<name>/blobs/<digest>", name: "a", digest: "sha256:ff" }],
    ["PUT", "/v2/a/manifests/latest", { path: "/v2/<name>/manifests/<reference>", name: "a", reference: "latest" }],
    ["GET", "/v2/a/tags/list", { path: "/v2/<name>/tags/list", name: "a" }],
    ["GET", "/v2/a/referrers/sha256:ff", { path: "/v2/<name>/referrers/<digest>", name: "a", digest: "sha256:ff" }],
    ["GET", "/v2/_catalog", { path: "/v2/_catalog" }],
    ["GET", "/v2/_oci/ext/discover", { path: "/v2/_oci/ext/discover" }],
    ["GET", "/v2/a/b/_oci/ext/discover", { path: "/v2/<name>/_oci/ext/discover", name: "a/b" }],
    ["GET", "/", { path: "/" }],
    ["GET", "/api/v1/cluster", { path: "/api/v1/cluster" }],
    ["GET", "/api/v1/repositories/a/b/tags", { path: "/api/v1/repositories/<name>/tags", name: "a/b" }],
    [
      "GET",
      "/api/v1/repositories/a/b/tags/v1/history",
      { path: "/api/v1/repositories/<name>/tags/<tag>/history", name: "a/b", tag: "v1" },
    ],
  ])("leads to its endpoint: %s %s", (method, raw, endpoint) => {
    expect(find(method, raw)).toEqual(endpoint);
  });

  test.each([
    ["/v2/a/blobs/uploads/manifests/latest", { name: "a/blobs/uploads", reference: "latest" }],
    ["/v2/manifests/manifests/manifests", { name: "manifests", reference: "manifests" }],
    ["/v2/a/tags/list/manifests/list", { name: "a/tags/list", reference: "list" }],
    ["/v2/a/manifests/tags/list", { name: "a/manifests" }],
    ["/v2/tags/tags/list", { name: "tags" }],
    ["/v2/a/manifests/blobs/x", { name: "a/manifests", digest: "x" }],
    ["/v2/blobs/uploads/blobs/uploads/x", { name: "blobs/uploads", id: "x" }],
    ["/v2/a/referrers/blobs/uploads/tags", { name: "a/referrers", id: "tags" }],
    ["/v2/a/blobs/uploads/blobs/x", { name: "a/blobs/uploads", digest: "x" }],
  ])("is read from its end, whatever words the name holds: %s", (raw, placeholders) => {
    expect(find("GET", raw)).toEqual({ path: expect.any(String), ...placeholders });
  });

  test.each([
    "/v2/manifests/latest",
    "/v2/blobs/uploads/",
    "/v2/tags/list",
    "/v2/a",
    "/v2/a/unknown/b",
    "/v2/a/tags/list/",
    "/v2/a/manifests/",
    "/v2/a/manifests/latest/",
    "/v2/a/blobs/uploads/x/",
    "/v2/_foo/bar/baz",
    "/v2/_foo/manifests/latest",
    "/v2/_oci/ext/discover/",
    "/V2/",
    "/v1/",
    "/v2x",
    "/api/v1",
    "/api/v1/policies",
    "/api/v1/events",
    "/token",
    "/metrics",
  ])("that is none leads nowhere: %s", (raw) => {
    expect(find("GET", raw)).toBeUndefined();
  });

  test("with another method is told which there are", () => {
    expect(find("POST", "/v2/a/manifests/latest")).toEqual({
      path: "/v2/<name>/manifests/<reference>",
      allowed: ["GET", "HEAD", "PUT", "DELETE"],
    });
    expect(find("GET", "/v2/a/blobs/uploads/")).toEqual({ path: "/v2/<name>/blobs/uploads/", allowed: ["POST"] });
    expect(find("BREW", "/v2/")).toEqual({ path: "/v2/", allowed: ["GET", "HEAD"] });
  });

  test("is matched in time that does not grow with what the name is made of", () => {
    const name = "manifests/blobs/uploads/tags/list/".repeat(200);
    const target = parseTarget(`/v2/${name}manifests/latest`);

    const startedMs = performance.now();
    for (let round = 0; round < 100; round += 1) registry.find("GET", target);

    expect((performance.now() - startedMs) / 100).toBeLessThan(10);
  });

  test("for operators is on the other listener", () => {
    const operators = ["/metrics", "/livez", "/readyz", "/startupz", "/healthz/region"];

    expect(operators.map((raw) => find("GET", raw, ops))).toEqual(operators.map((path) => ({ path })));
    expect(["/", "/v2/", "/api/v1/cluster"].map((raw) => find("GET", raw, ops))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("the table of endpoints", () => {
  test("declares for each what a caller must be allowed to do", () => {
    const undeclared = ROUTES.filter(({ access }) => !ACCESS_KINDS.includes(access));

    expect(undeclared).toEqual([]);
    expect(ROUTES.length).toBeGreaterThan(30);
  });

  test("never takes a right to push for a right to delete", () => {
    const deletes = ROUTES.filter(({ method }) => method === "DELETE").map(({ path, access }) => [path, access]);

    expect(deletes).toEqual([
      // A client that pushes cancels what it began.
      ["/v2/<name>/blobs/uploads/<id>", "push"],
      ["/v2/<name>/blobs/<digest>", "delete"],
      ["/v2/<name>/manifests/<reference>", "delete"],
    ]);
  });

  test("has no endpoint twice", () => {
    const endpoints = ROUTES.map(({ method, path }) => `${method} ${path}`);

    expect(endpoints.length).toBe(new Set(endpoints).size);
  });

  test("is what the OpenAPI document tells of the management API", () => {
    const api = ROUTES.filter(({ path }) => path.startsWith("/api/v1/") && !path.endsWith("/openapi.json"));

    expect(API_ENDPOINTS.map(({ method, path }) => `${method.toUpperCase()} ${path}`).toSorted()).toEqual(
      api.map(({ method, path }) => `${method} ${path}`).toSorted(),
    );
  });
});
