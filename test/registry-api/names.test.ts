import { describe, expect } from "vitest";

import { EMPTY, image } from "../support/oci-fixtures.ts";
import { field, RawConnection, requestHead } from "../support/raw-http.ts";
import { jsonOf, refusalOf } from "../support/registry-client.ts";
import { test } from "./one-node.ts";

const FASTEST_OF = 5;
/** oci 14.8 asks for less; the rest is for a busy machine. */
const ANSWER_MS_MAX = 10;

/** The shortest time, in ms, of a few tries: what the work costs when nothing else runs. */
async function fastest(act: () => Promise<unknown>): Promise<number> {
  let shortestMs = Number.POSITIVE_INFINITY;
  for (let count = 0; count < FASTEST_OF; count += 1) {
    const startedMs = performance.now();
    await act();
    shortestMs = Math.min(shortestMs, performance.now() - startedMs);
  }
  return shortestMs;
}

describe("a repository name", () => {
  test.for([
    "a",
    "foo/bar",
    "foo--bar",
    "foo__bar",
    "a.b/c_d",
    "0/1/2",
    "foo-----bar",
    `${"a/".repeat(127)}a`,
    "a".repeat(255),
  ])("may be %s (oci 2)", async (name, { client }) => {
    const reply = await client.get(`/v2/${name}/tags/list`);

    expect(refusalOf(reply)).toEqual({ status: 404, codes: ["NAME_UNKNOWN"] });
  });

  test.for([
    "Foo",
    "foo..bar",
    "foo___bar",
    "-foo",
    "foo-",
    "foo._bar",
    "foo/-bar",
    "foo%20bar",
    "f%C3%B6",
    "foo:bar",
    `${"a/".repeat(128)}a`,
    "a".repeat(256),
  ])("may not be %s: that is NAME_INVALID, never a page (oci 14.4)", async (name, { client }) => {
    const reply = await client.get(`/v2/${name}/tags/list`);

    expect(refusalOf(reply)).toEqual({ status: 400, codes: ["NAME_INVALID"] });
  });

  test.for(["PUT manifests/latest", "POST blobs/uploads/", "GET manifests/latest", "HEAD manifests/latest"])(
    "is judged the same by %s (oci 14.4)",
    async (asked, { client }) => {
      const [method = "", path = ""] = asked.split(" ");

      const reply = await client.send(method, `/v2/Foo/${path}`);

      expect(reply.status).toBe(400);
      if (method !== "HEAD") expect(refusalOf(reply).codes).toEqual(["NAME_INVALID"]);
    },
  );

  test.for(["a/blobs/uploads", "manifests", "tags/list", "blobs/uploads", "referrers/manifests", "v2", "tags"])(
    "may hold the words of the API: the last keyword counts, as in %s (oci 14.5)",
    async (name, { client }) => {
      const manifest = image({ layers: [] });

      await client.pushManifest(name, "latest", manifest, [EMPTY]);

      expect((await client.get(`/v2/${name}/manifests/latest`)).body).toEqual(manifest.bytes);
      expect(jsonOf(await client.get(`/v2/${name}/tags/list`))).toEqual({ name, tags: ["latest"] });
      expect((await client.getBlob(name, EMPTY.digest)).body).toEqual(EMPTY.bytes);
    },
  );
});

describe("a path", () => {
  test("may spell a digest's colon as %3A (oci 14.7)", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, "escaped");

    const plain = await client.get(`/v2/${repo}/blobs/${digest}`);
    const escaped = await client.get(`/v2/${repo}/blobs/${digest.replace(":", "%3A")}`);

    expect(escaped.status).toBe(200);
    expect(escaped.body).toEqual(plain.body);
    expect(escaped.headers["docker-content-digest"]).toBe(digest);
  });

  test.for([
    "/v2/a%2Fb/tags/list",
    "/v2/a/../b/tags/list",
    "/v2/a/%2e%2e/b/tags/list",
    "/v2/a/./tags/list",
    "/v2/../livez",
    "/v2/%2e%2e/livez",
    "/v2//a/tags/list",
    "/v2/a//tags/list",
    "/v2/a%00/tags/list",
    "/v2/a%/tags/list",
    "/v2/a\\b/tags/list",
    "http://elsewhere/v2/a/tags/list",
    "/v2/a/tags/list#part",
  ])("has one spelling for one meaning: %s is refused (oci 2)", async (target, { node }) => {
    using connection = await RawConnection.open(node.port);

    await connection.write(requestHead("GET", target));
    const reply = await connection.reply();

    expect(reply.status).toBe(400);
    expect(field(reply, "content-type")).toBe("application/json");
  });

  test("of 128 one-letter parts, the longest legal name, is answered at once (oci 14.8)", async ({ client }) => {
    const path = `/v2/${"a/".repeat(127)}a/manifests/latest`;

    expect(await fastest(async () => await client.get(path))).toBeLessThan(ANSWER_MS_MAX);
  });

  test.for(["a-".repeat(32 * 1024), "a".repeat(64 * 1024), "a__".repeat(2_600), "a/".repeat(3_500)])(
    "of many thousand characters is refused at once and in JSON (oci 14.8)",
    async (name, { client, node }) => {
      const reply = await client.get(`/v2/${name}a/manifests/latest`);

      // Beyond 16 KiB the server's own parser refuses before anybody of ours is asked.
      expect([400, 414, 431]).toContain(reply.status);
      expect(await fastest(async () => await node.client.get(`/v2/${name}-/manifests/latest`))).toBeLessThan(
        ANSWER_MS_MAX,
      );
    },
  );
});

describe("a tag", () => {
  test.for(["latest", "_", "1.0", "A-b_c.D", "x".repeat(128), `sha256-${"a".repeat(64)}`])(
    "may be %s (oci 2)",
    async (tag, { client, repo }) => {
      const manifest = image({ layers: [] });

      await client.pushManifest(repo, tag, manifest, [EMPTY]);

      expect((await client.getManifest(repo, tag)).body).toEqual(manifest.bytes);
    },
  );

  test.for([".dot", "-dash", "x".repeat(129), "with%20space", "pl+us", "%C3%B6"])(
    "may not be %s: pushing it is 400, asking for it 404 (oci end-3, end-7a)",
    async (tag, { client, repo }) => {
      await client.pushBlob(repo, EMPTY.bytes);

      const pushed = await client.putManifest(repo, tag, image({ layers: [] }));
      const asked = await client.getManifest(repo, tag);

      expect(refusalOf(pushed)).toEqual({ status: 400, codes: ["MANIFEST_INVALID"] });
      expect(refusalOf(asked)).toEqual({ status: 404, codes: ["MANIFEST_UNKNOWN"] });
    },
  );
});
