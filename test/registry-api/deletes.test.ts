import { describe, expect } from "vitest";

import { digestOf, EMPTY, image, index, layer, noise } from "../support/oci-fixtures.ts";
import { jsonOf, refusalOf, tally } from "../support/registry-client.ts";
import { test } from "./one-node.ts";

const ABSENT_DIGEST = digestOf("nobody pushed this");
const MANIFEST_UNKNOWN = { status: 404, codes: ["MANIFEST_UNKNOWN"] };
const BLOB_UNKNOWN = { status: 404, codes: ["BLOB_UNKNOWN"] };

describe("deleting a tag", () => {
  test("leaves its manifest to be had by digest (oci end-9)", async ({ client, repo }) => {
    const pushed = image({});
    await client.pushManifest(repo, "v1", pushed, [EMPTY]);

    const reply = await client.delete(`/v2/${repo}/manifests/v1`);

    expect([reply.status, reply.headers["content-length"]]).toEqual([202, "0"]);
    expect(refusalOf(await client.getManifest(repo, "v1"))).toEqual(MANIFEST_UNKNOWN);
    expect((await client.head(`/v2/${repo}/manifests/v1`)).status).toBe(404);
    expect((await client.getManifest(repo, pushed.digest)).body).toEqual(pushed.bytes);
    expect(jsonOf(await client.get(`/v2/${repo}/tags/list`))).toEqual({ name: repo, tags: [] });
  });

  test("leaves the other tags of the manifest (oci end-9)", async ({ client, repo }) => {
    await client.pushManifest(repo, "v1", image({}), [EMPTY]);
    await client.pushManifest(repo, "v2", image({}));

    await client.delete(`/v2/${repo}/manifests/v1`);

    expect(jsonOf(await client.get(`/v2/${repo}/tags/list`))).toEqual({ name: repo, tags: ["v2"] });
  });

  test("that is not there, or is there no more, is 404 (oci 14.85)", async ({ client, repo }) => {
    await client.pushManifest(repo, "v1", image({}), [EMPTY]);
    await client.delete(`/v2/${repo}/manifests/v1`);

    expect(refusalOf(await client.delete(`/v2/${repo}/manifests/v1`))).toEqual(MANIFEST_UNKNOWN);
    expect(refusalOf(await client.delete(`/v2/${repo}/manifests/v2`))).toEqual(MANIFEST_UNKNOWN);
    expect(refusalOf(await client.delete("/v2/nobody/made/this/manifests/v1"))).toEqual(MANIFEST_UNKNOWN);
  });

  test("can be taken back by pushing it again (oci end-9)", async ({ client, repo }) => {
    await client.pushManifest(repo, "v1", image({}), [EMPTY]);
    await client.delete(`/v2/${repo}/manifests/v1`);

    await client.pushManifest(repo, "v1", image({}));

    expect((await client.getManifest(repo, "v1")).status).toBe(200);
  });
});

describe("deleting a manifest", () => {
  test("takes every tag that names it (oci end-9)", async ({ client, repo }) => {
    const doomed = image({ fields: { annotations: { fate: "doomed" } } });
    const kept = image({ fields: { annotations: { fate: "kept" } } });
    await client.pushManifest(repo, "v1", doomed, [EMPTY]);
    await client.pushManifest(repo, "v2", doomed);
    await client.pushManifest(repo, "v3", kept);

    const reply = await client.delete(`/v2/${repo}/manifests/${doomed.digest}`);

    expect(reply.status).toBe(202);
    for (const reference of ["v1", "v2", doomed.digest]) {
      expect(refusalOf(await client.getManifest(repo, reference))).toEqual(MANIFEST_UNKNOWN);
    }
    expect(jsonOf(await client.get(`/v2/${repo}/tags/list`))).toEqual({ name: repo, tags: ["v3"] });
    expect((await client.getManifest(repo, kept.digest)).status).toBe(200);
  });

  test("is not prevented by an index that names it; twice is 404 (oci 14.85)", async ({ client, repo }) => {
    const child = image({});
    await client.pushManifest(repo, child.digest, child, [EMPTY]);
    await client.pushManifest(repo, "app", index([child]));

    const first = await client.delete(`/v2/${repo}/manifests/${child.digest}`);
    const second = await client.delete(`/v2/${repo}/manifests/${child.digest}`);

    expect(first.status).toBe(202);
    expect(refusalOf(second)).toEqual(MANIFEST_UNKNOWN);
    expect((await client.getManifest(repo, child.digest)).status).toBe(404);
    expect((await client.getManifest(repo, "app")).body).toEqual(index([child]).bytes);
  });

  test("under one algorithm leaves it under the other (oci 6)", async ({ client, repo }) => {
    const pushed = image({});
    const long = digestOf(pushed.bytes, "sha512");
    await client.pushManifest(repo, pushed.digest, pushed, [EMPTY]);
    await client.pushManifest(repo, long, pushed);

    await client.delete(`/v2/${repo}/manifests/${long}`);

    expect((await client.getManifest(repo, long)).status).toBe(404);
    expect((await client.getManifest(repo, pushed.digest)).status).toBe(200);
  });

  test("leaves it in other repositories (oci end-9)", async ({ client, repo }) => {
    const pushed = image({});
    for (const name of [`${repo}/one`, `${repo}/two`]) await client.pushManifest(name, "v1", pushed, [EMPTY]);

    await client.delete(`/v2/${repo}/one/manifests/${pushed.digest}`);

    expect((await client.getManifest(`${repo}/one`, "v1")).status).toBe(404);
    expect((await client.getManifest(`${repo}/two`, "v1")).body).toEqual(pushed.bytes);
  });

  test.for(["sha256:baddigest", ".bad", `md5:${"a".repeat(32)}`])(
    "named %s is a client's mistake (reliability 5.1.4)",
    async (reference, { client, repo }) => {
      const reply = await client.delete(`/v2/${repo}/manifests/${reference}`);

      expect([400, 404]).toContain(reply.status);
      expect(reply.headers["content-type"]).toBe("application/json");
    },
  );
});

describe("deleting a blob", () => {
  test("takes it from the repository at once (oci end-10)", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, noise(200, "doomed"));

    const reply = await client.delete(`/v2/${repo}/blobs/${digest}`);

    expect([reply.status, reply.headers["content-length"]]).toEqual([202, "0"]);
    expect((await client.head(`/v2/${repo}/blobs/${digest}`)).status).toBe(404);
    expect(refusalOf(await client.getBlob(repo, digest))).toEqual(BLOB_UNKNOWN);
  });

  test("that is not there, or is there no more, is 404 (oci end-10)", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, noise(200, "doomed twice"));
    await client.delete(`/v2/${repo}/blobs/${digest}`);

    expect(refusalOf(await client.delete(`/v2/${repo}/blobs/${digest}`))).toEqual(BLOB_UNKNOWN);
    expect(refusalOf(await client.delete(`/v2/${repo}/blobs/${ABSENT_DIGEST}`))).toEqual(BLOB_UNKNOWN);
    expect(refusalOf(await client.delete(`/v2/nobody/made/this/blobs/${digest}`))).toEqual(BLOB_UNKNOWN);
  });

  test("is not prevented by a manifest that names it; others keep it, and pushing it brings it back (oci 14.86)", async ({
    client,
    repo,
  }) => {
    const part = layer("deleted while named");
    const pushed = image({ config: part, layers: [part] });
    for (const name of [`${repo}/one`, `${repo}/two`]) await client.pushManifest(name, "v1", pushed, [part]);

    const reply = await client.delete(`/v2/${repo}/one/blobs/${part.digest}`);
    const gone = await client.getBlob(`${repo}/one`, part.digest);
    const other = await client.getBlob(`${repo}/two`, part.digest);
    await client.pushBlob(`${repo}/one`, part.bytes);
    const back = await client.getBlob(`${repo}/one`, part.digest);

    expect([reply.status, gone.status, other.status, back.status]).toEqual([202, 404, 200, 200]);
    expect(back.body).toEqual(part.bytes);
  });

  test("keeps a new manifest from naming it until it is pushed again (oci 8)", async ({ client, repo }) => {
    const part = layer("deleted before it was named");
    await client.pushBlob(repo, part.bytes);
    await client.delete(`/v2/${repo}/blobs/${part.digest}`);

    const refused = await client.putManifest(repo, "v1", image({ config: part }));
    await client.pushBlob(repo, part.bytes);
    const taken = await client.putManifest(repo, "v1", image({ config: part }));

    expect(refusalOf(refused)).toEqual({ status: 400, codes: ["MANIFEST_BLOB_UNKNOWN"] });
    expect(taken.status).toBe(201);
  });

  test("under one algorithm leaves it under the other (oci 6)", async ({ client, repo }) => {
    const bytes = noise(200, "two names");
    const short = await client.pushBlob(repo, bytes);
    const long = await client.pushBlob(repo, bytes, "sha512");

    await client.delete(`/v2/${repo}/blobs/${short}`);

    expect((await client.getBlob(repo, short)).status).toBe(404);
    expect((await client.getBlob(repo, long)).body).toEqual(bytes);
  });

  test("that somebody else deletes at the same moment has one winner (reliability 5.1.4)", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, noise(200, "deleted by many"));

    const replies = await Promise.all(
      Array.from({ length: 6 }, async () => await client.delete(`/v2/${repo}/blobs/${digest}`)),
    );

    expect(tally(replies)).toEqual({ 202: 1, 404: 5 });
  });
});
