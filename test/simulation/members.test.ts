import { describe, expect, test } from "vitest";
import { LeaveCluster } from "../../nodes/cluster/leave-cluster.ts";
import { imageNamed, push } from "../support/metadata-fixture.ts";
import { ReplicatingCluster } from "../support/replicating-cluster.ts";

/** What each living node holds of all others: `node` first, the names of those that are not alive behind it. */
function notAlive(cluster: ReplicatingCluster): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    cluster.living.map(({ name, roster }) => [
      name,
      roster
        .members()
        .filter(({ isSelf, status }) => !isSelf && status !== "alive")
        .map(({ node, status }) => `${node} ${status}`),
    ]),
  );
}

function cutOff(cluster: ReplicatingCluster, index: number, how: "deaf" | "mute" | "whole"): void {
  const name = cluster.name(index);
  for (const other of cluster.names) {
    if (other === name) continue;
    if (how !== "mute") cluster.network.cutOneWay(other, name);
    if (how !== "deaf") cluster.network.cutOneWay(name, other);
  }
}

/** Every death that anybody has believed in since. */
function deathsSince(cluster: ReplicatingCluster): ReadonlySet<string> {
  const deaths = new Set<string>();
  for (const { name, roster } of cluster.living) {
    roster.onChanged(() => {
      for (const { node, status } of roster.members()) if (status === "dead") deaths.add(`${node} to ${name}`);
    });
  }
  return deaths;
}

const NOBODY = { n1: [], n2: [], n3: [], n4: [] };

/** What lets the node go in good order. */
function leaveOf(cluster: ReplicatingCluster, index: number): LeaveCluster {
  const { metadata, directory, roster, timers } = cluster.node(index);
  const clock = { monotonicMs: () => cluster.world.nowMs, wallMs: () => 0 };
  return new LeaveCluster({ metadata, directory, roster, clock, timers });
}

describe("the members of a cluster", () => {
  test("are all learned from one seed, and dialed", async () => {
    const cluster = new ReplicatingCluster({ nodes: 6, seeds: [0] });
    for (const name of cluster.names) await cluster.start(name);
    await cluster.world.runFor(10_000);

    for (const { roster, directory } of cluster.living) {
      expect(
        roster
          .members()
          .map(({ node }) => node)
          .toSorted((one, other) => (one < other ? -1 : 1)),
      ).toEqual(cluster.names);
      expect(directory.reachable()).toHaveLength(5);
    }
    await cluster.stopAll();
  });

  test("are remembered over a restart, even when the seed is gone", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 3, seeds: [0] });
    await cluster.world.runFor(5_000);
    cluster.crash(cluster.name(0));
    cluster.crash(cluster.name(2));
    await cluster.start(cluster.name(2));
    await cluster.world.runFor(3_000);

    expect(
      cluster
        .node(2)
        .directory.reachable()
        .map(({ greeting }) => greeting.node),
    ).toEqual([cluster.name(1)]);
    await cluster.stopAll();
  });

  test("hold one that crashed for dead within 30 seconds, and alive again as soon as it is back", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 4 });
    cluster.crash(cluster.name(3));
    await cluster.world.runFor(30_000);
    expect(notAlive(cluster)).toEqual({ n1: ["n4 dead"], n2: ["n4 dead"], n3: ["n4 dead"] });

    await cluster.start(cluster.name(3));
    await cluster.world.runFor(3_000);
    expect(notAlive(cluster)).toEqual(NOBODY);
    await cluster.stopAll();
  });

  test("of a region that is cut off bury nobody, and are buried; healed, all live", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 4 });
    cutOff(cluster, 0, "whole");
    await cluster.world.runFor(300_000);
    expect(notAlive(cluster)).toEqual({
      n1: ["n2 suspect", "n3 suspect", "n4 suspect"],
      n2: ["n1 dead"],
      n3: ["n1 dead"],
      n4: ["n1 dead"],
    });

    cluster.healAll();
    await cluster.world.runFor(5_000);
    expect(notAlive(cluster)).toEqual(NOBODY);
    await cluster.stopAll();
  });

  test.each(["deaf", "mute"] as const)("are not harmed by one that is %s", async (how) => {
    const cluster = await ReplicatingCluster.start({ nodes: 4 });
    const deaths = deathsSince(cluster);
    cutOff(cluster, 0, how);
    await cluster.world.runFor(120_000);
    cluster.healAll();
    await cluster.world.runFor(10_000);

    expect([...deaths].filter((death) => !death.startsWith("n1 "))).toEqual([]);
    expect(notAlive(cluster)).toEqual(NOBODY);
    await cluster.stopAll();
  });

  test.each([100, 1_000, 7_000])("outlive a line between two of them that flaps every %i ms", async (periodMs) => {
    const cluster = await ReplicatingCluster.start({ nodes: 4 });
    const deaths = deathsSince(cluster);
    const pair = [cluster.name(0), cluster.name(1)] as const;
    for (let passedMs = 0; passedMs < 120_000; passedMs += 2 * periodMs) {
      cluster.network.cut(...pair);
      await cluster.world.runFor(periodMs);
      cluster.network.heal(...pair);
      await cluster.world.runFor(periodMs);
    }

    expect([...deaths]).toEqual([]);
    await cluster.stopAll();
  });

  test("outlive lines that become many times slower for good", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 4 });
    await cluster.world.runFor(20_000);
    const deaths = deathsSince(cluster);
    for (const pair of cluster.pairs()) cluster.network.set(...pair, { latencyMs: 250, jitterMs: 100 });
    await cluster.world.runFor(300_000);

    expect([...deaths]).toEqual([]);
    expect(notAlive(cluster)).toEqual(NOBODY);
    await cluster.stopAll();
  });

  test("outlive a third of them being restarted at once", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 6 });
    const deaths = deathsSince(cluster);
    for (const index of [1, 3]) cluster.crash(cluster.name(index));
    await cluster.world.runFor(4_000);
    for (const index of [1, 3]) await cluster.start(cluster.name(index));
    await cluster.world.runFor(20_000);

    expect([...deaths]).toEqual([]);
    expect(Object.values(notAlive(cluster)).flat()).toEqual([]);
    await cluster.stopAll();
  });
});

describe("a member", () => {
  test("may come back at another address, and is the same", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 3, seeds: [0] });
    const [first, moved] = [cluster.name(0), cluster.name(2)];
    cluster.crash(moved);
    await cluster.world.runFor(60_000);
    cluster.move(moved, "elsewhere:7000");
    await cluster.start(moved);
    await cluster.world.runFor(5_000);

    expect(
      cluster
        .node(0)
        .roster.members()
        .filter(({ node }) => node === moved),
    ).toMatchObject([{ status: "alive", address: "elsewhere:7000" }]);
    expect(cluster.node(1).directory.member(moved)?.address).toBe("elsewhere:7000");
    expect(
      cluster
        .node(2)
        .directory.reachable()
        .map(({ greeting }) => greeting.node),
    ).toContain(first);
    await cluster.stopAll();
  });

  test("that is evicted stays so over restarts of those who know, until it is admitted", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 3 });
    const gone = cluster.name(2);
    cluster.crash(gone);
    await cluster.world.run(cluster.node(0).roster.decide(gone, true));
    await cluster.world.runFor(5_000);
    expect(notAlive(cluster)).toEqual({ n1: ["n3 evicted"], n2: ["n3 evicted"] });

    await cluster.stop(cluster.name(1));
    await cluster.start(cluster.name(1));
    await cluster.start(gone);
    await cluster.world.runFor(60_000);
    expect(notAlive(cluster)).toMatchObject({ n1: ["n3 evicted"], n2: ["n3 evicted"] });
    expect(cluster.node(2).roster.members()[0]?.status).toBe("evicted");

    await cluster.world.run(cluster.node(1).roster.decide(gone, false));
    await cluster.world.runFor(5_000);
    expect(notAlive(cluster)).toEqual({ n1: [], n2: [], n3: [] });
    await cluster.stopAll();
  });

  test("that is evicted is so after a crash of the only node that knows", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 3 });
    const [knows, ...others] = cluster.names;
    if (knows === undefined) throw new Error("three");
    for (const other of others) cluster.crash(other);
    await cluster.world.run(cluster.node(0).roster.decide(cluster.name(2), true));
    cluster.crash(knows);
    await cluster.start(knows);

    expect(cluster.node(0).roster.members().at(-1)).toMatchObject({ node: "n3", status: "evicted" });
    await cluster.stopAll();
  });

  test("that leaves takes no more writes, hands over what it has, and is missed by nobody", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 3 });
    const { metadata } = cluster.node(2);
    const leave = leaveOf(cluster, 2);
    await cluster.world.run(push(metadata, imageNamed("api")));
    await cluster.world.run(leave.run(60_000, new AbortController().signal));

    await expect(push(metadata, imageNamed("late"))).rejects.toThrow("it leaves the cluster");
    await cluster.stop(cluster.name(2));
    await cluster.world.runFor(60_000);
    expect(notAlive(cluster)).toEqual({ n1: ["n3 left"], n2: ["n3 left"] });
    expect(cluster.isLevel()).toBe(true);
    await cluster.stopAll();
  });

  test("does not leave while what it wrote is nowhere else, and goes on", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 3 });
    const { metadata } = cluster.node(2);
    const leave = leaveOf(cluster, 2);
    cutOff(cluster, 2, "whole");
    await cluster.world.runFor(10_000);
    const leaving = leave.run(5_000, new AbortController().signal).catch((cause: unknown) => cause);

    expect(await cluster.world.run(leaving)).toMatchObject({ code: "UNAVAILABLE" });
    await cluster.world.run(push(metadata, imageNamed("api")));
    await cluster.stopAll();
  });
});
