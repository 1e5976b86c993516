import { describe, expect } from "vitest";

import { PAGE_ENTRIES_MAX } from "../../shared/limits.ts";
import { EMPTY, image } from "../support/oci-fixtures.ts";
import { isRecord, jsonOf, nextPageOf, type RegistryClient, refusalOf } from "../support/registry-client.ts";
import { test } from "./one-node.ts";

async function pushTags(client: RegistryClient, repo: string, tags: readonly string[]): Promise<void> {
  const pushed = image({});
  await client.pushBlob(repo, EMPTY.bytes);
  await Promise.all(tags.map(async (tag) => await client.pushManifest(repo, tag, pushed)));
}

async function tagsOf(client: RegistryClient, path: string): Promise<unknown> {
  const document = jsonOf(await client.get(path));
  return isRecord(document) ? document["tags"] : undefined;
}

/** Every page from `path` on, as the links tell; at most ten. */
async function pagesOf(client: RegistryClient, path: string): Promise<readonly unknown[]> {
  const pages: unknown[] = [];
  for (let next: string | undefined = path; next !== undefined && pages.length < 10; ) {
    const reply = await client.get(next);
    const document = jsonOf(reply);
    pages.push(isRecord(document) ? document["tags"] : undefined);
    next = nextPageOf(reply);
  }
  return pages;
}

describe("a read of a tag", () => {
  test("says how old its answer can be at most, and one of a digest does not: it is never old", async ({
    client,
    repo,
  }) => {
    await pushTags(client, repo, ["v1"]);

    const byTag = await client.get(`/v2/${repo}/manifests/v1`);
    const byDigest = await client.get(`/v2/${repo}/manifests/${byTag.headers["docker-content-digest"]}`);

    expect(byTag.headers).toMatchObject({ "meridian-staleness-ms": "0" });
    expect(byTag.headers["warning"]).toBeUndefined();
    expect(byDigest.headers["meridian-staleness-ms"]).toBeUndefined();
  });
});

describe("the tags of a repository", () => {
  test("are listed with its name, in JSON (oci end-8a)", async ({ client, repo }) => {
    await pushTags(client, repo, ["v1"]);

    const reply = await client.get(`/v2/${repo}/tags/list`);

    expect(reply.status).toBe(200);
    expect(reply.headers["content-type"]).toBe("application/json");
    expect(jsonOf(reply)).toEqual({ name: repo, tags: ["v1"] });
    expect(reply.headers["link"]).toBeUndefined();
  });

  test("that nobody has made are 404 NAME_UNKNOWN (oci 14.70)", async ({ client }) => {
    const reply = await client.get("/v2/nobody/made/this/tags/list");

    expect(refusalOf(reply)).toEqual({ status: 404, codes: ["NAME_UNKNOWN"] });
  });

  test("are an empty list, never null, when only digests were pushed or the last was deleted (oci 14.70)", async ({
    client,
    repo,
  }) => {
    const pushed = image({});
    await client.pushManifest(repo, pushed.digest, pushed, [EMPTY]);
    const untagged = jsonOf(await client.get(`/v2/${repo}/tags/list`));
    await client.pushManifest(repo, "v1", pushed);
    await client.delete(`/v2/${repo}/manifests/v1`);

    expect(untagged).toEqual({ name: repo, tags: [] });
    expect(jsonOf(await client.get(`/v2/${repo}/tags/list`))).toEqual({ name: repo, tags: [] });
  });

  test("stand in byte order; last is exclusive and need not exist (oci 14.71)", async ({ client, repo }) => {
    await pushTags(client, repo, ["B", "a", "A", "b", "1", "_"]);

    expect(await tagsOf(client, `/v2/${repo}/tags/list`)).toEqual(["1", "A", "B", "_", "a", "b"]);
    expect(await tagsOf(client, `/v2/${repo}/tags/list?last=A`)).toEqual(["B", "_", "a", "b"]);
    expect(await tagsOf(client, `/v2/${repo}/tags/list?last=AA`)).toEqual(["B", "_", "a", "b"]);
    expect(await tagsOf(client, `/v2/${repo}/tags/list?last=zzz`)).toEqual([]);
  });

  test("hold the fallback tags of referrers like any other (oci 7)", async ({ client, repo }) => {
    const fallback = `sha256-${"a".repeat(64)}`;
    await pushTags(client, repo, [fallback, `${fallback}.sig`, "v1"]);

    expect(await tagsOf(client, `/v2/${repo}/tags/list`)).toEqual([fallback, `${fallback}.sig`, "v1"]);
  });
});

describe("a page of tags", () => {
  test("links to the next, and the last links nowhere, also when it is exactly full (oci end-8b)", async ({
    client,
    repo,
  }) => {
    await pushTags(client, repo, ["a", "b", "c", "d"]);

    expect(await pagesOf(client, `/v2/${repo}/tags/list?n=2`)).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
    expect(await pagesOf(client, `/v2/${repo}/tags/list?n=3`)).toEqual([["a", "b", "c"], ["d"]]);
    expect(await pagesOf(client, `/v2/${repo}/tags/list?n=4`)).toEqual([["a", "b", "c", "d"]]);
  });

  test("of none is empty and links nowhere (oci end-8b)", async ({ client, repo }) => {
    await pushTags(client, repo, ["a"]);

    const reply = await client.get(`/v2/${repo}/tags/list?n=0`);

    expect(jsonOf(reply)).toEqual({ name: repo, tags: [] });
    expect(reply.headers["link"]).toBeUndefined();
  });

  test("links by a path with the page's size and its last tag (oci end-8b)", async ({ client, repo }) => {
    await pushTags(client, repo, ["a", "b"]);

    const reply = await client.get(`/v2/${repo}/tags/list?n=1`);

    expect(reply.headers["link"]).toBe(`</v2/${repo}/tags/list?n=1&last=a>; rel="next"`);
  });

  test.for(["-1", "abc", "1;2", "NaN", "1.5", "0x10", "99999999999999999999"])(
    "cannot have the size %s: that is 400, not a server's fault (oci 14.73)",
    async (n, { client, repo }) => {
      await pushTags(client, repo, ["a"]);

      const reply = await client.get(`/v2/${repo}/tags/list?n=${n}`);

      expect(refusalOf(reply)).toEqual({ status: 400, codes: ["UNSUPPORTED"] });
    },
  );

  test("of more tags than one answer may hold is cut there, with a link (oci 14.73)", async ({ client, repo }) => {
    const tags = Array.from({ length: PAGE_ENTRIES_MAX + 1 }, (_, at) => `t${String(at).padStart(5, "0")}`);
    await pushTags(client, repo, tags);

    for (const n of ["1000000000", "2147483648"]) {
      expect(await pagesOf(client, `/v2/${repo}/tags/list?n=${n}`)).toEqual([
        tags.slice(0, PAGE_ENTRIES_MAX),
        tags.slice(PAGE_ENTRIES_MAX),
      ]);
    }
  });

  test.for(["%2B", "%25", "%00", "%zz", "a%20b", "%C3%B6", "a+b"])(
    "may begin after what is no tag, however it is encoded: last=%s (oci 14.73)",
    async (last, { client, repo }) => {
      await pushTags(client, repo, ["z"]);

      const reply = await client.get(`/v2/${repo}/tags/list?n=5&last=${last}`);

      expect([200, 400]).toContain(reply.status);
    },
  );

  test("is followed by no tag twice while tags come and go between the pages (oci 14.74)", async ({ client, repo }) => {
    await pushTags(client, repo, ["a", "c", "e", "g"]);
    const first = await client.get(`/v2/${repo}/tags/list?n=2`);

    await client.delete(`/v2/${repo}/manifests/c`);
    await client.pushManifest(repo, "b", image({}));
    await client.pushManifest(repo, "f", image({}));

    const rest = await pagesOf(client, nextPageOf(first) ?? "");
    expect(jsonOf(first)).toEqual({ name: repo, tags: ["a", "c"] });
    expect(rest).toEqual([["e", "f"], ["g"]]);
  });
});
