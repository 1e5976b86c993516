import { open, readdir } from "node:fs/promises";
import path from "node:path";
import { test as base, describe, expect } from "vitest";

import { artifact, config, digestOf, EMPTY, image, index, layer, noise } from "../support/oci-fixtures.ts";
import { detailOf, jsonOf, locationOf, type RegistryClient, refusalOf } from "../support/registry-client.ts";
import { startTestCluster } from "../support/test-node.ts";

const MIB = 1024 * 1024;
/** A push is known everywhere within a second. */
const KNOWN_MS_MAX = 1_000;
/** A node that was away knows everything again within this time. */
const CAUGHT_UP_MS_MAX = 5_000;
const ABSENT_DIGEST = digestOf("nobody pushed this");

let repositories = 0;

/** Three regions, and one client for each. */
const test = base
  .extend("clusterName", { scope: "file" }, "three-nodes")
  .extend("cluster", { scope: "file" }, async ({ clusterName }, { onCleanup }) => {
    const cluster = await startTestCluster(clusterName);
    onCleanup(async () => await cluster[Symbol.asyncDispose]());
    return cluster;
  })
  .extend("eu", ({ cluster }) => cluster.eu.client)
  .extend("us", ({ cluster }) => cluster.us.client)
  .extend("ap", ({ cluster }) => cluster.ap.client)
  .extend("repo", () => {
    repositories += 1;
    return `team/image-${repositories}`;
  });

async function expectTagsKnown(client: RegistryClient, repo: string, tags: readonly string[], withinMs = KNOWN_MS_MAX) {
  await expect
    .poll(async () => (await client.get(`/v2/${repo}/tags/list`)).body.toString(), { timeout: withinMs, interval: 10 })
    .toBe(JSON.stringify({ name: repo, tags }));
}

async function digestAt(client: RegistryClient, repo: string, tag: string): Promise<string | undefined> {
  return (await client.head(`/v2/${repo}/manifests/${tag}`)).headers["docker-content-digest"];
}

/** What a disk does by itself, given time. */
async function changeByte(dataFolder: string, digest: string, at: number): Promise<void> {
  const names = await readdir(dataFolder, { recursive: true });
  const name = names.find((found) => found.endsWith(digest.replace("sha256:", "")));
  if (name === undefined) throw new Error(`no file of ${digest}`);
  await using file = await open(path.join(dataFolder, name), "r+");
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  await file.write(Buffer.from([buffer.readUInt8() ^ 0xff]), 0, 1, at);
}

describe("a push to one region", () => {
  test("is known in every other within a second: tag, manifest, index, referrers (issue 2)", async ({
    eu,
    us,
    ap,
    repo,
  }) => {
    const parts = [config("known"), layer("known")] as const;
    const child = image({ config: parts[0], layers: [parts[1]] });
    const large = image({ fields: { annotations: { padding: "p".repeat(100_000) } } });
    const referrer = artifact(child, "application/vnd.example.sbom");
    await eu.pushManifest(repo, child.digest, child, [...parts, EMPTY]);
    await eu.pushManifest(repo, large.digest, large);
    await eu.pushManifest(repo, referrer.digest, referrer);
    const whole = index([child, large]);
    await eu.pushManifest(repo, "v1", whole);

    for (const client of [us, ap]) {
      await expectTagsKnown(client, repo, ["v1"]);
      expect((await client.getManifest(repo, "v1")).body).toEqual(whole.bytes);
      expect((await client.getManifest(repo, child.digest)).body).toEqual(child.bytes);
      expect((await client.getManifest(repo, large.digest)).body).toEqual(large.bytes);
      expect((await client.get(`/v2/${repo}/referrers/${child.digest}`)).body).toEqual(
        (await eu.get(`/v2/${repo}/referrers/${child.digest}`)).body,
      );
    }
  });

  test("is served by another at once, without waiting for the news: HEAD, mount, manifest, pull by tag (oci 14.95)", async ({
    eu,
    us,
    repo,
  }) => {
    const part = layer("asked for at once");
    const pushed = image({ config: part, layers: [part] });

    await eu.pushBlob(repo, part.bytes);
    const head = await us.head(`/v2/${repo}/blobs/${part.digest}`);
    const mount = await us.post(`/v2/${repo}/mounted/blobs/uploads/?mount=${part.digest}&from=${repo}`);
    const put = await us.putManifest(repo, "v1", pushed);
    const got = await eu.getManifest(repo, "v1");

    expect([head.status, mount.status, put.status, got.status]).toEqual([200, 201, 201, 200]);
    expect(head.headers["content-length"]).toBe(String(part.bytes.length));
    expect(got.body).toEqual(pushed.bytes);
    expect((await us.get(locationOf(mount))).body).toEqual(part.bytes);
  });

  test("may begin in one region, go on in a second, end in a third, and be pulled anywhere (oci 14.37)", async ({
    eu,
    us,
    ap,
    repo,
  }) => {
    const bytes = noise(300_000, "pushed through three regions");
    const digest = digestOf(bytes);

    const location = await eu.startUpload(repo);
    const sent = await us.sendChunk(location, 0, bytes.subarray(0, 200_000));
    const progress = await ap.get(locationOf(sent));
    const again = await us.sendChunk(location, 0, bytes.subarray(0, 200_000));
    const finished = await ap.finishUpload(locationOf(sent), digest, {
      headers: { "Content-Range": "200000-299999" },
      body: bytes.subarray(200_000),
    });

    expect([sent.status, progress.status, again.status, finished.status]).toEqual([202, 204, 416, 201]);
    expect([sent.headers["range"], progress.headers["range"]]).toEqual(["0-199999", "0-199999"]);
    for (const client of [us, eu, ap]) expect((await client.getBlob(repo, digest)).body).toEqual(bytes);
  });

  test("and a delete in another is deleted everywhere (oci end-9)", async ({ eu, us, ap, repo }) => {
    const pushed = image({});
    await eu.pushManifest(repo, "v1", pushed, [EMPTY]);
    await eu.pushManifest(repo, "v2", pushed);
    await expectTagsKnown(us, repo, ["v1", "v2"]);

    const reply = await us.delete(`/v2/${repo}/manifests/v1`);
    await expectTagsKnown(ap, repo, ["v2"]);
    await expectTagsKnown(eu, repo, ["v2"]);
    const whole = await ap.delete(`/v2/${repo}/manifests/${pushed.digest}`);

    expect([reply.status, whole.status]).toEqual([202, 202]);
    for (const client of [eu, us, ap]) {
      await expect
        .poll(async () => (await client.getManifest(repo, pushed.digest)).status, { timeout: KNOWN_MS_MAX })
        .toBe(404);
      expect((await client.getManifest(repo, "v2")).status).toBe(404);
    }
  });

  test("of a blob is undone by a delete in one region, at once there, where it was fetched to as well (oci end-10)", async ({
    eu,
    us,
    repo,
  }) => {
    const part = layer("deleted in one region");
    await eu.pushManifest(repo, "v1", image({ config: part, layers: [part] }), [part]);
    await us.getBlob(repo, part.digest);

    const reply = await eu.delete(`/v2/${repo}/blobs/${part.digest}`);
    const there = await eu.getBlob(repo, part.digest);

    expect([reply.status, there.status]).toEqual([202, 404]);
    await expect
      .poll(async () => (await us.getBlob(repo, part.digest)).status, { timeout: KNOWN_MS_MAX, interval: 10 })
      .toBe(404);
  });

  test("moved by two regions at once ends as the same manifest in all (issue 2)", async ({ eu, us, ap, repo }) => {
    await eu.pushBlob(repo, EMPTY.bytes);
    await us.pushBlob(repo, EMPTY.bytes);
    const rivals = ["eu", "us"].map((region) => image({ fields: { annotations: { region } } }));
    const [first, second] = rivals;

    await Promise.all([
      first && eu.pushManifest(repo, "latest", first),
      second && us.pushManifest(repo, "latest", second),
    ]);

    await expect
      .poll(
        async () =>
          new Set(await Promise.all([eu, us, ap].map(async (client) => await digestAt(client, repo, "latest")))).size,
        { timeout: KNOWN_MS_MAX },
      )
      .toBe(1);
    expect(rivals.map(({ digest }) => digest)).toContain(await digestAt(ap, repo, "latest"));
    // The one that lost is still there by its digest.
    for (const { digest } of rivals) expect((await ap.getManifest(repo, digest)).status).toBe(200);
  });
});

describe("a blob that is in another region", () => {
  test("comes from there once, and from here afterwards: Meridian-Source (issue 2)", async ({ eu, ap, repo }) => {
    const bytes = noise(3 * MIB, "pulled twice");
    const part = { ...layer(""), bytes, digest: digestOf(bytes) };
    await eu.pushManifest(repo, "v1", image({ layers: [part] }), [EMPTY, part]);

    const first = await ap.getBlob(repo, part.digest);
    const second = await ap.getBlob(repo, part.digest);

    expect([first.headers["meridian-source"], second.headers["meridian-source"]]).toEqual(["peer:eu", "local"]);
    expect([first.body.equals(bytes), second.body.equals(bytes)]).toEqual([true, true]);
    expect(first.headers["content-length"]).toBe(String(bytes.length));
  });

  test("is not fetched by a HEAD, which tells its length (issue 2)", async ({ eu, us, repo }) => {
    const digest = await eu.pushBlob(repo, noise(50_000, "only asked for"));

    const head = await us.head(`/v2/${repo}/blobs/${digest}`);
    const again = await us.head(`/v2/${repo}/blobs/${digest}`);

    expect([head.status, head.headers["content-length"]]).toEqual([200, "50000"]);
    expect([head.headers["meridian-source"], again.headers["meridian-source"]]).toEqual(["peer:eu", "peer:eu"]);
  });

  test("can be read from any byte on: ranges are 206 while it is still elsewhere (issue 2)", async ({
    eu,
    us,
    repo,
  }) => {
    const bytes = noise(2 * MIB, "read from the middle");
    const digest = await eu.pushBlob(repo, bytes);

    const middle = await us.getBlob(repo, digest, { Range: "bytes=1000000-1000099" });
    const end = await us.getBlob(repo, digest, { Range: "bytes=-100" });

    expect([middle.status, end.status]).toEqual([206, 206]);
    expect(middle.headers["content-range"]).toBe(`bytes 1000000-1000099/${bytes.length}`);
    expect(middle.body).toEqual(bytes.subarray(1_000_000, 1_000_100));
    expect(end.body).toEqual(bytes.subarray(-100));
  });

  test("crosses once, however many clients wait for it (issue 2)", async ({ cluster, eu, us, repo }) => {
    const bytes = noise(4 * MIB, "wanted by sixteen");
    const digest = await eu.pushBlob(repo, bytes);
    const before = cluster.us.counted("meridian_wan_bytes_total");

    const replies = await Promise.all(Array.from({ length: 16 }, async () => await us.getBlob(repo, digest)));

    expect(new Set(replies.map(({ status, body }) => `${status} ${digestOf(body)}`))).toEqual(
      new Set([`200 ${digest}`]),
    );
    const crossed = cluster.us.counted("meridian_wan_bytes_total") - before;
    expect(crossed).toBeGreaterThanOrEqual(bytes.length);
    expect(crossed).toBeLessThan(1.5 * bytes.length);
  });

  test("of which a disk there has changed a byte never comes as a complete answer, and is not kept (issue 2)", async ({
    cluster,
    eu,
    us,
    repo,
  }) => {
    const digest = await eu.pushBlob(repo, noise(2 * MIB, "about to rot"));
    await changeByte(cluster.eu.dataFolder, digest, MIB + 12_345);

    const answer = await us.get(`/v2/${repo}/blobs/${digest}`);

    expect([answer.status, answer.body.length < 2 * MIB]).toEqual([503, true]);
    expect((await us.head(`/v2/${repo}/blobs/${digest}`)).status).toBe(404);
  });

  test("belongs to the repository that has it there, not to one that asks (reliability 5.1.2)", async ({
    eu,
    us,
    repo,
  }) => {
    const digest = await eu.pushBlob(repo, noise(1_000, "private to its repository"));

    const head = await us.head(`/v2/${repo}/other/blobs/${digest}`);
    const got = await us.getBlob(`${repo}/other`, digest);

    expect([head.status, refusalOf(got)]).toEqual([404, { status: 404, codes: ["BLOB_UNKNOWN"] }]);
  });
});

test("what no region knows is 404 in all of them (oci 14.95)", async ({ eu, us, ap, repo }) => {
  for (const client of [eu, us, ap]) {
    expect(refusalOf(await client.getBlob(repo, ABSENT_DIGEST))).toEqual({ status: 404, codes: ["BLOB_UNKNOWN"] });
    expect(refusalOf(await client.getManifest(repo, "v1"))).toEqual({ status: 404, codes: ["MANIFEST_UNKNOWN"] });
  }
});

describe("while a region is away", () => {
  test("pulls and pushes go on in the others; what only it holds is 503 with where and when to try again; it catches up (oci 14.97, 14.100)", async ({
    cluster,
    eu,
    us,
    ap,
    repo,
  }) => {
    const [shared, onlyThere] = [layer("replicated"), layer("only in eu")];
    const replicated = image({ config: shared, layers: [shared] });
    await eu.pushManifest(repo, "v1", replicated, [shared]);
    await eu.pushManifest(repo, "v2", image({ config: onlyThere, layers: [onlyThere] }), [onlyThere]);
    await expectTagsKnown(us, repo, ["v1", "v2"]);
    await us.getBlob(repo, shared.digest);

    await cluster.eu.stop();
    const pulled = [await us.getManifest(repo, "v1"), await us.getBlob(repo, shared.digest)];
    const unreachable = await us.getBlob(repo, onlyThere.digest);
    const head = await us.head(`/v2/${repo}/blobs/${onlyThere.digest}`);
    const unknown = await us.getBlob(repo, ABSENT_DIGEST);
    const pushed = await us.pushManifest(repo, "v3", image({}), [EMPTY]);
    await cluster.us.restart();
    const kept = await cluster.us.client.getManifest(repo, "v3");
    await cluster.eu.restart();

    expect(pulled.map(({ status }) => status)).toEqual([200, 200]);
    expect(refusalOf(unreachable)).toEqual({ status: 503, codes: ["UNAVAILABLE"] });
    expect(Number(unreachable.headers["retry-after"])).toBeGreaterThan(0);
    expect(detailOf(unreachable)).toMatchObject({ holders: [{ node: "eu-1", region: "eu" }] });
    // Whoever asks by HEAD is about to push, and is told to send his own copy; the warning tells the others (oci 14.100).
    expect(head.status).toBe(404);
    expect(head.headers["warning"]).toMatch(/^299 - "(?:[^"\\]|\\.){1,1000}"$/);
    expect(refusalOf(unknown)).toEqual({ status: 404, codes: ["BLOB_UNKNOWN"] });
    expect([pushed.status, kept.status]).toEqual([201, 200]);
    await expectTagsKnown(cluster.eu.client, repo, ["v1", "v2", "v3"], CAUGHT_UP_MS_MAX);
    await expect
      .poll(async () => (await cluster.us.client.getBlob(repo, onlyThere.digest)).status, { timeout: CAUGHT_UP_MS_MAX })
      .toBe(200);
    await expectTagsKnown(ap, repo, ["v1", "v2", "v3"], CAUGHT_UP_MS_MAX);
    expect(jsonOf(await ap.get(`/v2/${repo}/tags/list`))).toEqual({ name: repo, tags: ["v1", "v2", "v3"] });
  });
});
