/**
 * Swarm testing: each seed first draws which kinds of fault and of work there are in its run, and how much of each. A
 * run in which everything happens at once is a run in which nothing lasts long enough to go wrong; leaving most of it
 * out finds more. Source: Groce et al., "Swarm Testing" (ISSTA 2012).
 */
import type { NodeId } from "../shared/identity.ts";
import { parseNodeId } from "../shared/identity.ts";
import type { Prng } from "./prng.ts";
import { REGION_NAMES, type RegionName } from "./regions.ts";

export const SCENARIOS = ["swarm", "calm", "cuts", "crashes", "clocks", "lies"] as const;
export type Scenario = (typeof SCENARIOS)[number];

export type Place = { readonly name: NodeId; readonly region: RegionName; readonly aheadMs: number };

export type FaultKind = "cut" | "slow" | "crash" | "exit" | "stop" | "clock" | "lie";

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
  readonly jitterMs: number;
};

const FAULTS: Readonly<Record<Scenario, readonly FaultKind[]>> = {
  swarm: ["cut", "cut", "slow", "crash", "exit", "stop", "clock", "lie"],
  calm: [],
  cuts: ["cut", "slow"],
  crashes: ["crash", "exit", "stop"],
  clocks: ["clock", "cut"],
  lies: ["lie", "lie", "exit", "cut"],
};

/** Never left out, or a run has nothing to disagree about. */
const WORK_ALWAYS: readonly WorkKind[] = ["push-image", "push-image", "read-tag"];

export function drawSettings(prng: Prng, scenario: Scenario, safetyMs: number): Settings {
  const hasWrongClocks = scenario === "clocks" || (scenario === "swarm" && prng.chance(0.4));
  const count = prng.integer(3, 5);
  return {
    places: Array.from({ length: count }, (_, index) => ({
      name: parseNodeId(`n${index + 1}`),
      region: prng.pick(REGION_NAMES),
      aheadMs: hasWrongClocks ? prng.pick([0, 0, 80, -80, 400, -3_000, 10_000, -3_600_000, 3_600_000]) : 0,
    })),
    safetyMs,
    faults: scenario === "swarm" ? FAULTS.swarm.filter(() => prng.chance(0.6)) : FAULTS[scenario],
    faultEveryMs: prng.pick([1_500, 4_000, 10_000]),
    clients: prng.integer(2, 5),
    thinkMs: prng.pick([200, 600, 1_500]),
    loyalty: prng.pick([0.5, 0.9, 1]),
    work: [...WORK_ALWAYS, ...WORK_KINDS.filter(() => prng.chance(0.65))],
    repos: prng.integer(1, 2),
    tags: prng.integer(1, 4),
    images: prng.integer(2, 10),
    opLogOpsMax: prng.pick([16, 16, 40, 20_000]),
    isChopped: prng.chance(0.5),
    commitMsMax: prng.pick([0, 4, 30]),
    jitterMs: prng.pick([0, 2, 25]),
  };
}
