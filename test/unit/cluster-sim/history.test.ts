import { describe, expect, test } from "vitest";
import { Findings } from "../../../cluster-sim/checkers/findings.ts";
import { type Answered, judgeHistory } from "../../../cluster-sim/checkers/history.ts";
import { Oracle } from "../../../cluster-sim/oracle.ts";
import { encodeCausalToken } from "../../../shared/causal-token.ts";
import { encodeChange, opOf } from "../../../shared/change.ts";
import { digestOf } from "../../../shared/digest.ts";
import { hlcOf } from "../../../shared/hlc.ts";
import { parseNodeId, parseOrigin, parseRegion } from "../../../shared/identity.ts";
import { parseRepositoryName, parseTag } from "../../../shared/reference.ts";
import type { Version } from "../../../shared/register.ts";

const KEY = { kind: "tag", repo: parseRepositoryName("shop/api"), tag: parseTag("v1") } as const;
const EU = parseOrigin("00000000000000e1");
const AUTHOR = { node: parseNodeId("eu-1"), region: parseRegion("eu"), actor: "tester" };

function version(seq: number): Version {
  const value = { kind: "tag", digest: digestOf(Buffer.from(`${seq}`)) } as const;
  return { dot: { origin: EU, seq }, hlc: hlcOf(BigInt(seq)), author: AUTHOR, value };
}

const FIRST = version(1);
const SECOND = version(2);

/** What two writes left in a log, the second over the first. */
function oracle(): Oracle {
  const known = new Oracle();
  known.learn(encodeChange(opOf(KEY, FIRST, new Map())));
  known.learn(encodeChange(opOf(KEY, SECOND, new Map([[EU, 1]]))));
  return known;
}

type Asked = { readonly client?: string; readonly node?: string; readonly beganMs: number; readonly endedMs: number };

function write({ dot, value }: Version, asked: Asked): Answered {
  return { kind: "write", client: "ann", node: "eu", key: KEY, token: encodeCausalToken([dot]), value, ...asked };
}

function read({ dot }: Version, asked: Asked, isAfter = false): Answered {
  return { kind: "read", client: "ann", node: "eu", key: KEY, token: encodeCausalToken([dot]), isAfter, ...asked };
}

function found(history: readonly Answered[]): readonly string[] {
  const findings = new Findings(() => undefined);
  judgeHistory(history, oracle(), findings);
  return findings.all.map(({ invariant }) => invariant);
}

const WRITTEN = [write(FIRST, { beganMs: 0, endedMs: 5 }), write(SECOND, { beganMs: 10, endedMs: 15 })];

describe("a history of what clients were told", () => {
  test("is right when reads go forward, and while they overlap with what is newer", () => {
    expect(
      found([
        ...WRITTEN,
        read(FIRST, { beganMs: 6, endedMs: 9 }),
        read(FIRST, { beganMs: 12, endedMs: 20 }),
        read(SECOND, { beganMs: 21, endedMs: 22 }),
        read(FIRST, { beganMs: 23, endedMs: 24, node: "us" }),
      ]),
    ).toEqual([]);
  });

  test("is right in whatever order the nodes' logs were read", () => {
    const deletes = [1, 2, 3].map((seq): Version => ({ ...version(seq), value: { kind: "removed" } }));
    const known = new Oracle();
    for (const one of deletes.toReversed()) known.learn(encodeChange(opOf(KEY, one, new Map([[EU, one.dot.seq - 1]]))));
    const findings = new Findings(() => undefined);
    const history = deletes.flatMap((one, index) => [
      write(one, { beganMs: 10 * index, endedMs: 10 * index + 1 }),
      read(one, { beganMs: 10 * index + 2, endedMs: 10 * index + 3 }),
    ]);

    judgeHistory(history, known, findings);

    expect(findings.all).toEqual([]);
  });

  test("is wrong when a node goes back behind what it has acknowledged", () => {
    expect(found([...WRITTEN, read(FIRST, { beganMs: 16, endedMs: 17 })])).toEqual(["I8 causality"]);
  });

  test("is wrong when another node answers with less than its client said it had seen", () => {
    expect(found([...WRITTEN, read(FIRST, { beganMs: 16, endedMs: 17, node: "us" }, true)])).toEqual(["I8 causality"]);
  });

  test("is wrong when what was acknowledged is in nobody's log", () => {
    expect(found([write(version(3), { beganMs: 0, endedMs: 1 })])).toEqual(["I3 no lost acknowledged op"]);
  });
});
