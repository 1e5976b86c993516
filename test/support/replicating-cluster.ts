/**
 * Nodes that replicate their metadata in one simulated world: the real store, directory, replication and peer service
 * on simulated ports. What a client could ask is left out; what is pushed goes straight into the store.
 */
import { SimClock } from "../../cluster-sim/sim-clock.ts";
import { SimDisk } from "../../cluster-sim/sim-disk.ts";
import { SimKv } from "../../cluster-sim/sim-kv.ts";
import { SimNetwork } from "../../cluster-sim/sim-network.ts";
import { SimTimers } from "../../cluster-sim/sim-timers.ts";
import { World } from "../../cluster-sim/world.ts";
import { AuditState } from "../../nodes/cluster/audit-state.ts";
import { FetchContent } from "../../nodes/cluster/fetch-content.ts";
import { PeerDirectory } from "../../nodes/cluster/peer-directory.ts";
import { createPeerService } from "../../nodes/cluster/peer-service.ts";
import { ProbeMiss } from "../../nodes/cluster/probe-miss.ts";
import { Replicate } from "../../nodes/cluster/replicate.ts";
import { ClusterView } from "../../nodes/cluster/report.ts";
import { Roster } from "../../nodes/cluster/roster.ts";
import { VerifyState } from "../../nodes/cluster/verify-state.ts";
import type { Kv, KvWrite } from "../../nodes/ports/kv.ts";
import type { Greeting, NodeReport, PeerService, Peers } from "../../nodes/ports/peers.ts";
import { Blobs } from "../../nodes/storage/blobs.ts";
import { Metadata } from "../../nodes/storage/metadata.ts";
import { type NodeId, parseClusterId, parseNodeId, parseRegion } from "../../shared/identity.ts";
import { Recorded } from "./pulling-node.ts";

export type ClusterOptions = {
  readonly seed?: string | number;
  readonly nodes?: number;
  /** Among how many regions the nodes are dealt out; each is its own when it is left out. */
  readonly regions?: number;
  /** Ops that each origin's ring keeps. */
  readonly opLogOpsMax?: number;
  /** What a synced batch takes. */
  readonly commitMs?: number;
  /** Whom each node is told of; all, when not said. */
  readonly seeds?: readonly number[];
  /** Stands between a node and the network. */
  readonly meddle?: (peers: Peers, self: Greeting) => Peers;
};

/** What survives a node's process. */
type Machine = { readonly name: NodeId; readonly clock: SimClock; kv: SimKv; readonly disk: SimDisk; address: string };

/** One life of one node. */
export type LivingNode = {
  readonly name: NodeId;
  readonly self: Greeting;
  readonly metadata: Metadata;
  readonly blobs: Blobs;
  readonly directory: PeerDirectory;
  readonly replicate: Replicate;
  readonly fetchContent: FetchContent;
  readonly probeMiss: ProbeMiss;
  readonly roster: Roster;
  readonly view: ClusterView;
  readonly verifyState: VerifyState;
  readonly service: PeerService;
  readonly telemetry: Recorded;
  readonly timers: SimTimers;
  readonly stop: () => Promise<void>;
};

export class ReplicatingCluster {
  readonly world: World;
  readonly network: SimNetwork;
  readonly names: readonly NodeId[];
  readonly #options: ClusterOptions;
  readonly #machines: ReadonlyMap<NodeId, Machine>;
  readonly #living = new Map<NodeId, LivingNode>();

  constructor(options: ClusterOptions = {}) {
    this.#options = options;
    this.world = new World(options.seed ?? 1);
    this.network = new SimNetwork(this.world);
    this.names = Array.from({ length: options.nodes ?? 3 }, (_, index) => parseNodeId(`n${index + 1}`));
    this.#machines = new Map(this.names.map((name) => [name, newMachine(this.world, name)]));
  }

  /** A cluster whose nodes have all found each other. */
  static async start(options: ClusterOptions = {}): Promise<ReplicatingCluster> {
    const cluster = new ReplicatingCluster(options);
    for (const name of cluster.names) await cluster.start(name);
    await cluster.world.runFor(1_000);
    return cluster;
  }

  /** In the order of their names. */
  get living(): readonly LivingNode[] {
    return this.names.flatMap((name) => this.#living.get(name) ?? []);
  }

  isAlive(name: NodeId): boolean {
    return this.#living.has(name);
  }

  node(index: number): LivingNode {
    const node = this.#living.get(this.name(index));
    if (node === undefined) throw new Error(`node ${index} is not alive`);
    return node;
  }

  async start(name: NodeId): Promise<LivingNode> {
    const node = await this.world.run(startNode(this.#machine(name), this, this.#options));
    this.#living.set(name, node);
    return node;
  }

  /** A clean end of the process. */
  async stop(name: NodeId): Promise<void> {
    const node = this.#living.get(name);
    if (node === undefined) return;
    this.#living.delete(name);
    await this.world.run(node.stop());
  }

  /** The process is gone, with everything that was not synced. */
  crash(name: NodeId): void {
    this.#living.get(name)?.timers.stop();
    this.#living.delete(name);
    this.network.kill(name);
    this.#machine(name).kv.crash();
    this.#machine(name).disk.crash();
  }

  disk(name: NodeId): SimDisk {
    return this.#machine(name).disk;
  }

  /** The name of the node that `node(index)` is, alive or not. */
  name(index: number): NodeId {
    const name = this.names[index];
    if (name === undefined) throw new Error(`there is no node ${index}`);
    return name;
  }

  /** What the node's store holds now, as a store of its own. */
  async backUp(name: NodeId): Promise<SimKv> {
    const copy = new SimKv();
    const writes: KvWrite[] = [];
    const whole = { from: new Uint8Array(), to: Uint8Array.of(0xff) };
    for await (const entry of this.#machine(name).kv.entries(whole)) writes.push({ kind: "put", ...entry });
    await copy.commit(writes);
    return copy;
  }

  /** Puts a store in the place of a node's, which is not alive. */
  putBack(name: NodeId, kv: SimKv): void {
    this.#machine(name).kv = kv;
  }

  /** Where the node listens from its next start on. */
  move(name: NodeId, address: string): void {
    this.#machine(name).address = address;
  }

  /** Sets a node's wall clock, which keeps that through restarts. */
  shiftClock(name: NodeId, byMs: number): void {
    this.#machine(name).clock.shift(byMs);
  }

  pairs(): readonly (readonly [NodeId, NodeId])[] {
    return this.names.flatMap((left, index) => this.names.slice(index + 1).map((right) => [left, right] as const));
  }

  healAll(): void {
    for (const [left, right] of this.pairs()) this.network.heal(left, right);
  }

  /** Whether every living node holds the same registers. */
  isLevel(): boolean {
    return new Set(this.living.map(({ metadata }) => metadata.stateHash())).size <= 1;
  }

  async stopAll(): Promise<void> {
    for (const { name } of this.living) await this.stop(name);
  }

  #machine(name: NodeId): Machine {
    const machine = this.#machines.get(name);
    if (machine === undefined) throw new Error(`no node is called ${name}`);
    return machine;
  }
}

function regionOf(name: NodeId, names: readonly NodeId[], regions: number | undefined): string {
  return regions === undefined ? `r-${name}` : `region-${names.indexOf(name) % regions}`;
}

function newMachine(world: World, name: NodeId): Machine {
  const prng = world.chanceFor(`disk ${name}`);
  return { name, clock: new SimClock(world), kv: new SimKv(), disk: new SimDisk({ prng }), address: `${name}:7000` };
}

async function startNode(
  { name, clock, kv: stored, disk, address }: Machine,
  { world, network, names }: Pick<ReplicatingCluster, "world" | "network" | "names">,
  { opLogOpsMax, regions, commitMs = 2, seeds, meddle = (peers) => peers }: ClusterOptions,
): Promise<LivingNode> {
  const timers = new SimTimers(world);
  const kv: Kv = {
    get: stored.get,
    getMany: stored.getMany,
    entries: stored.entries,
    close: stored.close,
    commit: async (writes) => {
      await timers.sleep(commitMs);
      await stored.commit(writes);
    },
  };
  const telemetry = new Recorded();
  const random = world.chanceFor(`${name} from ${world.nowMs}`);
  const metadata = await Metadata.open(
    { kv, clock, random, telemetry, ...(opLogOpsMax === undefined ? {} : { opLogOpsMax }) },
    { cluster: parseClusterId("test"), node: name, region: parseRegion(regionOf(name, names, regions)) },
  );
  const self: Greeting = {
    ...metadata.self,
    protocol: { min: 1, max: 1 },
    advertise: { registry: `http://${name}:5000`, peer: address },
    version: "1",
  };
  const ports = { clock, timers, random, telemetry };
  const blobs = new Blobs({ disk, metadata, ...ports });
  const directory = new PeerDirectory({
    self,
    join: (seeds === undefined ? names : seeds.flatMap((seed) => names[seed] ?? [])).map((other) => `${other}:7000`),
    peers: meddle(network.peers(self), self),
    fence: (cause) => metadata.fence(cause),
    ...ports,
  });
  const onContradicted = (): void => metadata.fence(new Error("its data directory was put back"));
  const labels = { zone: "", role: "full", capacityBytes: undefined, costClass: "" } as const;
  const roster = await Roster.open({ self: () => self, labels, routes: new Map(), metadata, directory, ...ports });
  const replicate = new Replicate({ metadata, directory, roster, onContradicted, ...ports });
  const fetchContent = new FetchContent({ metadata, directory, ...ports });
  const probeMiss = new ProbeMiss({ metadata, directory, ...ports });
  const view = new ClusterView({ self: () => self, metadata, directory, roster, replicate, clock, timers });
  const audit = new AuditState({ metadata, directory, ...ports });
  const verifyState = new VerifyState({ metadata, directory, audit, clock, timers });
  const report = (): NodeReport => view.report();
  const service = createPeerService({ self: () => self, metadata, blobs, directory, roster, replicate, audit, report });
  const stopListening = network.listen(self, service);
  directory.start();
  roster.start();
  replicate.start();
  fetchContent.start();
  audit.start();
  const stop = async (): Promise<void> => {
    await Promise.all([fetchContent.stop(), replicate.stop(), roster.stop(), directory.stop(), audit.stop()]);
    stopListening();
  };
  return {
    name,
    self,
    metadata,
    blobs,
    directory,
    replicate,
    fetchContent,
    probeMiss,
    roster,
    view,
    verifyState,
    service,
    telemetry,
    timers,
    stop,
  };
}
