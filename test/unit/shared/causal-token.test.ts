import { describe, expect, test } from "vitest";

import { encodeCausalToken, isCausalToken, isSeen, parseCausalToken } from "../../../shared/causal-token.ts";
import { parseOrigin } from "../../../shared/identity.ts";
import { InvariantError } from "../../../shared/invariant.ts";
import { CAUSAL_TOKEN_DOTS_MAX, CAUSAL_TOKEN_LENGTH_MAX } from "../../../shared/limits.ts";
import { type Dot, VersionVector } from "../../../shared/version-vector.ts";
import { refusalOf, thrownBy } from "../../support/thrown-by.ts";

const EU = parseOrigin("00000000000000e0");
const US = parseOrigin("f000000000000005");

function dots(count: number): readonly Dot[] {
  return Array.from({ length: count }, (_, index) => ({
    origin: parseOrigin(index.toString(16).padStart(16, "f")),
    seq: Number.MAX_SAFE_INTEGER,
  }));
}

describe("a causal token", () => {
  test("names the last dot of each origin, in order", () => {
    const token = encodeCausalToken([
      { origin: US, seq: 3 },
      { origin: EU, seq: 9 },
      { origin: EU, seq: 7 },
    ]);

    expect(parseCausalToken(token)).toEqual([
      { origin: EU, seq: 9 },
      { origin: US, seq: 3 },
    ]);
  });

  test("of one write is a word of twenty letters, fit for a header and an URL", () => {
    expect(encodeCausalToken([{ origin: EU, seq: 1 }])).toMatch(/^[A-Za-z0-9_-]{20}$/);
  });

  test("has one spelling", () => {
    const one = encodeCausalToken([
      { origin: EU, seq: 9 },
      { origin: US, seq: 3 },
    ]);

    expect(
      encodeCausalToken([
        { origin: US, seq: 3 },
        { origin: EU, seq: 9 },
      ]),
    ).toBe(one);
  });

  test("fits its limit however much it names", () => {
    const token = encodeCausalToken(dots(CAUSAL_TOKEN_DOTS_MAX));

    expect(token.length).toBeLessThanOrEqual(CAUSAL_TOKEN_LENGTH_MAX);
    expect(parseCausalToken(token).length).toBe(CAUSAL_TOKEN_DOTS_MAX);
  });

  test("names something, and not more than fits, or the process stops", () => {
    expect(() => encodeCausalToken([])).toThrow(InvariantError);
    expect(() => encodeCausalToken(dots(CAUSAL_TOKEN_DOTS_MAX + 1))).toThrow(InvariantError);
  });

  test("is satisfied by whoever holds everything up to its dots", () => {
    const token = [{ origin: EU, seq: 4 }];
    const behind = VersionVector.from([{ origin: EU, upto: 2, beyond: [{ from: 4, to: 9 }] }]);
    const level = VersionVector.from([{ origin: EU, upto: 4, beyond: [] }]);

    expect([isSeen(token, new VersionVector()), isSeen(token, behind), isSeen(token, level)]).toEqual([
      false,
      false,
      true,
    ]);
  });

  test("is refused wherever it is cut off, and with any letter changed", () => {
    const token = encodeCausalToken([{ origin: EU, seq: 300 }]);

    for (let at = 0; at < token.length; at += 1) {
      expect(isCausalToken(token.slice(0, at))).toBe(false);
      expect(isCausalToken(`${token.slice(0, at)}${token[at] === "A" ? "B" : "A"}${token.slice(at + 1)}`)).toBe(false);
    }
  });

  test.each([
    ["nothing", ""],
    ["a word", "latest"],
    ["a number", "12345"],
    ["padding", `${encodeCausalToken([{ origin: EU, seq: 1 }])}=`],
    [
      "a blank inside",
      `${encodeCausalToken([{ origin: EU, seq: 1 }]).slice(0, 8)} ${encodeCausalToken([{ origin: EU, seq: 1 }]).slice(8)}`,
    ],
    ["a token of everything", "A".repeat(65_536)],
  ])("is not %s", (_, text) => {
    expect(refusalOf(() => parseCausalToken(text))).toBe("UNSUPPORTED");
    expect(thrownBy(() => parseCausalToken(text))).toMatchObject({ status: 400 });
  });
});
