import { expect, test as plainTest } from "vitest";

import { EMPTY, image } from "../support/oci-fixtures.ts";
import { headersOf, jsonOf, nextPageOf, refusalOf } from "../support/registry-client.ts";
import { startTestNode } from "../support/test-node.ts";
import { test } from "./one-node.ts";

plainTest("the catalog of an empty registry is an empty list", async () => {
  await using node = await startTestNode();

  const reply = await node.client.get("/v2/_catalog");

  expect(reply.status).toBe(200);
  expect(reply.headers["content-type"]).toBe("application/json");
  expect(jsonOf(reply)).toEqual({ repositories: [] });
});

plainTest("the catalog lists repositories in byte order, in pages that link to the next (oci 4)", async () => {
  await using node = await startTestNode();
  const { client } = node;
  for (const repo of ["b/image", "a", "b", "b-2", "z.y"]) await client.pushManifest(repo, "v1", image({}), [EMPTY]);

  const whole = await client.get("/v2/_catalog");
  const first = await client.get("/v2/_catalog?n=3");
  const second = await client.get(nextPageOf(first) ?? "");
  const after = await client.get("/v2/_catalog?last=b");

  expect(jsonOf(whole)).toEqual({ repositories: ["a", "b", "b-2", "b/image", "z.y"] });
  expect(whole.headers["link"]).toBeUndefined();
  expect(jsonOf(first)).toEqual({ repositories: ["a", "b", "b-2"] });
  expect(first.headers["link"]).toBe('</v2/_catalog?n=3&last=b-2>; rel="next"');
  expect(jsonOf(second)).toEqual({ repositories: ["b/image", "z.y"] });
  expect(nextPageOf(second)).toBeUndefined();
  expect(jsonOf(after)).toEqual({ repositories: ["b-2", "b/image", "z.y"] });
});

plainTest("a repository is in the catalog while it has a manifest, tagged or not", async () => {
  await using node = await startTestNode();
  const { client } = node;
  await client.pushBlob("only/blobs", EMPTY.bytes);
  await client.pushManifest("with/manifest", image({}).digest, image({}), [EMPTY]);

  const before = jsonOf(await client.get("/v2/_catalog"));
  await client.delete(`/v2/with/manifest/manifests/${image({}).digest}`);
  const after = jsonOf(await client.get("/v2/_catalog"));

  expect([before, after]).toEqual([{ repositories: ["with/manifest"] }, { repositories: [] }]);
});

test("a page of the catalog whose last name needs encoding links to where it went on (oci 14.73)", async ({
  client,
}) => {
  for (const repo of ["deep/a", "deep/b"]) await client.pushManifest(repo, "v1", image({}), [EMPTY]);

  const first = await client.get("/v2/_catalog?n=1");
  const second = await client.get(nextPageOf(first) ?? "");

  expect([jsonOf(first), jsonOf(second)]).toEqual([{ repositories: ["deep/a"] }, { repositories: ["deep/b"] }]);
});

test("a page of no repositories is empty and links nowhere (oci 4)", async ({ client }) => {
  const reply = await client.get("/v2/_catalog?n=0");

  expect(jsonOf(reply)).toEqual({ repositories: [] });
  expect(headersOf(reply, "link")).toEqual({ link: undefined });
});

test.for(["-1", "abc", "1e3"])("a page of the catalog cannot have the size %s (oci 14.73)", async (n, { client }) => {
  const reply = await client.get(`/v2/_catalog?n=${n}`);

  expect(refusalOf(reply)).toEqual({ status: 400, codes: ["UNSUPPORTED"] });
});

test("extensions that are not there are refused in JSON (oci 4)", async ({ client }) => {
  const reply = await client.get("/v2/_oci/ext/discover");

  expect([200, 404, 405]).toContain(reply.status);
  expect(reply.headers["content-type"]).toBe("application/json");
});
