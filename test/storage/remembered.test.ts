import { describe, expect, test } from "vitest";

import { SimKv } from "../../cluster-sim/sim-kv.ts";
import type { Metadata } from "../../nodes/storage/metadata.ts";
import type { MetadataReader } from "../../nodes/storage/metadata-reader.ts";
import { Remembered } from "../../nodes/storage/remembered.ts";
import { type Digest, digestOf } from "../../shared/digest.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import { fetchContents, imageNamed, LATEST, openMetadata, push, REPO, sync } from "../support/metadata-fixture.ts";

const OTHER = parseRepositoryName("other/app");
const BLOB = digestOf(Buffer.from("layer"));
const [OLD, NEW] = [imageNamed("old"), imageNamed("new")];

/** A store that counts what it is asked for, and can be made to answer late. */
class CountedKv extends SimKv {
  asked = 0;
  gate: Promise<void> = Promise.resolve();

  override readonly get = async (key: Uint8Array): Promise<Uint8Array | undefined> => {
    this.asked += 1;
    const { gate } = this;
    const [value] = await this.getMany([key]);
    await gate;
    return value;
  };
}

async function openNode(): Promise<{ readonly kv: CountedKv; readonly metadata: Metadata }> {
  const kv = new CountedKv();
  return { kv, metadata: await openMetadata(kv, "eu") };
}

function rememberTags(metadata: Metadata, bytesMax = 1024 * 1024) {
  const tags = new Remembered<Digest>(metadata.rowSource(), { bytesMax, bytesOf: () => 0 });
  const read = async (reader: MetadataReader): Promise<Digest | undefined> => (await reader.tag(REPO, LATEST))?.digest;
  return { tags, ask: async () => await tags.get("latest", read) };
}

function rememberLinks(metadata: Metadata) {
  const links = new Remembered<true>(metadata.rowSource(), { bytesMax: 1024 * 1024, bytesOf: () => 0 });
  const ask = async (repo = REPO): Promise<true | undefined> =>
    await links.get(repo, async (reader) => ((await reader.linksBlob(repo, BLOB)) ? true : undefined));
  return { links, ask };
}

describe("an answer that was worked out from rows", () => {
  test("is at hand the second time, without a question to the store", async () => {
    const { kv, metadata } = await openNode();
    await push(metadata, OLD);
    const { tags, ask } = rememberTags(metadata);
    await ask();
    const askedBefore = kv.asked;

    expect([await ask(), tags.peek("latest"), kv.asked - askedBefore]).toEqual([OLD.digest, OLD.digest, 0]);
  });

  test("is gone when one of its rows changes, before whoever changed it is told", async () => {
    const { metadata } = await openNode();
    await push(metadata, OLD);
    const { tags, ask } = rememberTags(metadata);
    await ask();

    await push(metadata, NEW);

    expect(tags.peek("latest")).toBeUndefined();
    expect(await ask()).toBe(NEW.digest);
  });

  test("outlives writes to other rows", async () => {
    const { metadata } = await openNode();
    await push(metadata, OLD);
    const { tags, ask } = rememberTags(metadata);
    await ask();

    await push(metadata, NEW, [parseTag("another")]);
    await push(metadata, NEW, [LATEST], OTHER);

    expect(tags.peek("latest")).toBe(OLD.digest);
  });

  test("is not kept when there is none: what appears later is seen", async () => {
    const { metadata } = await openNode();
    const { ask } = rememberTags(metadata);

    expect(await ask()).toBeUndefined();
    await push(metadata, OLD);
    expect(await ask()).toBe(OLD.digest);
  });

  test("that rests on a range is gone when a row of the range goes", async () => {
    const { metadata } = await openNode();
    const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: BLOB, size: 5 };
    const image = imageNamed("with the blob", { config });
    await push(metadata, image);
    const { links, ask } = rememberLinks(metadata);
    expect(await ask()).toBe(true);

    await metadata.record("tester", async (turn) => {
      await turn.set({ kind: "manifest", repo: REPO, digest: image.digest }, { kind: "removed" });
    });

    expect(links.peek(REPO)).toBeUndefined();
    expect(await ask()).toBeUndefined();
  });

  test("of one repository is dropped by a delete there, and says nothing to another", async () => {
    const { metadata } = await openNode();
    await metadata.record("tester", async (turn) => {
      await turn.linkBlob(REPO, BLOB);
    });
    const { links, ask } = rememberLinks(metadata);
    expect([await ask(REPO), await ask(OTHER)]).toEqual([true, undefined]);

    await metadata.record("tester", async (turn) => {
      await turn.set({ kind: "blob", repo: REPO, digest: BLOB }, { kind: "removed" });
    });

    expect(links.peek(REPO)).toBeUndefined();
    expect([await ask(REPO), await ask(OTHER)]).toEqual([undefined, undefined]);
  });

  test("is given but not kept when a row changed while it was worked out", async () => {
    const { metadata } = await openNode();
    await push(metadata, OLD);
    const { tags } = rememberTags(metadata);
    const mayGoOn = Promise.withResolvers<undefined>();
    const hasRead = Promise.withResolvers<undefined>();
    const slow = tags.get("latest", async (reader) => {
      const found = await reader.tag(REPO, LATEST);
      hasRead.resolve(undefined);
      await mayGoOn.promise;
      return found?.digest;
    });
    await hasRead.promise;

    await push(metadata, NEW);
    mayGoOn.resolve(undefined);

    expect(await slow).toBe(OLD.digest);
    expect(tags.peek("latest")).toBeUndefined();
  });

  test("goes when there are too many, and is worked out again", async () => {
    const { metadata } = await openNode();
    await push(metadata, OLD);
    const { tags, ask } = rememberTags(metadata, 3_000);
    await ask();

    for (const name of ["a", "b", "c"]) await tags.get(name, async () => await Promise.resolve(NEW.digest));

    expect(tags.peek("latest")).toBeUndefined();
    expect(await ask()).toBe(OLD.digest);
  });
});

describe("a row in memory", () => {
  test("is the one that was written, also when a read of the one before it comes back late", async () => {
    const { kv, metadata } = await openNode();
    await push(metadata, OLD);
    // Another life of the process, which has read nothing yet.
    const later = await openMetadata(kv, "eu");
    const gate = Promise.withResolvers<undefined>();
    kv.gate = gate.promise.then(() => undefined);
    const late = later.reader.tag(REPO, LATEST);
    kv.gate = Promise.resolve();

    await push(later, NEW);
    gate.resolve(undefined);

    expect((await late)?.digest).toBe(OLD.digest);
    expect((await later.reader.tag(REPO, LATEST))?.digest).toBe(NEW.digest);
  });

  test("that tells what waits for a manifest is known to the next life of the process as well", async () => {
    const eu = await openMetadata(new CountedKv(), "eu");
    const large = imageNamed("large", { annotations: { padding: "x".repeat(40_000) } });
    await push(eu, large);
    const kv = new CountedKv();
    await sync(eu, await openMetadata(kv, "us"));
    const us = await openMetadata(kv, "us");
    expect(await us.reader.tag(REPO, LATEST)).toBeUndefined();

    await fetchContents(eu, us);

    expect((await us.reader.tag(REPO, LATEST))?.digest).toBe(large.digest);
  });

  test("that was never there is seen once it is", async () => {
    const { metadata } = await openNode();
    expect(await metadata.reader.tag(REPO, LATEST)).toBeUndefined();

    await push(metadata, OLD);

    expect((await metadata.reader.tag(REPO, LATEST))?.digest).toBe(OLD.digest);
  });
});
