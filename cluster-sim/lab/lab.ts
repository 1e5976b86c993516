/**
 * A cluster of real processes on this machine, one node for each region, with a wide-area network between them that can be
 * cut, slowed and broken. `meridian lab` is built on it, and so are the end-to-end tests: `startLab`, do something,
 * `stop`; afterwards no process, port or file is left.
 */
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { invariant } from "../../shared/invariant.ts";
import { anyPorts, type LabPorts, memorablePorts } from "./free-ports.ts";
import type { Toxics } from "./link-direction.ts";
import { type LabAddress, type LineStatus, Network, type RoundTrips, WAN } from "./network.ts";
import { NodeProcess } from "./node-process.ts";

export const REGIONS_DEFAULT = ["eu", "us", "ap"] as const;
/** Registries and the control port of one lab lie ten ports apart from those of the next. */
const REGIONS_MAX = 9;
const LOOPBACK = "127.0.0.1";

export type LabOptions = {
  /** One node each; its name is the region's with `-1`. */
  readonly regions?: readonly string[];
  /** Round trips between regions; `none` is the bare loopback. */
  readonly latencies?: "wan" | "none" | RoundTrips;
  /** Kept at the end when given; otherwise a folder of its own is made and removed. */
  readonly dataDirectory?: string;
  /** Ports are counted from here, moved on when one is taken; 0 takes any free ones. */
  readonly portBase?: number;
  /** Further keys of each node's configuration. */
  readonly configuration?: Readonly<Record<string, unknown>>;
};

export type LabNode = {
  readonly name: string;
  readonly region: string;
  /** host:port, as the two below. */
  readonly registry: string;
  readonly peer: string;
  readonly ops: string;
  /** Of its log, one JSON object a line. */
  readonly log: string;
  /** `undefined` while the node does not run. */
  readonly pid: () => number | undefined;
  /** SIGKILL. */
  readonly kill: () => Promise<void>;
  /** Ends in good order. */
  readonly stop: () => Promise<void>;
  /** Starts it, after ending it in good order when it runs; resolves when it is ready. */
  readonly restart: () => Promise<void>;
  /** SIGSTOP and SIGCONT: the machine hangs, and goes on. */
  readonly pause: () => void;
  readonly resume: () => void;
};

/** What is not said stays as it is. */
export type Slowness = {
  /** In the place of the usual one, half of it each way. */
  readonly roundTripMs?: number | undefined;
  /** Give or take so much of it, each way. */
  readonly jitterMs?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
};

/** Resolves when every node is ready. @throws when one does not start; then nothing stays. */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const regions = options.regions ?? REGIONS_DEFAULT;
  invariant(regions.length > 0 && regions.length <= REGIONS_MAX, `a lab has 1 to ${REGIONS_MAX} regions`);
  const { portBase = 0 } = options;
  const ports = portBase === 0 ? await anyPorts(regions.length) : await memorablePorts(portBase, regions.length);
  const dataDirectory = await makeDataDirectory(options.dataDirectory);
  const addresses = regions.map((region, index): LabAddress => {
    return { name: `${region}-1`, region, peerPort: ports.peers[index] ?? 0 };
  });

  const network = await Network.open(addresses, roundTripsOf(options.latencies ?? "wan"));
  const nodes: LabNode[] = [];
  const lab = new Lab({ nodes, network, ports, dataDirectory, isKept: options.dataDirectory !== undefined });
  try {
    for (const [index, address] of addresses.entries()) {
      nodes.push(await createNode(address, index, { ports, network, dataDirectory, options }));
    }
    await Promise.all(nodes.map(async (node) => await node.restart()));
    return lab;
  } catch (cause) {
    await lab.stop();
    throw cause;
  }
}

async function makeDataDirectory(given: string | undefined): Promise<string> {
  if (given === undefined) return await mkdtemp(join(tmpdir(), "meridian-lab-"));
  await mkdir(given, { recursive: true, mode: 0o700 });
  return resolve(given);
}

function roundTripsOf(latencies: "wan" | "none" | RoundTrips): RoundTrips {
  if (latencies === "wan") return WAN;
  return latencies === "none" ? {} : latencies;
}

type NodeSurroundings = {
  readonly ports: LabPorts;
  readonly network: Network;
  readonly dataDirectory: string;
  readonly options: LabOptions;
};

async function createNode(address: LabAddress, index: number, surroundings: NodeSurroundings): Promise<LabNode> {
  const { name, region } = address;
  const { ports, network, dataDirectory, options } = surroundings;
  const at = (list: readonly number[]): string => `${LOOPBACK}:${list[index] ?? 0}`;
  const [registry, peer, ops] = [at(ports.registries), at(ports.peers), at(ports.ops)];
  const files = { config: join(dataDirectory, `${name}.yaml`), log: join(dataDirectory, `${name}.log`) };
  const config = {
    node: name,
    region,
    cluster: "lab",
    data: join(dataDirectory, name),
    listen: { registry, peer, ops },
    advertise: { registry: `http://${registry}`, peer },
    // Nodes learn of each other's true addresses, and must not go around the network that can be cut.
    join: network.linesFrom(name).map(({ address: line }) => line),
    routes: network.linesFrom(name).map(({ target, address: line }) => `${target}=${line}`),
    ...options.configuration,
  };
  // JSON is YAML, and a lab needs no package to write it.
  await writeFile(files.config, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });

  const child = new NodeProcess(files, ops);
  return {
    name,
    region,
    registry,
    peer,
    ops,
    log: files.log,
    pid: () => child.pid,
    kill: async () => await child.kill(),
    stop: async () => await child.stop(),
    restart: async () => {
      await child.stop();
      await child.start();
    },
    pause: () => child.pause(),
    resume: () => child.resume(),
  };
}

type LabParts = {
  /** Filled while the lab is being built. */
  readonly nodes: readonly LabNode[];
  readonly network: Network;
  readonly ports: LabPorts;
  readonly dataDirectory: string;
  readonly isKept: boolean;
};

/** Names are those of nodes or of regions; two of them mean both directions unless it says otherwise. Unknown names throw. */
export class Lab {
  readonly nodes: readonly LabNode[];
  /** Where the ports ended up. */
  readonly ports: LabPorts;
  readonly dataDirectory: string;
  readonly #network: Network;
  readonly #isKept: boolean;
  readonly #onExit = (): void => this.#abandon();
  #stopping: Promise<void> | undefined;

  constructor({ nodes, network, ports, dataDirectory, isKept }: LabParts) {
    this.nodes = nodes;
    this.ports = ports;
    this.dataDirectory = dataDirectory;
    this.#network = network;
    this.#isKept = isKept;
    process.once("exit", this.#onExit);
  }

  node(name: string): LabNode {
    const found = this.nodes.find((node) => node.name === name || node.region === name);
    if (found !== undefined) return found;
    throw new UnknownNodeError(
      `no node is called ${name}; there are ${this.nodes.map((node) => node.name).join(", ")}`,
    );
  }

  /** Nothing passes, and nobody is told. `oneWay` stops only what travels from the first to the second. */
  async cut(one: string, other: string, { oneWay = false }: { readonly oneWay?: boolean } = {}): Promise<void> {
    await this.poison(one, other, { timeout: true });
    if (!oneWay) await this.poison(other, one, { timeout: true });
  }

  /** Connections are refused, and those that were open are reset. */
  async refuse(one: string, other: string): Promise<void> {
    await this.#bothWays(one, other, (source, target) => this.#network.setMode(source, target, "refuse"));
  }

  /** Half-open: the far ends are gone, the near ends are not told, new connections are accepted and stay silent. */
  async silence(one: string, other: string): Promise<void> {
    await this.#bothWays(one, other, (source, target) => this.#network.setMode(source, target, "silent"));
  }

  /** What is open is reset, once. */
  async reset(one: string, other: string): Promise<void> {
    await this.#bothWays(one, other, (source, target) => this.#network.reset(source, target));
  }

  async slow(one: string, other: string, slowness: Slowness): Promise<void> {
    await this.#bothWays(one, other, (source, target) => this.#network.poison(source, target, toxicsOf(slowness)));
  }

  /** Any toxic of `link-direction.ts`, in one direction. */
  async poison(source: string, target: string, toxics: Toxics): Promise<void> {
    const [from, to] = this.#pair(source, target);
    this.#network.poison(from, to, toxics);
    await Promise.resolve();
  }

  /** The network as it was in the beginning; between two nodes only, when they are named. Nodes that were killed stay so. */
  async heal(one?: string, other?: string): Promise<void> {
    if (one === undefined || other === undefined) this.#network.heal();
    else await this.#bothWays(one, other, (source, target) => this.#network.healBetween(source, target));
  }

  links(): readonly LineStatus[] {
    return this.#network.status();
  }

  /** Whether every node runs and no line is cut, silent or refusing. */
  isWhole(): boolean {
    return this.#network.isWhole && this.nodes.every(({ pid }) => pid() !== undefined);
  }

  /** Ends every node and frees everything. Again does nothing more. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    await this.#stopping;
  }

  async #stopAll(): Promise<void> {
    // First, so that no node waits for a peer behind a line that is cut to hear its farewell.
    await this.#network.close();
    await Promise.all(this.nodes.map(async (node) => await node.stop()));
    if (!this.#isKept) await rm(this.dataDirectory, { recursive: true, force: true });
    process.removeListener("exit", this.#onExit);
  }

  /** When the process ends without having stopped the lab: at once, and without leaving anything either. */
  #abandon(): void {
    for (const { pid } of this.nodes) {
      const running = pid();
      if (running !== undefined) process.kill(running, "SIGKILL");
    }
    // What was killed may still be in the middle of its last system call.
    if (!this.#isKept) rmSync(this.dataDirectory, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
  }

  async #bothWays(one: string, other: string, change: (source: string, target: string) => void): Promise<void> {
    const [source, target] = this.#pair(one, other);
    change(source, target);
    change(target, source);
    await Promise.resolve();
  }

  #pair(one: string, other: string): readonly [string, string] {
    const names = [this.node(one).name, this.node(other).name] as const;
    if (names[0] === names[1]) throw new UnknownNodeError(`${one} and ${other} are the same node`);
    return names;
  }
}

/** A name that is no node's, or the same one twice where two are needed. */
export class UnknownNodeError extends Error {
  override readonly name = "UnknownNodeError";
}

function toxicsOf({ roundTripMs, jitterMs = 0, bytesPerSecond }: Slowness): Toxics {
  return {
    ...(roundTripMs === undefined ? {} : { latency: { latencyMs: roundTripMs / 2, jitterMs } }),
    ...(bytesPerSecond === undefined ? {} : { bandwidth: { bytesPerSecond } }),
  };
}
