/**
 * Swarm testing: each seed first draws which kinds of fault and of work there are in its run, and how much of each. A
 * run in which everything happens at once is a run in which nothing lasts long enough to go wrong; leaving most of it
 * out finds more. Source: Groce et al., "Swarm Testing" (ISSTA 2012).
 */
import type { NodeId } from "../shared/identity.ts";
import { parseNodeId } from "../shared/identity.ts";
import type { NetworkFaultKind } from "./network-faults.ts";
import type { Prng } from "./prng.ts";
import { REGION_NAMES, type RegionName } from "./regions.ts";

export const SCENARIOS = [
  "swarm",
  "calm",
  "cuts",
  "weather",
  "disks",
  "crashes",
  "clocks",
  "lies",
  "processes",
  "twists",
  "deletes",
  "sessions",
  "lite",
  "performance",
] as const;
export type Scenario = (typeof SCENARIOS)[number];

export type Place = { readonly name: NodeId; readonly region: RegionName; readonly aheadMs: number };

/** See `process-faults.ts`. */
export const PROCESS_FAULT_KINDS = ["wipe", "restore", "clone", "die", "pause", "drift", "strobe"] as const;
export type ProcessFaultKind = (typeof PROCESS_FAULT_KINDS)[number];

export type FaultKind =
  | "cut"
  | "slow"
  | "crash"
  | "exit"
  | "stop"
  | "clock"
  | "lie"
  | "twist"
  | "ailment"
  | "rot"
  | NetworkFaultKind
  | ProcessFaultKind;

export const WORK_KINDS = [
  "push-image",
  "push-index",
  "push-large",
  "move-tag",
  "delete-tag",
  "delete-manifest",
  "delete-blob",
  "read-tag",
  "read-after",
  "pull",
] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

export type Settings = {
  readonly places: readonly Place[];
  /** How long faults go on. */
  readonly safetyMs: number;
  readonly faults: readonly FaultKind[];
  /** Mean time between two faults. */
  readonly faultEveryMs: number;
  readonly clients: number;
  /** Mean time between two requests of one client. */
  readonly thinkMs: number;
  /** Share of a client's requests that go to the node it is nearest to. */
  readonly loyalty: number;
  readonly work: readonly WorkKind[];
  readonly repos: number;
  readonly tags: number;
  readonly images: number;
  /** Ops of each origin that stay at hand as ops: never fewer than one batch may hold, or the oracle would miss some. */
  readonly opLogOpsMax: number;
  /** Whether catch-up sessions come in the smallest frames there can be, so that they last, and break in the middle. */
  readonly isChopped: boolean;
  /** What a synced batch takes at most. */
  readonly commitMsMax: number;
  /** Of every line, whatever else lies on it. */
  readonly jitterMs: number;
  readonly tailMs?: number;
  readonly loss?: number;
  readonly bytesPerSecond?: number;
};

const FAULTS: Readonly<Record<Scenario, readonly FaultKind[]>> = {
  swarm: ["cut", "cut", "slow", "weather", "stall", "reset", "crash", "exit", "stop", "clock", "lie"],
  calm: [],
  cuts: ["cut", "slow"],
  weather: ["weather", "stall", "reset", "cut"],
  disks: ["ailment", "ailment", "rot", "crash"],
  crashes: ["crash", "exit", "stop"],
  clocks: ["clock", "cut", "drift", "strobe"],
  lies: ["lie", "lie", "exit", "cut"],
  processes: [...PROCESS_FAULT_KINDS, "cut", "exit"],
  // Which of two ops under one dot is the first, a node that has caught up without ops cannot tell.
  twists: ["twist"],
  deletes: ["cut", "exit"],
  // Catch-up that is long, frequent and broken off.
  sessions: ["cut", "exit", "crash"],
  lite: ["cut", "crash", "slow"],
  performance: ["cut", "slow", "weather", "crash", "exit", "clock"],
};

/** Of scenarios that leave little to chance: one to try a change on, one whose speed can be compared. */
const FIXED: { readonly [scenario in Scenario]?: Partial<Settings> } = {
  lite: { faultEveryMs: 10_000, thinkMs: 600, jitterMs: 2, tailMs: 0, loss: 0, bytesPerSecond: 0 },
  performance: {
    places: (["us-east", "us-west", "eu-west", "ap-south", "ap-northeast"] as const).map((region, index) => ({
      name: parseNodeId(`n${index + 1}`),
      region,
      aheadMs: 0,
    })),
    faultEveryMs: 5_000,
    clients: 4,
    thinkMs: 1_000,
    loyalty: 0.9,
    work: WORK_KINDS,
    repos: 2,
    tags: 4,
    images: 10,
    opLogOpsMax: 20_000,
    isChopped: false,
    commitMsMax: 4,
    jitterMs: 2,
    tailMs: 3,
    loss: 0.001,
    bytesPerSecond: 0,
  },
};

/** Never left out, or a run has nothing to disagree about. */
const WORK_ALWAYS: readonly WorkKind[] = ["push-image", "push-image", "read-tag"];

/** What clients do in a run that is about how deletes and pushes meet. */
const DELETING: readonly WorkKind[] = ["push-image", "move-tag", "delete-manifest", "delete-tag", "read-tag"];

export function drawSettings(prng: Prng, scenario: Scenario, safetyMs: number): Settings {
  const hasWrongClocks = scenario === "clocks" || (scenario === "swarm" && prng.chance(0.4));
  const isOfSessions = scenario === "sessions";
  const count = prng.integer(3, 5);
  const faults = scenario === "swarm" ? drawSwarm(prng) : FAULTS[scenario];
  // The bytes of a large manifest travel alone, and would be lost with the only disk that holds them.
  const isLossy = faults.some((kind) => losesData(kind));
  const drawn: Settings = {
    places: Array.from({ length: count }, (_, index) => ({
      name: parseNodeId(`n${index + 1}`),
      region: prng.pick(REGION_NAMES),
      aheadMs: hasWrongClocks ? prng.pick([0, 0, 80, -80, 400, -3_000, 10_000, -3_600_000, 3_600_000]) : 0,
    })),
    safetyMs,
    faults,
    // In a short run as well something goes wrong now and then.
    faultEveryMs: Math.min(prng.pick(isOfSessions ? [800, 1_500] : [1_500, 4_000, 10_000]), safetyMs / 4),
    clients: prng.integer(2, 5),
    thinkMs: prng.pick(isOfSessions ? [200] : [200, 600, 1_500]),
    loyalty: prng.pick([0.5, 0.9, 1]),
    work: scenario === "deletes" ? DELETING : drawWork(prng, isLossy),
    repos: prng.integer(1, 2),
    tags: prng.integer(1, 4),
    images: scenario === "deletes" ? 3 : prng.integer(2, 10),
    opLogOpsMax: scenario === "twists" ? 20_000 : prng.pick(isOfSessions ? [16] : [16, 16, 40, 20_000]),
    isChopped: isOfSessions || prng.chance(0.5),
    commitMsMax: prng.pick(isOfSessions ? [30, 120] : [0, 4, 30]),
    jitterMs: prng.pick([0, 2, 25]),
    tailMs: prng.pick([0, 0, 3, 30]),
    loss: prng.pick([0, 0, 0, 0.01, 0.05]),
    bytesPerSecond: prng.pick([0, 0, 0, 125_000]),
  };
  return { ...drawn, ...FIXED[scenario] };
}

function drawWork(prng: Prng, isLossy: boolean): readonly WorkKind[] {
  return [...WORK_ALWAYS, ...WORK_KINDS.filter((kind) => prng.chance(0.65) && !(kind === "push-large" && isLossy))];
}

/** Machines fail in few runs, and then in one or two ways: who loses a disk every second has nothing left to disagree about. */
function drawSwarm(prng: Prng): readonly FaultKind[] {
  const process = prng.chance(0.5) ? [prng.pick(PROCESS_FAULT_KINDS), prng.pick(PROCESS_FAULT_KINDS)] : [];
  const disk: readonly FaultKind[] = prng.chance(0.4) ? ["ailment", "rot"] : [];
  return [...FAULTS.swarm.filter(() => prng.chance(0.6)), ...process, ...disk];
}

/** Whether data may be gone after such a fault. */
function losesData(kind: FaultKind): boolean {
  return kind === "wipe" || kind === "restore" || kind === "die";
}
