/**
 * What went wrong in other registries, and in what they are built on, each as a test that a registry without accounts
 * can show. A title begins with the advisory's identifier. Advisories about accounts, tokens, upstreams, webhooks and
 * the console join when those do; power cuts and full disks are in `test/torture`, peers that lie in
 * `test/simulation/blob-fetch.test.ts`.
 */
import { describe, expect } from "vitest";
import { ROUTES } from "../../nodes/http/routes.ts";
import { parseNodeConfig } from "../../shared/config.ts";
import {
  MANIFEST_BYTES_MAX,
  PAGE_ENTRIES_MAX,
  REFERRERS_PAGE_BYTES_MAX,
  TAG_PARAMETERS_MAX,
} from "../../shared/limits.ts";
import { OCI_IMAGE_INDEX } from "../../shared/media-types.ts";
import {
  artifact,
  config,
  content,
  descriptorOf,
  digestOf,
  EMPTY,
  image,
  index,
  layer,
  manifest,
  noise,
} from "../support/oci-fixtures.ts";
import { headersOf, jsonOf, nextPageOf, refusalOf, withParameter } from "../support/registry-client.ts";
import { test } from "./one-node.ts";

const HTML = "<script>alert(document.domain)</script>";

describe("distribution", () => {
  test("CVE-2017-11468: a manifest beyond the limit is 413, and no memory grows with it", async ({ client, repo }) => {
    const huge = content(Buffer.alloc(MANIFEST_BYTES_MAX + 1, " "), OCI_IMAGE_INDEX);

    const before = process.memoryUsage.rss();
    for (let round = 0; round < 20; round += 1) {
      expect(refusalOf(await client.putManifest(repo, "v1", huge))).toEqual({ status: 413, codes: ["SIZE_INVALID"] });
    }

    // Twenty bodies of 4 MiB, were they kept, and the client's own copies.
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 1024 * 1024);
  });

  test("CVE-2021-41190, GHSA-qq97-vm5h-rrhg: no document is a manifest and an index", async ({ client, repo }) => {
    const both = { schemaVersion: 2, config: descriptorOf(EMPTY), layers: [], manifests: [] };
    await client.pushBlob(repo, EMPTY.bytes);

    for (const type of ["image.manifest", "image.index"]) {
      const mediaType = `application/vnd.oci.${type}.v1+json`;
      expect((await client.putManifest(repo, "v1", manifest({ ...both, mediaType }, mediaType))).status).toBe(400);
    }
    const { bytes } = image({});
    expect((await client.putManifest(repo, "v1", content(bytes, OCI_IMAGE_INDEX))).status).toBe(400);
  });

  test("CVE-2023-2253, GHSA-hqxw-f8mx-cpmw: a page of 2^31 entries is no larger than the largest", async ({
    client,
    repo,
  }) => {
    const { bytes, mediaType } = index([]);
    for (let first = 0; first < PAGE_ENTRIES_MAX + 1; first += TAG_PARAMETERS_MAX) {
      const tags = Array.from({ length: TAG_PARAMETERS_MAX }, (_, more) => `tag=t${first + more}`).join("&");
      const path = `/v2/${repo}/manifests/${digestOf(bytes)}?${tags}`;
      expect((await client.put(path, { headers: { "Content-Type": mediaType }, body: bytes })).status).toBe(201);
    }

    for (const n of ["2147483648", "1000000000", "9007199254740992"]) {
      const reply = await client.get(`/v2/${repo}/tags/list?n=${n}`);
      expect(reply.body.toString().match(/"t[0-9]+"/g)).toHaveLength(PAGE_ENTRIES_MAX);
      expect(nextPageOf(reply)).toContain(`n=${PAGE_ENTRIES_MAX}`);
    }
    for (const list of ["/v2/_catalog", `/v2/${repo}/tags/list`, "/api/v1/repositories"]) {
      for (const n of ["-1", "NaN", "1;2", "1e9"]) expect((await client.get(`${list}?n=${n}`)).status).toBe(400);
    }
  });

  test("CVE-2026-35172, GHSA-f2g3-hh2r-cwgc: what was deleted is read from no cache, and not after a restart", async ({
    client,
    node,
    repo,
  }) => {
    const [small, large] = [noise(1_000, "small"), noise(200_000, "large")];
    const kept = image({ layers: [layer("kept")] });
    const digests = [await client.pushBlob(repo, small), await client.pushBlob(repo, large)];
    await client.pushManifest(repo, "v1", kept, [EMPTY, layer("kept")]);
    const paths = [...digests.map((digest) => `blobs/${digest}`), `manifests/${kept.digest}`, "manifests/v1"];
    const statuses = async () =>
      await Promise.all(paths.map(async (path) => (await client.get(`/v2/${repo}/${path}`)).status));
    for (let round = 0; round < 3; round += 1) expect(await statuses()).toEqual([200, 200, 200, 200]);

    for (const digest of digests) await client.delete(`/v2/${repo}/blobs/${digest}`);
    await client.delete(`/v2/${repo}/manifests/${kept.digest}`);

    expect(await statuses()).toEqual([404, 404, 404, 404]);
    await node.restart();
    expect(await statuses()).toEqual([404, 404, 404, 404]);
  });

  test("distribution 4898, 4904: a name that begins another is listed with it", async ({ client, repo }) => {
    const names = ["a", "a-b", "a/b", "a/b/c", "a.b", "a_b", "ab"].map((name) => `${repo}/${name}`);
    const tags = ["1", "1.0", "1.0.0", "10", "1-rc", "v1"];
    for (const name of names) await client.pushManifest(name, "v1", index([]));
    for (const tag of tags) await client.pushManifest(`${repo}/a`, tag, index([]));

    const catalog = String((await client.get("/v2/_catalog?n=1000")).body);
    for (const name of names) expect(catalog).toContain(`"${name}"`);
    expect(jsonOf(await client.get(`/v2/${repo}/a/tags/list`))).toEqual({ name: `${repo}/a`, tags: tags.toSorted() });
  });

  test("distribution 4868: what is pushed again after it was deleted is there again", async ({ client, repo }) => {
    const whole = image({ config: config("again"), layers: [layer("again")] });
    const parts = [config("again"), layer("again")];
    await client.pushManifest(repo, "v1", whole, parts);
    for (const { digest } of parts) await client.delete(`/v2/${repo}/blobs/${digest}`);
    await client.delete(`/v2/${repo}/manifests/${whole.digest}`);

    await client.pushManifest(repo, "v1", whole, parts);

    expect((await client.getManifest(repo, "v1")).status).toBe(200);
    for (const { digest, bytes } of parts) expect((await client.getBlob(repo, digest)).body).toEqual(bytes);
  });
});

describe("zot", () => {
  test("GHSA-55r9-5mx9-qq7r, CVE-2024-39897: asking for another repository's blob gives it to nobody", async ({
    client,
    repo,
  }) => {
    const digest = await client.pushBlob(`${repo}/theirs`, noise(500, repo));
    const path = `/v2/${repo}/mine/blobs/${digest}`;

    expect((await client.head(path)).status).toBe(404);
    expect((await client.get(path)).status).toBe(404);
    // A mount from where it is not leaves nothing behind either.
    const mount = await client.post(`/v2/${repo}/mine/blobs/uploads/?mount=${digest}&from=${repo}/nowhere`);
    expect(mount.status).toBe(202);
    expect((await client.get(path)).status).toBe(404);
  });

  test("zot 4318: an index that names itself twice on every level is walked once a manifest", async ({
    client,
    repo,
  }) => {
    let below = index([]);
    await client.pushManifest(repo, below.digest, below);
    // Two to the power of seven ways lead down.
    for (let depth = 0; depth < 7; depth += 1) {
      below = index([below, below], { fields: { annotations: { depth: `${depth}` } } });
      await client.pushManifest(repo, below.digest, below);
    }

    expect((await client.putManifest(repo, "diamond", below)).status).toBe(201);
    expect((await client.get(`/api/v1/replication?image=${repo}:diamond`)).status).toBe(200);
  });

  test("zot 4204: a tag that is nearly a signature's is a tag", async ({ client, repo }) => {
    const { digest } = index([]);
    for (const tag of ["sha256-.sig", "sha256-x.att", "sha256-", `${digest.replace(":", "-")}.sig`, "sha512-a.sbom"]) {
      expect((await client.putManifest(repo, tag, index([]))).status).toBe(201);
      expect((await client.getManifest(repo, tag)).status).toBe(200);
    }
  });

  test("zot CORS-1: no origin is told that it may read", async ({ client, repo }) => {
    await client.pushManifest(repo, "v1", index([]));

    for (const path of ["/v2/", `/v2/${repo}/manifests/v1`, "/api/v1/cluster", "/"]) {
      const reply = await client.get(path, { Origin: "https://evil.example", Cookie: "a=b" });
      expect(Object.keys(reply.headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
    }
  });

  test("zot INPUT-1, INPUT-2: no route takes a body without an end", async ({ client, repo }) => {
    const endless = function* (): Generator<Uint8Array, void> {
      for (let sent = 0; sent < 40; sent += 1) yield Buffer.alloc(1024 * 1024, "[");
    };
    for (const path of [`/v2/${repo}/manifests/v1`, "/api/v1/wait", "/api/v1/verify"]) {
      const method = path.startsWith("/v2/") ? "PUT" : "POST";
      const outcome = await client.send(method, path, { body: endless() }).then(
        ({ status }) => status,
        // Whoever goes on sending is cut off.
        () => 413,
      );
      expect([path, outcome]).toEqual([path, 413]);
    }
  });

  test("X-Zot-Cluster-Hop-Count: what nodes say to each other, a client can say without harm", async ({
    client,
    repo,
  }) => {
    const headers = {
      "Meridian-Forwarded-By": "us-1",
      "Meridian-Node": "us-1",
      "Meridian-Version": "AQ",
      "X-Zot-Cluster-Hop-Count": "99",
    };
    const upload = await client.startUpload(repo);

    expect((await client.get("/v2/", headers)).status).toBe(200);
    expect((await client.send("GET", upload, { headers })).status).toBe(204);
    expect((await client.send("GET", `/v2/${repo}/blobs/uploads/${"0".repeat(32)}.us-1`, { headers })).status).toBe(
      404,
    );
  });
});

describe("Harbor", () => {
  test("GO-2022-0785, CVE-2020-29662: every endpoint says what it takes to use it, and has one spelling", async ({
    client,
  }) => {
    expect(ROUTES.filter((route) => !Object.hasOwn(route, "access"))).toEqual([]);
    for (const path of [
      "//v2/_catalog",
      "/v2//_catalog",
      "/v2/%5fcatalog/",
      "/./v2/_catalog",
      "/v2/_catalog;x=1",
      "/V2/_catalog",
    ]) {
      expect([path, (await client.get(path)).status >= 400]).toEqual([path, true]);
    }
  });

  test("CVE-2019-16097: a field that nobody asked for is refused", async ({ client, repo }) => {
    const asked = { image: `${repo}:v1`, regions: "all", level: "known", timeoutMs: 0 };

    expect((await client.post("/api/v1/wait", { body: JSON.stringify({ ...asked, admin: true }) })).status).toBe(400);
    expect((await client.post("/api/v1/verify", { body: '{"__proto__":{"timeoutMs":0}}' })).status).toBe(400);
  });
});

describe("Quay", () => {
  test("CVE-2026-32589: another repository's upload session is unknown, whatever is done with it", async ({
    client,
    repo,
  }) => {
    const session = await client.startUpload(`${repo}/theirs`);
    const stolen = session.replace("/theirs/", "/mine/");

    expect((await client.get(stolen)).status).toBe(404);
    expect((await client.sendChunk(stolen, 0, Buffer.from("x"))).status).toBe(404);
    expect((await client.finishUpload(stolen, digestOf("x"), { body: "x" })).status).toBe(404);
    expect((await client.delete(stolen)).status).toBe(404);
    expect((await client.get(session)).status).toBe(204);
  });

  test("CVE-2026-32590: what a session knows of itself is not for the client to say", async ({ client, repo }) => {
    const session = await client.startUpload(repo);
    await client.sendChunk(session, 0, Buffer.from("abc"));

    const claimed = withParameter(withParameter(session, "_state", "gASVAA=="), "offset", "9");
    expect((await client.get(claimed)).headers["range"]).toBe("0-2");
    expect((await client.finishUpload(claimed, digestOf("abc"))).status).toBe(201);
  });

  test("CVE-2026-110697: a name that looks like a pattern is a name, or none", async ({ client, repo }) => {
    await client.pushManifest(`${repo}/axb`, "v1", index([]));

    for (const name of [`${repo}/a_b`, `${repo}/a%25b`, `${repo}/a%3fb`, `${repo}/a*b`, `${repo}/.%2a`]) {
      expect((await client.get(`/v2/${name}/tags/list`)).status).toBeGreaterThanOrEqual(400);
      expect((await client.get(`/v2/${name}/manifests/v1`)).status).toBeGreaterThanOrEqual(400);
    }
  });
});

describe("others", () => {
  test("oc-mirror CVE-2026-96577: a node listens beyond this machine only when it is told to without protection", () => {
    const parsed = parseNodeConfig({});
    expect(parsed).toMatchObject({ kind: "valid", config: { listen: { registry: { host: "127.0.0.1" } } } });

    const open = { listen: { registry: "0.0.0.0:5000" } };
    expect(parseNodeConfig(open).kind).toBe("invalid");
    expect(parseNodeConfig({ ...open, insecure: true }).kind).toBe("valid");
  });

  test("Gitea CVE-2026-103667: no blob is a page in a browser, and a manifest that is one runs nothing", async ({
    client,
    repo,
  }) => {
    const page = content(HTML, "text/html");
    const digest = await client.pushBlob(repo, page.bytes);
    const odd = manifest({ schemaVersion: 2, mediaType: "text/html", a: HTML }, "text/html");
    const taken = await client.putManifest(repo, "page", odd);

    const asked = { Accept: "text/html" };
    const blob = await client.getBlob(repo, digest, asked);
    const document = await client.get(`/v2/${repo}/manifests/page`, asked);
    expect(taken.status).toBe(201);
    expect(blob.headers["content-type"]).toBe("application/octet-stream");
    expect(blob.headers["content-disposition"]).toMatch(/^attachment/);
    for (const reply of [blob, document]) {
      expect(headersOf(reply, "x-content-type-options", "content-security-policy")).toEqual({
        "x-content-type-options": "nosniff",
        "content-security-policy": expect.stringContaining("sandbox"),
      });
    }
  });

  test.for([
    ["Kraken CVE-2022-47747", "/v2/a/blobs/sha256:..%2f..%2f..%2fetc%2fpasswd"],
    ["Nexus CVE-2024-4956", "/v2/a/blobs/uploads/..%2f..%2fetc%2fpasswd"],
    ["Nexus CVE-2024-4956", "/%2e%2e/%2e%2e/etc/passwd"],
    ["@fastify/static CVE-2026-6414", "/console/..%5c..%5cetc/passwd"],
    ["Artifactory CVE-2024-6915", "/v2/a/manifests/latest%3ftag=b"],
  ] as const)("%s: %s reads no file", async ([, path], { client }) => {
    const reply = await client.get(path);

    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.status).toBeLessThan(500);
    expect(reply.body.toString()).not.toContain("root:");
  });

  test("notation GHSA-9m3v-v4r5-ppx7: a thousand signatures come page by page", async ({ client, repo }) => {
    const subject = image({ layers: [layer("signed")] });
    await client.pushManifest(repo, "v1", subject, [EMPTY, layer("signed")]);
    const padding = "s".repeat(8_000);
    for (let at = 0; at < 1_000; at += 50) {
      const batch = Array.from({ length: 50 }, (_, more) =>
        artifact(subject, "application/vnd.cncf.notary.signature", { number: `${at + more}`, padding }),
      );
      await Promise.all(batch.map(async (one) => await client.pushManifest(repo, one.digest, one)));
    }

    const first = await client.get(`/v2/${repo}/referrers/${subject.digest}`);

    expect(first.body.length).toBeLessThanOrEqual(REFERRERS_PAGE_BYTES_MAX);
    expect(nextPageOf(first)).toBeDefined();
  });

  test.for(["CVE-2025-32442", "CVE-2026-25223", "CVE-2026-3419", "CVE-2026-33806"])(
    "fastify %s: what a body says it is does not let it past the check",
    async (_, { client }) => {
      const bad = JSON.stringify({ level: "none" });
      for (const type of [
        "application/json ;x",
        "APPLICATION/JSON",
        "application/json;",
        " text/plain",
        "a",
        "text/html;q=\t",
      ]) {
        const reply = await client.post("/api/v1/wait", { headers: { "Content-Type": type }, body: bad });
        expect([type, reply.status >= 400 && reply.status < 500]).toEqual([type, true]);
      }
    },
  );

  test("middie CVE-2026-22031, express CVE-2026-22037: what guards a path cannot be passed by its spelling", async ({
    client,
    repo,
  }) => {
    const { digest } = index([]);
    await client.pushManifest(repo, "v1", index([]));

    for (const path of [`/v2/${repo}//manifests/v1`, `/v2/${repo}/manifests/v1/`, `/v2/${repo}/Manifests/v1`]) {
      expect((await client.delete(path)).status).toBeGreaterThanOrEqual(400);
    }
    expect((await client.getManifest(repo, digest)).status).toBe(200);
  });
});
