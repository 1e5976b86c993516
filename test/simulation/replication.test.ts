import { describe, expect, test } from "vitest";
import type { OpBatch, PeerLink, Peers, PublisherFrame } from "../../nodes/ports/peers.ts";
import { decodeOp, encodeChange } from "../../shared/change.ts";
import type { Digest } from "../../shared/digest.ts";
import type { NodeId } from "../../shared/identity.ts";
import { PeerError } from "../../shared/peer-error.ts";
import { parseTag } from "../../shared/reference.ts";
import { imageNamed, LATEST, type MadeManifest, push, REPO } from "../support/metadata-fixture.ts";
import { type LivingNode, ReplicatingCluster } from "../support/replicating-cluster.ts";

/** As the regions of the demonstration are apart. */
function spread(cluster: ReplicatingCluster): void {
  const [eu, us, ap] = cluster.names.map((_, index) => cluster.name(index));
  if (eu === undefined || us === undefined || ap === undefined) throw new Error("three nodes");
  cluster.network.set(eu, us, { latencyMs: 45, jitterMs: 5 });
  cluster.network.set(us, ap, { latencyMs: 100, jitterMs: 10 });
  cluster.network.set(eu, ap, { latencyMs: 80, jitterMs: 10 });
}

async function pushAt(cluster: ReplicatingCluster, index: number, image: MadeManifest): Promise<void> {
  await cluster.world.run(push(cluster.node(index).metadata, image));
}

/** Where `latest` points at each node that is alive. */
async function shown(cluster: ReplicatingCluster): Promise<readonly (Digest | undefined)[]> {
  const tags = cluster.living.map(async ({ metadata }) => (await metadata.reader.tag(REPO, LATEST))?.digest);
  return await cluster.world.run(Promise.all(tags));
}

function pulls(node: LivingNode, from: NodeId): number {
  return pullsFrom(node, `r-${from}`);
}

function pullsFrom(node: LivingNode, source: string): number {
  return node.telemetry.valueOf("meridian_replication_pulls_total", { source, result: "complete" });
}

/** After this nothing may be left that a node had begun. */
async function end(cluster: ReplicatingCluster): Promise<void> {
  await cluster.stopAll();
  await cluster.world.runUntilIdle();
}

/** The peers of one node, with what its streams bring replaced. */
function altered(
  peers: Peers,
  alter: (frames: AsyncIterable<PublisherFrame>, address: string) => AsyncIterable<PublisherFrame>,
): Peers {
  return {
    dial: (address) => {
      const link: PeerLink = peers.dial(address);
      return { ...link, replicate: (acks, signal) => alter(link.replicate(acks, signal), address) };
    },
  };
}

describe("with nothing in the way", () => {
  test("a push anywhere is known everywhere within a second at the latencies of three continents", async () => {
    const cluster = await ReplicatingCluster.start();
    spread(cluster);
    const image = imageNamed("api");

    await pushAt(cluster, 0, image);
    await cluster.world.runFor(1_000);

    expect(await shown(cluster)).toEqual([image.digest, image.digest, image.digest]);
    await end(cluster);
  });

  test("ops come from their origin and from nobody else", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 5 });
    spread(cluster);

    for (let number = 1; number <= 30; number += 1) {
      await pushAt(cluster, number % 5, imageNamed(`image ${number}`));
      await cluster.world.runFor(70);
    }
    await cluster.world.runFor(2_000);

    const asked = cluster.living.flatMap((node) => cluster.names.map((from) => pulls(node, from)));
    expect(cluster.isLevel()).toBe(true);
    expect(Math.max(...asked)).toBe(0);
    await end(cluster);
  });

  test("a manifest that is too large for an op follows at once, and until then the tag shows what it showed", async () => {
    const cluster = await ReplicatingCluster.start();
    const small = imageNamed("small");
    const large = imageNamed("large", { annotations: { filling: "x".repeat(100_000) } });
    await pushAt(cluster, 0, small);
    await cluster.world.runFor(1_000);
    cluster.network.set(cluster.name(0), cluster.name(1), { latencyMs: 100 });
    cluster.network.set(cluster.name(0), cluster.name(2), { latencyMs: 100 });

    await pushAt(cluster, 0, large);
    await cluster.world.runFor(150);
    const early = await shown(cluster);
    await cluster.world.runFor(850);
    const late = await shown(cluster);

    expect(early).toEqual([large.digest, small.digest, small.digest]);
    expect(late).toEqual([large.digest, large.digest, large.digest]);
    await end(cluster);
  });

  test("each node tells how much of its own the others have not acknowledged", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 2 });
    const [first, second] = [cluster.name(0), cluster.name(1)];
    const target = { target: `r-${second}` };
    await pushAt(cluster, 0, imageNamed("one"));
    await cluster.world.runFor(2_000);
    const level = cluster.node(0).telemetry.valueOf("meridian_replication_pending_items", target);

    cluster.network.cut(first, second);
    await pushAt(cluster, 0, imageNamed("two"));
    await cluster.world.runFor(2_000);

    expect(level).toBe(0);
    expect(cluster.node(0).telemetry.valueOf("meridian_replication_pending_items", target)).toBe(2);
    await end(cluster);
  });
});

describe("beyond twelve nodes", () => {
  const CROWD = { nodes: 18, regions: 3 } as const;

  function streamsOf({ telemetry }: LivingNode): number {
    return telemetry.valueOf("meridian_replication_streams", { direction: "subscribing" });
  }

  test("each follows its own region and a few others, and hears of every op by a stream all the same", async () => {
    const cluster = await ReplicatingCluster.start(CROWD);
    await cluster.world.runFor(3_000);
    for (let number = 1; number <= 6; number += 1) {
      await pushAt(cluster, number * 2, imageNamed(`image ${number}`));
      await cluster.world.runFor(100);
    }

    const asked = cluster.living.flatMap((node) => [0, 1, 2].map((region) => pullsFrom(node, `region-${region}`)));
    expect(cluster.isLevel()).toBe(true);
    expect(Math.max(...asked)).toBe(0);
    expect(Math.max(...cluster.living.map(streamsOf))).toBeLessThan(cluster.names.length - 1);
    await end(cluster);
  });

  test("what a relay does not pass on is known to all within a second by the others' heads", async () => {
    const isOn = { value: false };
    const cluster = new ReplicatingCluster({
      ...CROWD,
      // Every stream to the third region from another node brings signs of life only: its relays are deaf or dead.
      meddle: (peers, { region }) =>
        altered(peers, (frames, address) =>
          region === "region-2" && isOfRegion(address, 2) ? withoutForeignOps(frames, isOn) : frames,
        ),
    });
    for (const name of cluster.names) await cluster.start(name);
    await cluster.world.runFor(4_000);
    isOn.value = true;

    await pushAt(cluster, 0, imageNamed("api"));
    await cluster.world.runFor(1_000);

    expect(cluster.isLevel()).toBe(true);
    expect(cluster.living.flatMap((node) => [0, 1, 2].map((region) => pullsFrom(node, `region-${region}`)))).toContain(
      1,
    );
    await end(cluster);
  });

  function isOfRegion(address: string, region: number): boolean {
    return (Number(address.slice(1, address.indexOf(":"))) - 1) % CROWD.regions === region;
  }

  async function* withoutForeignOps(
    frames: AsyncIterable<PublisherFrame>,
    isOn: { readonly value: boolean },
  ): AsyncGenerator<PublisherFrame, void> {
    for await (const frame of frames) if (!isOn.value || frame.kind !== "ops") yield frame;
  }
});

describe("when regions are cut off from each other", () => {
  test("both sides take pushes, and are level within two seconds of the heal, with the loser kept as a conflict", async () => {
    const cluster = await ReplicatingCluster.start();
    spread(cluster);
    const [eu, us, ap] = [cluster.name(0), cluster.name(1), cluster.name(2)];
    cluster.network.cut(eu, ap);
    cluster.network.cut(us, ap);
    await cluster.world.runFor(60_000);
    const [west, east] = [imageNamed("west"), imageNamed("east")];

    await pushAt(cluster, 0, west);
    await cluster.world.runFor(1_000);
    await pushAt(cluster, 2, east);
    await cluster.world.runFor(1_000);
    const apart = await shown(cluster);
    cluster.network.heal(eu, ap);
    cluster.network.heal(us, ap);
    await cluster.world.runFor(2_000);

    expect(apart).toEqual([west.digest, west.digest, east.digest]);
    expect(await shown(cluster)).toEqual([east.digest, east.digest, east.digest]);
    for (const { metadata } of cluster.living) {
      const [conflict] = await cluster.world.run(metadata.reader.conflicts({ limit: 10 }));
      expect(conflict?.losers.map(({ value }) => value)).toEqual([{ kind: "tag", digest: west.digest }]);
    }
    await end(cluster);
  });

  test("what a node cannot hear from its origin it gets from the next one, within a second", async () => {
    const cluster = await ReplicatingCluster.start();
    cluster.network.cut(cluster.name(0), cluster.name(2));
    await cluster.world.runFor(20_000);
    const image = imageNamed("api");

    await pushAt(cluster, 0, image);
    await cluster.world.runFor(1_000);

    expect(await shown(cluster)).toEqual([image.digest, image.digest, image.digest]);
    expect(pulls(cluster.node(2), cluster.name(1))).toBe(1);
    await end(cluster);
  });

  test("a line that carries in one direction only is no line", async () => {
    const cluster = await ReplicatingCluster.start();
    cluster.network.cutOneWay(cluster.name(0), cluster.name(2));
    await cluster.world.runFor(20_000);

    await pushAt(cluster, 0, imageNamed("api"));
    await pushAt(cluster, 2, imageNamed("web"));
    await cluster.world.runFor(1_500);

    expect(cluster.isLevel()).toBe(true);
    await end(cluster);
  });

  test("a node that was away for longer than the logs reach back catches up, and hears the next push as soon as any", async () => {
    const cluster = await ReplicatingCluster.start({ opLogOpsMax: 8 });
    const away = cluster.name(2);
    cluster.crash(away);
    for (let number = 1; number <= 20; number += 1) await pushAt(cluster, number % 2, imageNamed(`image ${number}`));
    await cluster.world.runFor(1_000);

    await cluster.start(away);
    await cluster.world.runFor(1_000);
    const isLevel = cluster.isLevel();
    await pushAt(cluster, 0, imageNamed("next"));
    await cluster.world.runFor(100);

    expect(isLevel).toBe(true);
    expect(cluster.isLevel()).toBe(true);
    await end(cluster);
  });

  test("a flapping line leaves nothing behind", async () => {
    const cluster = await ReplicatingCluster.start();
    const [left, right] = [cluster.name(0), cluster.name(1)];
    for (let round = 0; round < 40; round += 1) {
      cluster.network.cut(left, right);
      await pushAt(cluster, round % 3, imageNamed(`image ${round}`));
      await cluster.world.runFor(100 + 90 * round);
      cluster.network.heal(left, right);
      await cluster.world.runFor(100 + 50 * (round % 7));
    }
    await cluster.world.runFor(2_000);

    expect(cluster.isLevel()).toBe(true);
    await end(cluster);
  });
});

describe("when a process dies", () => {
  test("what it had acknowledged reaches everybody when it comes back", async () => {
    const cluster = await ReplicatingCluster.start({ commitMs: 20 });
    const image = imageNamed("api");

    await pushAt(cluster, 0, image);
    cluster.crash(cluster.name(0));
    await cluster.world.runFor(5_000);
    const without = await shown(cluster);
    await cluster.start(cluster.name(0));
    await cluster.world.runFor(1_000);

    expect(without).toEqual([undefined, undefined]);
    expect(await shown(cluster)).toEqual([image.digest, image.digest, image.digest]);
    await end(cluster);
  });

  test("what it had told to one node reaches the others while it is away", async () => {
    const cluster = await ReplicatingCluster.start();
    const image = imageNamed("api");
    cluster.network.cut(cluster.name(0), cluster.name(2));
    await pushAt(cluster, 0, image);
    await cluster.world.runFor(10);
    cluster.crash(cluster.name(0));
    await cluster.world.runFor(3_000);

    expect(await shown(cluster)).toEqual([image.digest, image.digest]);
    await end(cluster);
  });

  test("a data directory that was put back to an earlier day is noticed before it can number an op twice", async () => {
    const cluster = await ReplicatingCluster.start({ nodes: 2 });
    const name = cluster.name(0);
    await pushAt(cluster, 0, imageNamed("yesterday"));
    const backup = await cluster.world.run(cluster.backUp(name));
    await pushAt(cluster, 0, imageNamed("today"));
    await cluster.world.runFor(1_000);

    await cluster.stop(name);
    cluster.putBack(name, backup);
    await cluster.start(name);
    await cluster.world.runFor(1_000);

    expect(cluster.node(0).metadata.isFenced()?.message).toBe("its data directory was put back");
    await end(cluster);
  });
});

describe("when a peer sends what it must not", () => {
  /** Pushes at the first node, which does as `wrong` says, and at the third; tells how the second fared. */
  async function secondNodeFacing(
    wrong: (frame: PublisherFrame) => PublisherFrame,
    isMended: () => boolean,
  ): Promise<{ readonly cluster: ReplicatingCluster; readonly streams: () => number }> {
    let streams = 0;
    const cluster = new ReplicatingCluster({
      meddle: (peers, { node }) =>
        altered(peers, (frames, address) => {
          if (node !== "n2" || address !== "n1:7000") return frames;
          streams += 1;
          return mapped(frames, (frame) => (isMended() ? frame : wrong(frame)));
        }),
    });
    // Otherwise it would get from the third what it refuses from the first.
    cluster.network.cut(cluster.name(0), cluster.name(2));
    for (const name of cluster.names) await cluster.start(name);
    await cluster.world.runFor(1_000);
    await pushAt(cluster, 0, imageNamed("from n1"));
    await pushAt(cluster, 2, imageNamed("from n3"));
    return { cluster, streams: () => streams };
  }

  async function* mapped(
    frames: AsyncIterable<PublisherFrame>,
    map: (frame: PublisherFrame) => PublisherFrame,
  ): AsyncGenerator<PublisherFrame, void> {
    for await (const frame of frames) yield map(frame);
  }

  function withBatch(frame: PublisherFrame, change: (batch: OpBatch) => Partial<OpBatch>): PublisherFrame {
    return frame.kind === "ops" ? { ...frame, batch: { ...frame.batch, ...change(frame.batch) } } : frame;
  }

  /** The same op with another actor: well-formed, and not what its origin wrote. */
  function forged(bytes: Uint8Array): Uint8Array {
    const op = decodeOp(bytes);
    const versions = op.register.versions.map((version) => ({
      ...version,
      author: { ...version.author, actor: "mallory" },
    }));
    return encodeChange({ ...op, register: { ...op.register, versions } });
  }

  /** A batch without a chain before it is judged op by op. */
  const UNKNOWN = new Uint8Array();

  const CASES: readonly {
    readonly what: string;
    readonly reason: string;
    readonly wrong: (frame: PublisherFrame) => PublisherFrame;
  }[] = [
    {
      what: "bytes that are no op",
      reason: "malformed",
      wrong: (frame) => withBatch(frame, ({ ops }) => ({ ops: ops.map(() => Uint8Array.of(9, 9, 9)), base: UNKNOWN })),
    },
    {
      what: "an op under another number",
      reason: "malformed",
      wrong: (frame) => withBatch(frame, ({ ops }) => ({ ops: ops.toReversed(), base: UNKNOWN })),
    },
    {
      what: "another op than its origin wrote",
      reason: "chain",
      wrong: (frame) => withBatch(frame, ({ ops }) => ({ ops: ops.map(forged) })),
    },
  ];

  test.each(CASES)("$what is refused, counted and asked for again, ever more rarely", async ({ reason, wrong }) => {
    let isMended = false;
    const { cluster, streams } = await secondNodeFacing(wrong, () => isMended);
    const before = streams();

    await cluster.world.runFor(20_000);
    const { metadata, telemetry } = cluster.node(1);
    const refused = telemetry.valueOf("meridian_replication_refused_total", { reason });
    const held = metadata.held();
    isMended = true;
    await cluster.world.runFor(30_000);

    // After 1, 2, 4 and 8 seconds; the first stream was refused at once.
    expect(streams() - before).toBe(5);
    expect(refused).toBe(5);
    expect(held.upto(cluster.node(0).self.origin)).toBe(0);
    expect(held.upto(cluster.node(2).self.origin)).toBe(2);
    expect(cluster.isLevel()).toBe(true);
    await end(cluster);
  });

  test("a stream that cannot be understood is no broken link: the peer stays reachable", async () => {
    const failure = new PeerError("failed", "the peer's answer is malformed");
    const { cluster, streams } = await secondNodeFacing(
      (frame) => {
        if (frame.kind === "ops") throw failure;
        return frame;
      },
      () => false,
    );
    const before = streams();
    let changes = 0;
    cluster.node(1).directory.onChanged(() => {
      changes += 1;
    });

    await cluster.world.runFor(20_000);

    expect(changes).toBe(0);
    expect(streams() - before).toBe(4);
    await end(cluster);
  });

  test("batches that repeat and batches past a gap do no harm", async () => {
    const cluster = new ReplicatingCluster({
      meddle: (peers) => altered(peers, (frames) => hiccuping(frames)),
    });
    for (const name of cluster.names) await cluster.start(name);
    await cluster.world.runFor(1_000);
    for (let number = 1; number <= 40; number += 1) {
      await pushAt(cluster, number % 3, imageNamed(`image ${number}`));
      await cluster.world.runFor(40);
    }
    await cluster.world.runFor(3_000);

    expect(cluster.isLevel()).toBe(true);
    await end(cluster);
  });

  /** Repeats every second frame and swallows every fifth. */
  async function* hiccuping(frames: AsyncIterable<PublisherFrame>): AsyncGenerator<PublisherFrame, void> {
    let count = 0;
    for await (const frame of frames) {
      count += 1;
      if (count % 5 === 0) continue;
      yield frame;
      if (count % 2 === 0) yield frame;
    }
  }
});

describe("a manifest that is too large for its op", () => {
  const LARGE = imageNamed("large", { annotations: { filling: "x".repeat(100_000) } });

  /** Three nodes; what the third is given of the first's content is as `change` makes it. */
  async function facing(
    change: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  ): Promise<ReplicatingCluster> {
    const cluster = new ReplicatingCluster({
      meddle: (peers, { node }) => ({
        dial: (address) => {
          const link = peers.dial(address);
          if (node !== "n3" || address !== "n1:7000") return link;
          return { ...link, readBlob: (digest, offset, signal) => change(link.readBlob(digest, offset, signal)) };
        },
      }),
    });
    for (const name of cluster.names) await cluster.start(name);
    await cluster.world.runFor(1_000);
    return cluster;
  }

  async function* flipped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of chunks) yield chunk.with(0, (chunk[0] ?? 0) ^ 1);
  }

  async function* endless(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    yield* chunks;
    while (true) yield new Uint8Array(1_000_000);
  }

  async function* broken(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of chunks) {
      yield chunk.subarray(0, 10);
      throw new PeerError("unreachable", "the link is gone");
    }
  }

  test.each([
    { what: "sends wrong bytes", change: flipped, isMismatch: true },
    { what: "never ends", change: endless, isMismatch: false },
    { what: "breaks off", change: broken, isMismatch: false },
  ])("comes from another holder when its author $what", async ({ change, isMismatch }) => {
    const cluster = await facing(change);

    await pushAt(cluster, 0, LARGE);
    await cluster.world.runFor(1_000);

    expect(await shown(cluster)).toEqual([LARGE.digest, LARGE.digest, LARGE.digest]);
    const counted = cluster.node(2).telemetry.valueOf("meridian_blob_mismatches_total", { source: "r-n1" });
    expect(counted > 0).toBe(isMismatch);
    await end(cluster);
  });

  test("is waited for while nobody who has it can be reached, and fetched when somebody can", async () => {
    const cluster = await ReplicatingCluster.start();
    const [first, third] = [cluster.name(0), cluster.name(2)];
    await pushAt(cluster, 0, LARGE);
    // Its op is on its way; its bytes are not.
    await cluster.world.runFor(5);
    cluster.crash(first);
    await cluster.world.runFor(30_000);
    const meanwhile = await shown(cluster);

    await cluster.start(first);
    await cluster.world.runFor(1_000);

    expect(meanwhile).toEqual([undefined, undefined]);
    expect(await shown(cluster)).toEqual([LARGE.digest, LARGE.digest, LARGE.digest]);
    expect(cluster.node(2).metadata.self.node).toBe(third);
    await end(cluster);
  });
});

describe("before a miss is told", () => {
  test("the nearest peers are asked once, in one round trip, and what they know is kept", async () => {
    const cluster = new ReplicatingCluster({ meddle: (peers) => altered(peers, headsOnly) });
    for (const name of cluster.names) await cluster.start(name);
    await cluster.world.runFor(1_000);
    const image = imageNamed("api");
    await pushAt(cluster, 0, image);
    const { probeMiss, metadata, telemetry } = cluster.node(1);
    const tag = { kind: "tag", tag: LATEST } as const;

    const found = await cluster.world.run(
      Promise.all([probeMiss.manifest(REPO, tag), probeMiss.manifest(REPO, tag), probeMiss.manifest(REPO, tag)]),
    );

    expect(found).toEqual([true, true, true]);
    expect((await cluster.world.run(metadata.reader.tag(REPO, LATEST)))?.digest).toBe(image.digest);
    expect(telemetry.valueOf("meridian_miss_probes_total", { kind: "manifest", result: "found" })).toBe(1);
    await end(cluster);
  });

  test("a no is remembered for a second", async () => {
    const cluster = await ReplicatingCluster.start();
    const { probeMiss, telemetry } = cluster.node(1);
    const tag = { kind: "tag", tag: parseTag("nowhere") } as const;
    const asked = (): number =>
      telemetry.valueOf("meridian_miss_probes_total", { kind: "manifest", result: "unknown" });

    const first = await cluster.world.run(probeMiss.manifest(REPO, tag));
    const second = await cluster.world.run(probeMiss.manifest(REPO, tag));
    const askedSoon = asked();
    await cluster.world.runFor(1_000);
    await cluster.world.run(probeMiss.manifest(REPO, tag));

    expect([first, second]).toEqual([false, false]);
    expect([askedSoon, asked()]).toEqual([1, 2]);
    await end(cluster);
  });

  test("peers that do not answer cost no more than two seconds", async () => {
    const cluster = await ReplicatingCluster.start();
    cluster.network.cut(cluster.name(0), cluster.name(1));
    cluster.network.cut(cluster.name(2), cluster.name(1));
    const startedMs = cluster.world.nowMs;

    const found = await cluster.world.run(cluster.node(1).probeMiss.manifest(REPO, { kind: "tag", tag: LATEST }));

    expect(found).toBe(false);
    expect(cluster.world.nowMs - startedMs).toBeLessThanOrEqual(2_000);
    await end(cluster);
  });

  async function* headsOnly(frames: AsyncIterable<PublisherFrame>): AsyncGenerator<PublisherFrame, void> {
    for await (const frame of frames) if (frame.kind === "heads" && frame.held.entries().length === 0) yield frame;
  }
});
