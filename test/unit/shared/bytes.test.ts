import { describe, expect, test } from "vitest";

import { ByteReader, ByteWriter, MalformedBytesError } from "../../../shared/bytes.ts";
import { InvariantError } from "../../../shared/invariant.ts";

function bytesOf(...bytes: readonly number[]): Uint8Array {
  return Uint8Array.from(bytes);
}

describe("the binary notation", () => {
  test("writes seven bits of a number in each byte, the lowest first", () => {
    expect(new ByteWriter().writeVarint(0).finish()).toEqual(bytesOf(0));
    expect(new ByteWriter().writeVarint(127).finish()).toEqual(bytesOf(0x7f));
    expect(new ByteWriter().writeVarint(300).finish()).toEqual(bytesOf(0xac, 0x02));
  });

  test("writes 64 bits with the highest byte first, so that bytes sort as numbers do", () => {
    expect(new ByteWriter().writeUint64(0x0102n).finish()).toEqual(bytesOf(0, 0, 0, 0, 0, 0, 1, 2));
  });

  test("writes a length before a string's bytes", () => {
    expect(new ByteWriter().writeString("né").finish()).toEqual(bytesOf(3, 0x6e, 0xc3, 0xa9));
  });

  test("reads back everything in the order it was written", () => {
    const bytes = new ByteWriter()
      .writeString("meridian")
      .writeVarint(Number.MAX_SAFE_INTEGER)
      .writeUint64((1n << 64n) - 1n)
      .writeBytes(new Uint8Array(1000).fill(7))
      .finish();
    const reader = new ByteReader(bytes);

    expect(reader.readString()).toBe("meridian");
    expect(reader.readVarint()).toBe(Number.MAX_SAFE_INTEGER);
    expect(reader.readUint64()).toBe((1n << 64n) - 1n);
    expect(reader.readBytes()).toEqual(new Uint8Array(1000).fill(7));
    expect(reader.isAtEnd).toBe(true);
  });

  test("keeps a byte order mark, which a decoder would swallow", () => {
    const bytes = new ByteWriter().writeString("\uFEFFa").finish();

    expect(new ByteReader(bytes).readString()).toBe("\uFEFFa");
  });

  test("writes half a surrogate pair as the replacement character", () => {
    const bytes = new ByteWriter().writeString("\uD800").finish();

    expect(new ByteReader(bytes).readString()).toBe("\uFFFD");
  });

  test("hands out bytes that later writes do not change", () => {
    const writer = new ByteWriter().writeVarint(1);
    const first = writer.finish();
    writer.writeVarint(2);

    expect(first).toEqual(bytesOf(1));
  });

  test.each([-1, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1])("does not write %d as a number", (value) => {
    expect(() => new ByteWriter().writeVarint(value)).toThrow(InvariantError);
  });
});

describe("bytes that are damaged", () => {
  test.each([
    ["nothing where a number should be", bytesOf(), (reader: ByteReader) => reader.readVarint()],
    ["a number that ends early", bytesOf(0x80), (reader: ByteReader) => reader.readVarint()],
    [
      "a number beyond 2^53 - 1",
      bytesOf(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10),
      (reader: ByteReader) => reader.readVarint(),
    ],
    ["a number without end", new Uint8Array(1000).fill(0x80), (reader: ByteReader) => reader.readVarint()],
    ["a number of all ones without end", new Uint8Array(1000).fill(0xff), (reader: ByteReader) => reader.readVarint()],
    ["a number longer than it needs to be", bytesOf(0x80, 0x00), (reader: ByteReader) => reader.readVarint()],
    ["seven bytes of 64 bits", new Uint8Array(7), (reader: ByteReader) => reader.readUint64()],
    ["a length beyond the end", bytesOf(5, 1, 2), (reader: ByteReader) => reader.readBytes()],
    ["a string that is not UTF-8", bytesOf(1, 0xff), (reader: ByteReader) => reader.readString()],
    ["a string with half a surrogate pair", bytesOf(3, 0xed, 0xa0, 0x80), (reader: ByteReader) => reader.readString()],
    ["something after the value", bytesOf(1), (reader: ByteReader) => reader.expectEnd()],
  ])("are refused: %s", (_, bytes, read) => {
    expect(() => read(new ByteReader(bytes))).toThrow(MalformedBytesError);
  });
});
