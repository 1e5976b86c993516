/** The words that stories are written in. Times are in ms since the safety phase began; all that is not said is calm. */
import { type NodeId, parseNodeId } from "../../shared/identity.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import type { Fault } from "../faults.ts";
import { Prng } from "../prng.ts";
import type { RegionName } from "../regions.ts";
import { type Settings, WORK_KINDS, type WorkKind } from "../settings.ts";
import type { Story } from "../story.ts";
import { planWork, type WorkStep } from "../work-plan.ts";

export const N1 = parseNodeId("n1");
export const N2 = parseNodeId("n2");
export const N3 = parseNodeId("n3");
export const N4 = parseNodeId("n4");
export const N5 = parseNodeId("n5");
export const THREE: readonly NodeId[] = [N1, N2, N3];
export const FIVE: readonly NodeId[] = [N1, N2, N3, N4, N5];

/** Where nodes are when a story does not say: nobody is near anybody, and the first five are on five continents. */
const REGIONS: readonly RegionName[] = ["eu-west", "us-east", "ap-south", "sa-east", "ap-northeast", "eu-central"];

const REPO = parseRepositoryName("shop/app1");

export type Telling = {
  /** How many nodes, or where each is. */
  readonly nodes?: number | readonly RegionName[];
  /** What each clock is ahead by, in order; what is missing is right. */
  readonly aheadMs?: readonly number[];
  readonly forMs?: number;
  readonly faults?: readonly Fault[];
  /** Requests that the story is about. */
  readonly work?: readonly WorkStep[];
  /** Mean time between two requests of each of three clients besides; 0: there are none. */
  readonly trafficMs?: number;
  /** What these clients do. */
  readonly traffic?: readonly WorkKind[];
  readonly settings?: Partial<Settings>;
};

/** A story of `seed`, on three nodes for 20 s unless it says otherwise. */
export function told(seed: number, telling: Telling): Story {
  const { nodes = 3, aheadMs = [], forMs = 20_000, faults = [], work = [], trafficMs = 400 } = telling;
  const regions = typeof nodes === "number" ? Array.from({ length: nodes }, (_, index) => regionOf(index)) : nodes;
  const settings: Settings = {
    places: regions.map((region, index) => ({
      name: parseNodeId(`n${index + 1}`),
      region,
      aheadMs: aheadMs[index] ?? 0,
    })),
    safetyMs: forMs,
    faults: [],
    faultEveryMs: 1_000,
    clients: trafficMs === 0 ? 0 : 3,
    thinkMs: trafficMs,
    loyalty: 0.7,
    work: telling.traffic ?? WORK_KINDS,
    repos: 1,
    tags: 3,
    images: 4,
    opLogOpsMax: 20_000,
    isChopped: false,
    commitMsMax: 4,
    jitterMs: 2,
    ...telling.settings,
  };
  const prng = new Prng(seed);
  const traffic = planWork((name) => prng.branch(name), settings);
  const inOrder = faults.toSorted((left, right) => left.atMs - right.atMs);
  return { seed, settings, faults: inOrder, work: [...work, ...traffic] };
}

function regionOf(index: number): RegionName {
  return REGIONS[index % REGIONS.length] ?? "eu-west";
}

type Details = Partial<Pick<WorkStep, "client" | "number" | "ends" | "shows" | "skipsKnown">> & {
  readonly tag?: string;
};

/** Images that stories are about are none of those that traffic pushes and deletes. */
const APART = 100;

/** One request, by a client who asks nothing else of that node; about the tag `told`, which traffic leaves alone. */
export function ask(kind: WorkStep["kind"], atMs: number, node: NodeId, details: Details = {}): WorkStep {
  const { client = `teller at ${node}`, number = 1, tag = "told", skipsKnown = false, shows, ends } = details;
  return {
    client,
    atMs,
    kind,
    node,
    repo: REPO,
    tag: parseTag(tag),
    number: APART + number,
    skipsKnown,
    ...(ends === undefined ? {} : { ends }),
    ...(shows === undefined ? {} : { shows: APART + shows }),
  };
}

/** Pushes image `number` under the tag `told`; the push must be taken. */
export function push(atMs: number, node: NodeId, number: number, details: Details = {}): WorkStep {
  return ask("push-image", atMs, node, { number, ends: "ok", ...details });
}

/** The tag `told` must show image `number` by then. */
export function sees(atMs: number, node: NodeId, number: number, details: Details = {}): WorkStep {
  return ask("read-tag", atMs, node, { shows: number, ends: "ok", client: `reader at ${node}`, ...details });
}

/** The tag `told` must not be there. */
export function misses(atMs: number, node: NodeId, details: Details = {}): WorkStep {
  return ask("read-tag", atMs, node, { ends: "MANIFEST_UNKNOWN", client: `reader at ${node}`, ...details });
}

/** `count` times, the first at `fromMs`, each `everyMs` after the one before. */
export function every<Item>(
  { fromMs, everyMs, count }: { readonly fromMs: number; readonly everyMs: number; readonly count: number },
  item: (atMs: number, index: number) => Item,
): readonly Item[] {
  return Array.from({ length: count }, (_, index) => item(fromMs + index * everyMs, index));
}
