/** Rows 76 to 95: blobs, and peers and processes that do what they should not. */
import { bothWays } from "../lines.ts";
import { later, type Row, story, tested } from "./row.ts";
import { ask, every, N1, N2, N3, push, sees, THREE, told } from "./telling.ts";

const PULLING = ["push-image", "push-large", "pull", "pull", "read-tag"] as const;

export const BYTES: readonly Row[] = [
  story(76, "blobs that are wrong at their source, and ones that end too early", "I12", () =>
    told(76, {
      traffic: PULLING,
      trafficMs: 150,
      faults: [
        { kind: "lie", lie: "bytes", atMs: 2_000, forMs: 5_000, node: N1 },
        { kind: "lie", lie: "short", atMs: 8_000, forMs: 5_000, node: N2 },
        { kind: "lie", lie: "bytes", atMs: 9_000, forMs: 6_000, node: N3 },
      ],
    }),
  ),
  story(77, "the source of a transfer goes away, or deletes what it sends", "I9", () =>
    told(77, {
      traffic: ["push-image", "pull", "pull", "pull", "delete-blob"],
      trafficMs: 120,
      faults: every({ fromMs: 2_500, everyMs: 900, count: 14 }, (atMs, index) => ({
        kind: "exit" as const,
        atMs,
        forMs: 150,
        node: THREE[index % 3] ?? N1,
      })),
    }),
  ),
  later(78, "a blob is said to be there, collected everywhere, and then named", "I13", "garbage collection"),
  later(79, "a manifest is deleted while its blob is mounted elsewhere", "I13", "garbage collection"),
  later(80, "a digest is pushed again while it lies in the trash", "I13", "garbage collection"),
  later(81, "owners of a blob change while it is repaired", "I14", "placement and write concerns"),
  later(82, "all owners of a blob are lost at once", "I9", "placement and write concerns"),
  tested(83, "an upload that goes on in another region", "I12", [
    "test/registry-api/hostile-questions.test.ts",
    "an upload session that is not there, or not in this repository, is 404",
  ]),
  tested(84, "two clients send different bytes under one digest", "I12", [
    "test/registry-api/uploads.test.ts",
    "is refused by POST when the digest is another's, and is not kept (oci end-4b)",
  ]),
  story(85, "everybody in one region pulls a layer that is not there", "I20 I12", () =>
    told(85, {
      trafficMs: 0,
      work: [
        push(500, N1, 1),
        ...every({ fromMs: 4_000, everyMs: 0, count: 60 }, (atMs, index) =>
          ask("pull", atMs, N2, { client: `herd ${index}`, ends: "ok" }),
        ),
      ],
    }),
  ),
  later(86, "a cache is pressed for room while others rely on it", "I13", "garbage collection"),
  later(87, "a peer forges ops of another origin", "I24", "certificates"),
  story(88, "an origin shows two contents under one dot", "I4 I24", () =>
    told(88, { faults: [{ kind: "lie", lie: "ops", atMs: 4_000, forMs: 4_000, node: N1 }], trafficMs: 300 }),
  ),
  later(89, "a peer claims to hold what it does not", "I6", "certificates"),
  tested(90, "bombs, numbers without end, contexts without measure", "I20 I24", [
    "test/unit/shared/version-vector.test.ts",
    "are refused when they name more origins, or more gaps, than a cluster can have",
  ]),
  tested(91, "readers that take their bytes one by one", "I20", [
    "test/simulation/blob-fetch.test.ts",
    "a slow reader holds up neither the transfer nor another reader",
  ]),
  later(92, "an event loop that is blocked for half a minute", "I16", "watchdogs"),
  story(93, "processes that are killed from one moment to the next", "I3 I16", () =>
    told(93, {
      trafficMs: 150,
      faults: every({ fromMs: 2_000, everyMs: 1_100, count: 14 }, (atMs, index) => ({
        kind: "exit" as const,
        atMs,
        forMs: 250,
        node: THREE[(index * 2) % 3] ?? N1,
      })),
    }),
  ),
  story(94, "a node that stops serving in the middle of everything and is started by its supervisor", "I3", () =>
    told(94, {
      trafficMs: 200,
      faults: every({ fromMs: 3_000, everyMs: 2_500, count: 5 }, (atMs) => ({
        kind: "exit" as const,
        atMs,
        forMs: 1_000,
        node: N2,
      })),
      work: [push(6_000, N1, 1), sees(18_500, N2, 1)],
    }),
  ),
  story(95, "one story, told twice", "I26", () =>
    told(95, {
      faults: [
        { kind: "cut", shape: "halves", atMs: 2_000, forMs: 6_000, lines: bothWays([N1], [N2, N3]) },
        { kind: "crash", atMs: 9_000, forMs: 500, node: N2, isSilent: false },
        { kind: "clock", atMs: 10_000, node: N3, byMs: 700 },
      ],
    }),
  ),
];
