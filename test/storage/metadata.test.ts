import { describe, expect, test } from "vitest";

import { SimKv } from "../../cluster-sim/sim-kv.ts";
import type { Kv, KvEntry, KvRange, KvWrite } from "../../nodes/ports/kv.ts";
import type { PullFrame } from "../../nodes/ports/peers.ts";
import type { Metadata } from "../../nodes/storage/metadata.ts";
import { digestOf } from "../../shared/digest.ts";
import { parseTag } from "../../shared/reference.ts";
import { VersionVector } from "../../shared/version-vector.ts";
import {
  fetchContents,
  imageNamed,
  indexOf,
  LATEST,
  openMetadata,
  push,
  REPO,
  stillClock,
  sync,
} from "../support/metadata-fixture.ts";

const ALL = { limit: 100 };

/** A store whose disk can be told to fail. */
class BreakableKv implements Kv {
  readonly #kv = new SimKv();
  isBroken = false;
  readonly get = this.#kv.get;
  readonly getMany = this.#kv.getMany;
  readonly entries = this.#kv.entries;
  readonly close = this.#kv.close;

  readonly commit = async (writes: readonly KvWrite[]): Promise<void> => {
    if (this.isBroken) throw new Error("EIO");
    await this.#kv.commit(writes);
  };
}

/** A store that counts its readings, and its iterations, each of which holds a snapshot until it ends. */
class CountingKv implements Kv {
  readonly #kv = new SimKv();
  begun = 0;
  ended = 0;
  reads = 0;
  readonly get = async (key: Uint8Array): Promise<Uint8Array | undefined> => {
    this.reads += 1;
    return await this.#kv.get(key);
  };
  readonly getMany = async (wanted: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> => {
    this.reads += 1;
    return await this.#kv.getMany(wanted);
  };
  readonly commit = this.#kv.commit;
  readonly close = this.#kv.close;

  readonly entries = (range: KvRange): AsyncIterable<KvEntry> => {
    this.begun += 1;
    return this.#counted(this.#kv.entries(range));
  };

  async *#counted(entries: AsyncIterable<KvEntry>): AsyncGenerator<KvEntry, void> {
    try {
      yield* entries;
    } finally {
      this.ended += 1;
    }
  }
}

describe("a push", () => {
  test("shows its tag and its manifest once it is recorded", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const image = imageNamed("one");

    await push(eu, image);

    expect((await eu.reader.tag(REPO, LATEST))?.digest).toBe(image.digest);
    expect(await eu.reader.manifest(REPO, image.digest)).toEqual({
      digest: image.digest,
      mediaType: image.mediaType,
      bytes: image.bytes,
    });
    expect(await eu.reader.repositories(ALL)).toEqual([REPO]);
    expect(eu.counts()).toEqual({ repositories: 1, tags: 1 });
  });

  test("survives a restart, with the same origin, the next boot and another nonce", async () => {
    const kv = new SimKv();
    const before = await openMetadata(kv, "eu");
    await push(before, imageNamed("one"));

    const after = await openMetadata(kv, "eu", { seed: 99 });

    expect(after.self).toEqual({ ...before.self, boot: 2, nonce: after.self.nonce });
    expect(after.self.nonce).not.toBe(before.self.nonce);
    expect(after.held()).toEqual(before.held());
    expect(after.stateHash()).toBe(before.stateHash());
    expect(await after.reader.tags(REPO, ALL)).toEqual([LATEST]);
  });

  test("that writes what is there already makes no op and names the write that did", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    await push(eu, imageNamed("one"));
    const held = eu.held();

    await push(eu, imageNamed("one"));

    expect(eu.held()).toEqual(held);
  });

  test("whose turn throws writes nothing, and the turns beside it are not touched", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const image = imageNamed("one");

    const refused = eu.record("tester", async (turn) => {
      await turn.set({ kind: "tag", repo: REPO, tag: parseTag("half") }, { kind: "tag", digest: image.digest });
      throw new Error("changed its mind");
    });
    const accepted = push(eu, image);

    await expect(refused).rejects.toThrow("changed its mind");
    await accepted;
    expect(await eu.reader.tags(REPO, ALL)).toEqual([LATEST]);
    expect(eu.held().upto(eu.self.origin)).toBe(2);
  });

  test("leaves the manifest it replaced reachable by digest", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const [old, young] = [imageNamed("old"), imageNamed("young")];
    await push(eu, old);
    await push(eu, young);

    expect((await eu.reader.manifest(REPO, old.digest))?.digest).toBe(old.digest);
    expect(await eu.reader.tagsAt(REPO, old.digest)).toEqual([]);
    expect(await eu.reader.tagsAt(REPO, young.digest)).toEqual([LATEST]);
  });

  test("lists tags in byte order, after any name, and none that begins with another is left out", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const names = ["B", "a", "A", "b", "1", "_", "a-b", "a.b", "ab"].map(parseTag);
    await push(eu, imageNamed("one"), names);

    expect(await eu.reader.tags(REPO, ALL)).toEqual(names.toSorted());
    expect(await eu.reader.tags(REPO, { after: "AA", limit: 2 })).toEqual(["B", "_"]);
  });
});

describe("a delete", () => {
  test("of a tag hides the tag and leaves the manifest", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const image = imageNamed("one");
    await push(eu, image);

    await eu.record(
      "tester",
      async (turn) => await turn.set({ kind: "tag", repo: REPO, tag: LATEST }, { kind: "removed" }),
    );

    expect(await eu.reader.tag(REPO, LATEST)).toBeUndefined();
    expect(await eu.reader.manifest(REPO, image.digest)).toBeDefined();
    expect(eu.counts()).toEqual({ repositories: 1, tags: 0 });
  });

  test("of a manifest hides the tags that name it, its referrers entry and its hold on blobs", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const subject = imageNamed("subject");
    const layer = { mediaType: "application/octet-stream", digest: digestOf(Buffer.from("layer")), size: 5 };
    const reference = { mediaType: subject.mediaType, digest: subject.digest, size: subject.bytes.length };
    const image = imageNamed("one", { layers: [layer], subject: reference });
    await push(eu, image);
    expect(await eu.reader.linksBlob(REPO, layer.digest)).toBe(true);
    expect((await eu.reader.referrers(REPO, subject.digest, ALL)).map(({ digest }) => digest)).toEqual([image.digest]);

    await eu.record("tester", async (turn) => {
      await turn.set({ kind: "manifest", repo: REPO, digest: image.digest }, { kind: "removed" });
    });

    expect(await eu.reader.tag(REPO, LATEST)).toBeUndefined();
    expect(await eu.reader.manifest(REPO, image.digest)).toBeUndefined();
    expect(await eu.reader.linksBlob(REPO, layer.digest)).toBe(false);
    expect(await eu.reader.referrers(REPO, subject.digest, ALL)).toEqual([]);
    expect(eu.counts()).toEqual({ repositories: 0, tags: 0 });
  });

  test("a tag whose manifest was deleted before it was ever seen here shows nothing, and not what it showed before", async () => {
    const eu = await openMetadata(new SimKv(), "eu", { opLogOpsMax: 1 });
    const us = await openMetadata(new SimKv(), "us");
    await push(eu, imageNamed("one"));
    await sync(eu, us);
    const two = imageNamed("two");
    await push(eu, two);
    await eu.record("tester", async (turn) => {
      await turn.set({ kind: "manifest", repo: REPO, digest: two.digest }, { kind: "removed" });
    });

    await sync(eu, us);

    expect(await us.reader.tag(REPO, LATEST)).toBeUndefined();
    expect(us.stateHash()).toBe(eu.stateHash());
  });

  test("of a blob is undone by uploading it again, in every region", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const us = await openMetadata(new SimKv(), "us");
    const layer = { mediaType: "application/octet-stream", digest: digestOf(Buffer.from("layer")), size: 5 };
    await push(eu, imageNamed("one", { layers: [layer] }));
    await eu.record(
      "tester",
      async (turn) => await turn.set({ kind: "blob", repo: REPO, digest: layer.digest }, { kind: "removed" }),
    );
    await sync(eu, us);
    expect(await us.reader.linksBlob(REPO, layer.digest)).toBe(false);

    await eu.record("tester", async (turn) => await turn.linkBlob(REPO, layer.digest));
    await sync(eu, us);

    expect(await eu.reader.linksBlob(REPO, layer.digest)).toBe(true);
    expect(await us.reader.linksBlob(REPO, layer.digest)).toBe(true);
  });
});

describe("concurrent pushes of one tag", () => {
  test("end in the same winner everywhere, with the loser in the conflicts and in the history", async () => {
    const clock = stillClock();
    const eu = await openMetadata(new SimKv(), "eu", { clock });
    const us = await openMetadata(new SimKv(), "us", { clock });
    const [early, late] = [imageNamed("early"), imageNamed("late")];
    await push(eu, early);
    clock.move(5);
    await push(us, late);

    await sync(eu, us);
    await sync(us, eu);

    for (const node of [eu, us]) {
      expect((await node.reader.tag(REPO, LATEST))?.digest).toBe(late.digest);
      const [conflict, ...others] = await node.reader.conflicts(ALL);
      expect(others).toEqual([]);
      expect(conflict?.winner.value).toEqual({ kind: "tag", digest: late.digest });
      expect(conflict?.losers.map(({ value }) => value)).toEqual([{ kind: "tag", digest: early.digest }]);
      const history = await node.reader.history(REPO, LATEST);
      expect(history.map(({ to, outcome }) => [to, outcome])).toEqual([
        [late.digest, "current"],
        [early.digest, "conflict-lost"],
      ]);
    }
    expect(eu.stateHash()).toBe(us.stateHash());
  });

  test("are settled by the next push that has seen both, and the history still says who lost", async () => {
    const clock = stillClock();
    const eu = await openMetadata(new SimKv(), "eu", { clock });
    const us = await openMetadata(new SimKv(), "us", { clock });
    await push(eu, imageNamed("early"));
    clock.move(5);
    await push(us, imageNamed("late"));
    await sync(us, eu);

    await push(eu, imageNamed("final"));
    await sync(eu, us);

    expect(await us.reader.conflicts(ALL)).toEqual([]);
    expect((await eu.reader.history(REPO, LATEST)).map(({ outcome }) => outcome)).toEqual([
      "current",
      "replaced",
      "conflict-lost",
    ]);
  });

  test("of the same digest are no conflict", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const us = await openMetadata(new SimKv(), "us");
    await push(eu, imageNamed("same"));
    await push(us, imageNamed("same"));

    await sync(eu, us);

    expect(await us.reader.conflicts(ALL)).toEqual([]);
  });

  test("with a clock ten years ahead win once and never again", async () => {
    const fast = stillClock(2_015_000_000_000);
    const eu = await openMetadata(new SimKv(), "eu", { clock: fast });
    const us = await openMetadata(new SimKv(), "us");
    await push(eu, imageNamed("from the future"));
    await push(us, imageNamed("now"));
    await sync(eu, us);
    await us.release(eu.self.origin, true);
    expect((await us.reader.tag(REPO, LATEST))?.digest).toBe(imageNamed("from the future").digest);

    await push(us, imageNamed("later"));
    await sync(us, eu);

    for (const node of [eu, us]) expect((await node.reader.tag(REPO, LATEST))?.digest).toBe(imageNamed("later").digest);
  });
});

describe("what arrives out of order", () => {
  test("stays hidden until the manifest's bytes are here, and the tag shows what it showed before", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const us = await openMetadata(new SimKv(), "us");
    const small = imageNamed("small");
    const large = imageNamed("large", { annotations: { padding: "x".repeat(40_000) } });
    await push(eu, small);
    await sync(eu, us);
    await push(eu, large);
    await sync(eu, us);

    expect((await us.reader.tag(REPO, LATEST))?.digest).toBe(small.digest);
    expect(await us.reader.manifestLink(REPO, large.digest)).toBeDefined();
    expect((await us.wantedContents()).map(({ digest, authors }) => [digest, authors.map(({ node }) => node)])).toEqual(
      [[large.digest, ["eu-1"]]],
    );

    await fetchContents(eu, us);

    expect((await us.reader.tag(REPO, LATEST))?.digest).toBe(large.digest);
    expect(await us.wantedContents()).toEqual([]);
  });

  test("shows an index only with the last of its children", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const us = await openMetadata(new SimKv(), "us");
    const child = imageNamed("child", { annotations: { padding: "x".repeat(40_000) } });
    const index = indexOf([child, imageNamed("other")]);
    await push(eu, child, []);
    await push(eu, imageNamed("other"), []);
    await push(eu, index);
    await sync(eu, us);
    expect(await us.reader.tag(REPO, LATEST)).toBeUndefined();

    await fetchContents(eu, us);

    expect((await us.reader.tag(REPO, LATEST))?.digest).toBe(index.digest);
  });

  test("is refused when it is not what its digest says, and nothing of it stays", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const us = await openMetadata(new SimKv(), "us");
    const large = imageNamed("large", { annotations: { padding: "x".repeat(40_000) } });
    await push(eu, large);
    await sync(eu, us);

    const forged = us.commit({ kind: "content", digest: large.digest, bytes: Buffer.from("{}") });

    await expect(forged).rejects.toThrow(large.digest);
    expect(await us.reader.content(large.digest)).toBeUndefined();
  });

  test("is left out behind a gap, and taken when the gap is filled", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const us = await openMetadata(new SimKv(), "us");
    await push(eu, imageNamed("one"));
    await push(eu, imageNamed("two"));
    const second = await eu.opsFrom(eu.self.origin, 3);
    const all = await eu.opsFrom(eu.self.origin, 1);
    if (second === undefined || all === undefined) throw new Error("the log holds both pushes");

    await us.commit({ kind: "ops", batch: second });
    expect(us.held().upto(eu.self.origin)).toBe(0);
    await us.commit({ kind: "ops", batch: all });
    await us.commit({ kind: "ops", batch: all });

    expect(us.held().equals(eu.held())).toBe(true);
    expect(us.stateHash()).toBe(eu.stateHash());
  });

  test("reads the rows of all its ops at once", async () => {
    const kv = new CountingKv();
    const eu = await openMetadata(new SimKv(), "eu");
    const us = await openMetadata(kv, "us");
    const image = imageNamed("one");
    for (let number = 1; number <= 50; number += 1) await push(eu, image, [parseTag(`v${number}`)]);
    for (let number = 1; number <= 50; number += 2) await push(eu, imageNamed("two"), [parseTag(`v${number}`)]);
    const batch = await eu.opsFrom(eu.self.origin, 1);
    if (batch === undefined) throw new Error("the log holds the pushes");
    const before = kv.reads;

    await us.commit({ kind: "ops", batch });

    expect(batch.ops).toHaveLength(77);
    // The origin, what the ops touch, and which media type the two manifests are said to have.
    expect(kv.reads - before).toBeLessThanOrEqual(4);
    expect(us.stateHash()).toBe(eu.stateHash());
  });

  test("joins ops to what a look-up has brought beyond them, and does not count it twice", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const us = await openMetadata(new SimKv(), "us");
    const tags = ["a", "b", "c", "d"].map(parseTag);
    for (const tag of tags) await push(eu, imageNamed(tag), [tag]);
    const changes = await eu.lookup(REPO, { kind: "tag", tag: parseTag("c") });
    const batch = await eu.opsFrom(eu.self.origin, 1);
    if (batch === undefined) throw new Error("the log holds the pushes");

    await us.commit({ kind: "live", changes });
    await us.commit({ kind: "ops", batch });

    expect(us.held().equals(eu.held())).toBe(true);
    expect(us.stateHash()).toBe(eu.stateHash());
    expect(await us.reader.tags(REPO, ALL)).toEqual(tags);
  });
});

/** The end of a session with a node that holds nothing. */
async function endOf(source: Metadata): Promise<PullFrame & { readonly kind: "end" }> {
  for await (const frame of source.missing(new VersionVector())) if (frame.kind === "end") return frame;
  throw new Error("a session has an end");
}

describe("catching up", () => {
  test("comes from the live index when the ring has lost what is missing, without what was superseded", async () => {
    const eu = await openMetadata(new SimKv(), "eu", { opLogOpsMax: 2 });
    const us = await openMetadata(new SimKv(), "us", { opLogOpsMax: 2 });
    for (const name of ["one", "two", "three", "four"]) await push(eu, imageNamed(name));

    const kinds: string[] = [];
    for await (const frame of eu.missing(us.held())) {
      kinds.push(frame.kind);
      await us.commit(frame);
    }

    expect(kinds).toEqual(["live", "end"]);
    expect(us.held().equals(eu.held())).toBe(true);
    expect(us.stateHash()).toBe(eu.stateHash());
    expect((await us.reader.tag(REPO, LATEST))?.digest).toBe(imageNamed("four").digest);
  });

  test("moves no head before the session's end, but counts each dot it brought", async () => {
    const eu = await openMetadata(new SimKv(), "eu", { opLogOpsMax: 1 });
    const us = await openMetadata(new SimKv(), "us");
    await push(eu, imageNamed("one"));
    await push(eu, imageNamed("two"));

    await sync(eu, us, 3);

    // Op 2, the first move of the tag, is superseded and was not sent.
    expect(us.held().entries()).toEqual([{ origin: eu.self.origin, upto: 1, beyond: [{ from: 3, to: 4 }] }]);
    await sync(eu, us);
    expect(us.held().equals(eu.held())).toBe(true);
  });

  test("that brought everything dot by dot knows the hash chain at its end, and can vouch for it to the next", async () => {
    const eu = await openMetadata(new SimKv(), "eu", { opLogOpsMax: 1 });
    const us = await openMetadata(new SimKv(), "us");
    for (const tag of ["a", "b"].map(parseTag)) await push(eu, imageNamed(tag), [tag]);
    await sync(eu, us);

    const [ofEu, ofUs] = [await endOf(eu), await endOf(us)];

    expect(ofEu.chains.get(eu.self.origin)).toHaveLength(16);
    expect(ofUs).toEqual(ofEu);
  });

  test("names no hash chain that is not known", async () => {
    const eu = await openMetadata(new SimKv(), "eu", { opLogOpsMax: 1 });
    const us = await openMetadata(new SimKv(), "us");
    for (const tag of ["a", "b"].map(parseTag)) await push(eu, imageNamed(tag), [tag]);
    await sync(eu, us, 1);

    const { held, chains } = await endOf(us);

    expect(held.upto(eu.self.origin)).toBe(1);
    expect(chains).toEqual(new Map());
  });

  test("lets go of every scan it has begun when the other side goes away", async () => {
    const kv = new CountingKv();
    const eu = await openMetadata(kv, "eu", { opLogOpsMax: 1 });
    const us = await openMetadata(new SimKv(), "us");
    for (const name of ["one", "two"]) {
      await push(eu, imageNamed(name));
      await push(us, imageNamed(`${name} of us`));
    }
    await sync(us, eu);
    kv.begun = 0;
    kv.ended = 0;

    for await (const _ of eu.missing(new VersionVector())) break;

    expect(kv.begun).toBeGreaterThan(2);
    expect(kv.ended).toBe(kv.begun);
  });

  test("asks for nothing when nothing is missing", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    await push(eu, imageNamed("one"));

    const frames = await Array.fromAsync(eu.missing(eu.held()));

    expect(frames).toEqual([{ kind: "end", held: new VersionVector(), chains: new Map() }]);
  });
});

describe("a store that fails", () => {
  test("takes the right to write for good, and reads go on", async () => {
    const kv = new BreakableKv();
    const eu = await openMetadata(kv, "eu");
    await push(eu, imageNamed("one"));
    kv.isBroken = true;

    await expect(push(eu, imageNamed("two"))).rejects.toMatchObject({ code: "UNAVAILABLE", status: 503 });
    kv.isBroken = false;
    await expect(push(eu, imageNamed("three"))).rejects.toMatchObject({ code: "UNAVAILABLE" });

    expect(eu.isFenced()?.message).toBe("EIO");
    expect((await eu.reader.tag(REPO, LATEST))?.digest).toBe(imageNamed("one").digest);
  });

  test("is the end also for the writes that waited when the right to write ended", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const underWay = Promise.allSettled([push(eu, imageNamed("one")), push(eu, imageNamed("two"))]);

    eu.fence(new Error("a disk that cannot sync"));

    expect((await underWay).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(eu.held()).toEqual(new VersionVector());
    expect(await eu.reader.tags(REPO, ALL)).toEqual([]);
  });

  test("does not keep others from catching up with what is there", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    const us = await openMetadata(new SimKv(), "us");
    await push(eu, imageNamed("one"));
    eu.fence(new Error("a disk that cannot sync"));

    await sync(eu, us);

    expect(us.stateHash()).toBe(eu.stateHash());
    expect(us.held().equals(eu.held())).toBe(true);
  });

  test("leaves no caller waiting when whoever listens to the writer fails", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    eu.onCommitted(() => {
      throw new Error("a mistake of ours");
    });

    const [first, second] = await Promise.allSettled([push(eu, imageNamed("one")), push(eu, imageNamed("two"))]);

    expect([first.status, second.status]).toEqual(["fulfilled", "rejected"]);
    expect(eu.isFenced()?.message).toBe("a mistake of ours");
  });
});
