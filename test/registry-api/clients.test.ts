/** What the clients in the field really send, in the order in which they send it (oci 11.1). */
import { expect } from "vitest";

import { OCI_IMAGE_MANIFEST } from "../../shared/media-types.ts";
import {
  artifact,
  type Content,
  config,
  descriptorOf,
  digestOf,
  EMPTY,
  image,
  layer,
} from "../support/oci-fixtures.ts";
import {
  headersOf,
  jsonOf,
  locationOf,
  type RegistryClient,
  type Reply,
  withParameter,
} from "../support/registry-client.ts";
import { test } from "./one-node.ts";

const LAYER = layer("a layer of every client", 5_000);
const CONFIG = config("a config of every client");
const IMAGE = image({ config: CONFIG, layers: [LAYER] });
const ZERO_DIGEST = `sha256:${"0".repeat(64)}`;

/** The bytes as a client streams them: in pieces, the length of the whole not told. */
function streamed({ bytes }: Content): readonly Uint8Array[] {
  return [bytes.subarray(0, 1_000), bytes.subarray(1_000, 1_001), bytes.subarray(1_001)];
}

async function expectImage(client: RegistryClient, repo: string): Promise<void> {
  expect((await client.getManifest(repo, "latest")).body).toEqual(IMAGE.bytes);
  for (const part of [LAYER, CONFIG]) expect((await client.getBlob(repo, part.digest)).body).toEqual(part.bytes);
}

test("docker asks for the blob, tries to mount it, streams it in one PATCH, closes it and asks again (oci 11.1)", async ({
  client,
  repo,
}) => {
  const push = async (part: Content): Promise<readonly Reply[]> => {
    const blob = `/v2/${repo}/blobs/${part.digest}`;
    const asked = await client.head(blob);
    const begun = await client.post(`/v2/${repo}/blobs/uploads/?from=library%2Fother&mount=${part.digest}`);
    const sent = await client.patch(locationOf(begun), { body: streamed(part) });
    const closed = await client.put(withParameter(locationOf(sent), "digest", part.digest));
    return [asked, begun, sent, closed, await client.head(blob)];
  };

  const replies = [...(await push(LAYER)), ...(await push(CONFIG))];
  const pushed = await client.putManifest(repo, "latest", IMAGE);

  expect(replies.map(({ status }) => status)).toEqual([404, 202, 202, 201, 200, 404, 202, 202, 201, 200]);
  expect(replies[2]?.headers["range"]).toMatch(/^0-4999$/);
  expect([pushed.status, pushed.headers["docker-content-digest"]]).toEqual([201, IMAGE.digest]);
  await expectImage(client, repo);
});

test("containerd sends blobs whole and names the registry it means in every request (oci 9, 11.1)", async ({
  client,
  repo,
}) => {
  const accept = { Accept: `${OCI_IMAGE_MANIFEST}, */*` };
  const statuses: number[] = [(await client.head(`/v2/${repo}/manifests/latest?ns=ghcr.io`, accept)).status];
  for (const part of [LAYER, CONFIG]) {
    statuses.push((await client.head(`/v2/${repo}/blobs/${part.digest}?ns=ghcr.io`)).status);
    const begun = await client.post(`/v2/${repo}/blobs/uploads/?ns=ghcr.io`);
    const location = withParameter(locationOf(begun), "digest", encodeURIComponent(part.digest));
    statuses.push((await client.put(withParameter(location, "ns", "ghcr.io"), { body: part.bytes })).status);
  }
  const pushed = await client.put(`/v2/${repo}/manifests/latest?ns=ghcr.io`, {
    headers: { "Content-Type": IMAGE.mediaType },
    body: IMAGE.bytes,
  });
  const resolved = await client.head(`/v2/${repo}/manifests/latest?ns=ghcr.io`, accept);
  const pulled = await client.get(`/v2/${repo}/blobs/${LAYER.digest}?ns=ghcr.io`, {
    Range: "bytes=0-",
    "Accept-Encoding": "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5",
  });

  expect([...statuses, pushed.status]).toEqual([404, 404, 201, 404, 201, 201]);
  expect(headersOf(resolved, "docker-content-digest", "content-type", "content-length")).toEqual({
    "docker-content-digest": IMAGE.digest,
    "content-type": OCI_IMAGE_MANIFEST,
    "content-length": String(IMAGE.bytes.length),
  });
  expect([pulled.status, pulled.headers["content-encoding"]]).toEqual([206, undefined]);
  await expectImage(client, repo);
});

test("crane says where a mount comes from, calls an empty body JSON, and leaves its permission check open (oci 11.1)", async ({
  client,
  repo,
}) => {
  const json = { headers: { "Content-Type": "application/json" } };
  const checked = await client.post(`/v2/${repo}/blobs/uploads/`, json);
  for (const part of [LAYER, CONFIG, EMPTY]) {
    const query = `?from=library%2Fother&mount=${part.digest}&origin=ghcr.io`;
    const begun = await client.post(`/v2/${repo}/blobs/uploads/${query}`, json);
    const sent = await client.patch(locationOf(begun), { body: part.bytes });
    const closed = await client.put(withParameter(locationOf(sent), "digest", part.digest), json);
    expect([begun.status, sent.status, closed.status]).toEqual([202, 202, 201]);
  }
  await client.pushManifest(repo, "latest", IMAGE);
  const signature = artifact(IMAGE, "application/vnd.dev.sigstore.bundle.v0.3+json");
  const signed = await client.pushManifest(repo, signature.digest, signature);
  const referrers = await client.get(`/v2/${repo}/referrers/${IMAGE.digest}`);

  expect(checked.status).toBe(202);
  expect(signed.headers["oci-subject"]).toBe(IMAGE.digest);
  expect(jsonOf(referrers)).toMatchObject({ manifests: [{ digest: signature.digest }] });
  await expectImage(client, repo);
});

test("skopeo cancels an upload that it does not need, and reads two parts of a blob at once (oci 11.1)", async ({
  client,
  repo,
}) => {
  const unneeded = await client.startUpload(repo);
  const cancelled = await client.delete(unneeded);
  for (const part of [LAYER, CONFIG]) {
    const sent = await client.patch(await client.startUpload(repo), {
      headers: { "Content-Type": "application/octet-stream" },
      body: streamed(part),
    });
    const closed = await client.put(withParameter(locationOf(sent), "digest", part.digest));
    expect([sent.status, closed.status]).toEqual([202, 201]);
  }
  await client.pushManifest(repo, "latest", IMAGE);
  const parts = await client.getBlob(repo, LAYER.digest, { Range: "bytes=0-9,50-59" });

  expect(cancelled.status).toBe(204);
  expect([parts.status, parts.headers["content-type"]]).toEqual([
    206,
    expect.stringMatching(/^multipart\/byteranges;/),
  ]);
  await expectImage(client, repo);
});

test("oras asks for the referrers of nothing first, and trusts a tag's digest from a HEAD (oci 11.1)", async ({
  client,
  repo,
}) => {
  const asked = await client.get(`/v2/${repo}/referrers/${ZERO_DIGEST}`);
  for (const part of [LAYER, CONFIG]) {
    const begun = await client.post(`/v2/${repo}/blobs/uploads/`);
    const stored = await client.finishUpload(locationOf(begun), part.digest, { body: part.bytes });
    expect([begun.status, stored.status]).toEqual([202, 201]);
  }
  await client.pushManifest(repo, "latest", IMAGE);
  const resolved = await client.head(`/v2/${repo}/manifests/latest`);

  expect([asked.status, resolved.status]).toEqual([200, 200]);
  expect(resolved.headers["docker-content-digest"]).toBe(IMAGE.digest);
  await expectImage(client, repo);
});

test("helm pushes a chart whose version's plus has become an underscore (oci 11.2.12)", async ({ client, repo }) => {
  const chart = { ...LAYER, mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip" };
  const provenance = { ...CONFIG, mediaType: "application/vnd.cncf.helm.chart.provenance.v1.prov" };
  const settings = { ...EMPTY, mediaType: "application/vnd.cncf.helm.config.v1+json" };
  const pushed = image({ config: settings, layers: [chart, provenance] });

  await client.pushManifest(repo, "1.2.3_build.7", pushed, [chart, provenance, settings]);

  expect((await client.getManifest(repo, "1.2.3_build.7")).body).toEqual(pushed.bytes);
});

test("jib sends a PATCH again when it has heard no answer: the blob is doubled, and refused at the end (oci end-5)", async ({
  client,
  repo,
}) => {
  const location = await client.startUpload(repo);
  await client.patch(location, { body: LAYER.bytes });
  const again = await client.patch(location, { body: LAYER.bytes });
  const closed = await client.finishUpload(location, LAYER.digest);

  expect([again.status, again.headers["range"], closed.status]).toEqual([202, "0-9999", 400]);
  expect((await client.head(`/v2/${repo}/blobs/${LAYER.digest}`)).status).toBe(404);
});

test("the conformance suite's pushes without any length are taken: manifests and chunks alike (oci 13.4)", async ({
  client,
  repo,
}) => {
  for (const part of [LAYER, CONFIG]) {
    const location = withParameter(await client.startUpload(repo), "digest", part.digest);
    expect((await client.put(location, { body: streamed(part) })).status).toBe(201);
  }
  const reply = await client.put(`/v2/${repo}/manifests/latest`, {
    headers: { "Content-Type": IMAGE.mediaType, "Accept-Encoding": "gzip" },
    body: streamed(IMAGE),
  });

  expect(reply.status).toBe(201);
  expect(descriptorOf(IMAGE).digest).toBe(digestOf(IMAGE.bytes));
  await expectImage(client, repo);
});
