import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk, Staging, StoredBlob } from "../../nodes/ports/disk.ts";
import { type Digest, digestOf } from "../../shared/digest.ts";
import { BLOB_READ_CHUNK_BYTES } from "../../shared/limits.ts";

export type DiskUnderTest = {
  readonly disk: Disk;
  /** Puts other bytes where those of the blob are. */
  readonly damage: (digest: Digest, bytes: Uint8Array) => Promise<void>;
  /** Gives back what the test has used. */
  readonly dispose: () => Promise<void>;
};

const HELLO = Buffer.from("hello, world");
const HELLO_DIGEST = digestOf(HELLO);

export function diskContract(name: string, open: () => Promise<DiskUnderTest>): void {
  describe(name, () => {
    let made: DiskUnderTest;
    let disk: Disk;
    beforeEach(async () => {
      made = await open();
      disk = made.disk;
    });
    afterEach(async () => await made.dispose());

    test("gives bytes under their digest once they are committed, and not before", async () => {
      const staging = await staged(disk, "a", HELLO);

      expect(await disk.open(HELLO_DIGEST)).toBeUndefined();
      expect(await disk.stat(HELLO_DIGEST)).toBeUndefined();
      expect(await disk.staged()).toEqual([{ name: "a", size: HELLO.length }]);

      await staging.commit(HELLO_DIGEST);

      expect(await contentOf(disk, HELLO_DIGEST)).toEqual(HELLO);
      expect(await disk.stat(HELLO_DIGEST)).toBe(HELLO.length);
      expect(await disk.staged()).toEqual([]);
    });

    test("takes a blob of no bytes, and one with a digest of 512 bits", async () => {
      const nothing = digestOf(new Uint8Array());
      const long = digestOf(HELLO, "sha512");

      await (await staged(disk, "nothing")).commit(nothing);
      await (await staged(disk, "long", HELLO)).commit(long);

      expect(await contentOf(disk, nothing)).toEqual(Buffer.alloc(0));
      expect(await contentOf(disk, long)).toEqual(HELLO);
    });

    test("reads any span, in chunks of bounded size, from a blob as from what is staged", async () => {
      const bytes = patterned(3 * BLOB_READ_CHUNK_BYTES + 17);
      const digest = digestOf(bytes);
      const staging = await staged(disk, "a", bytes);
      const spans = [
        { start: 0, end: bytes.length },
        { start: 0, end: 0 },
        { start: 5, end: 6 },
        { start: BLOB_READ_CHUNK_BYTES - 1, end: BLOB_READ_CHUNK_BYTES + 1 },
        { start: bytes.length - 1, end: bytes.length },
      ];

      for (const { start, end } of spans) {
        expect(digestOf(await collect(staging.read({ start, end })))).toBe(digestOf(bytes.subarray(start, end)));
      }
      await staging.commit(digest);

      const blob = await opened(disk, digest);
      for (const { start, end } of spans) {
        expect(digestOf(await collect(blob.read({ start, end })))).toBe(digestOf(bytes.subarray(start, end)));
      }
      for await (const chunk of blob.read({ start: 0, end: blob.size })) {
        expect(chunk.length).toBeLessThanOrEqual(BLOB_READ_CHUNK_BYTES);
      }
      await blob.close();
    });

    test("serves many readers of one blob at once, each at its own pace", async () => {
      const bytes = patterned(2 * BLOB_READ_CHUNK_BYTES + 1);
      const digest = digestOf(bytes);
      await (await staged(disk, "a", bytes)).commit(digest);
      const blob = await opened(disk, digest);

      const slow = blob.read({ start: 0, end: blob.size })[Symbol.asyncIterator]();
      const first = Buffer.from((await slow.next()).value ?? []);
      const others = await Promise.all(
        Array.from({ length: 8 }, async () => await collect(blob.read({ start: 0, end: blob.size }))),
      );
      const rest = await collect({ [Symbol.asyncIterator]: () => slow });

      expect([Buffer.concat([first, rest]), ...others].map((read) => digestOf(read))).toEqual(
        Array.from({ length: 9 }, () => digest),
      );
      await blob.close();
    });

    test("reads of what is staged only what was written", async () => {
      const staging = await staged(disk, "a", HELLO, HELLO);
      await staging.truncate(HELLO.length);

      const beyond = collect(staging.read({ start: 0, end: HELLO.length + 1 }));

      await expect(beyond).rejects.toThrow("what is read has been written");
      await staging.discard();
    });

    test("fails a read that goes beyond the end", async () => {
      await (await staged(disk, "a", HELLO)).commit(HELLO_DIGEST);
      const blob = await opened(disk, HELLO_DIGEST);

      await expect(collect(blob.read({ start: 0, end: HELLO.length + 1 }))).rejects.toThrow("the file ends");
      await blob.close();
    });

    test("tells a reader of a failure when he asks for the bytes, however late he does", async () => {
      const bytes = patterned(BLOB_READ_CHUNK_BYTES);
      await (await staged(disk, "a", bytes)).commit(digestOf(bytes));
      const blob = await opened(disk, digestOf(bytes));
      const reader = blob.read({ start: 0, end: blob.size + 1 })[Symbol.asyncIterator]();

      expect(digestOf(Buffer.from((await reader.next()).value ?? []))).toBe(digestOf(bytes));
      for (let turn = 0; turn < 20; turn += 1) await disk.freeBytes();

      await expect(reader.next()).rejects.toThrow("the file ends");
      await blob.close();
    });

    test("begins no read of a blob that is closed, and closes twice without harm", async () => {
      await (await staged(disk, "a", HELLO)).commit(HELLO_DIGEST);
      const blob = await opened(disk, HELLO_DIGEST);

      await blob.close();
      await blob.close();

      await expect(collect(blob.read({ start: 0, end: 1 }))).rejects.toThrow("closed");
    });

    test("answers appends in order, without waiting for the caller to ask one by one", async () => {
      const staging = await staged(disk, "a");
      const parts = Array.from({ length: 40 }, (_, index) => Buffer.from(`part ${index}; `));

      await Promise.all(parts.map(async (part) => await staging.append(part)));

      expect(await collect(staging.read({ start: 0, end: staging.size() }))).toEqual(Buffer.concat(parts));
      await staging.discard();
    });

    test("has taken the bytes when an append resolves: the caller may use the buffer again", async () => {
      const staging = await staged(disk, "a");
      const buffer = Buffer.from(HELLO);

      await staging.append(buffer);
      buffer.fill(0);

      expect(await staging.digest("sha256")).toBe(HELLO_DIGEST);
      await staging.discard();
    });

    test("takes a blob of many mebibytes as fast as it comes, and has its digest", async () => {
      const staging = await disk.stage("a");
      const part = patterned(300_000);
      const parts = Array.from({ length: 40 }, () => part);
      const whole = Buffer.concat(parts);

      await Promise.all(parts.map(async (each) => await staging.append(each)));

      expect(staging.size()).toBe(whole.length);
      expect(await staging.digest("sha256")).toBe(digestOf(whole));
      expect(await staging.digest("sha512")).toBe(digestOf(whole, "sha512"));
      await staging.commit(digestOf(whole));
      expect(await contentOf(disk, digestOf(whole))).toEqual(whole);
    });

    test("cuts back, and the digests with it", async () => {
      const staging = await staged(disk, "a", HELLO, patterned(100));
      expect(await staging.digest("sha256")).toBe(digestOf(Buffer.concat([HELLO, patterned(100)])));

      await staging.truncate(HELLO.length);

      expect(staging.size()).toBe(HELLO.length);
      expect(await staging.digest("sha256")).toBe(HELLO_DIGEST);
      expect(await staging.digest("sha512")).toBe(digestOf(HELLO, "sha512"));
      await staging.append(patterned(3));
      expect(await staging.digest("sha512")).toBe(digestOf(Buffer.concat([HELLO, patterned(3)]), "sha512"));
      await staging.truncate(0);
      expect(await staging.digest("sha256")).toBe(digestOf(new Uint8Array()));
      await staging.discard();
    });

    test("keeps one copy when two commit the same bytes, one after the other or at once", async () => {
      const [first, second, third] = [
        await staged(disk, "a", HELLO),
        await staged(disk, "b", HELLO),
        await staged(disk, "c", HELLO),
      ];

      await first.commit(HELLO_DIGEST);
      await Promise.all([second.commit(HELLO_DIGEST), third.commit(HELLO_DIGEST)]);

      expect(await contentOf(disk, HELLO_DIGEST)).toEqual(HELLO);
      expect(await disk.staged()).toEqual([]);
    });

    test("puts good bytes in the place of a blob that has lost some", async () => {
      await (await staged(disk, "a", HELLO)).commit(HELLO_DIGEST);
      await made.damage(HELLO_DIGEST, HELLO.subarray(0, 3));

      await (await staged(disk, "b", HELLO)).commit(HELLO_DIGEST);

      expect(await contentOf(disk, HELLO_DIGEST)).toEqual(HELLO);
    });

    test("takes up what was staged and let go, with its size and its digest", async () => {
      const before = await staged(disk, "a", HELLO);
      await before.close();

      const after = await disk.resume("a");
      await after?.append(patterned(9));

      const whole = Buffer.concat([HELLO, patterned(9)]);
      expect(after?.size()).toBe(whole.length);
      expect(await after?.digest("sha256")).toBe(digestOf(whole));
      await after?.commit(digestOf(whole));
      expect(await contentOf(disk, digestOf(whole))).toEqual(whole);
    });

    test("has nothing to take up under a name that was never staged, or has ended", async () => {
      await (await staged(disk, "a", HELLO)).commit(HELLO_DIGEST);
      await (await staged(disk, "b", HELLO)).discard();

      expect(await disk.resume("a")).toBeUndefined();
      expect(await disk.resume("b")).toBeUndefined();
      expect(await disk.resume("c")).toBeUndefined();
    });

    test("gives a name to one writer only, also while nobody has it open", async () => {
      const staging = await staged(disk, "a");
      await expect(disk.stage("a")).rejects.toThrow();
      await expect(disk.resume("a")).rejects.toThrow("one writer");

      await staging.close();

      await expect(disk.stage("a")).rejects.toThrow();
    });

    test("refuses a name that is no name", async () => {
      for (const bad of ["", "..", "a/b", "A", "a.b", "x".repeat(65)]) await expect(disk.stage(bad)).rejects.toThrow();
    });

    test("lists what is staged in the order of names, with sizes", async () => {
      const stagings = [
        await staged(disk, "b", HELLO),
        await staged(disk, "a"),
        await staged(disk, "c-1", HELLO, HELLO),
      ];
      await stagings[0]?.close();

      expect(await disk.staged()).toEqual([
        { name: "a", size: 0 },
        { name: "b", size: HELLO.length },
        { name: "c-1", size: 2 * HELLO.length },
      ]);
      for (const staging of stagings) await staging.close();
    });

    test("frees what is discarded; discarding again, or after a commit, does nothing", async () => {
      const lost = await staged(disk, "a", HELLO);
      const kept = await staged(disk, "b", HELLO);
      await kept.commit(HELLO_DIGEST);

      for (const staging of [lost, lost, kept]) await staging.discard();

      expect(await disk.staged()).toEqual([]);
      expect(await contentOf(disk, HELLO_DIGEST)).toEqual(HELLO);
    });

    test("takes nothing more once a staging has ended", async () => {
      const committed = await staged(disk, "a", HELLO);
      await committed.commit(HELLO_DIGEST);
      const discarded = await staged(disk, "b", HELLO);
      await discarded.discard();
      const closed = await staged(disk, "c", HELLO);
      await closed.close();

      for (const staging of [committed, discarded, closed]) {
        await expect(staging.append(HELLO)).rejects.toThrow("ended");
        await expect(staging.truncate(0)).rejects.toThrow("ended");
        await expect(staging.digest("sha256")).rejects.toThrow("ended");
        await expect(staging.commit(HELLO_DIGEST)).rejects.toThrow("ended");
        await expect(collect(staging.read({ start: 0, end: 1 }))).rejects.toThrow("ended");
      }
    });

    test("lets whoever reads what is staged go on, over its commit and over its end", async () => {
      const bytes = patterned(3 * BLOB_READ_CHUNK_BYTES);
      const committed = await staged(disk, "a", bytes);
      const discarded = await staged(disk, "b", bytes);
      const readers = [committed, discarded].map((staging) =>
        staging.read({ start: 0, end: bytes.length })[Symbol.asyncIterator](),
      );
      const firsts = await Promise.all(readers.map(async (reader) => Buffer.from((await reader.next()).value ?? [])));

      await committed.commit(digestOf(bytes));
      await discarded.discard();

      for (const [index, reader] of readers.entries()) {
        const rest = await collect({ [Symbol.asyncIterator]: () => reader });
        expect(digestOf(Buffer.concat([firsts[index] ?? Buffer.alloc(0), rest]))).toBe(digestOf(bytes));
      }
    });

    test("lets a reader leave in the middle", async () => {
      const bytes = patterned(3 * BLOB_READ_CHUNK_BYTES);
      await (await staged(disk, "a", bytes)).commit(digestOf(bytes));
      const blob = await opened(disk, digestOf(bytes));

      for await (const _ of blob.read({ start: 0, end: blob.size })) break;

      await blob.close();
      expect(digestOf(await contentOf(disk, digestOf(bytes)))).toBe(digestOf(bytes));
    });

    test("removes a blob while those who have it open read on; removing what is not there does nothing", async () => {
      await (await staged(disk, "a", HELLO)).commit(HELLO_DIGEST);
      const blob = await opened(disk, HELLO_DIGEST);

      await disk.remove(HELLO_DIGEST);
      await disk.remove(HELLO_DIGEST);
      await disk.remove(digestOf(HELLO, "sha512"));

      expect(await disk.open(HELLO_DIGEST)).toBeUndefined();
      expect(await disk.stat(HELLO_DIGEST)).toBeUndefined();
      expect(await collect(blob.read({ start: 0, end: blob.size }))).toEqual(HELLO);
      await blob.close();
      await (await staged(disk, "a", HELLO)).commit(HELLO_DIGEST);
      expect(await contentOf(disk, HELLO_DIGEST)).toEqual(HELLO);
    });

    test("tells how much may still be written", async () => {
      expect(await disk.freeBytes()).toBeGreaterThan(0);
    });

    test("stages what a list of bytes would hold after the same steps", async () => {
      const step = fc.oneof(
        fc.record({
          kind: fc.constant("append" as const),
          // Few enough to stay in memory, and too many for that.
          bytes: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(patterned(70_000))),
        }),
        fc.record({ kind: fc.constant("settle" as const) }),
        fc.record({ kind: fc.constant("truncate" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
        fc.record({ kind: fc.constant("reopen" as const) }),
        fc.record({
          kind: fc.constant("digest" as const),
          algorithm: fc.constantFrom("sha256" as const, "sha512" as const),
        }),
      );
      let run = 0;

      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          run += 1;
          const stagingName = `run-${run}`;
          let staging = await disk.stage(stagingName);
          let model = Buffer.alloc(0);
          for (const each of steps) {
            if (each.kind === "append") {
              await staging.append(each.bytes);
              model = Buffer.concat([model, each.bytes]);
            } else if (each.kind === "settle") {
              await staging.settle();
              expect((await disk.staged()).find((entry) => entry.name === stagingName)?.size).toBe(model.length);
            } else if (each.kind === "truncate") {
              model = model.subarray(0, Math.floor(model.length * each.share));
              await staging.truncate(model.length);
            } else if (each.kind === "reopen") {
              await staging.close();
              staging = (await disk.resume(stagingName)) ?? staging;
            } else {
              expect(await staging.digest(each.algorithm)).toBe(digestOf(model, each.algorithm));
            }
            expect(staging.size()).toBe(model.length);
          }

          await staging.commit(digestOf(model));

          expect(await contentOf(disk, digestOf(model))).toEqual(model);
        }),
        { numRuns: 40 },
      );
      expect(await disk.staged()).toEqual([]);
    });
  });
}

/** Bytes in which no two places look alike. */
export function patterned(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) bytes[index] = (index * 2_654_435_761) >>> 24;
  return bytes;
}

export async function staged(disk: Disk, name: string, ...parts: readonly Uint8Array[]): Promise<Staging> {
  const staging = await disk.stage(name);
  for (const part of parts) await staging.append(part);
  await staging.settle();
  return staging;
}

export async function opened(disk: Disk, digest: Digest): Promise<StoredBlob> {
  const blob = await disk.open(digest);
  if (blob === undefined) throw new Error(`${digest} is not there`);
  return blob;
}

export async function contentOf(disk: Disk, digest: Digest): Promise<Buffer> {
  const blob = await opened(disk, digest);
  try {
    return await collect(blob.read({ start: 0, end: blob.size }));
  } finally {
    await blob.close();
  }
}

/** Copies, because a chunk is only valid until the next is asked for. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const chunk of chunks) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
}
