/** Directed lines between nodes, in groups, for faults that strike several at once. */
import type { NodeId } from "../shared/identity.ts";
import type { Prng } from "./prng.ts";

export type Line = readonly [source: NodeId, target: NodeId];

/** When something begins, since the safety phase did, and how long it lasts. */
export type Span = { readonly atMs: number; readonly forMs: number };

export function oneWay(sources: readonly NodeId[], targets: readonly NodeId[]): readonly Line[] {
  return sources.flatMap((source) =>
    targets.filter((target) => target !== source).map((target) => [source, target] as const),
  );
}

export function bothWays(left: readonly NodeId[], right: readonly NodeId[]): readonly Line[] {
  return [...oneWay(left, right), ...oneWay(right, left)];
}

export function shuffled<Item>(prng: Prng, items: readonly Item[]): readonly Item[] {
  return items
    .map((item) => ({ item, place: prng.fraction() }))
    .toSorted((left, right) => left.place - right.place)
    .map(({ item }) => item);
}
