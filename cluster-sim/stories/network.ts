/** Rows 1 to 21: what goes wrong between nodes. */
import type { Fault } from "../faults.ts";
import { bothWays, type Line, oneWay } from "../lines.ts";
import { later, type Row, story } from "./row.ts";
import { every, FIVE, misses, N1, N2, N3, N4, N5, push, sees, THREE, told } from "./telling.ts";

type Span = { readonly atMs: number; readonly forMs: number };

const LONG: Span = { atMs: 2_000, forMs: 12_000 };

function cut(lines: readonly Line[], span: Span = LONG): Fault {
  return { kind: "cut", shape: "halves", ...span, lines };
}

/** In the ring n1 … n5 every node hears and is heard by its two neighbours alone. */
const BEYOND_NEIGHBOURS: readonly Line[] = FIVE.flatMap((name, index) =>
  oneWay(
    [name],
    FIVE.filter((_, other) => [2, 3].includes((other - index + 5) % 5)),
  ),
);

/** Waves of pushes on both sides of what is cut. */
const BOTH_SIDES = [push(5_000, N1, 1), push(5_000, N5, 2), misses(5_500, N3), push(8_000, N5, 3)];

export const NETWORK: readonly Row[] = [
  story(1, "two halves that do not hear each other", "I1 I3 I21", () =>
    told(1, { nodes: 5, faults: [cut(bothWays([N1, N2], [N3, N4, N5]))], work: BOTH_SIDES.slice(0, 2) }),
  ),
  story(2, "one node alone", "I1 I3 I16 I21", () =>
    told(2, {
      faults: [cut(bothWays([N1], [N2, N3]))],
      work: [push(4_000, N1, 1), sees(4_500, N1, 1), misses(5_000, N2)],
    }),
  ),
  story(3, "nothing gets from n1 to n2, but everything the other way", "I5 I16 I22", () =>
    told(3, { faults: [cut(oneWay([N1], [N2]))], work: [push(4_000, N1, 1), sees(10_000, N2, 1)] }),
  ),
  story(4, "a node that hears nobody", "I16 I21", () =>
    told(4, { nodes: 5, faults: [cut(oneWay([N2, N3, N4, N5], [N1]))], work: [push(4_000, N1, 1)] }),
  ),
  story(5, "a node that nobody hears", "I3 I17 I21", () =>
    told(5, { nodes: 5, faults: [cut(oneWay([N1], [N2, N3, N4, N5]))], work: [push(4_000, N1, 1), misses(9_000, N3)] }),
  ),
  story(6, "two halves with one node between them", "I1 I20", () =>
    told(6, {
      nodes: 5,
      faults: [cut(bothWays([N1, N2], [N4, N5]))],
      work: [push(4_000, N1, 1), sees(10_000, N5, 1)],
    }),
  ),
  story(7, "a ring in which every node sees another majority", "I1 I16", () =>
    told(7, { nodes: 5, faults: [cut(BEYOND_NEIGHBOURS)], work: [push(4_000, N1, 1), sees(12_000, N3, 1)] }),
  ),
  story(8, "a line that is cut and healed all the time, ever more slowly", "I16 I20 I22", () =>
    told(8, {
      forMs: 70_000,
      trafficMs: 1_200,
      faults: [
        ...every({ fromMs: 2_000, everyMs: 200, count: 20 }, (atMs) => cut(bothWays([N1], [N2]), { atMs, forMs: 100 })),
        ...every({ fromMs: 8_000, everyMs: 2_000, count: 8 }, (atMs) =>
          cut(bothWays([N1], [N2]), { atMs, forMs: 900 }),
        ),
        ...every({ fromMs: 25_000, everyMs: 20_000, count: 2 }, (atMs) =>
          cut(bothWays([N1], [N2]), { atMs, forMs: 10_000 }),
        ),
      ],
    }),
  ),
  story(9, "lines that go one after the other and come back in another order", "I1 I5 I22", () =>
    told(9, {
      nodes: 5,
      faults: [N2, N3, N4, N5].map((other, index) =>
        cut(bothWays([N1], [other]), { atMs: 2_000 + index * 1_000, forMs: [9_000, 2_000, 6_000, 3_000][index] ?? 0 }),
      ),
      work: every({ fromMs: 3_000, everyMs: 1_500, count: 6 }, (atMs, index) => push(atMs, N1, (index % 4) + 1)),
    }),
  ),
  story(10, "a line that stands still and then brings everything at once", "I2 I20", () =>
    told(10, {
      faults: [{ kind: "stall", atMs: 3_000, forMs: 8_000, lines: bothWays([N1], [N2, N3]) }],
      trafficMs: 150,
    }),
  ),
  story(11, "lines that lose a third of everything, jitter, and are narrow", "I1 I16 I22", () =>
    told(11, {
      forMs: 25_000,
      faults: [
        { kind: "weather", name: "lossy", ...LONG, lines: oneWay(THREE, THREE), quality: { loss: 0.3 } },
        { kind: "weather", name: "far", ...LONG, lines: bothWays([N1], [N2]), quality: { jitterMs: 5_000 } },
        { kind: "weather", name: "narrow", ...LONG, lines: bothWays([N2], [N3]), quality: { bytesPerSecond: 8_000 } },
      ],
    }),
  ),
  story(12, "every message arrives again, at any later time", "I2 I4", () =>
    told(12, {
      faults: [{ kind: "weather", name: "echoing", ...LONG, lines: oneWay(THREE, THREE), quality: { repeats: 1 } }],
    }),
  ),
  story(13, "calls overtake each other by seconds", "I2 I5", () =>
    told(13, {
      faults: [
        {
          kind: "weather",
          name: "far",
          ...LONG,
          lines: oneWay(THREE, THREE),
          quality: { latencyMs: 300, jitterMs: 3_000 },
        },
      ],
    }),
  ),
  story(14, "catch-up that is cut off in the middle, again and again", "I5", () =>
    told(14, {
      trafficMs: 150,
      settings: { opLogOpsMax: 16, isChopped: true, commitMsMax: 60 },
      faults: [
        cut(bothWays([N1], [N2, N3]), { atMs: 2_000, forMs: 6_000 }),
        ...every({ fromMs: 8_200, everyMs: 300, count: 20 }, (atMs, index) => ({
          kind: "reset" as const,
          atMs,
          pair: [N1, index % 2 === 0 ? N2 : N3] as const,
          isOneSided: index % 3 === 0,
        })),
      ],
    }),
  ),
  story(15, "a host loses its power, and nobody is told that its connections are gone", "I17 I20 I22", () =>
    told(15, { faults: [{ kind: "crash", isSilent: true, atMs: 5_000, forMs: 10_000, node: N2 }] }),
  ),
  story(16, "a line takes ten times as long, for good", "I16 I22", () =>
    told(16, {
      faults: [
        {
          kind: "weather",
          name: "far",
          atMs: 3_000,
          forMs: 17_000,
          lines: bothWays([N1], [N2, N3]),
          quality: { latencyMs: 400 },
        },
      ],
      work: [push(8_000, N1, 1), sees(12_000, N2, 1)],
    }),
  ),
  story(17, "manifests that are too large for an op, on a line that is narrow", "I22", () =>
    told(17, {
      traffic: ["push-large", "push-large", "read-tag", "pull"],
      trafficMs: 1_000,
      faults: [
        { kind: "weather", name: "narrow", ...LONG, lines: oneWay(THREE, THREE), quality: { bytesPerSecond: 50_000 } },
      ],
    }),
  ),
  later(18, "a node comes back under another address", "I18", "eviction and addresses"),
  story(19, "three parts, which find each other one by one", "I1 I7", () =>
    told(19, {
      nodes: 5,
      faults: [
        cut(bothWays([N1], [N2, N3]), { atMs: 2_000, forMs: 6_000 }),
        cut(bothWays([N2, N3], [N4, N5]), { atMs: 2_000, forMs: 9_000 }),
        cut(bothWays([N1], [N4, N5]), { atMs: 2_000, forMs: 12_000 }),
      ],
      traffic: ["push-image", "move-tag", "delete-tag", "delete-manifest", "read-tag"],
    }),
  ),
  story(20, "blobs alone do not get through", "I9 I22", () =>
    told(20, {
      faults: [{ kind: "cut", shape: "blobs only", ...LONG, lines: bothWays([N1], [N2, N3]), planes: ["blobs"] }],
      work: [push(4_000, N1, 1), sees(6_000, N2, 1), sees(6_000, N3, 1)],
    }),
  ),
  story(21, "layers fill the lines", "I16 I22", () =>
    told(21, {
      traffic: ["push-large", "pull", "pull", "push-index"],
      trafficMs: 120,
      faults: [
        { kind: "weather", name: "narrow", ...LONG, lines: oneWay(THREE, THREE), quality: { bytesPerSecond: 200_000 } },
      ],
      work: [push(4_000, N1, 1), sees(12_000, N3, 1)],
    }),
  ),
];
