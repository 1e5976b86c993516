/** Eight regions of the world and how far apart they are: half of the round trips that public clouds show, in ms. */
import { invariant } from "../shared/invariant.ts";

export const REGION_NAMES = [
  "us-east",
  "us-west",
  "sa-east",
  "eu-west",
  "eu-central",
  "ap-south",
  "ap-southeast",
  "ap-northeast",
] as const;

export type RegionName = (typeof REGION_NAMES)[number];

/** Between nodes of one region. */
const NEAR_MS = 0.5;

/** One way, in the order of `REGION_NAMES`: the row's distance to each region before it. */
const ONE_WAY_MS: readonly (readonly number[])[] = [
  [],
  [31],
  [58, 88],
  [35, 65, 90],
  [45, 75, 100, 12],
  [95, 110, 150, 62, 55],
  [108, 85, 162, 88, 80, 30],
  [75, 52, 130, 102, 112, 62, 35],
];

/** One way, in ms. */
export function latencyMsBetween(left: RegionName, right: RegionName): number {
  if (left === right) return NEAR_MS;
  const [low, high] = [REGION_NAMES.indexOf(left), REGION_NAMES.indexOf(right)].toSorted((one, other) => one - other);
  const latencyMs = ONE_WAY_MS[high ?? 0]?.[low ?? 0];
  invariant(latencyMs !== undefined, "every two regions have a distance");
  return latencyMs;
}
