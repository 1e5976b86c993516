import { describe, expect, test } from "vitest";

import { digestOf } from "../../../shared/digest.ts";
import { MANIFEST_INLINE_BYTES_MAX } from "../../../shared/limits.ts";
import { parseReference, parseTag } from "../../../shared/reference.ts";
import { imageOf, indexOf, inTwoRegions, REPO, type Region } from "./regions.ts";

const NEVER = new AbortController().signal;

const absent = digestOf(Buffer.from("absent"));

function missing(...digests: readonly string[]) {
  return {
    status: 400,
    codes: digests.map(() => "MANIFEST_BLOB_UNKNOWN"),
    detail: expect.objectContaining({ digest: digests[0] }),
  };
}

describe("a manifest", () => {
  test("is refused for each part that nobody holds", async () => {
    await inTwoRegions(async ({ eu }) => {
      const layer = await eu.pushBlob("layer");

      expect(await eu.push("v1", imageOf([layer, absent]))).toEqual(missing(digestOf(Buffer.from("{}")), absent));
      expect(await eu.push("v1", indexOf([absent]))).toEqual(missing(absent));
      expect(await eu.pullTag("v1")).toMatchObject({ status: 404, codes: ["MANIFEST_UNKNOWN"] });
    });
  });

  test("may be pushed in one region while its parts were pushed in another a moment ago", async () => {
    await inTwoRegions(async ({ eu, us }) => {
      const layer = await eu.pushBlob("layer");
      const config = await eu.pushBlob("{}");
      const cache = "application/vnd.buildkit.cacheconfig.v0";

      const image = await us.pushImage("v1", [layer]);
      const index = await us.push("multi", indexOf([image]));
      const builds = await us.push("cache", indexOf([layer, config], cache));

      expect(await us.pullTag("v1")).toBe(image);
      expect(await us.pullTag("multi")).toBe(index);
      expect(await us.pullTag("cache")).toBe(builds);
    });
  });

  test("that was pushed in another region a moment ago is there, by tag and by digest", async () => {
    await inTwoRegions(async ({ eu, us }) => {
      const first = await eu.pushImage("v1", []);
      expect(await us.pullTag("v1")).toBe(first);

      const second = await eu.pushImage("v2", [await eu.pushBlob("layer")]);
      expect(await us.pullTag(second)).toBe(second);
    });
  });

  test("that is an index has its children looked for as manifests elsewhere", async () => {
    await inTwoRegions(async ({ eu, us }) => {
      const image = await eu.pushImage("v1", [await eu.pushBlob("layer")]);

      const index = await us.push("multi", indexOf([image]));

      expect(index).toBe(digestOf(indexOf([image])));
      expect(await us.pullTag("multi")).toBe(index);
    });
  });

  test("names a blob only where its repository has it, not because the bytes lie here for another", async () => {
    await inTwoRegions(async ({ eu }) => {
      const secret = await eu.pushBlob("secret", "other/app");
      await eu.pushBlob("{}");

      expect(await eu.push("v1", imageOf([secret]))).toEqual(missing(secret));
      expect(await eu.push("v1", indexOf([secret], "application/octet-stream"))).toEqual(missing(secret));
    });
  });

  test("that is known already may be tagged again while its parts are behind a cut", async () => {
    await inTwoRegions(async ({ eu, us, cut, settle }) => {
      const layer = await eu.pushBlob("layer");
      const digest = await eu.pushImage("v1", [layer]);
      await settle();
      cut();
      await settle();

      expect(await us.push("v2", imageOf([layer]))).toBe(digest);
      expect(await us.pullTag("v2")).toBe(digest);
      expect(await us.push("v3", imageOf([layer, layer]))).toEqual(missing(digestOf(Buffer.from("{}")), layer));
    });
  });

  test("sets all its tags or none", async () => {
    await inTwoRegions(async ({ eu }) => {
      const digest = await eu.pushImage("v1", []);

      expect(await eu.push(digest, imageOf([]), { tags: ["a", "b"] })).toBe(digest);
      expect([await eu.pullTag("a"), await eu.pullTag("b")]).toEqual([digest, digest]);
      expect(await eu.push(digestOf(imageOf([absent])), imageOf([absent]), { tags: ["c", "a"] })).toEqual(
        missing(absent),
      );
      expect([await eu.pullTag("a"), await eu.pullTag("c")]).toEqual([
        digest,
        expect.objectContaining({ status: 404 }),
      ]);
    });
  });

  test("is another than its digest says only by mistake", async () => {
    await inTwoRegions(async ({ eu }) => {
      expect(await eu.push(absent, imageOf([]))).toEqual({
        status: 400,
        codes: ["DIGEST_INVALID"],
        detail: { claimed: absent, actual: digestOf(imageOf([])) },
      });
    });
  });
});

describe("a push with a condition", () => {
  test("succeeds exactly while the condition holds", async () => {
    await inTwoRegions(async ({ eu }) => {
      const first = await eu.pushImage("v1", []);
      const layer = await eu.pushBlob("layer");
      const second = digestOf(imageOf([layer]));
      const failed = { status: 412, codes: ["DENIED"], detail: { current: first, pushed: second } };

      expect(await eu.push("v1", imageOf([layer]), { oneOf: [second] })).toEqual(failed);
      expect(await eu.push("v1", imageOf([layer]), { oneOf: [] })).toEqual(failed);
      expect(await eu.push("v1", imageOf([layer]), { noneOf: "any" })).toEqual(failed);
      expect(await eu.push("v1", imageOf([layer]), { noneOf: [first] })).toEqual(failed);
      expect(await eu.push("v2", imageOf([layer]), { oneOf: "any" })).toMatchObject({ status: 412 });
      expect(await eu.pullTag("v1")).toBe(first);

      expect(await eu.push("v2", imageOf([layer]), { noneOf: "any" })).toBe(second);
      expect(await eu.push("v1", imageOf([layer]), { oneOf: [second, first], noneOf: [second] })).toBe(second);
      expect(await eu.pullTag("v1")).toBe(second);
    });
  });
});

describe("a delete", () => {
  test("takes what was pushed elsewhere a moment ago, and is heard of there", async () => {
    await inTwoRegions(async ({ eu, us, settle }) => {
      const digest = await eu.pushImage("v1", []);
      const deleting = us.node.operations.deleteManifest.run({
        repo: REPO,
        reference: parseReference(digest),
        actor: "test",
      });
      await settle();
      await deleting;

      expect(await eu.pullTag("v1")).toMatchObject({ status: 404 });
      expect(await us.pullTag(digest)).toMatchObject({ status: 404 });
    });
  });
});

describe("a read that says what its caller has seen", () => {
  test("waits for it, and is refused when it does not come", async () => {
    await inTwoRegions(async ({ eu, us, cut, settle }) => {
      const { operations } = us.node;
      const first = await tokenOf(eu, "v1");
      const waiting = operations.awaitVersion
        .run({ token: first, tag: undefined }, NEVER)
        .then(() => operations.pullManifest.run(REPO, V1));
      await settle();
      expect((await waiting).token).toBe(first);

      cut();
      const second = await tokenOf(eu, "v2");
      const refused = expect(operations.awaitVersion.run({ token: second, tag: undefined }, NEVER)).rejects.toThrow(
        expect.objectContaining({ code: "UNAVAILABLE", retryAfterSeconds: 1 }),
      );
      await settle();
      await refused;
      await expect(operations.awaitVersion.run({ token: "nonsense", tag: undefined }, NEVER)).rejects.toThrow(
        expect.objectContaining({ code: "UNSUPPORTED", status: 400 }),
      );
    });
  });

  test("is not shown what a tag showed before, while the manifest of its latest write is still on its way", async () => {
    await inTwoRegions(async ({ eu, us, cut, heal, settle }) => {
      await tokenOf(eu, "v1");
      await settle();
      cut(["blobs"]);
      const large = imageOf([await eu.pushBlob("v1")], undefined, "x".repeat(MANIFEST_INLINE_BYTES_MAX));
      await eu.push("v1", large);
      const { token = "" } = await eu.node.operations.pullManifest.run(REPO, V1);
      await settle();
      expect(await us.pullTag("v1")).not.toBe(digestOf(large));

      const request = { token, tag: { repo: REPO, tag: parseTag("v1") } };
      const refused = expect(us.node.operations.awaitVersion.run(request, NEVER)).rejects.toThrow(
        expect.objectContaining({ code: "UNAVAILABLE" }),
      );
      await settle();
      await refused;
      heal();
      await settle();
      await us.node.operations.awaitVersion.run(request, NEVER);
      expect(await us.pullTag("v1")).toBe(digestOf(large));
    });
  });
});

const V1 = parseReference("v1");

async function tokenOf(region: Region, tag: string): Promise<string> {
  await region.pushImage(tag, [await region.pushBlob(tag)]);
  const { token } = await region.node.operations.pullManifest.run(REPO, parseReference(tag));
  return token ?? "";
}
