import { describe, expect, test } from "vitest";
import { type Digest, digestOf } from "../../shared/digest.ts";
import { parseRegion } from "../../shared/identity.ts";
import { imageNamed, LATEST, type MadeManifest, push, REPO } from "../support/metadata-fixture.ts";
import { type LivingNode, ReplicatingCluster } from "../support/replicating-cluster.ts";

const CONFIG = Buffer.from("api");
const LAYER = Buffer.alloc(1_000, "layer");
const LATEST_TAG = { kind: "tag", tag: LATEST } as const;

/** Its config is the blob `CONFIG`, its layer the blob `LAYER`. */
function imageWithLayer(): MadeManifest {
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  return imageNamed("api", { layers: [{ mediaType, digest: digestOf(LAYER), size: LAYER.length }] });
}

async function keep(cluster: ReplicatingCluster, node: LivingNode, bytes: Buffer): Promise<Digest> {
  const digest = digestOf(bytes);
  const staging = await cluster.world.run(node.blobs.stage());
  await cluster.world.run(staging.append(bytes));
  await cluster.world.run(node.blobs.commit(staging, digest, REPO));
  return digest;
}

/** The image is pushed at the first node, with all its blobs, and known everywhere. */
async function clusterWithImage(): Promise<{ readonly cluster: ReplicatingCluster; readonly image: MadeManifest }> {
  const cluster = await ReplicatingCluster.start();
  const image = imageWithLayer();
  await keep(cluster, cluster.node(0), CONFIG);
  await keep(cluster, cluster.node(0), LAYER);
  await cluster.world.run(push(cluster.node(0).metadata, image));
  await cluster.world.runFor(1_000);
  return { cluster, image };
}

function sizeOf(image: MadeManifest): number {
  return image.bytes.length + CONFIG.length + LAYER.length;
}

describe("members", () => {
  test("are told as this node reaches them, itself first", async () => {
    const cluster = await ReplicatingCluster.start();
    const gone = cluster.name(2);
    cluster.crash(gone);
    await cluster.world.runFor(5_000);

    const members = cluster.node(0).view.members();

    expect(members.map(({ node, status, isSelf, reachability }) => ({ node, status, isSelf, reachability }))).toEqual([
      { node: "n1", status: "alive", isSelf: true, reachability: "reachable" },
      { node: "n2", status: "alive", isSelf: false, reachability: "reachable" },
      { node: "n3", status: "suspect", isSelf: false, reachability: "unreachable" },
    ]);
    expect(members[0]?.forMs).toBeCloseTo(cluster.world.nowMs, -1);
    await cluster.stopAll();
  });

  test("at an address where nobody has answered yet have no name", async () => {
    const cluster = new ReplicatingCluster({ nodes: 2 });
    await cluster.start(cluster.name(0));
    await cluster.world.runFor(1_000);

    expect(cluster.node(0).view.members()[1]).toMatchObject({
      node: undefined,
      region: undefined,
      address: "n2:7000",
      reachability: "unreachable",
    });
    await cluster.stopAll();
  });
});

describe("lag", () => {
  test("is told from every node to every other, and counts what the target lacks", async () => {
    const cluster = await ReplicatingCluster.start();
    const [first, third] = [cluster.name(0), cluster.name(2)];
    cluster.network.cut(first, third);
    cluster.network.cut(cluster.name(1), third);
    await cluster.world.runFor(10_000);
    await cluster.world.run(push(cluster.node(0).metadata, imageNamed("api")));
    await cluster.world.runFor(5_000);

    const seenByFirst = await cluster.world.run(cluster.node(0).view.lag());
    const seenByThird = await cluster.world.run(cluster.node(2).view.lag());

    const told = seenByFirst.map(({ source, target, isReachable, pendingOps, lagMs }) => [
      `${source} to ${target}`,
      { isReachable, pendingOps, lagMs },
    ]);
    const level = { isReachable: true, pendingOps: 0, lagMs: 0 };
    // Nobody has vouched for anything since the cut.
    const unheard = { isReachable: false, pendingOps: 0, lagMs: expect.closeTo(15_500, -3) };
    const unasked = { isReachable: undefined, pendingOps: undefined, lagMs: undefined };
    expect(Object.fromEntries(told)).toEqual({
      "n1 to n2": level,
      "n1 to n3": unasked,
      "n2 to n1": level,
      "n2 to n3": unasked,
      "n3 to n1": unheard,
      "n3 to n2": unheard,
    });
    // It cannot know what it has not heard of.
    expect(seenByThird.find(({ source, target }) => source === first && target === third)).toMatchObject({
      isReachable: false,
      pendingOps: 0,
    });
    await cluster.stopAll();
  });

  test("has an age: the time since the target last had everything for certain", async () => {
    const cluster = await ReplicatingCluster.start();
    const [first, second, third] = [cluster.name(0), cluster.name(1), cluster.name(2)];
    // The third hears of the first's ops by the second's heads, and is given none of them.
    cluster.network.cut(first, third);
    await cluster.world.runFor(5_000);
    cluster.node(2).metadata.fence(new Error("its disk has failed"));
    await cluster.world.run(push(cluster.node(0).metadata, imageNamed("api")));
    await cluster.world.runFor(3_000);

    const lag = await cluster.world.run(cluster.node(1).view.lag());

    const entry = lag.find(({ source, target }) => source === first && target === third);
    expect(entry).toMatchObject({ isReachable: false, pendingOps: 2 });
    expect(entry?.lagMs).toBeGreaterThan(7_900);
    expect(entry?.lagMs).toBeLessThan(9_100);
    expect(lag.find(({ source, target }) => source === first && target === second)?.lagMs).toBe(0);
    await cluster.stopAll();
  });

  test("of nodes that cannot be asked is told as unknown, within a second", async () => {
    const cluster = await ReplicatingCluster.start();
    cluster.network.cut(cluster.name(0), cluster.name(1));
    cluster.network.cut(cluster.name(0), cluster.name(2));
    const startedMs = cluster.world.nowMs;

    const lag = await cluster.world.run(cluster.node(0).view.lag());

    expect(lag.filter(({ target }) => target !== "n1").map(({ pendingOps }) => pendingOps)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(cluster.world.nowMs - startedMs).toBeLessThanOrEqual(1_000);
    await cluster.stopAll();
  });
});

describe("the replication of an image", () => {
  test("is known where its manifest is, pullable where a holder can be reached, resident where everything is", async () => {
    const { cluster, image } = await clusterWithImage();
    await keep(cluster, cluster.node(1), CONFIG);

    const state = await cluster.world.run(cluster.node(2).view.replication(REPO, LATEST_TAG));

    const bytesTotal = sizeOf(image);
    expect(state).toEqual({
      digest: image.digest,
      regions: [
        {
          region: "r-n3",
          level: "pullable",
          partsMissing: 2,
          bytesMissing: CONFIG.length + LAYER.length,
          bytesTotal,
          why: "2 of 3 parts are not in the region yet",
        },
        { region: "r-n1", level: "resident", partsMissing: 0, bytesMissing: 0, bytesTotal, why: undefined },
        {
          region: "r-n2",
          level: "pullable",
          partsMissing: 1,
          bytesMissing: LAYER.length,
          bytesTotal,
          why: "1 of 3 parts are not in the region yet",
        },
      ],
      unheard: [],
    });
    await cluster.stopAll();
  });

  test("is only known where no holder can be reached", async () => {
    const { cluster } = await clusterWithImage();
    cluster.network.cut(cluster.name(0), cluster.name(2));
    await cluster.world.runFor(10_000);

    const state = await cluster.world.run(cluster.node(1).view.replication(REPO, LATEST_TAG));

    expect(state.regions.find(({ region }) => region === "r-n3")).toMatchObject({
      level: "known",
      why: "2 of 3 parts are at no holder that the region can reach",
    });
    await cluster.stopAll();
  });

  test("is unknown where the tag still names another image, and where nobody can be asked", async () => {
    const cluster = await ReplicatingCluster.start();
    const [first, second, third] = [cluster.name(0), cluster.name(1), cluster.name(2)];
    const old = imageNamed("old");
    await cluster.world.run(push(cluster.node(0).metadata, old));
    await cluster.world.runFor(1_000);
    cluster.network.cut(first, third);
    await cluster.world.runFor(10_000);
    cluster.node(1).metadata.fence(new Error("its disk has failed"));
    await cluster.world.run(push(cluster.node(0).metadata, imageNamed("new")));

    const state = await cluster.world.run(cluster.node(0).view.replication(REPO, LATEST_TAG));

    expect(state.regions.map(({ region, level, why }) => ({ region, level, why }))).toEqual([
      { region: `r-${first}`, level: "known", why: "1 of 2 parts are at no holder that the region can reach" },
      { region: `r-${second}`, level: "unknown", why: `it still names ${old.digest}` },
      { region: `r-${third}`, level: "unknown", why: "no node of the region can be reached" },
    ]);
    await cluster.stopAll();
  });

  test("that nobody knows has no digest", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 2 });

    const state = await cluster.world.run(cluster.node(0).view.replication(REPO, LATEST_TAG));

    expect(state.digest).toBe(undefined);
    expect(state.regions.map(({ level }) => level)).toEqual(["unknown", "unknown"]);
    await cluster.stopAll();
  });
});

describe("waiting", () => {
  const NEVER = new AbortController().signal;
  const request = { repo: REPO, reference: LATEST_TAG, timeoutMs: 10_000 } as const;

  test("ends as soon as all regions have reached the level", async () => {
    const { cluster } = await clusterWithImage();
    const startedMs = cluster.world.nowMs;
    const waiting = cluster.node(0).view.wait({ ...request, regions: "all", level: "resident" }, NEVER);

    await cluster.world.runFor(2_000);
    for (const node of [cluster.node(1), cluster.node(2)]) {
      await keep(cluster, node, CONFIG);
      await keep(cluster, node, LAYER);
    }
    const outcome = await cluster.world.run(waiting);

    expect(outcome.isReached).toBe(true);
    expect(cluster.world.nowMs - startedMs).toBeLessThan(2_500);
    await cluster.stopAll();
  });

  test("ends at once when nothing is missing", async () => {
    const { cluster } = await clusterWithImage();
    const startedMs = cluster.world.nowMs;

    const outcome = await cluster.world.run(
      cluster.node(1).view.wait({ ...request, regions: "all", level: "pullable" }, NEVER),
    );

    expect(outcome.isReached).toBe(true);
    expect(cluster.world.nowMs - startedMs).toBeLessThan(20);
    await cluster.stopAll();
  });

  test("ends after its time with how far it has come", async () => {
    const { cluster } = await clusterWithImage();
    const startedMs = cluster.world.nowMs;

    const outcome = await cluster.world.run(
      cluster.node(0).view.wait({ ...request, regions: [parseRegion("r-n2")], level: "resident" }, NEVER),
    );

    expect(outcome.isReached).toBe(false);
    expect(outcome.regions.find(({ region }) => region === "r-n2")?.level).toBe("pullable");
    expect(cluster.world.nowMs - startedMs).toBeGreaterThanOrEqual(10_000);
    expect(cluster.world.nowMs - startedMs).toBeLessThan(10_100);
    await cluster.stopAll();
  });

  test("for all regions waits for those of addresses where nobody has answered yet", async () => {
    const cluster = new ReplicatingCluster();
    for (const index of [0, 1]) await cluster.start(cluster.name(index));
    await cluster.world.runFor(1_000);
    await cluster.world.run(push(cluster.node(0).metadata, imageNamed("api")));
    await cluster.world.runFor(1_000);
    const known = { ...request, level: "known", timeoutMs: 1_000 } as const;

    const all = await cluster.world.run(cluster.node(0).view.wait({ ...known, regions: "all" }, NEVER));

    expect(all.isReached).toBe(false);
    expect(all.unheard).toEqual(["n3:7000"]);
    await cluster.stopAll();
  });
});
