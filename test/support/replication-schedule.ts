/**
 * A random history of a cluster: writes of every kind at random nodes whose clocks may be wrong, while lines are cut in
 * one or both directions, healed, become slow, and nodes crash, stop and come back. Then everything heals. One seed
 * always makes one history.
 *
 * Beside it stands the oracle, a store that has merged every op that any node ever made durable: whatever the cluster
 * went through, all of its nodes must end as the oracle did.
 */
import type { Prng } from "../../cluster-sim/prng.ts";
import { SimClock } from "../../cluster-sim/sim-clock.ts";
import { SimKv } from "../../cluster-sim/sim-kv.ts";
import type { Metadata } from "../../nodes/storage/metadata.ts";
import type { NodeId, Origin } from "../../shared/identity.ts";
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from "../../shared/reference.ts";
import { VersionVector } from "../../shared/version-vector.ts";
import { imageNamed, indexOf, openMetadata, push } from "./metadata-fixture.ts";
import { type LivingNode, ReplicatingCluster } from "./replicating-cluster.ts";

const REPOS: readonly RepositoryName[] = ["shop/api", "shop/web"].map(parseRepositoryName);
const TAGS: readonly Tag[] = ["latest", "v1", "v2"].map(parseTag);
const NAMES_OF_IMAGES = 12;
/** One seed in so many is played by enough nodes that most get the ops of others through relays. */
const CROWD_EVERY = 50;
const CROWD = 14;
/** Too much for an op. */
const LARGE = "x".repeat(40_000);

export class ReplicationSchedule {
  readonly cluster: ReplicatingCluster;
  readonly #prng: Prng;
  readonly #oracle: Metadata;
  /** What clients were told is done. */
  readonly acknowledged = new VersionVector();
  readonly #captured = new Map<Origin, number>();

  private constructor(cluster: ReplicatingCluster, prng: Prng, oracle: Metadata) {
    this.cluster = cluster;
    this.#prng = prng;
    this.#oracle = oracle;
  }

  static async play(seed: number, steps: number): Promise<ReplicationSchedule> {
    const probe = new ReplicatingCluster({ seed });
    const prng = probe.world.chanceFor("schedule");
    const few = prng.integer(3, 5);
    const cluster = new ReplicatingCluster({
      seed,
      ...(seed % CROWD_EVERY === 0 ? { nodes: CROWD, regions: 3 } : { nodes: few }),
      opLogOpsMax: prng.pick([6, 12, 1_000]),
      commitMs: prng.pick([0, 2, 20]),
    });
    // By its own clock nothing that anybody writes may lie far ahead: it would wait for its time.
    const clock = new SimClock(cluster.world);
    const oracle = await cluster.world.run(openMetadata(new SimKv(), "oracle", { clock }));
    const schedule = new ReplicationSchedule(cluster, prng, oracle);
    for (const [left, right] of cluster.pairs()) {
      cluster.network.set(left, right, { latencyMs: prng.integer(1, 150), jitterMs: prng.integer(0, 30) });
    }
    // Further apart than a minute, an origin that is ahead waits for its time: test/storage/parking.test.ts.
    const skewMs = prng.pick([0, 300, 29_000]);
    for (const name of cluster.names) {
      cluster.shiftClock(name, prng.integer(-skewMs, skewMs));
      await cluster.start(name);
    }
    for (let step = 0; step < steps; step += 1) {
      await schedule.#step();
      await cluster.world.runFor(prng.integer(0, 600));
    }
    return schedule;
  }

  /** Everybody comes back, everything is mended. */
  async heal(): Promise<void> {
    this.cluster.healAll();
    for (const name of this.cluster.names) if (!this.cluster.isAlive(name)) await this.#start(name);
  }

  expectedStateHash(): string {
    return this.#oracle.stateHash();
  }

  async #step(): Promise<void> {
    const prng = this.#prng;
    const { cluster } = this;
    const node = cluster.living.length === 0 ? undefined : prng.pick(cluster.living);
    const [left, right] = prng.pick(cluster.pairs());
    const dice = prng.integer(0, 99);
    if (node !== undefined && dice < 60) await this.#write(node);
    else if (node !== undefined && dice < 65) await this.#writeAndCrash(node);
    else if (node !== undefined && dice < 69) await cluster.stop(node.name);
    else if (dice < 79) await this.#start(prng.pick(cluster.names));
    else if (dice < 85) cluster.network.cut(left, right);
    else if (dice < 89) this.#cutOneWay(left, right);
    else if (dice < 97) cluster.network.heal(left, right);
    else cluster.network.set(left, right, { latencyMs: prng.integer(1, 400), jitterMs: prng.integer(0, 100) });
  }

  #cutOneWay(left: NodeId, right: NodeId): void {
    const { network } = this.cluster;
    if (this.#prng.chance(0.5)) network.cutOneWay(left, right);
    else network.cutOneWay(right, left);
  }

  async #start(name: NodeId): Promise<void> {
    if (this.cluster.isAlive(name)) return;
    const { metadata } = await this.cluster.start(name);
    await this.#capture(metadata);
  }

  async #write(node: LivingNode): Promise<void> {
    await this.cluster.world.run(this.#writeSomething(node.metadata));
    const { origin } = node.metadata.self;
    this.acknowledged.advance(origin, node.metadata.held().upto(origin));
    await this.#capture(node.metadata);
  }

  /** What was under way when the process died is durable or not; nobody was told either way. */
  async #writeAndCrash(node: LivingNode): Promise<void> {
    const writing = this.#writeSomething(node.metadata).catch(() => undefined);
    await this.cluster.world.runFor(this.#prng.integer(0, 30));
    await this.#capture(node.metadata);
    this.cluster.crash(node.name);
    await Promise.race([writing, Promise.resolve()]);
  }

  async #writeSomething(metadata: Metadata): Promise<void> {
    const prng = this.#prng;
    const repo = prng.pick(REPOS);
    const tag = prng.pick(TAGS);
    const name = `image ${prng.integer(1, NAMES_OF_IMAGES)}`;
    const dice = prng.integer(0, 9);
    if (dice < 5) await push(metadata, imageNamed(name), [tag], repo);
    else if (dice < 6) await push(metadata, imageNamed(name, { annotations: { name, LARGE } }), [tag], repo);
    else if (dice < 7) await pushIndex(metadata, name, tag, repo);
    else if (dice < 9) await deleteTag(metadata, repo, tag);
    else await deleteManifest(metadata, repo, tag);
  }

  /** Tells the oracle of every op that the node has made durable. */
  async #capture(metadata: Metadata): Promise<void> {
    const { origin } = metadata.self;
    while (metadata.held().upto(origin) > (this.#captured.get(origin) ?? 0)) {
      const from = (this.#captured.get(origin) ?? 0) + 1;
      const batch = await this.cluster.world.run(metadata.opsFrom(origin, from));
      if (batch === undefined) throw new Error(`op ${from} of ${origin} has left the ring unseen`);
      await this.cluster.world.run(this.#oracle.commit({ kind: "ops", batch }));
      this.#captured.set(origin, from + batch.ops.length - 1);
    }
  }
}

async function pushIndex(metadata: Metadata, name: string, tag: Tag, repo: RepositoryName): Promise<void> {
  const children = [imageNamed(`${name} amd64`), imageNamed(`${name} arm64`)];
  for (const child of children) await push(metadata, child, [], repo);
  await push(metadata, indexOf(children), [tag], repo);
}

async function deleteTag(metadata: Metadata, repo: RepositoryName, tag: Tag): Promise<void> {
  await metadata.record("tester", async (turn) => {
    if ((await turn.tag(repo, tag)) !== undefined) await turn.set({ kind: "tag", repo, tag }, { kind: "removed" });
  });
}

async function deleteManifest(metadata: Metadata, repo: RepositoryName, tag: Tag): Promise<void> {
  await metadata.record("tester", async (turn) => {
    const digest = (await turn.tag(repo, tag))?.digest;
    if (digest === undefined) return;
    await turn.set({ kind: "manifest", repo, digest }, { kind: "removed" });
    for (const other of await turn.tagsAt(repo, digest)) {
      await turn.set({ kind: "tag", repo, tag: other }, { kind: "removed" });
    }
  });
}

/** What a client sees of a node: each tag of each repository, and where it points. */
export async function visibleTags({ metadata }: LivingNode): Promise<readonly string[]> {
  const seen: string[] = [];
  for (const repo of REPOS) {
    for (const tag of await metadata.reader.tags(repo, { limit: 100 })) {
      const state = await metadata.reader.tag(repo, tag);
      seen.push(`${repo}:${tag}@${state?.digest ?? "nothing"}`);
    }
  }
  return seen;
}
