import { describe, expect, test } from "vitest";

import { Oracle } from "../../../cluster-sim/oracle.ts";
import { encodeChange, opOf } from "../../../shared/change.ts";
import { digestOf } from "../../../shared/digest.ts";
import { hlcOf } from "../../../shared/hlc.ts";
import { parseNodeId, parseOrigin, parseRegion } from "../../../shared/identity.ts";
import { parseRepositoryName, parseTag } from "../../../shared/reference.ts";
import type { RegisterKey, Version } from "../../../shared/register.ts";

const KEY: RegisterKey = { kind: "tag", repo: parseRepositoryName("shop/api"), tag: parseTag("v1") };
const EU = parseOrigin("00000000000000e1");
const US = parseOrigin("00000000000000a2");

function version(origin: typeof EU, seq: number, at: number): Version {
  const author = { node: parseNodeId("n1"), region: parseRegion("eu"), actor: "tester" };
  const value = { kind: "tag", digest: digestOf(Buffer.from(`${origin} ${seq}`)) } as const;
  return { dot: { origin, seq }, hlc: hlcOf(BigInt(at)), author, value };
}

/** `seen`: what the writer knew of the register. */
function op(written: Version, seen: readonly Version[] = []): Uint8Array {
  return encodeChange(opOf(KEY, written, new Map(seen.map(({ dot }) => [dot.origin, dot.seq]))));
}

describe("what all ops come to", () => {
  const first = version(EU, 1, 10);
  const later = version(EU, 2, 20);
  const apart = version(US, 1, 15);

  test("is every version that no other writer had seen, in whatever order they are learnt", () => {
    for (const order of [
      [op(first), op(later, [first]), op(apart, [first])],
      [op(apart, [first]), op(later, [first]), op(first)],
    ]) {
      const oracle = new Oracle();
      for (const bytes of order) oracle.learn(bytes);

      expect(oracle.register(KEY)).toEqual({
        versions: [apart, later],
        context: new Map([
          [EU, 2],
          [US, 1],
        ]),
      });
      expect(oracle.winner(KEY)).toEqual(later);
    }
  });

  test("is the last word of whoever had seen it all, however wrong the clock", () => {
    const oracle = new Oracle();
    const last = version(US, 2, 1);
    for (const bytes of [op(first), op(later, [first]), op(last, [later])]) oracle.learn(bytes);

    expect(oracle.winner(KEY)).toEqual(last);
  });

  test("knows a dot that stands for two contents", () => {
    const oracle = new Oracle();

    expect(oracle.learn(op(first))).toEqual({ dot: first.dot, isNew: true, isSame: true });
    expect(oracle.learn(op(first))).toEqual({ dot: first.dot, isNew: false, isSame: true });
    expect(oracle.learn(op(version(EU, 1, 11)))).toEqual({ dot: first.dot, isNew: false, isSame: false });
  });
});
