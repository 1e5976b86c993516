import { describe, expect, test } from "vitest";
import { AwaitFreshness } from "../../nodes/registry/await-freshness.ts";
import { RegistryError } from "../../shared/errors.ts";
import { ReplicatingCluster } from "../support/replicating-cluster.ts";

const NEVER = new AbortController().signal;

async function cutOff(): Promise<ReplicatingCluster> {
  const cluster = await ReplicatingCluster.start();
  await cluster.world.runFor(3_000);
  cluster.network.cut(cluster.name(0), cluster.name(2));
  cluster.network.cut(cluster.name(1), cluster.name(2));
  return cluster;
}

describe("how old an answer can be", () => {
  test("is about a second while all nodes hear of each other, whether anything is written or not", async () => {
    const cluster = await ReplicatingCluster.start();
    await cluster.world.runFor(3_000);

    for (const { view } of cluster.living) expect(view.stalenessMs()).toBeLessThan(1_500);
    await cluster.stopAll();
  });

  test("grows at all nodes while one is cut off, for it may have written something, and is over when it is heard again", async () => {
    const cluster = await cutOff();
    await cluster.world.runFor(20_000);
    const apart = cluster.living.map(({ view }) => view.stalenessMs());
    cluster.network.heal(cluster.name(0), cluster.name(2));
    cluster.network.heal(cluster.name(1), cluster.name(2));
    await cluster.world.runFor(4_000);

    for (const stalenessMs of apart) expect(stalenessMs).toBeGreaterThan(19_000);
    for (const { view } of cluster.living) expect(view.stalenessMs()).toBeLessThan(1_500);
    await cluster.stopAll();
  });
});

describe("a reader who sets a bound", () => {
  test("waits until somebody vouches for what is here", async () => {
    const cluster = await cutOff();
    await cluster.world.runFor(6_000);
    const { view, timers } = cluster.node(0);
    cluster.network.heal(cluster.name(0), cluster.name(2));
    cluster.network.heal(cluster.name(1), cluster.name(2));

    await cluster.world.run(new AwaitFreshness({ clusterView: view, timers }).run("3000", NEVER));

    expect(view.stalenessMs()).toBeLessThanOrEqual(3_000);
    await cluster.stopAll();
  });

  test.each([
    { maxMs: "3000", code: "UNAVAILABLE", retryAfterSeconds: 1 },
    { maxMs: "soon", code: "UNSUPPORTED", retryAfterSeconds: undefined },
    { maxMs: "-1", code: "UNSUPPORTED", retryAfterSeconds: undefined },
  ])("is refused with $code when it is $maxMs and nobody does", async ({ maxMs, code, retryAfterSeconds }) => {
    const cluster = await cutOff();
    await cluster.world.runFor(6_000);
    const { view, timers } = cluster.node(0);

    const refusal = await cluster.world.run(
      new AwaitFreshness({ clusterView: view, timers }).run(maxMs, NEVER).catch((cause: unknown) => cause),
    );

    expect(refusal).toBeInstanceOf(RegistryError);
    expect(refusal).toMatchObject({ code, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) });
    await cluster.stopAll();
  });
});
