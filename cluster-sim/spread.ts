/**
 * How soon everybody knows: whole nodes in eight regions of the world, ops pushed in one of them, and for each op the
 * moment at which the last node had it on its disk. Beside that, how often each node was sent an op, and what the nodes say to
 * each other when there is nothing to say.
 *
 * Two weathers. In the fair one nothing is wrong. In the foul one every twentieth message is lost and sent again, and one
 * node in ten is dead without anybody having been told: its streams stand open and are silent.
 */
import type { PeerLink, Peers, PublisherFrame, PullFrame, SubscriberFrame } from "../nodes/ports/peers.ts";
import { decodeOp, dotOf } from "../shared/change.ts";
import { type NodeId, parseNodeId } from "../shared/identity.ts";
import { unreachable } from "../shared/invariant.ts";
import { OCI_IMAGE_INDEX } from "../shared/media-types.ts";
import { parseRepositoryName, parseTag } from "../shared/reference.ts";
import { encodeVersionVector } from "../shared/version-vector.ts";
import { mapped } from "./mapped.ts";
import { type HostDeps, NodeHost } from "./node-host.ts";
import { Probes } from "./probes.ts";
import { latencyMsBetween, REGION_NAMES, type RegionName } from "./regions.ts";
import type { Place } from "./settings.ts";
import { SimNetwork } from "./sim-network.ts";
import { World } from "./world.ts";

export type Weather = "fair" | "foul";
export type SpreadOptions = {
  readonly seed: number;
  readonly nodes: number;
  readonly pushes: number;
  readonly weather: Weather;
};

export type SpreadFigures = {
  /** For each op, from its push to the last node that lives, in ms. */
  readonly knownMs: readonly number[];
  /** How often an op was sent to a node, in the mean. */
  readonly copies: number;
  /** Bytes that a node sends in a second on its streams of ops while nothing happens. */
  readonly idleBytesPerSecond: number;
  /** One way, from the region of the pushes to the farthest. */
  readonly farthestMs: number;
};

const HOME: RegionName = "us-east";
const SEEDS = 3;
const JITTER_MS = 1;
const COMMIT_MS_MAX = 2;
/** From one node to the next while they start. */
const START_MS = 40;
const MEET_MS = 8_000;
const IDLE_MS = 8_000;
const BETWEEN_PUSHES_MS = 700;
const PUSH_MS_MAX = 30_000;
const STEP_MS = 20;
const OPS_KEPT = 20_000;
const LOSS = 0.05;
const DEAD_SHARE = 0.1;
/** What gRPC puts before a message, and a tag and a length inside it. */
const FRAME_BYTES = 5 + 2;
const NO_CONDITION = { oneOf: undefined, noneOf: undefined };

/** @throws when an op does not become known. */
export async function measureSpread(options: SpreadOptions): Promise<SpreadFigures> {
  return await new SpreadRun(options).play();
}

class SpreadRun {
  readonly #options: SpreadOptions;
  readonly #world: World;
  readonly #network: SimNetwork;
  readonly #tally = new Tally();
  readonly #hosts: readonly NodeHost[];
  readonly #places: readonly Place[];
  /** When each op was on the disk of each node. */
  readonly #knownAt = new Map<string, Map<NodeId, number>>();

  constructor(options: SpreadOptions) {
    this.#options = options;
    const world = new World(options.seed);
    this.#world = world;
    this.#network = new SimNetwork(world);
    this.#places = Array.from({ length: options.nodes }, (_, index) => ({
      name: parseNodeId(`n${index + 1}`),
      region: REGION_NAMES[index % REGION_NAMES.length] ?? HOME,
      aheadMs: 0,
    }));
    const real = this.#network;
    const network: HostDeps["network"] = {
      listen: (self, service) => real.listen(self, service),
      kill: (node) => real.kill(node),
      silence: (node) => real.silence(node),
      peers: (self) => this.#tally.counted(real.peers(self)),
    };
    const deps = {
      world,
      network,
      note: () => undefined,
      probes: new Probes(),
      onWrongTry: () => undefined,
      onDurable: (op: Uint8Array, holder: NodeHost) => this.#durable(op, holder),
      onHeld: () => undefined,
      onStarted: () => undefined,
      onNamed: () => undefined,
      settings: { opLogOpsMax: OPS_KEPT, commitMsMax: COMMIT_MS_MAX, isChopped: false },
    };
    const join = this.#places.slice(0, SEEDS).map(({ name }) => `${name}:7000`);
    this.#hosts = this.#places.map((place) => new NodeHost(deps, place, join));
  }

  async play(): Promise<SpreadFigures> {
    const { weather } = this.#options;
    this.#setLines(0);
    for (const host of this.#hosts) {
      await this.#world.run(host.start());
      await this.#world.runFor(START_MS);
    }
    await this.#world.runFor(MEET_MS);
    const idleBytesPerSecond = await this.#idle();
    if (weather === "foul") this.#setLines(LOSS);
    const knownMs: number[] = [];
    this.#tally.clear();
    // Whoever dies has just died when the first push is made: nobody goes around it yet.
    if (weather === "foul") this.#killSome();
    for (let push = 0; push < this.#options.pushes; push += 1) knownMs.push(await this.#push(push));
    const distances = REGION_NAMES.map((region) => latencyMsBetween(HOME, region));
    return {
      knownMs,
      copies: this.#tally.copies(this.#hosts.length - 1),
      idleBytesPerSecond,
      farthestMs: Math.max(...distances),
    };
  }

  #setLines(loss: number): void {
    for (const [index, left] of this.#places.entries()) {
      for (const right of this.#places.slice(index + 1)) {
        const latencyMs = latencyMsBetween(left.region, right.region);
        this.#network.set(left.name, right.name, { latencyMs, jitterMs: JITTER_MS, loss });
      }
    }
  }

  async #idle(): Promise<number> {
    this.#tally.clear();
    await this.#world.runFor(IDLE_MS);
    return (this.#tally.bytes * 1000) / IDLE_MS / this.#hosts.length;
  }

  /** One node in ten, but not the one at which the pushes are made. */
  #killSome(): void {
    const prng = this.#world.chanceFor("deaths");
    const left = this.#hosts.slice(1);
    for (let dead = 0; dead < DEAD_SHARE * this.#hosts.length; dead += 1) {
      left.splice(prng.integer(0, left.length - 1), 1)[0]?.kill("silent power");
    }
  }

  /** How long until all that live know. */
  async #push(push: number): Promise<number> {
    const world = this.#world;
    const [host] = this.#hosts;
    if (host === undefined) throw new Error("there is no node to push at");
    const before = new Set(this.#knownAt.keys());
    const beganMs = world.nowMs;
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests: [], annotations: { push: `${push}` } }),
    );
    await world.run(
      host.ask(
        async ({ operations }) =>
          await operations.pushManifest.run(
            {
              repo: parseRepositoryName("shop/app"),
              reference: { kind: "tag", tag: parseTag(`v${push}`) },
              tags: [],
              contentType: OCI_IMAGE_INDEX,
              bytes,
              precondition: NO_CONDITION,
              actor: "tester",
            },
            new AbortController().signal,
          ),
      ),
    );
    const living = this.#hosts.filter(({ node }) => node !== undefined).length;
    const ops = [...this.#knownAt.keys()].filter((dot) => !before.has(dot));
    const isKnown = (): boolean => ops.every((dot) => (this.#knownAt.get(dot)?.size ?? 0) >= living);
    while (!isKnown()) {
      if (world.nowMs - beganMs > PUSH_MS_MAX) throw new Error(`op ${ops.join(" and ")} is not known everywhere`);
      await world.runFor(STEP_MS);
    }
    const lastMs = Math.max(...ops.flatMap((dot) => [...(this.#knownAt.get(dot)?.values() ?? [])]));
    await world.runFor(BETWEEN_PUSHES_MS);
    return lastMs - beganMs;
  }

  #durable(op: Uint8Array, holder: NodeHost): void {
    const { origin, seq } = dotOf(decodeOp(op));
    const dot = `${origin}:${seq}`;
    const holders = this.#knownAt.get(dot) ?? new Map<NodeId, number>();
    if (!holders.has(holder.name)) holders.set(holder.name, this.#world.nowMs);
    this.#knownAt.set(dot, holders);
    this.#tally.know(dot);
  }
}

/** What went over the streams of ops, and over sessions, between all nodes together. */
class Tally {
  bytes = 0;
  #received = 0;
  readonly #ops = new Set<string>();

  clear(): void {
    this.bytes = 0;
    this.#received = 0;
    this.#ops.clear();
  }

  know(dot: string): void {
    this.#ops.add(dot);
  }

  /** How often one of `nodes` was sent one of the ops, in the mean. */
  copies(nodes: number): number {
    return this.#received / Math.max(1, this.#ops.size) / nodes;
  }

  counted(peers: Peers): Peers {
    return {
      dial: (address) => {
        const link: PeerLink = peers.dial(address);
        return {
          ...link,
          replicate: (frames, signal) => mapped(link.replicate(mapped(frames, this.#asked), signal), this.#published),
          pull: (have, signal) => {
            this.bytes += FRAME_BYTES + encodeVersionVector(have).length;
            return mapped(link.pull(have, signal), this.#pulled);
          },
        };
      },
    };
  }

  readonly #asked = (frame: SubscriberFrame): SubscriberFrame => {
    this.bytes += FRAME_BYTES + bytesAsked(frame);
    return frame;
  };

  readonly #published = (frame: PublisherFrame): PublisherFrame => {
    this.bytes += FRAME_BYTES + bytesPublished(frame);
    if (frame.kind === "ops") this.#received += frame.batch.ops.length;
    return frame;
  };

  readonly #pulled = (frame: PullFrame): PullFrame => {
    this.bytes += FRAME_BYTES + (frame.kind === "end" ? encodeVersionVector(frame.held).length : 0);
    if (frame.kind === "ops") this.#received += frame.batch.ops.length;
    if (frame.kind === "live") this.#received += frame.changes.length;
    return frame;
  };
}

/** What the message of a frame takes, as its .proto file has it. */
function bytesPublished(frame: PublisherFrame): number {
  switch (frame.kind) {
    case "ops":
      return frame.batch.ops.reduce((bytes, op) => bytes + op.length + 3, 40);
    case "heads":
      return encodeVersionVector(frame.held).length + 20;
    case "pulse":
      return (frame.hash === undefined ? 0 : frame.hash.length + 2) + (frame.closedAgoMs === undefined ? 0 : 3);
    case "lost":
      return frame.origin.length + 2;
    default:
      return unreachable(frame);
  }
}

function bytesAsked(frame: SubscriberFrame): number {
  switch (frame.kind) {
    case "ack":
      return encodeVersionVector(frame.held).length + 2;
    case "want":
      return frame.wanted.length * 24;
    case "credit":
      return 6;
    case "ask":
      return 0;
    default:
      return unreachable(frame);
  }
}
