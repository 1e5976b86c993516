/** Rows 51 to 75: members, and what metadata means. */
import { bothWays, oneWay } from "../lines.ts";
import type { WorkStep } from "../work-plan.ts";
import { later, type Row, story, tested } from "./row.ts";
import { ask, every, FIVE, misses, N1, N2, N3, N4, N5, push, sees, THREE, told } from "./telling.ts";

const APART = { kind: "cut", shape: "all", atMs: 2_000, forMs: 8_000 } as const;

/** A client that writes in one region and reads in another at once, and says there what it has seen. */
function travels(atMs: number, number: number, kind: "push-image" | "push-large" = "push-image"): readonly WorkStep[] {
  const client = "traveller";
  return [ask(kind, atMs, N1, { client, number, ends: "ok" }), ask("read-after", atMs, N2, { client })];
}

export const MEANING: readonly Row[] = [
  story(51, "a relay stands still in the middle of a stream", "I5", () =>
    told(51, {
      nodes: 13,
      forMs: 14_000,
      trafficMs: 900,
      faults: [{ kind: "pause", atMs: 4_000, forMs: 6_000, node: N4 }],
      work: [push(3_000, N1, 1), push(5_000, N1, 2), sees(12_000, N5, 2)],
    }),
  ),
  tested(52, "a list of seeds that leads to another cluster", "I24", [
    "test/integration/rpc.test.ts",
    "a node of another cluster, whatever it asks",
  ]),
  later(53, "two operators evict each other's regions during a cut", "I13", "eviction and addresses"),
  later(54, "a node is evicted that holds the only copy of a blob", "I9", "eviction and addresses"),
  later(55, "certificates that have run out", "I20", "certificates"),
  later(56, "an old node meets a kind of op that it does not know", "I25 I2", "versions side by side"),
  later(57, "an upgrade one by one, and back", "I25", "versions side by side"),
  story(58, "five regions move one tag at once", "I1 I3", () =>
    told(58, {
      nodes: 5,
      trafficMs: 0,
      faults: [{ ...APART, lines: oneWay(FIVE, FIVE) }],
      work: FIVE.map((node, index) => push(4_000, node, index + 1)),
    }),
  ),
  story(59, "a move beside a delete, two deletes, and a move after a delete that nobody else has seen", "I7 I8", () =>
    told(59, {
      trafficMs: 0,
      faults: [{ ...APART, lines: oneWay(THREE, THREE) }],
      work: [
        push(200, N1, 1),
        sees(1_500, N2, 1),
        ask("delete-tag", 4_000, N1, { ends: "ok" }),
        ask("delete-tag", 4_000, N2, { ends: "ok" }),
        push(4_500, N3, 2),
        push(5_500, N1, 3),
        misses(6_000, N2),
        sees(14_000, N2, 3),
      ],
    }),
  ),
  story(60, "a tag goes from one image to another and back, and the move between is late", "I8", () =>
    told(60, {
      trafficMs: 0,
      faults: [{ kind: "cut", shape: "one line", atMs: 2_500, forMs: 8_000, lines: bothWays([N1], [N2, N3]) }],
      work: [
        push(200, N1, 1),
        push(3_000, N1, 2),
        sees(4_000, N2, 1),
        push(5_000, N1, 1),
        sees(14_000, N3, 1),
        ...travels(15_000, 3),
      ],
    }),
  ),
  story(61, "a tag comes before its manifest, whose only holder is away", "I9", () =>
    told(61, {
      trafficMs: 0,
      faults: [
        {
          kind: "cut",
          shape: "blobs only",
          atMs: 2_500,
          forMs: 17_000,
          lines: bothWays([N1], [N2, N3]),
          planes: ["blobs"],
        },
        { kind: "exit", atMs: 5_000, forMs: 8_000, node: N1 },
      ],
      work: [
        push(200, N1, 1),
        ask("push-large", 3_000, N1, { number: 2, ends: "ok" }),
        sees(10_000, N2, 1),
        ...travels(3_200, 2, "push-large"),
      ],
    }),
  ),
  story(62, "indexes before their images, in any order of arrival", "I9", () =>
    told(62, {
      traffic: ["push-index", "push-index", "push-large", "read-tag", "pull"],
      trafficMs: 250,
      settings: { isChopped: true, opLogOpsMax: 16 },
      faults: [
        { ...APART, lines: bothWays([N1], [N2, N3]) },
        {
          kind: "weather",
          name: "far",
          atMs: 10_000,
          forMs: 8_000,
          lines: oneWay(THREE, THREE),
          quality: { jitterMs: 900 },
        },
      ],
    }),
  ),
  later(63, "a policy makes tags immutable while one is being moved", "I11 I23", "policies"),
  story(64, "a manifest is deleted in one region while it is pushed in another", "I1", () =>
    told(64, {
      traffic: ["push-image", "delete-manifest", "move-tag", "delete-tag"],
      trafficMs: 150,
      settings: { images: 2, tags: 2 },
      faults: every({ fromMs: 2_000, everyMs: 3_000, count: 5 }, (atMs) => ({
        ...APART,
        atMs,
        forMs: 2_000,
        lines: oneWay(THREE, THREE),
      })),
    }),
  ),
  later(65, "five regions compare and set one strict tag", "I10", "strict tags"),
  later(66, "the home region of a tag is lost, and comes back with writes", "I10 I3", "strict tags"),
  story(67, "one client pushes a hundred times as fast as all others", "I20 I22", () =>
    told(67, {
      forMs: 10_000,
      work: [
        ...every({ fromMs: 1_000, everyMs: 10, count: 600 }, (atMs, index) =>
          ask("push-image", atMs, N1, {
            client: "storm",
            number: (index % 4) + 1,
            tag: `storm${index % 7}`,
            skipsKnown: true,
          }),
        ),
        push(5_000, N2, 1),
        sees(8_000, N3, 1),
      ],
    }),
  ),
  story(68, "a long catch-up while writes go on, whose source dies before its end", "I5 I22", () =>
    told(68, {
      forMs: 30_000,
      trafficMs: 150,
      traffic: ["push-image", "move-tag", "delete-tag", "read-tag"],
      settings: { opLogOpsMax: 16, isChopped: true, commitMsMax: 120 },
      work: every({ fromMs: 12_050, everyMs: 150, count: 40 }, (atMs, index) =>
        ask("look", atMs, index % 2 === 0 ? N2 : N3, { client: `observer ${index % 2}` }),
      ),
      faults: [
        { kind: "cut", shape: "isolated", atMs: 2_000, forMs: 10_000, lines: bothWays([N1], [N2, N3]) },
        { kind: "die", atMs: 13_000, node: N1 },
      ],
    }),
  ),
  story(69, "a source of catch-up that is itself catching up", "I5", () =>
    told(69, {
      forMs: 30_000,
      trafficMs: 150,
      settings: { opLogOpsMax: 16, isChopped: true, commitMsMax: 60 },
      faults: [
        { kind: "cut", shape: "one line", atMs: 2_000, forMs: 18_000, lines: bothWays([N1], [N3]) },
        { kind: "cut", shape: "isolated", atMs: 2_000, forMs: 8_000, lines: bothWays([N2], [N1, N3]) },
        ...every({ fromMs: 10_300, everyMs: 500, count: 8 }, (atMs) => ({
          kind: "reset" as const,
          atMs,
          pair: [N2, N1] as const,
          isOneSided: false,
        })),
      ],
    }),
  ),
  later(70, "an op at which the reader stumbles", "I1 I22", "versions side by side"),
  later(71, "an op that a newer version would refuse", "I2", "versions side by side"),
  story(72, "writes of one millisecond at several nodes", "I1", () =>
    told(72, {
      trafficMs: 0,
      settings: { commitMsMax: 0, jitterMs: 0 },
      work: every({ fromMs: 1_000, everyMs: 500, count: 20 }, (atMs) =>
        THREE.map((node, other) => ask("push-image", atMs, node, { number: other + 1, skipsKnown: true })),
      ).flat(),
    }),
  ),
  story(73, "everybody writes one tag alone, and then one writes with all in sight", "I1 I20", () =>
    told(73, {
      nodes: 5,
      trafficMs: 0,
      faults: [{ ...APART, lines: oneWay(FIVE, FIVE) }],
      work: [...FIVE.map((node, index) => push(4_000, node, index + 1)), push(16_000, N2, 1), sees(18_500, N5, 1)],
    }),
  ),
  later(74, "a register is collected while a late op is under way", "I7", "garbage collection"),
  tested(75, "vectors of as many origins as a cluster can have had", "I20", [
    "test/unit/shared/version-vector.test.ts",
    "are refused when they name more origins, or more gaps, than a cluster can have",
  ]),
];
