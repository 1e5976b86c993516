/** The storage of one node on simulated ports, with a process that can be stopped, killed and started again. */
import { Prng } from "../../cluster-sim/prng.ts";
import { SimClock } from "../../cluster-sim/sim-clock.ts";
import { SimDisk, type SimDiskOptions } from "../../cluster-sim/sim-disk.ts";
import { SimKv } from "../../cluster-sim/sim-kv.ts";
import { SimTelemetry } from "../../cluster-sim/sim-telemetry.ts";
import { SimTimers } from "../../cluster-sim/sim-timers.ts";
import { World } from "../../cluster-sim/world.ts";
import { Blobs } from "../../nodes/storage/blobs.ts";
import { Metadata } from "../../nodes/storage/metadata.ts";
import { Uploads } from "../../nodes/storage/uploads.ts";
import type { Digest } from "../../shared/digest.ts";
import { parseClusterId, parseNodeId, parseRegion } from "../../shared/identity.ts";

const NAME = { cluster: parseClusterId("test"), node: parseNodeId("eu-1"), region: parseRegion("eu") };

export type StoredNodeOptions = Omit<SimDiskOptions, "pause" | "prng"> & {
  readonly seed?: number;
  /** How long every operation of the disk and the store takes, twice. None at all when it is not given. */
  readonly pauseMs?: () => number;
};

/** What one start of the process has made. */
type Process = {
  readonly timers: SimTimers;
  readonly metadata: Metadata;
  readonly blobs: Blobs;
  readonly uploads: Uploads;
};

export class StoredNode {
  readonly world: World;
  readonly clock: SimClock;
  readonly disk: SimDisk;
  readonly kv: SimKv;
  #telemetry = new SimTelemetry();
  #process: Process | undefined;

  constructor({ seed = 1, pauseMs, ...disk }: StoredNodeOptions = {}) {
    this.world = new World(seed);
    this.clock = new SimClock(this.world);
    const pause = async (): Promise<void> => {
      if (pauseMs !== undefined) await this.world.delay(pauseMs());
    };
    this.disk = new SimDisk({ ...disk, pause, prng: new Prng(`disk ${seed}`) });
    this.kv = new SimKv(pause);
  }

  /** A node that has started. */
  static async started(options: StoredNodeOptions = {}): Promise<StoredNode> {
    const node = new StoredNode(options);
    await node.world.run(node.start());
    return node;
  }

  get metadata(): Metadata {
    return this.#running.metadata;
  }

  get blobs(): Blobs {
    return this.#running.blobs;
  }

  get uploads(): Uploads {
    return this.#running.uploads;
  }

  get timers(): SimTimers {
    return this.#running.timers;
  }

  /** Of the present start. */
  get telemetry(): SimTelemetry {
    return this.#telemetry;
  }

  async start(): Promise<void> {
    const { clock, disk, kv } = this;
    this.#telemetry = new SimTelemetry();
    const telemetry = this.#telemetry;
    const random = this.world.chanceFor(`random ${this.world.nowMs}`);
    const timers = new SimTimers(this.world);
    const metadata = await Metadata.open({ kv, clock, random, telemetry }, NAME);
    const blobs = await Blobs.open({ disk, metadata, clock, random, telemetry });
    const uploads = new Uploads({ blobs, disk, metadata, clock, timers, random, telemetry });
    this.#process = { timers, metadata, blobs, uploads };
  }

  /** Stops in good order, and starts again. */
  async restart(): Promise<void> {
    await this.uploads.close();
    this.#running.timers.stop();
    this.disk.exit();
    await this.start();
  }

  /** Loses its power. `start` brings the node back. */
  kill(): void {
    this.#running.timers.stop();
    this.disk.crash();
    this.kv.crash();
  }

  /** What is stored under a digest. */
  async content(digest: Digest): Promise<Buffer | undefined> {
    const blob = await this.blobs.open(digest);
    if (blob === undefined) return undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of blob.read({ start: 0, end: blob.size })) chunks.push(Buffer.from(chunk));
    await blob.close();
    return Buffer.concat(chunks);
  }

  get #running(): Process {
    if (this.#process === undefined) throw new Error("the node has not started");
    return this.#process;
  }
}
