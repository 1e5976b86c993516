import { describe, expect, test } from "vitest";

import { opOf } from "../../../shared/change.ts";
import { type Hlc, hlcAt } from "../../../shared/hlc.ts";
import { type Origin, parseNodeId, parseOrigin, parseRegion } from "../../../shared/identity.ts";
import { parseRepositoryName, parseTag } from "../../../shared/reference.ts";
import {
  EMPTY_REGISTER,
  isCovered,
  isLater,
  joinContexts,
  mergeRegisters,
  type Register,
  sameDot,
  type Version,
  winnerOf,
} from "../../../shared/register.ts";

const KEY = { kind: "tag", repo: parseRepositoryName("app"), tag: parseTag("latest") } as const;
const EU = parseOrigin("0000000000000001");
const US = parseOrigin("0000000000000002");

function version(origin: Origin, seq: number, hlc: Hlc = hlcAt(seq)): Version {
  const author = { node: parseNodeId("eu-1"), region: parseRegion("eu"), actor: "anonymous" };
  return { dot: { origin, seq }, hlc, author, value: { kind: "removed" } };
}

/** A write by somebody who had `seen` the register. */
function written(seen: Register, by: Version): Register {
  return mergeRegisters(seen, opOf(KEY, by, seen.context).register);
}

describe("a register", () => {
  test("shows nothing before the first write", () => {
    expect(winnerOf(EMPTY_REGISTER)).toBeUndefined();
  });

  test("replaces what the writer had seen", () => {
    const first = written(EMPTY_REGISTER, version(EU, 1));
    const second = written(first, version(US, 1));

    expect(second).toEqual({
      versions: [version(US, 1)],
      context: new Map([
        [EU, 1],
        [US, 1],
      ]),
    });
  });

  test("keeps two versions that did not see each other, and shows the later by clock", () => {
    const eu = written(EMPTY_REGISTER, version(EU, 1, hlcAt(20)));
    const us = written(EMPTY_REGISTER, version(US, 1, hlcAt(10)));
    const both = mergeRegisters(eu, us);

    expect(both.versions).toEqual([version(EU, 1, hlcAt(20)), version(US, 1, hlcAt(10))]);
    expect(winnerOf(both)).toEqual(version(EU, 1, hlcAt(20)));
  });

  test("lets the next write that sees both replace both", () => {
    const both = mergeRegisters(written(EMPTY_REGISTER, version(EU, 1)), written(EMPTY_REGISTER, version(US, 1)));

    expect(written(both, version(EU, 2)).versions).toEqual([version(EU, 2)]);
  });

  test("is not shadowed by a clock that was years ahead", () => {
    const ahead = written(EMPTY_REGISTER, version(EU, 1, hlcAt(Date.UTC(2100))));
    const next = written(ahead, version(US, 1, hlcAt(10)));

    expect(winnerOf(next)).toEqual(version(US, 1, hlcAt(10)));
  });

  test("does not bring back what a known write has replaced, however late it arrives", () => {
    const first = opOf(KEY, version(EU, 1), new Map()).register;
    const second = written(first, version(US, 1));

    expect(mergeRegisters(second, first)).toEqual(second);
  });

  test("takes a write that arrives before the one it replaces", () => {
    const first = opOf(KEY, version(EU, 1), new Map()).register;
    const second = opOf(KEY, version(US, 1), first.context).register;

    expect(mergeRegisters(mergeRegisters(EMPTY_REGISTER, second), first).versions).toEqual([version(US, 1)]);
  });

  test("breaks a tie of clocks by origin, then by number, the same way everywhere", () => {
    const [eu, us] = [version(EU, 1, hlcAt(5)), version(US, 1, hlcAt(5))];

    expect([isLater(us, eu), isLater(eu, us), isLater(eu, eu)]).toEqual([true, false, false]);
    expect(isLater(version(EU, 2, hlcAt(5)), eu)).toBe(true);
    expect(winnerOf({ versions: [eu, us], context: new Map() })).toEqual(us);
    expect(winnerOf({ versions: [us, eu], context: new Map() })).toEqual(us);
  });
});

describe("a causal context", () => {
  test("covers every number of an origin up to the one it names", () => {
    const context = new Map([[EU, 3]]);

    expect([1, 3, 4].map((seq) => isCovered({ origin: EU, seq }, context))).toEqual([true, true, false]);
    expect(isCovered({ origin: US, seq: 1 }, context)).toBe(false);
  });

  test("joins another by the higher number of each origin", () => {
    expect(
      joinContexts(
        new Map([
          [EU, 3],
          [US, 1],
        ]),
        new Map([
          [EU, 2],
          [US, 4],
        ]),
      ),
    ).toEqual(
      new Map([
        [EU, 3],
        [US, 4],
      ]),
    );
  });
});

test("two dots are the same when origin and number are", () => {
  expect(sameDot({ origin: EU, seq: 1 }, { origin: EU, seq: 1 })).toBe(true);
  expect(sameDot({ origin: EU, seq: 1 }, { origin: EU, seq: 2 })).toBe(false);
  expect(sameDot({ origin: EU, seq: 1 }, { origin: US, seq: 1 })).toBe(false);
});
