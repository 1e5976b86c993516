import { describe, expect } from "vitest";

import { digestOf, image, layer, noise } from "../support/oci-fixtures.ts";
import { headersOf, locationOf } from "../support/registry-client.ts";
import { test } from "./one-node.ts";

const BYTES = noise(700, "a base layer");
const ABSENT_DIGEST = digestOf("nobody pushed this");

describe("mounting a blob from another repository", () => {
  test("gives it without its bytes being sent again: 201 and the blob's own place (oci 14.46)", async ({
    client,
    repo,
  }) => {
    const digest = await client.pushBlob(`${repo}/source`, BYTES);

    const reply = await client.post(`/v2/${repo}/target/blobs/uploads/?mount=${digest}&from=${repo}/source`);

    expect(reply.status).toBe(201);
    expect(headersOf(reply, "location", "docker-content-digest", "content-length")).toEqual({
      location: `/v2/${repo}/target/blobs/${digest}`,
      "docker-content-digest": digest,
      "content-length": "0",
    });
    expect((await client.get(locationOf(reply))).body).toEqual(BYTES);
  });

  test("outlives the blob's deletion where it came from (oci 14.46)", async ({ client, repo }) => {
    const digest = await client.pushBlob(`${repo}/source`, BYTES);
    await client.post(`/v2/${repo}/target/blobs/uploads/?mount=${digest}&from=${repo}/source`);

    await client.delete(`/v2/${repo}/source/blobs/${digest}`);

    expect((await client.getBlob(`${repo}/source`, digest)).status).toBe(404);
    expect((await client.getBlob(`${repo}/target`, digest)).body).toEqual(BYTES);
  });

  test("is enough for a manifest to name it (oci end-11)", async ({ client, repo }) => {
    const part = layer("mounted, then named");
    await client.pushBlob(`${repo}/source`, part.bytes);
    await client.post(`/v2/${repo}/target/blobs/uploads/?mount=${part.digest}&from=${repo}/source`);

    const reply = await client.putManifest(`${repo}/target`, "latest", image({ config: part, layers: [part] }));

    expect(reply.status).toBe(201);
  });

  test("from the repository itself is 201 when it has the blob (oci end-11)", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, BYTES);

    const reply = await client.post(`/v2/${repo}/blobs/uploads/?mount=${digest}&from=${repo}`);

    expect(reply.status).toBe(201);
  });

  test("works by sha512 as well (oci 6)", async ({ client, repo }) => {
    const digest = await client.pushBlob(`${repo}/source`, BYTES, "sha512");

    const reply = await client.post(`/v2/${repo}/target/blobs/uploads/?mount=${digest}&from=${repo}/source`);

    expect(reply.status).toBe(201);
    expect((await client.getBlob(`${repo}/target`, digest)).body).toEqual(BYTES);
  });

  test("lets other clients' parameters be (oci 11.2.14)", async ({ client, repo }) => {
    const digest = await client.pushBlob(`${repo}/source`, BYTES);

    const reply = await client.post(
      `/v2/${repo}/target/blobs/uploads/?ns=ghcr.io&from=${repo}/source&origin=ghcr.io&mount=${digest}`,
    );

    expect(reply.status).toBe(201);
  });
});

describe("a mount that cannot be", () => {
  test("is an upload: 202, and a PUT to its Location works (oci 14.47)", async ({ client, repo }) => {
    const bytes = noise(500, "not there yet");
    const digest = digestOf(bytes);

    const reply = await client.post(`/v2/${repo}/blobs/uploads/?mount=${digest}&from=${repo}/source`);
    const put = await client.finishUpload(locationOf(reply), digest, { body: bytes });

    expect([reply.status, put.status]).toEqual([202, 201]);
    expect((await client.getBlob(repo, digest)).body).toEqual(bytes);
  });

  test.for([
    `mount=${ABSENT_DIGEST}&from=nobody/made/this`,
    `mount=${ABSENT_DIGEST}&from=UPPER/bad`,
    `mount=${ABSENT_DIGEST}&from=pause`,
    `mount=${ABSENT_DIGEST}&from=`,
    `mount=${ABSENT_DIGEST}`,
    "mount=garbage&from=pause",
    `mount=${encodeURIComponent(`md5:${"a".repeat(32)}`)}&from=pause`,
    "mount=&from=",
    "from=pause",
  ])("never fails a push: ?%s is 202 (oci 14.49)", async (query, { client, repo }) => {
    const reply = await client.post(`/v2/${repo}/blobs/uploads/?${query}`);

    expect(reply.status).toBe(202);
    expect(locationOf(reply)).toMatch(new RegExp(`^/v2/${repo}/blobs/uploads/.`));
  });

  test("takes nothing from a repository that has only been asked for the blob (reliability 5.1.2)", async ({
    client,
    repo,
  }) => {
    const digest = await client.pushBlob(`${repo}/owner`, BYTES);
    await client.head(`/v2/${repo}/asker/blobs/${digest}`);

    const reply = await client.post(`/v2/${repo}/target/blobs/uploads/?mount=${digest}&from=${repo}/asker`);

    expect(reply.status).toBe(202);
    expect((await client.getBlob(`${repo}/target`, digest)).status).toBe(404);
  });

  test("takes nothing that was deleted there (oci 8)", async ({ client, repo }) => {
    const digest = await client.pushBlob(`${repo}/source`, BYTES);
    await client.delete(`/v2/${repo}/source/blobs/${digest}`);

    const reply = await client.post(`/v2/${repo}/target/blobs/uploads/?mount=${digest}&from=${repo}/source`);

    expect(reply.status).toBe(202);
  });

  test("can be cancelled, as skopeo does (oci end-14)", async ({ client, repo }) => {
    const reply = await client.post(`/v2/${repo}/blobs/uploads/?mount=${ABSENT_DIGEST}&from=${repo}/source`);

    expect((await client.delete(locationOf(reply))).status).toBe(204);
  });
});
