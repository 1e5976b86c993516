/** What is written reads back; what reads was written that way; and no bytes whatever do worse than to be refused. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { ByteReader, ByteWriter, MalformedBytesError } from "../../shared/bytes.ts";
import { encodeCausalToken, isCausalToken, parseCausalToken } from "../../shared/causal-token.ts";
import {
  decodeChange,
  decodeKey,
  decodeOp,
  decodeRegister,
  encodeChange,
  encodeKey,
  encodeRegister,
} from "../../shared/change.ts";
import { compareDots, decodeVersionVector, encodeVersionVector, VersionVector } from "../../shared/version-vector.ts";
import { change, damaged, dot, op, vectorEntries } from "./arbitraries.ts";

type Codec = {
  readonly name: string;
  /** Well-formed bytes. */
  readonly bytes: fc.Arbitrary<Uint8Array>;
  readonly recode: (bytes: Uint8Array) => Uint8Array;
};

const CODECS: readonly Codec[] = [
  { name: "a change", bytes: change.map(encodeChange), recode: (bytes) => encodeChange(decodeChange(bytes)) },
  { name: "an op", bytes: op.map(encodeChange), recode: (bytes) => encodeChange(decodeOp(bytes)) },
  {
    name: "a register",
    bytes: change.map(({ register }) => encodeRegister(register)),
    recode: (bytes) => encodeRegister(decodeRegister(bytes)),
  },
  { name: "a key", bytes: change.map(({ key }) => encodeKey(key)), recode: (bytes) => encodeKey(decodeKey(bytes)) },
  {
    name: "a version vector",
    bytes: vectorEntries.map((entries) => encodeVersionVector(VersionVector.from(entries))),
    recode: (bytes) => encodeVersionVector(decodeVersionVector(bytes)),
  },
];

/** The bytes again, or `undefined` when they were refused as they should be. */
function recoded({ recode }: Codec, bytes: Uint8Array): Uint8Array | undefined {
  try {
    return recode(bytes);
  } catch (error) {
    if (error instanceof MalformedBytesError) return undefined;
    throw error;
  }
}

describe.each(CODECS)("the bytes of $name", (codec) => {
  test("read back and are written the same again", () => {
    fc.assert(
      fc.property(codec.bytes, (bytes) => {
        expect(codec.recode(bytes)).toEqual(bytes);
      }),
    );
  });

  test("are refused when damaged, unless the damage made the bytes of something else", () => {
    fc.assert(
      fc.property(damaged(codec.bytes), (bytes) => {
        expect(recoded(codec, bytes) ?? bytes).toEqual(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  test("are refused when cut off anywhere", () => {
    fc.assert(
      fc.property(codec.bytes, fc.nat(), (bytes, length) => {
        expect(recoded(codec, bytes.subarray(0, length % bytes.length))).toBeUndefined();
      }),
    );
  });

  test("are refused when they are noise, unless the noise happens to be something", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(recoded(codec, bytes) ?? bytes).toEqual(bytes);
      }),
      { numRuns: 1000 },
    );
  });
});

test("a change reads back as the change it was", () => {
  fc.assert(
    fc.property(change, (one) => {
      expect(decodeChange(encodeChange(one))).toEqual(one);
    }),
  );
});

test("an op reads back as the op it was", () => {
  fc.assert(
    fc.property(op, (one) => {
      expect(decodeOp(encodeChange(one))).toEqual(one);
    }),
  );
});

describe("the binary notation", () => {
  test("reads back any sequence of values", () => {
    const item = fc.oneof(
      fc.maxSafeNat(),
      fc.bigInt(0n, (1n << 64n) - 1n),
      fc.string({ unit: "binary" }),
      fc.uint8Array({ maxLength: 300 }),
    );

    fc.assert(
      fc.property(fc.array(item, { maxLength: 20 }), (items) => {
        const writer = new ByteWriter();
        for (const each of items) {
          if (typeof each === "number") writer.writeVarint(each);
          else if (typeof each === "bigint") writer.writeUint64(each);
          else if (typeof each === "string") writer.writeString(each);
          else writer.writeBytes(each);
        }
        const reader = new ByteReader(writer.finish());
        const read = items.map((each) => {
          if (typeof each === "number") return reader.readVarint();
          if (typeof each === "bigint") return reader.readUint64();
          return typeof each === "string" ? reader.readString() : reader.readBytes();
        });

        expect(read).toEqual(items);
        expect(reader.isAtEnd).toBe(true);
      }),
    );
  });
});

describe("a causal token", () => {
  const dots = fc.array(dot, { minLength: 1, maxLength: 20 });

  test("reads back as the last dot of each origin", () => {
    fc.assert(
      fc.property(dots, (all) => {
        const last = all.filter(({ origin, seq }) => all.every((other) => other.origin !== origin || other.seq <= seq));
        const distinct = [...new Map(last.map((each) => [each.origin, each])).values()].toSorted(compareDots);

        expect(parseCausalToken(encodeCausalToken(all))).toEqual(distinct);
      }),
    );
  });

  test("is refused with any letter changed, put in or left out", () => {
    fc.assert(
      fc.property(dots, fc.nat(), fc.nat({ max: 2 }), fc.string({ maxLength: 2 }), (all, at, cut, put) => {
        const token: string = encodeCausalToken(all);
        const start = at % (token.length + 1);
        const changed = `${token.slice(0, start)}${put}${token.slice(start + cut)}`;

        expect(isCausalToken(changed)).toBe(changed === token);
      }),
      { numRuns: 500 },
    );
  });
});
