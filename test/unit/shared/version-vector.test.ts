import { describe, expect, test } from "vitest";

import { ByteWriter, MalformedBytesError } from "../../../shared/bytes.ts";
import { parseOrigin } from "../../../shared/identity.ts";
import { InvariantError } from "../../../shared/invariant.ts";
import { VECTOR_ORIGINS_MAX, VECTOR_RANGES_MAX } from "../../../shared/limits.ts";
import {
  compareDots,
  decodeVersionVector,
  encodeVersionVector,
  VersionVector,
} from "../../../shared/version-vector.ts";

const EU = parseOrigin("0000000000000001");
const US = parseOrigin("0000000000000002");

function encoded(write: (writer: ByteWriter) => ByteWriter): Uint8Array {
  return write(new ByteWriter()).finish();
}

describe("a version vector", () => {
  test("holds nothing at first", () => {
    const vector = new VersionVector();

    expect(vector.entries()).toEqual([]);
    expect(vector.upto(EU)).toBe(0);
    expect(vector.includes({ origin: EU, seq: 1 })).toBe(false);
  });

  test("keeps a dot beyond the head apart until the gap is filled", () => {
    const vector = new VersionVector();
    vector.add({ origin: EU, seq: 1 });
    vector.add({ origin: EU, seq: 3 });

    expect(vector.entries()).toEqual([{ origin: EU, upto: 1, beyond: [{ from: 3, to: 3 }] }]);
    expect([1, 2, 3, 4].map((seq) => vector.includes({ origin: EU, seq }))).toEqual([true, false, true, false]);

    vector.add({ origin: EU, seq: 2 });

    expect(vector.entries()).toEqual([{ origin: EU, upto: 3, beyond: [] }]);
  });

  test("makes ranges that overlap or touch one", () => {
    const vector = new VersionVector();
    for (const [from, to] of [
      [10, 12],
      [20, 22],
      [30, 32],
      [13, 13],
      [18, 25],
    ] as const) {
      vector.addRange(EU, { from, to });
    }

    expect(vector.entries()).toEqual([
      {
        origin: EU,
        upto: 0,
        beyond: [
          { from: 10, to: 13 },
          { from: 18, to: 25 },
          { from: 30, to: 32 },
        ],
      },
    ]);
  });

  test("moves its head over every range that an advance reaches", () => {
    const vector = VersionVector.from([
      {
        origin: EU,
        upto: 1,
        beyond: [
          { from: 4, to: 6 },
          { from: 8, to: 9 },
          { from: 20, to: 20 },
        ],
      },
    ]);
    vector.advance(EU, 7);

    expect(vector.entries()).toEqual([{ origin: EU, upto: 9, beyond: [{ from: 20, to: 20 }] }]);
  });

  test("does not go back when told of an older head", () => {
    const vector = VersionVector.from([{ origin: EU, upto: 9, beyond: [] }]);
    vector.advance(EU, 3);

    expect(vector.upto(EU)).toBe(9);
  });

  test("covers another when it holds all of its dots, beyond the heads as well", () => {
    const all = VersionVector.from([{ origin: EU, upto: 5, beyond: [{ from: 8, to: 12 }] }]);
    const some = VersionVector.from([
      {
        origin: EU,
        upto: 3,
        beyond: [
          { from: 5, to: 5 },
          { from: 9, to: 12 },
        ],
      },
    ]);
    const other = VersionVector.from([{ origin: US, upto: 1, beyond: [] }]);

    expect([all.covers(some), some.covers(all)]).toEqual([true, false]);
    expect([all.covers(other), other.covers(all)]).toEqual([false, false]);
    expect([all.covers(new VersionVector()), new VersionVector().covers(all)]).toEqual([true, false]);
  });

  test("does not cover a range of which it holds only the ends", () => {
    const ends = VersionVector.from([{ origin: EU, upto: 2, beyond: [{ from: 5, to: 6 }] }]);
    const range = VersionVector.from([{ origin: EU, upto: 0, beyond: [{ from: 2, to: 6 }] }]);

    expect(ends.covers(range)).toBe(false);
  });

  test("is copied, not shared", () => {
    const vector = VersionVector.from([{ origin: EU, upto: 1, beyond: [{ from: 5, to: 5 }] }]);
    const copy = vector.clone();
    copy.add({ origin: EU, seq: 6 });
    copy.add({ origin: US, seq: 1 });

    expect(vector.entries()).toEqual([{ origin: EU, upto: 1, beyond: [{ from: 5, to: 5 }] }]);
    expect(vector.equals(copy)).toBe(false);
  });

  test("names its origins in order and leaves out those of which it holds nothing", () => {
    const vector = new VersionVector();
    vector.advance(US, 2);
    vector.advance(EU, 0);
    vector.advance(EU, 1);
    vector.advance(parseOrigin("0000000000000003"), 0);

    expect(vector.entries().map(({ origin }) => origin)).toEqual([EU, US]);
  });

  test.each([
    { from: 0, to: 1 },
    { from: 3, to: 2 },
    { from: -1, to: -1 },
  ])("takes no range such as %o", (range) => {
    expect(() => new VersionVector().addRange(EU, range)).toThrow(InvariantError);
  });

  test("takes twenty thousand scattered dots one by one, as a long catch-up session brings them", () => {
    const count = 20_011;
    const vector = new VersionVector();
    for (let step = 0; step < count; step += 1) {
      vector.add({ origin: EU, seq: 2 + 2 * step });
      vector.add({ origin: US, seq: 2 + 2 * ((step * 7919) % count) });
    }
    expect(vector.entries().map(({ beyond }) => beyond.length)).toEqual([count, count]);
    expect(vector.includes({ origin: US, seq: count + 1 })).toBe(true);

    vector.advance(EU, 2 * count - 1);
    vector.advance(US, 2 * count - 1);
    expect(vector.entries()).toEqual([
      { origin: EU, upto: 2 * count, beyond: [] },
      { origin: US, upto: 2 * count, beyond: [] },
    ]);
  });
});

test("dots are ordered by origin, then by number", () => {
  const dots = [
    { origin: US, seq: 1 },
    { origin: EU, seq: 10 },
    { origin: EU, seq: 2 },
  ];

  expect(dots.toSorted(compareDots)).toEqual([
    { origin: EU, seq: 2 },
    { origin: EU, seq: 10 },
    { origin: US, seq: 1 },
  ]);
});

describe("the bytes of a version vector", () => {
  test("are refused when they name more origins, or more gaps, than a cluster can have", () => {
    const vectorOf = (origins: number): Uint8Array =>
      encoded((writer) => {
        writer.writeVarint(origins);
        for (let index = 0; index < origins; index += 1) {
          writer.writeString(index.toString(16).padStart(16, "0")).writeVarint(1).writeVarint(0);
        }
        return writer;
      });
    const gaps = encoded((writer) =>
      writer
        .writeVarint(1)
        .writeString(EU)
        .writeVarint(1)
        .writeVarint(VECTOR_RANGES_MAX + 1),
    );

    expect(decodeVersionVector(vectorOf(VECTOR_ORIGINS_MAX)).entries()).toHaveLength(VECTOR_ORIGINS_MAX);
    expect(() => decodeVersionVector(vectorOf(VECTOR_ORIGINS_MAX + 1))).toThrow("a vector names too many origins");
    expect(() => decodeVersionVector(gaps)).toThrow("a vector has too many gaps");
  });

  test("read back as the vector", () => {
    const vector = VersionVector.from([
      { origin: US, upto: 0, beyond: [{ from: 7, to: 9 }] },
      { origin: EU, upto: 4, beyond: [] },
    ]);

    expect(decodeVersionVector(encodeVersionVector(vector)).entries()).toEqual(vector.entries());
  });

  test.each([
    ["end early", encoded((writer) => writer.writeVarint(1))],
    ["announce more entries than there are", encoded((writer) => writer.writeVarint(2 ** 40))],
    ["name no origin", encoded((writer) => writer.writeVarint(1).writeString("eu").writeVarint(1).writeVarint(0))],
    [
      "hold an entry of nothing",
      encoded((writer) => writer.writeVarint(1).writeString(EU).writeVarint(0).writeVarint(0)),
    ],
    [
      "name an origin twice",
      encoded((writer) =>
        writer
          .writeVarint(2)
          .writeString(EU)
          .writeVarint(1)
          .writeVarint(0)
          .writeString(EU)
          .writeVarint(2)
          .writeVarint(0),
      ),
    ],
    [
      "name origins out of order",
      encoded((writer) =>
        writer
          .writeVarint(2)
          .writeString(US)
          .writeVarint(1)
          .writeVarint(0)
          .writeString(EU)
          .writeVarint(2)
          .writeVarint(0),
      ),
    ],
    [
      "hold a range that runs downwards",
      encoded((writer) =>
        writer.writeVarint(1).writeString(EU).writeVarint(1).writeVarint(1).writeVarint(9).writeVarint(8),
      ),
    ],
    [
      "hold a range that touches the head",
      encoded((writer) =>
        writer.writeVarint(1).writeString(EU).writeVarint(1).writeVarint(1).writeVarint(2).writeVarint(8),
      ),
    ],
    ["go on after the end", encoded((writer) => writer.writeVarint(0).writeVarint(0))],
  ])("are refused when they %s", (_, bytes) => {
    expect(() => decodeVersionVector(bytes)).toThrow(MalformedBytesError);
  });
});
