import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";

import type { Kv, KvEntry, KvRange, KvWrite } from "../../nodes/ports/kv.ts";

export type KvUnderTest = {
  readonly kv: Kv;
  /** Opens the same store again after `close`. */
  readonly reopen: () => Promise<Kv>;
  /** Gives back what the test has used. */
  readonly dispose: () => Promise<void>;
};

const ALL: KvRange = { from: new Uint8Array(), to: Uint8Array.of(255, 255, 255, 255, 255) };

export function kvContract(name: string, open: () => Promise<KvUnderTest>): void {
  describe(name, () => {
    const disposals: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const dispose of disposals.splice(0)) await dispose();
    });

    async function opened(): Promise<KvUnderTest> {
      const made = await open();
      disposals.push(made.dispose);
      return made;
    }

    test("gives what was put last, and nothing for what was deleted or never put", async () => {
      const { kv } = await opened();

      await kv.commit([put("a", "1"), put("b", "2"), put("empty", "")]);
      await kv.commit([put("a", "3"), remove("b"), remove("never")]);

      expect(text(await kv.get(bytes("a")))).toBe("3");
      expect(await kv.get(bytes("b"))).toBeUndefined();
      expect(await kv.get(bytes("never"))).toBeUndefined();
      expect(text(await kv.get(bytes("empty")))).toBe("");
    });

    test("gives many in the order of their keys, with repeats and gaps", async () => {
      const { kv } = await opened();
      await kv.commit([put("a", "1"), put("b", "2")]);

      const values = await kv.getMany(["b", "x", "a", "b"].map(bytes));

      expect(values.map(text)).toEqual(["2", undefined, "1", "2"]);
      expect(await kv.getMany([])).toEqual([]);
    });

    test("writes a batch in order: the last write of a key stands", async () => {
      const { kv } = await opened();

      await kv.commit([put("a", "1"), remove("a"), put("b", "1"), put("b", "2"), put("c", "1"), remove("c")]);

      expect(await read(kv, ALL)).toEqual([["b", "2"]]);
    });

    test("keeps the order of unsigned bytes, and a key before those it begins", async () => {
      const { kv } = await opened();
      const keys = [[0], [0, 0], [1], [0x7f], [0x80], [0xc3, 0xa9], [0xff], [0xff, 0x00]].map((key) =>
        Uint8Array.from(key),
      );

      await kv.commit(keys.toReversed().map((key) => ({ kind: "put", key, value: bytes("x") })));

      const found: number[][] = [];
      for await (const { key } of kv.entries(ALL)) found.push([...key]);
      expect(found).toEqual(keys.map((key) => [...key]));
    });

    test("iterates from the first key, inclusive, to the last, exclusive; either way, up to a limit", async () => {
      const { kv } = await opened();
      await kv.commit(["a", "b", "c", "d", "e"].map((key) => put(key, key)));
      const range = { from: bytes("b"), to: bytes("e") };

      expect(await keysOf(kv, range)).toEqual(["b", "c", "d"]);
      expect(await keysOf(kv, { ...range, reverse: true })).toEqual(["d", "c", "b"]);
      expect(await keysOf(kv, { ...range, limit: 2 })).toEqual(["b", "c"]);
      expect(await keysOf(kv, { ...range, limit: 2, reverse: true })).toEqual(["d", "c"]);
      expect(await keysOf(kv, { ...range, limit: 0 })).toEqual([]);
      expect(await keysOf(kv, { from: bytes("x"), to: bytes("z") })).toEqual([]);
      expect(await keysOf(kv, { from: bytes("e"), to: bytes("b") })).toEqual([]);
    });

    test("iterates over what there was at the call, whenever the first entry is asked for", async () => {
      const { kv } = await opened();
      await kv.commit([put("a", "old"), put("b", "old")]);

      const entries = kv.entries(ALL);
      await kv.commit([put("a", "new"), remove("b"), put("c", "new")]);

      expect(await collect(entries)).toEqual([
        ["a", "old"],
        ["b", "old"],
      ]);
    });

    test("iterates over a thousand entries, large ones among them, while others are written", async () => {
      const { kv } = await opened();
      const keys = Array.from({ length: 1_000 }, (_, index) => String(index).padStart(4, "0"));
      await kv.commit(keys.map((key) => put(key, key.endsWith("00") ? key.repeat(20_000) : key)));

      const found: string[] = [];
      for await (const { key } of kv.entries(ALL)) {
        if (found.length % 250 === 0) await kv.commit([put("later", "x")]);
        found.push(text(key) ?? "");
      }

      expect(found).toEqual(keys);
    });

    test("lets an iteration be left in the middle", async () => {
      const { kv } = await opened();
      await kv.commit(["a", "b", "c"].map((key) => put(key, key)));

      for await (const { key } of kv.entries(ALL)) if (text(key) === "b") break;

      await kv.commit([put("d", "d")]);
      expect(await keysOf(kv, ALL)).toEqual(["a", "b", "c", "d"]);
    });

    test("keeps nothing of the caller's buffers, and gives none of its own", async () => {
      const { kv } = await opened();
      const [key, value] = [Buffer.from("key"), Buffer.from("value")];

      await kv.commit([{ kind: "put", key, value }]);
      key.fill(0);
      value.fill(0);
      (await kv.get(bytes("key")))?.fill(0);
      for await (const entry of kv.entries(ALL)) entry.value.fill(0);

      expect(await read(kv, ALL)).toEqual([["key", "value"]]);
    });

    test("takes commits that are made at once, each whole", async () => {
      const { kv } = await opened();

      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          await kv.commit([put(`a${index}`, "x"), put(`b${index}`, "x")]);
        }),
      );

      expect(await keysOf(kv, ALL)).toHaveLength(100);
    });

    test("refuses every call once it is closed, and has everything when it is opened again", async () => {
      const { kv, reopen } = await opened();
      await kv.commit([put("a", "1")]);

      await kv.close();

      await expect(kv.get(bytes("a"))).rejects.toThrow();
      await expect(kv.commit([put("a", "2")])).rejects.toThrow();
      await expect(async () => await read(kv, ALL)).rejects.toThrow();
      expect(await read(await reopen(), ALL)).toEqual([["a", "1"]]);
    });

    test("holds what a sorted map holds after the same batches", async () => {
      const anyKey = fc
        .uint8Array({ minLength: 1, maxLength: 3 })
        .map((raw) => raw.map((byte) => [0, 1, 127, 128, 255][byte % 5] ?? 0));
      const write = fc.oneof(
        fc.record({ kind: fc.constant("put" as const), key: anyKey, value: fc.uint8Array({ maxLength: 8 }) }),
        fc.record({ kind: fc.constant("delete" as const), key: anyKey }),
      );
      const range = fc.record({ from: anyKey, to: anyKey, reverse: fc.boolean() });

      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(write, { maxLength: 10 }), { maxLength: 8 }),
          range,
          async (batches, asked) => {
            const { kv, dispose } = await open();
            const model = new Map<string, string>();
            for (const batch of batches) {
              await kv.commit(batch);
              for (const each of batch) {
                if (each.kind === "put") model.set(hex(each.key), hex(each.value));
                else model.delete(hex(each.key));
              }
            }

            const found: [string, string][] = [];
            for await (const entry of kv.entries(asked)) found.push([hex(entry.key), hex(entry.value)]);
            await kv.close();
            await dispose();

            const expected = [...model]
              .filter(([key]) => hex(asked.from) <= key && key < hex(asked.to))
              .toSorted(([left], [right]) => (left < right ? -1 : 1));
            expect(found).toEqual(asked.reverse ? expected.toReversed() : expected);
          },
        ),
        { numRuns: 25 },
      );
    });
  });
}

function bytes(value: string): Uint8Array {
  return Buffer.from(value);
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString();
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex");
}

function put(key: string, value: string): KvWrite {
  return { kind: "put", key: bytes(key), value: bytes(value) };
}

function remove(key: string): KvWrite {
  return { kind: "delete", key: bytes(key) };
}

async function collect(entries: AsyncIterable<KvEntry>): Promise<(string | undefined)[][]> {
  const found: (string | undefined)[][] = [];
  for await (const { key, value } of entries) found.push([text(key), text(value)]);
  return found;
}

async function read(kv: Kv, range: KvRange): Promise<(string | undefined)[][]> {
  return await collect(kv.entries(range));
}

async function keysOf(kv: Kv, range: KvRange): Promise<(string | undefined)[]> {
  return (await read(kv, range)).map(([key]) => key);
}
