import { describe, expect, test } from "vitest";

import { parseRepositoryName } from "../../../shared/reference.ts";
import { inTwoRegions, REPO } from "./regions.ts";

const UNKNOWN = { status: 404, codes: ["BLOB_UNKNOWN"], detail: { digest: expect.any(String) } };

describe("a blob that was just uploaded in another region", () => {
  test("is there for whoever asks here: by HEAD without its bytes, by GET with them", async () => {
    await inTwoRegions(async ({ eu, us }) => {
      const digest = await eu.pushBlob("hello");

      expect(await us.headBlob(digest)).toEqual({ size: 5, source: "peer:eu" });
      expect(await us.pullBlob(digest)).toEqual({ text: "hello", source: "peer:eu" });
      expect(await us.headBlob(digest)).toEqual({ size: 5, source: "local" });
      expect(await us.pullBlob(digest)).toMatchObject({ text: "hello" });
    });
  });

  test("belongs to the repository that received it, and to no other", async () => {
    await inTwoRegions(async ({ eu, us }) => {
      const digest = await eu.pushBlob("hello");
      await us.pullBlob(digest);

      for (const region of [eu, us]) {
        expect(await region.headBlob(digest, "other/app")).toEqual(UNKNOWN);
        expect(await region.pullBlob(digest, "other/app")).toEqual(UNKNOWN);
      }
    });
  });

  test("can be mounted here, and named by a manifest", async () => {
    await inTwoRegions(async ({ eu, us }) => {
      const digest = await eu.pushBlob("hello");

      expect(await us.mount(digest, REPO, "other/app")).toBe(true);
      expect(await us.pullBlob(digest, "other/app")).toMatchObject({ text: "hello" });
      expect(await us.mount(digest, "nobody/made", "third/app")).toBe(false);
      expect(await us.pushImage("v1", [digest])).toMatch(/^sha256:/);
    });
  });
});

describe("a blob whose holders are behind a cut", () => {
  test("is 503 to a pull, which says who has it, and absent to a HEAD, so that a push sends it again", async () => {
    await inTwoRegions(async ({ eu, us, cut, settle }) => {
      const layer = await eu.pushBlob("layer");
      await eu.pushImage("v1", [layer]);
      await settle();
      cut();
      await settle();

      expect(await us.pullBlob(layer)).toEqual({
        status: 503,
        codes: ["UNAVAILABLE"],
        detail: { digest: layer, holders: [{ node: "eu-1", region: "eu", reachable: false }] },
      });
      expect(await us.headBlob(layer)).toEqual({ ...UNKNOWN, detail: { digest: layer, known: true } });
      await us.pushBlob("layer");
      expect(await us.pushImage("v2", [layer])).toMatch(/^sha256:/);
      expect(await us.pullBlob(layer)).toEqual({ text: "layer", source: "local" });
    });
  });

  test("is not mounted, so that the client uploads it", async () => {
    await inTwoRegions(async ({ eu, us, cut, settle }) => {
      const layer = await eu.pushBlob("layer");
      await eu.pushImage("v1", [layer]);
      await settle();
      cut();
      await settle();

      expect(await us.mount(layer, REPO, "other/app")).toBe(false);
    });
  });
});

describe("a mount without a source", () => {
  test("finds what the repository has itself, and nothing of others", async () => {
    await inTwoRegions(async ({ eu }) => {
      const digest = await eu.pushBlob("hello");

      expect(await eu.mount(digest, undefined, REPO)).toBe(true);
      expect(await eu.mount(digest, undefined, "other/app")).toBe(false);
    });
  });
});

describe("an upload session", () => {
  test("is found by its name on the node that has it, from any other that can reach it", async () => {
    await inTwoRegions(async ({ eu, us, cut, settle }) => {
      const { id } = await started(eu.node.operations.uploads.start(parseRepositoryName("a"), "test"), settle);

      expect(eu.node.operations.locateUpload.run(id)).toEqual({ kind: "here" });
      expect(us.node.operations.locateUpload.run(id)).toEqual({
        kind: "elsewhere",
        node: "eu-1",
        registry: "http://eu.test:5000",
      });
      cut();
      await settle();
      expect(() => us.node.operations.locateUpload.run(id)).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
      for (const unknown of ["", "x", `${"0".repeat(32)}.ap-1`, `${"0".repeat(31)}.eu-1`]) {
        expect(() => us.node.operations.locateUpload.run(unknown)).toThrow(
          expect.objectContaining({ code: "BLOB_UPLOAD_UNKNOWN" }),
        );
      }
    });
  });
});

async function started<T>(promise: Promise<T>, settle: () => Promise<void>): Promise<T> {
  await settle();
  return await promise;
}
