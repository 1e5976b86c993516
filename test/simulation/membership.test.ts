import { describe, expect, test } from "vitest";
import type { PeerLink, Peers } from "../../nodes/ports/peers.ts";
import type { NodeId } from "../../shared/identity.ts";
import { imageNamed, push } from "../support/metadata-fixture.ts";
import { type LivingNode, ReplicatingCluster } from "../support/replicating-cluster.ts";

function reachabilityOf(node: LivingNode, other: NodeId): string | undefined {
  return node.directory.member(other)?.reachability;
}

/** How long it takes until `isTrue`, looked at every 5 ms; `limitMs` when it takes longer. */
async function timeUntil(cluster: ReplicatingCluster, isTrue: () => boolean, limitMs: number): Promise<number> {
  const startedMs = cluster.world.nowMs;
  while (!isTrue() && cluster.world.nowMs - startedMs < limitMs) await cluster.world.runFor(5);
  return cluster.world.nowMs - startedMs;
}

describe("finding each other", () => {
  test("nodes that were given the same list find all others and not themselves", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 4 });

    for (const { name, directory } of cluster.living) {
      expect(directory.members().map(({ address }) => address)).not.toContain(`${name}:7000`);
      expect(directory.reachable()).toHaveLength(3);
    }
    await cluster.stopAll();
    await cluster.world.runUntilIdle();
  });

  test("the nearest comes first", async () => {
    const cluster = new ReplicatingCluster({ nodes: 4 });
    const [self, far, near, middle] = [0, 1, 2, 3].map((index) => cluster.name(index));
    if (self === undefined || far === undefined || near === undefined || middle === undefined) throw new Error("four");
    cluster.network.set(self, far, { latencyMs: 150, jitterMs: 20 });
    cluster.network.set(self, near, { latencyMs: 10, jitterMs: 20 });
    cluster.network.set(self, middle, { latencyMs: 60, jitterMs: 20 });
    for (const name of cluster.names) await cluster.start(name);
    await cluster.world.runFor(10_000);

    const order = cluster
      .node(0)
      .directory.reachable()
      .map(({ greeting }) => greeting.node);
    expect(order).toEqual([near, middle, far]);
    await cluster.stopAll();
  });

  test("a node that starts late is found within a second", async () => {
    const cluster = new ReplicatingCluster();
    const [first, second] = [cluster.name(0), cluster.name(1)];
    await cluster.start(first);
    await cluster.world.runFor(60_000);

    await cluster.start(second);
    const took = await timeUntil(cluster, () => reachabilityOf(cluster.node(0), second) === "reachable", 5_000);

    expect(took).toBeLessThanOrEqual(1_000);
    await cluster.stopAll();
  });
});

describe("losing each other", () => {
  test("a process that ends is unreachable at once: its streams break", async () => {
    const cluster = await ReplicatingCluster.start();
    const gone = cluster.name(2);

    cluster.crash(gone);
    const took = await timeUntil(cluster, () => reachabilityOf(cluster.node(0), gone) === "unreachable", 5_000);

    expect(took).toBeLessThanOrEqual(10);
    await cluster.stopAll();
  });

  test("a line that falls silent is noticed within three seconds", async () => {
    const cluster = await ReplicatingCluster.start();
    const [left, right] = [cluster.name(0), cluster.name(1)];
    await cluster.world.runFor(5_000);

    cluster.network.cut(left, right);
    const took = await timeUntil(cluster, () => reachabilityOf(cluster.node(0), right) === "unreachable", 10_000);

    expect(took).toBeLessThanOrEqual(3_000);
    await cluster.stopAll();
  });

  test.each([500, 2_000, 7_000, 20_000, 90_000])(
    "a line that heals after %i ms is in use again within a second",
    async (cutMs) => {
      const cluster = await ReplicatingCluster.start();
      const [left, right] = [cluster.name(0), cluster.name(1)];
      cluster.network.set(left, right, { latencyMs: 60, jitterMs: 10 });
      cluster.network.cut(left, right);
      await cluster.world.runFor(cutMs);

      cluster.network.heal(left, right);
      await cluster.world.runFor(1_000);
      await cluster.world.run(push(cluster.node(0).metadata, imageNamed("api")));
      await cluster.world.runFor(100);

      expect(reachabilityOf(cluster.node(0), right)).toBe("reachable");
      expect(reachabilityOf(cluster.node(1), left)).toBe("reachable");
      expect(cluster.isLevel()).toBe(true);
      await cluster.stopAll();
    },
  );

  test("a line that becomes ten times slower stays in use", async () => {
    const cluster = await ReplicatingCluster.start();
    const [left, right] = [cluster.name(0), cluster.name(1)];
    cluster.network.set(left, right, { latencyMs: 40 });
    await cluster.world.runFor(20_000);

    cluster.network.set(left, right, { latencyMs: 400, jitterMs: 100 });
    await cluster.world.runFor(60_000);
    const changes: number[] = [];
    cluster.node(0).directory.onChanged(() => changes.push(cluster.world.nowMs));
    await cluster.world.runFor(60_000);

    expect(changes).toEqual([]);
    expect(reachabilityOf(cluster.node(0), right)).toBe("reachable");
    await cluster.stopAll();
  });

  test("connections that were opened anew leave none behind", async () => {
    let open = 0;
    const counted = (peers: Peers): Peers => ({
      dial: (address) => {
        open += 1;
        const link = peers.dial(address);
        const close = (): void => {
          open -= 1;
          link.close();
        };
        return { ...link, close };
      },
    });
    const cluster = await ReplicatingCluster.start({ nodes: 2, meddle: counted });
    const before = open;
    cluster.network.cut(cluster.name(0), cluster.name(1));
    await cluster.world.runFor(60_000);
    const cut = open;
    await cluster.stopAll();

    expect([before, cut, open]).toEqual([2, 2, 0]);
  });

  test("a restarted peer is known by its new start, and followed", async () => {
    const cluster = await ReplicatingCluster.start();
    const name = cluster.name(1);
    cluster.crash(name);

    await cluster.start(name);
    await cluster.world.runFor(1_000);
    await cluster.world.run(push(cluster.node(1).metadata, imageNamed("api")));
    await cluster.world.runFor(100);

    expect(cluster.node(0).directory.member(name)?.greeting?.boot).toBe(2);
    expect(cluster.isLevel()).toBe(true);
    await cluster.stopAll();
  });
});

describe("identity", () => {
  /** All calls to n2 arrive at n3. */
  function astray(peers: Peers): Peers {
    return { dial: (address): PeerLink => peers.dial(address === "n2:7000" ? "n3:7000" : address) };
  }

  test("two addresses of one node are one node", async () => {
    const cluster = new ReplicatingCluster({ meddle: astray });
    for (const name of cluster.names) await cluster.start(name);
    await cluster.world.runFor(1_000);

    const { directory } = cluster.node(0);
    expect(directory.members()).toHaveLength(2);
    expect(directory.reachable().map(({ greeting }) => greeting.node)).toEqual([cluster.name(2)]);
    await cluster.stopAll();
  });

  test("both holders of one data directory lose the right to write", async () => {
    const cluster = new ReplicatingCluster({ nodes: 2 });
    const [first, second] = [cluster.name(0), cluster.name(1)];
    await cluster.start(first);
    const copy = await cluster.world.run(cluster.backUp(first));
    cluster.putBack(second, copy);
    await cluster.start(second);
    await cluster.world.runFor(1_000);

    const reasons = cluster.living.map(({ metadata }) => metadata.isFenced()?.message);
    expect(reasons).toHaveLength(2);
    for (const reason of reasons) expect(reason).toContain("this node's data directory is in use elsewhere");
    await cluster.stopAll();
  });
});
