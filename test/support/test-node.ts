/**
 * A running node in this process: real disk and store in a temporary folder, real listeners on loopback, the wiring of
 * production. Only what it tells about itself is kept in memory, where a test can look.
 *
 * A fault of a node (a 500, in whatever request) fails the test file when the node is disposed of: no test has to
 * remember to look for it.
 */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { anyPorts } from "../../cluster-sim/lab/free-ports.ts";
import { type HttpDeps, startHttp } from "../../nodes/http/server.ts";
import { createNode } from "../../nodes/node.ts";
import { openDataDirectory } from "../../nodes/platform/data-directory.ts";
import { systemClock } from "../../nodes/platform/system-clock.ts";
import { systemRandom } from "../../nodes/platform/system-random.ts";
import { SystemTimers } from "../../nodes/platform/system-timers.ts";
import type { Clock } from "../../nodes/ports/clock.ts";
import type { Labels, LogFields, Telemetry } from "../../nodes/ports/telemetry.ts";
import { createGrpcPeers } from "../../nodes/rpc/peers.ts";
import { startPeerServer } from "../../nodes/rpc/server.ts";
import { type NodeConfig, parseNodeConfig } from "../../shared/config.ts";
import type { CounterName, GaugeName } from "../../shared/metrics.ts";
import { eventually } from "./eventually.ts";
import { RegistryClient } from "./registry-client.ts";

const HOST = "127.0.0.1";
const REACHED_WITHIN_MS = 10_000;
const STOP_GRACE_MS = 2_000;

type Ports = { readonly registry: number; readonly peer: number };

type Place = {
  readonly cluster: string;
  readonly region: string;
  readonly ports: Ports;
  /** Peer listeners of all members, its own among them. */
  readonly join: readonly string[];
};

/** How long a client may say nothing, and how much it may take; as in production where nothing is given. */
export type Patience = Pick<HttpDeps, "idleMs" | "headsMs" | "limits">;

type Running = { readonly stop: () => Promise<void> };

export class TestNode {
  readonly dataFolder: string;
  readonly client: RegistryClient;
  readonly #config: NodeConfig;
  readonly #patience: Patience;
  readonly #telemetry = new RecordingTelemetry();
  /** Milliseconds by which the node believes it is later than it is. */
  #aheadMs = 0;
  #running: Running | undefined;

  private constructor(config: NodeConfig, patience: Patience) {
    this.dataFolder = config.data;
    this.#config = config;
    this.#patience = patience;
    this.client = new RegistryClient(HOST, config.listen.registry.port);
  }

  static async start(place: Place, patience: Patience = {}): Promise<TestNode> {
    const node = new TestNode(await configFor(place), patience);
    await node.restart();
    return node;
  }

  get port(): number {
    return this.client.port;
  }

  /** What the counter has come to in all lives of the node, whatever its labels. */
  counted(metric: CounterName): number {
    return this.#telemetry.counted.get(metric) ?? 0;
  }

  /** Connections that its registry holds open, and how many it has ever taken. */
  get connections(): { readonly open: number; readonly taken: number } {
    return { open: this.#telemetry.openConnections, taken: this.#telemetry.takenConnections };
  }

  /** Bytes of all files in the data directory. */
  async storedBytes(): Promise<number> {
    const entries = await readdir(this.dataFolder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const sizes = await Promise.all(
      files.map(async ({ parentPath, name }) => await sizeOf(path.join(parentPath, name))),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** As a process that is asked to end does; what it keeps stays. Stopping twice does nothing. */
  async stop(): Promise<void> {
    this.client.close();
    await this.#running?.stop();
    this.#running = undefined;
  }

  /** Starts it again, on the same addresses and with what it kept, as if `laterMs` had gone by meanwhile. */
  async restart({ laterMs = 0 }: { readonly laterMs?: number } = {}): Promise<void> {
    await this.stop();
    this.#aheadMs += laterMs;
    this.#running = await run(this.#config, this.#clock(), this.#telemetry, this.#patience);
  }

  /** @throws when the node has had to log a fault of its own. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.dataFolder, { recursive: true, force: true });
    const { faults } = this.#telemetry;
    if (faults.length === 0) return;
    throw new AggregateError(faults, `${this.#config.node} has failed ${faults.length} requests`);
  }

  #clock(): Clock {
    const aheadMs = this.#aheadMs;
    return {
      wallMs: () => systemClock.wallMs() + aheadMs,
      monotonicMs: () => systemClock.monotonicMs() + aheadMs,
    };
  }
}

/** Whether the node has reached as many others as there are: only then can it ask them what it misses. */
async function hasReached(node: TestNode, others: number): Promise<boolean> {
  const { body } = await node.client.get("/api/v1/cluster");
  const { members }: { readonly members: readonly { readonly self: boolean; readonly reachability: string }[] } =
    JSON.parse(body.toString());
  return members.filter(({ self, reachability }) => !self && reachability === "reachable").length === others;
}

/** One node alone, ready to be asked. */
export async function startTestNode(region = "eu", patience: Patience = {}): Promise<TestNode> {
  return await TestNode.start({ cluster: "alone", region, ports: await freePorts(), join: [] }, patience);
}

export type TestCluster = AsyncDisposable & { readonly eu: TestNode; readonly us: TestNode; readonly ap: TestNode };

/** Three regions that have all reached each other, ready to be asked. */
export async function startTestCluster(cluster: string): Promise<TestCluster> {
  const ports = { eu: await freePorts(), us: await freePorts(), ap: await freePorts() };
  const join = Object.values(ports).map(({ peer }) => `${HOST}:${peer}`);
  const [eu, us, ap] = await Promise.all([
    TestNode.start({ cluster, region: "eu", ports: ports.eu, join }),
    TestNode.start({ cluster, region: "us", ports: ports.us, join }),
    TestNode.start({ cluster, region: "ap", ports: ports.ap, join }),
  ]);
  const nodes = new AsyncDisposableStack();
  for (const node of [eu, us, ap]) nodes.use(node);
  for (const node of [eu, us, ap]) await eventually(async () => await hasReached(node, 2), REACHED_WITHIN_MS);
  return { eu, us, ap, [Symbol.asyncDispose]: async () => await nodes.disposeAsync() };
}

async function configFor({ cluster, region, ports, join }: Place): Promise<NodeConfig> {
  const parsed = parseNodeConfig({
    cluster,
    node: `${region}-1`,
    region,
    data: await mkdtemp(path.join(tmpdir(), `meridian-${region}-`)),
    listen: { registry: `${HOST}:${ports.registry}`, peer: `${HOST}:${ports.peer}`, ops: `${HOST}:0` },
    join,
  });
  if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.problems));
  return parsed.config;
}

/** Opens everything from the ground up, as the process of a node does; what it gives closes it again, from the top down. */
async function run(config: NodeConfig, clock: Clock, telemetry: Telemetry, patience: Patience): Promise<Running> {
  const { disk, kv } = await openDataDirectory(config.data, telemetry);
  const timers = new SystemTimers();
  const { registry, peer } = config.listen;
  const advertise = { registry: `http://${HOST}:${registry.port}`, peer: `${HOST}:${peer.port}` };
  const peers = createGrpcPeers({ telemetry });
  const node = await createNode(config, advertise, { clock, timers, random: systemRandom, disk, kv, peers, telemetry });

  const { self, operations, health, peerService } = node;
  const rpc = await startPeerServer({ listen: advertise.peer, self, service: peerService, telemetry });
  const http = await startHttp({
    listen: config.listen,
    self,
    operations,
    health,
    renderMetrics: async () => ({ contentType: "text/plain", text: "" }),
    clock,
    timers,
    telemetry,
    stopGraceMs: STOP_GRACE_MS,
    ...patience,
  });
  node.start();
  return {
    stop: async () => {
      await http.stop();
      await rpc.stop(STOP_GRACE_MS);
      await node.stop();
    },
  };
}

class RecordingTelemetry implements Telemetry {
  readonly counted = new Map<CounterName, number>();
  readonly faults: unknown[] = [];
  openConnections = 0;
  takenConnections = 0;

  readonly log = (_level: string, event: string, fields: LogFields | (() => LogFields) = {}): void => {
    if (event === "a request failed" && typeof fields === "object") this.faults.push(fields["cause"]);
  };

  readonly count = (metric: CounterName, _labels: unknown, amount = 1): void => {
    this.counted.set(metric, (this.counted.get(metric) ?? 0) + amount);
  };

  readonly set = (metric: GaugeName, { listener }: Labels, value: number): void => {
    if (metric !== "meridian_http_connections" || listener !== "registry") return;
    this.takenConnections += Math.max(0, value - this.openConnections);
    this.openConnections = value;
  };

  readonly observe = (): void => undefined;
}

/** A file that has gone since it was listed has no size. */
async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

/**
 * Two that nobody listens on. The node must know its own addresses before it listens and keep them over a restart, so they
 * come from a range that the system takes no ports of outgoing connections from.
 */
async function freePorts(): Promise<Ports> {
  const { registries, peers } = await anyPorts(1);
  return { registry: registries[0] ?? 0, peer: peers[0] ?? 0 };
}
