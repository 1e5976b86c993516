/** What becomes of nodes whose directories or processes are not what they seem: whole nodes, in stories of a few steps. */
import { describe, expect, test } from "vitest";
import type { Fault } from "../../cluster-sim/faults.ts";
import { type RunOutcome, runStory } from "../../cluster-sim/run.ts";
import type { Place, Settings, WorkKind } from "../../cluster-sim/settings.ts";
import type { WorkStep } from "../../cluster-sim/work-plan.ts";
import { type NodeId, parseNodeId } from "../../shared/identity.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";

const EU = parseNodeId("eu");
const US = parseNodeId("us");
const AP = parseNodeId("ap");

const PLACES: readonly Place[] = [
  { name: EU, region: "eu-west", aheadMs: 0 },
  { name: US, region: "us-east", aheadMs: 0 },
  { name: AP, region: "ap-south", aheadMs: 0 },
];

function settings(changes: Partial<Settings> = {}): Settings {
  return {
    places: PLACES,
    safetyMs: 40_000,
    faults: [],
    faultEveryMs: 1_000,
    clients: 1,
    thinkMs: 1_000,
    loyalty: 1,
    work: [],
    repos: 1,
    tags: 4,
    images: 10,
    opLogOpsMax: 20_000,
    isChopped: false,
    commitMsMax: 4,
    jitterMs: 0,
    ...changes,
  };
}

/** One request of a client: the tag, the number of the image, and how it must end. */
function step(
  atMs: number,
  node: NodeId,
  kind: WorkKind,
  [tag, number, ends = "ok"]: readonly [string, number, string?],
): WorkStep {
  const where = { repo: parseRepositoryName("shop/app1"), tag: parseTag(tag), number };
  return { client: `at ${node}`, atMs, kind, node, ...where, skipsKnown: true, ends };
}

const PUSH = "push-image";
const READ = "read-tag";

async function told(faults: readonly Fault[], work: readonly WorkStep[]): Promise<RunOutcome["findings"]> {
  return (await runStory({ seed: 1, settings: settings(), faults, work })).findings;
}

describe("a node whose data directory", () => {
  test("was put back gets everything again that it had told, and writes on without giving a number twice", async () => {
    const findings = await told(
      [{ kind: "restore", node: EU, atMs: 8_000, forMs: 1_000, imageAtMs: 2_000 }],
      [
        step(1_000, EU, PUSH, ["v1", 1]),
        step(3_000, EU, PUSH, ["v1", 2]),
        step(4_000, EU, PUSH, ["v2", 3]),
        step(12_000, EU, PUSH, ["v3", 4]),
        { ...step(14_000, EU, READ, ["v1", 1]), shows: 2 },
        { ...step(14_500, US, READ, ["v3", 1]), shows: 4 },
      ],
    );

    expect(findings).toEqual([]);
  });

  test("was wiped is another origin of the same name, and gets what the others have", async () => {
    const findings = await told(
      [{ kind: "wipe", node: EU, atMs: 5_000, forMs: 500 }],
      [
        step(1_000, EU, PUSH, ["v1", 1]),
        { ...step(8_000, EU, READ, ["v1", 1]), shows: 1 },
        step(9_000, EU, PUSH, ["v1", 2]),
        { ...step(11_000, AP, READ, ["v1", 1]), shows: 2 },
      ],
    );

    expect(findings).toEqual([]);
  });

  test("is in use by a copy of it stops writing, as does the copy, until one of them is gone", async () => {
    const findings = await told(
      [{ kind: "clone", node: EU, atMs: 5_000, forMs: 4_000 }],
      [
        step(1_000, EU, PUSH, ["v1", 1]),
        step(7_000, EU, PUSH, ["v1", 2, "UNAVAILABLE"]),
        { ...step(8_000, EU, READ, ["v1", 1]), shows: 1 },
        step(14_000, EU, PUSH, ["v1", 3]),
      ],
    );

    expect(findings).toEqual([]);
  });
});

describe("a node that was started again", () => {
  test("writes nothing as long as nobody can say whether its data is the latest, and reads on", async () => {
    const lines = [EU].flatMap((eu) => [US, AP].flatMap((other) => [[eu, other] as const, [other, eu] as const]));
    const findings = await told(
      [
        { kind: "cut", shape: "isolated", atMs: 4_000, forMs: 26_000, lines },
        { kind: "exit", node: EU, atMs: 5_000, forMs: 500 },
      ],
      [
        step(1_000, EU, PUSH, ["v1", 1]),
        step(20_000, EU, PUSH, ["v1", 2, "UNAVAILABLE"]),
        { ...step(21_000, EU, READ, ["v1", 1]), shows: 1 },
        step(34_000, EU, PUSH, ["v1", 3]),
      ],
    );

    expect(findings).toEqual([]);
  });

  test("waits for one that is gone for good, but no longer than it promises", async () => {
    const findings = await told(
      [
        { kind: "die", node: AP, atMs: 3_000 },
        { kind: "exit", node: EU, atMs: 8_000, forMs: 500 },
      ],
      [
        step(1_000, AP, PUSH, ["v1", 1]),
        step(12_000, EU, PUSH, ["v2", 2, "UNAVAILABLE"]),
        step(20_000, EU, PUSH, ["v2", 3]),
        { ...step(22_000, US, READ, ["v1", 1]), shows: 1 },
      ],
    );

    expect(findings).toEqual([]);
  });

  test("after it had only been held for a while knows nothing of it, and agrees all the same", async () => {
    const findings = await told(
      [{ kind: "pause", node: EU, atMs: 5_000, forMs: 20_000 }],
      [
        step(1_000, EU, PUSH, ["v1", 1]),
        step(10_000, US, PUSH, ["v1", 2]),
        step(12_000, EU, PUSH, ["v2", 3]),
        { ...step(30_000, EU, READ, ["v1", 1]), shows: 2 },
        { ...step(31_000, AP, READ, ["v2", 1]), shows: 3 },
      ],
    );

    expect(findings).toEqual([]);
  });
});
