import { describe, expect, test } from "vitest";
import { bytesOf, registerRow } from "../../nodes/storage/keys.ts";
import { AUDIT_PERIOD_MS } from "../../shared/limits.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import { imageNamed, LATEST, push, REPO } from "../support/metadata-fixture.ts";
import { ReplicatingCluster } from "../support/replicating-cluster.ts";

/** Every node has had several audits by then, with sums made after its last start. */
const AUDITS_MS = 10 * AUDIT_PERIOD_MS;
const SECONDS = 1_000;
const NEVER = new AbortController().signal;
const LOST_TAG = parseTag("lost");

/** Three nodes that agree on a few tags; then the second node's disk loses the row of one. */
async function clusterThatLostARow(): Promise<ReplicatingCluster> {
  const cluster = await ReplicatingCluster.start();
  await cluster.world.run(push(cluster.node(0).metadata, imageNamed("one"), [LATEST, LOST_TAG]));
  await cluster.world.run(push(cluster.node(2).metadata, imageNamed("two"), [parseTag("v2")]));
  await cluster.world.runFor(5 * SECONDS);

  const damaged = cluster.name(1);
  await cluster.stop(damaged);
  const kv = await cluster.world.run(cluster.backUp(damaged));
  await cluster.world.run(
    kv.commit([{ kind: "delete", key: bytesOf(registerRow({ kind: "tag", repo: REPO, tag: LOST_TAG })) }]),
  );
  cluster.putBack(damaged, kv);
  await cluster.start(damaged);
  await cluster.world.runFor(5 * SECONDS);
  return cluster;
}

function repairsOf(cluster: ReplicatingCluster): readonly number[] {
  return cluster.living.map(({ telemetry }) => telemetry.valueOf("meridian_audit_repairs_total"));
}

describe("the audit", () => {
  test("finds a register that a disk has lost, brings it back from a peer, and counts it", async () => {
    const cluster = await clusterThatLostARow();
    expect(await cluster.world.run(cluster.node(1).metadata.reader.tag(REPO, LOST_TAG))).toBeUndefined();

    await cluster.world.runFor(AUDITS_MS);

    const brought = await cluster.world.run(cluster.node(1).metadata.reader.tag(REPO, LOST_TAG));
    expect(brought?.digest).toBe(imageNamed("one").digest);
    expect(repairsOf(cluster)).toEqual([0, 1, 0]);
    await cluster.stopAll();
  });

  test("repairs nothing while nodes write, are cut off from each other, restart and catch up", async () => {
    const cluster = await ReplicatingCluster.start({ opLogOpsMax: 16 });
    const [first, second, third] = [cluster.name(0), cluster.name(1), cluster.name(2)];
    for (let round = 0; round < 40; round += 1) {
      const writer = cluster.living[round % cluster.living.length];
      if (writer === undefined) break;
      const repo = parseRepositoryName(`shop/r${round % 7}`);
      await cluster.world.run(push(writer.metadata, imageNamed(`${round}`), [LATEST], repo));
      if (round % 10 === 3) cluster.network.cut(first, second);
      if (round % 10 === 5) cluster.crash(third);
      if (round % 10 === 8) {
        cluster.healAll();
        await cluster.start(third);
      }
      await cluster.world.runFor(20 * SECONDS);
    }
    cluster.healAll();
    await cluster.world.runFor(AUDITS_MS);

    expect(repairsOf(cluster)).toEqual([0, 0, 0]);
    const audits = cluster.living.map(({ telemetry }) =>
      telemetry.valueOf("meridian_audits_total", { result: "equal" }),
    );
    expect(audits.every((count) => count >= 5)).toBe(true);
    expect(cluster.isLevel()).toBe(true);
    await cluster.stopAll();
  });
});

describe("verifying the state", () => {
  test("says that all is equal, and who cannot be reached", async () => {
    const cluster = await ReplicatingCluster.start();
    await cluster.world.run(push(cluster.node(0).metadata, imageNamed("one")));
    await cluster.world.runFor(2 * SECONDS);
    for (const node of cluster.living) await cluster.world.run(node.verifyState.run(0, NEVER));
    cluster.crash(cluster.name(2));
    await cluster.world.runFor(5 * SECONDS);

    const verified = await cluster.world.run(cluster.node(0).verifyState.run(SECONDS, NEVER));

    expect(verified).toEqual([
      { node: "n2", region: "r-n2", verdict: "equal", differences: [], hasMore: false },
      { node: "n3", region: "r-n3", verdict: "unreachable", differences: [], hasMore: false },
    ]);
    await cluster.stopAll();
  });

  test("names what differs, from either side, and changes nothing", async () => {
    const cluster = await clusterThatLostARow();
    await cluster.world.run(cluster.node(0).verifyState.run(0, NEVER));

    const seenByDamaged = await cluster.world.run(cluster.node(1).verifyState.run(30 * SECONDS, NEVER));
    const seenByWhole = await cluster.world.run(cluster.node(0).verifyState.run(30 * SECONDS, NEVER));

    const [fromDamaged] = seenByDamaged;
    const [fromWhole] = seenByWhole;
    const key = { kind: "tag", repo: REPO, tag: LOST_TAG };
    expect(fromDamaged).toMatchObject({ node: "n1", verdict: "different", hasMore: false });
    expect(fromDamaged?.differences).toMatchObject([{ key, here: { versions: [] }, there: { versions: [{}] } }]);
    expect(fromWhole).toMatchObject({ node: "n2", verdict: "different", hasMore: false });
    expect(fromWhole?.differences).toMatchObject([{ key, here: { versions: [{}] }, there: { versions: [] } }]);
    expect(repairsOf(cluster)).toEqual([0, 0, 0]);
    await cluster.stopAll();
  });

  test("takes what is on its way for what it is", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 2 });
    for (const node of cluster.living) await cluster.world.run(node.verifyState.run(0, NEVER));
    cluster.network.cutOneWay(cluster.name(1), cluster.name(0));
    await cluster.world.run(push(cluster.node(1).metadata, imageNamed("two")));
    const verifying = cluster.node(0).verifyState.run(30 * SECONDS, NEVER);
    await cluster.world.runFor(300);
    cluster.healAll();

    const [verified] = await cluster.world.run(verifying);

    expect(verified).toMatchObject({ node: "n2", verdict: "equal" });
    await cluster.stopAll();
  });
});
