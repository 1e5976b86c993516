/** Rows 22 to 46: clocks, disks and crashes. */
import type { Fault } from "../faults.ts";
import { bothWays } from "../lines.ts";
import { bug, later, type Row, story, tested } from "./row.ts";
import { every, FIVE, N1, N2, N3, push, sees, THREE, told } from "./telling.ts";

const YEAR_MS = 365 * 24 * 3_600_000;
/** From when a world begins back to 1970. */
const ALL_TIME_MS = 56 * YEAR_MS;

function exits(span: { readonly fromMs: number; readonly everyMs: number; readonly count: number }): readonly Fault[] {
  return every(span, (atMs, index) => ({ kind: "exit", atMs, forMs: 100, node: THREE[index % 3] ?? N1 }));
}

export const MACHINES: readonly Row[] = [
  story(22, "clocks that are wrong by a little, by hours and by years", "I8 I19 I21", () =>
    told(22, { nodes: 5, aheadMs: [100, -100, 10_000, -3_600_000, 10 * YEAR_MS] }),
  ),
  story(23, "a clock that jumps an hour ahead and back", "I1 I19", () =>
    told(23, {
      faults: [
        { kind: "clock", atMs: 5_000, node: N1, byMs: 3_600_000 },
        { kind: "clock", atMs: 9_000, node: N1, byMs: -3_600_000 },
      ],
      trafficMs: 200,
    }),
  ),
  story(24, "a clock that jumps back while there are writes", "I8 I19", () =>
    told(24, {
      faults: every({ fromMs: 3_000, everyMs: 700, count: 12 }, (atMs, index) => ({
        kind: "clock" as const,
        atMs,
        node: N1,
        byMs: index % 2 === 0 ? -400 : 380,
      })),
      trafficMs: 120,
    }),
  ),
  story(25, "a clock that jumps ahead and back every few milliseconds", "I8 I19", () =>
    told(25, {
      faults: [{ kind: "strobe", atMs: 3_000, forMs: 10_000, node: N1, byMs: 200, everyMs: 5 }],
      trafficMs: 200,
    }),
  ),
  story(26, "a clock that runs wrong", "I16 I19", () =>
    told(26, { forMs: 40_000, faults: [{ kind: "drift", atMs: 2_000, forMs: 38_000, node: N1, ppm: 10_000 }] }),
  ),
  story(27, "all clocks but one are wrong", "I1 I8", () =>
    told(27, { nodes: 5, aheadMs: [0, 5_000, 5_000, 5_000, 5_000] }),
  ),
  story(28, "processes that stand still for a moment, and for a minute", "I1 I16", () =>
    told(28, {
      forMs: 60_000,
      trafficMs: 900,
      faults: [
        { kind: "pause", atMs: 3_000, forMs: 100, node: N1 },
        { kind: "pause", atMs: 6_000, forMs: 40_000, node: N2 },
        { kind: "pause", atMs: 12_000, forMs: 5_000, node: N3 },
      ],
    }),
  ),
  story(29, "a machine that starts in 1970", "I1 I19", () =>
    told(29, {
      faults: [
        { kind: "exit", atMs: 5_000, forMs: 500, node: N1 },
        { kind: "clock", atMs: 5_200, node: N1, byMs: -ALL_TIME_MS },
        { kind: "clock", atMs: 12_000, node: N1, byMs: ALL_TIME_MS },
      ],
    }),
  ),
  story(30, "crashes at every step of everything", "I3 I4 I5", () =>
    told(30, {
      forMs: 30_000,
      trafficMs: 100,
      settings: { commitMsMax: 120, opLogOpsMax: 16, isChopped: true },
      faults: every({ fromMs: 2_000, everyMs: 370, count: 70 }, (atMs, index) => ({
        kind: "crash" as const,
        atMs,
        forMs: 40 + (index % 5) * 60,
        node: THREE[index % 3] ?? N1,
      })),
    }),
  ),
  bug(31, "an op is sent before it is durable, and the sender crashes", "I4", "send before the batch is synced"),
  tested(32, "a torn write at the end of the log", "I3", [
    "test/storage/journal.test.ts",
    "in its last record is told from a torn one when the store has that batch",
  ]),
  story(33, "the power goes, and with it what was not synced", "I3 I5", () =>
    told(33, {
      trafficMs: 120,
      settings: { commitMsMax: 30 },
      faults: every({ fromMs: 3_000, everyMs: 1_500, count: 9 }, (atMs, index) => ({
        kind: "crash" as const,
        atMs,
        forMs: 300,
        node: THREE[index % 3] ?? N1,
        isSilent: index % 2 === 0,
      })),
    }),
  ),
  tested(34, "a sync that fails once", "I3", [
    "test/contract/disk.test.ts",
    "syncs a staging never again after that has failed once",
  ]),
  later(35, "bits that turn over on the disk", "I12 I6", "faults of the disk in the simulator"),
  later(36, "a write that lands elsewhere", "I12", "faults of the disk in the simulator"),
  tested(37, "a disk that is full, and has room again", "I21", [
    "test/storage/uploads.test.ts",
    "that does not fit on the disk is refused, and the session goes on when there is room again",
  ]),
  story(38, "a disk that takes seconds for every sync", "I16 I20", () =>
    told(38, { forMs: 40_000, trafficMs: 1_500, settings: { commitMsMax: 5_000 } }),
  ),
  later(39, "a disk that has become read-only", "I21", "faults of the disk in the simulator"),
  story(40, "a store that has lost its latest batches", "I4", () =>
    told(40, { faults: [{ kind: "restore", atMs: 10_000, forMs: 1_200, node: N1, imageAtMs: 8_500 }], trafficMs: 250 }),
  ),
  story(41, "a data directory that was wiped", "I1 I18", () =>
    told(41, { faults: [{ kind: "wipe", atMs: 8_000, forMs: 500, node: N2 }] }),
  ),
  story(42, "a backup that was put back", "I3 I4", () =>
    told(42, { faults: [{ kind: "restore", atMs: 12_000, forMs: 2_000, node: N1, imageAtMs: 2_000 }], trafficMs: 250 }),
  ),
  story(43, "two machines with one data directory", "I4 I18", () =>
    told(43, { faults: [{ kind: "clone", atMs: 6_000, forMs: 4_000, node: N1 }] }),
  ),
  story(44, "a node that exits over and over while it catches up", "I5 I22", () =>
    told(44, {
      forMs: 25_000,
      trafficMs: 200,
      settings: { opLogOpsMax: 16, isChopped: true, commitMsMax: 30 },
      faults: [
        { kind: "wipe", atMs: 8_000, forMs: 100, node: N2 },
        ...every({ fromMs: 8_400, everyMs: 350, count: 20 }, (atMs) => ({
          kind: "exit" as const,
          atMs,
          forMs: 20,
          node: N2,
        })),
      ],
    }),
  ),
  later(45, "a whole region loses its power for good", "I14", "placement and write concerns"),
  story(46, "everybody loses the power at once, twice", "I1 I3", () =>
    told(46, {
      nodes: 5,
      trafficMs: 150,
      settings: { commitMsMax: 30 },
      faults: [6_000, 12_000].flatMap((atMs) =>
        FIVE.map((node): Fault => ({ kind: "crash", atMs, forMs: 800, node, isSilent: false })),
      ),
      work: [push(5_500, N3, 1), sees(9_000, N2, 1)],
    }),
  ),
  story(47, "a node that leaves in good order and comes back", "I18 I3", () =>
    told(47, {
      faults: [
        { kind: "stop", atMs: 4_000, forMs: 6_000, node: N2 },
        ...exits({ fromMs: 15_000, everyMs: 1_000, count: 3 }),
      ],
      work: [push(6_000, N1, 1), sees(14_500, N2, 1)],
    }),
  ),
  story(48, "a node is away for long, and brings writes that nobody else has seen", "I1 I3 I7", () =>
    told(48, {
      forMs: 60_000,
      trafficMs: 1_000,
      settings: { opLogOpsMax: 16 },
      work: [push(5_000, N1, 1), push(9_000, N2, 2)],
      faults: [
        { kind: "cut", shape: "isolated", atMs: 4_500, forMs: 2_000, lines: bothWays([N1], [N2, N3]) },
        { kind: "exit", atMs: 6_000, forMs: 45_000, node: N1 },
      ],
    }),
  ),
  story(49, "a third of the nodes starts anew at once", "I16 I22", () =>
    told(49, {
      nodes: 6,
      trafficMs: 300,
      faults: [N1, N2].map((node): Fault => ({ kind: "stop", atMs: 6_000, forMs: 1_000, node })),
    }),
  ),
  story(50, "many nodes begin at once, with nothing", "I20 I22", () =>
    told(50, { nodes: 10, forMs: 8_000, work: [push(500, N1, 1), sees(4_000, N3, 1)], trafficMs: 800 }),
  ),
];
