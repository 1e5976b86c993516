import { describe, expect, test } from "vitest";
import {
  FLAT_REGION_NODES_MAX,
  MESH_NODES_MAX,
  planSpread,
  RELAYS_PER_REGION,
  type SpreadPeer,
  type SpreadPlan,
} from "../../../nodes/protocol/spread.ts";
import { type Origin, parseOrigin } from "../../../shared/identity.ts";

function nodesOf(sizes: Readonly<Record<string, number>>): readonly SpreadPeer[] {
  return Object.entries(sizes).flatMap(([region, size], index) =>
    Array.from({ length: size }, (_, number) => ({
      key: `${region}-${number}:7000`,
      node: `${region}-${number}`,
      region,
      origin: parseOrigin(`${1_000 * index + number}`.padStart(16, "0")),
      isReachable: true,
    })),
  );
}

/** What each node would do, by its key; each sees what `seen` makes of the others. */
function plansOf(
  nodes: readonly SpreadPeer[],
  seen: (other: SpreadPeer, self: SpreadPeer) => SpreadPeer = (other) => other,
): ReadonlyMap<string, SpreadPlan> {
  return new Map(
    nodes.map((self) => {
      const { node, region, origin } = self;
      const others = nodes.filter((other) => other !== self).map((other) => seen(other, self));
      return [self.key, planSpread({ node, region, origin }, others)];
    }),
  );
}

/** Whom `key` asks for the ops of `origin`. */
function parentsOf(plan: SpreadPlan | undefined, origin: Origin): readonly string[] {
  return [...(plan ?? [])].filter(([, origins]) => origins.includes(origin)).map(([key]) => key);
}

/** By how many hops each node gets the ops of `source`. */
function hopsFrom(
  source: SpreadPeer,
  nodes: readonly SpreadPeer[],
  plans: ReadonlyMap<string, SpreadPlan>,
): readonly number[] {
  return nodes
    .filter((node) => node !== source)
    .map(({ key }) => {
      let hops = 0;
      for (let at = key; at !== source.key && hops <= nodes.length; hops += 1) {
        at = parentsOf(plans.get(at), source.origin)[0] ?? source.key;
      }
      return hops;
    });
}

/** How many ask `key` for the ops of `origin`, by their region. */
function askersOf(
  { key, origin }: SpreadPeer,
  nodes: readonly SpreadPeer[],
  plans: ReadonlyMap<string, SpreadPlan>,
): ReadonlyMap<string, number> {
  const askers = nodes.filter((node) => plans.get(node.key)?.get(key)?.includes(origin) === true);
  return new Map([...Map.groupBy(askers, ({ region }) => region)].map(([region, of]) => [region, of.length]));
}

describe("the ways of ops", () => {
  test(`are straight from each to all among ${MESH_NODES_MAX} nodes`, () => {
    const nodes = nodesOf({ eu: 6, us: 6 });
    const plans = plansOf(nodes);

    for (const { key } of nodes) {
      const others = nodes.filter((other) => other.key !== key);
      expect([...(plans.get(key) ?? [])]).toEqual(others.map((other) => [other.key, [other.origin]]));
    }
  });

  test("begin with the own region and two relays in each other among more", () => {
    const nodes = nodesOf({ eu: 8, us: 5, ap: 2, sa: 1 });
    const plans = plansOf(nodes);

    for (const source of nodes) {
      const sizes = { eu: 8, us: 5, ap: 2, sa: 1 };
      const expected = Object.entries(sizes).map(([region, size]): [string, number] => [
        region,
        region === source.region ? size - 1 : Math.min(size, RELAYS_PER_REGION),
      ]);
      expect(askersOf(source, nodes, plans)).toEqual(new Map(expected.filter(([, count]) => count > 0)));
      expect(Math.max(...hopsFrom(source, nodes, plans))).toBe(2);
    }
  });

  test(`branch once more in a region of more than ${FLAT_REGION_NODES_MAX} nodes, so that nobody serves it alone`, () => {
    const nodes = nodesOf({ eu: 60, us: 37 });
    const plans = plansOf(nodes);

    for (const source of nodes.filter((_, index) => index % 7 === 0)) {
      expect(Math.max(...hopsFrom(source, nodes, plans))).toBe(3);
      const fanOuts = nodes.map(
        ({ key }) => nodes.filter((node) => plans.get(node.key)?.get(key)?.includes(source.origin) === true).length,
      );
      expect(Math.max(...fanOuts)).toBeLessThanOrEqual(12);
    }
  });

  test("bring each op to each node exactly once", () => {
    const nodes = nodesOf({ eu: 40, us: 20, ap: 9 });
    const plans = plansOf(nodes);

    for (const node of nodes) {
      const others = nodes.filter((other) => other !== node).map(({ origin }) => origin);
      expect([...(plans.get(node.key)?.values() ?? [])].flat().toSorted()).toEqual(others.toSorted());
    }
  });

  test("lead around a relay that cannot be reached", () => {
    const nodes = nodesOf({ eu: 10, us: 10 });
    const [source] = nodes;
    if (source === undefined) throw new Error("twenty nodes");
    const relays = nodes.filter(
      ({ key, region }) => region === "us" && plansOf(nodes).get(key)?.has(source.key) === true,
    );
    const [dead] = relays;
    const living = nodes.filter((node) => node !== dead);
    const plans = plansOf(living);
    const whileUnreachable = plansOf(nodes, (other) => (other === dead ? { ...other, isReachable: false } : other));

    expect(relays.length).toBeGreaterThan(0);
    for (const { key } of living.slice(1)) {
      expect(parentsOf(plans.get(key), source.origin)).toHaveLength(1);
      expect(parentsOf(whileUnreachable.get(key), source.origin)).toHaveLength(1);
      expect(parentsOf(whileUnreachable.get(key), source.origin)).not.toContain(dead?.key);
    }
  });

  test("spread the work of relays evenly, and change little when a node goes", () => {
    const nodes = nodesOf({ eu: 30, us: 30 });
    const before = plansOf(nodes);
    const gone = nodes.at(-1);
    const after = plansOf(nodes.slice(0, -1));
    const relayed = nodes
      .filter(({ region }) => region === "eu")
      .map(
        ({ key }) => nodes.filter((other) => other.region === "us" && before.get(key)?.has(other.key) === true).length,
      );
    const moved = nodes
      .slice(0, 30)
      .flatMap(({ key }) =>
        nodes
          .slice(0, -1)
          .filter(({ origin }) => parentsOf(before.get(key), origin)[0] !== parentsOf(after.get(key), origin)[0]),
      );

    expect(gone?.region).toBe("us");
    expect(Math.max(...relayed)).toBeLessThanOrEqual(6);
    expect(Math.min(...relayed)).toBeGreaterThanOrEqual(0);
    expect(moved).toEqual([]);
  });
});
