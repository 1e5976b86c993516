/**
 * A node that lacks blobs, in a simulated world, and the holders it can pull them from. The node's parts are the real
 * ones, on simulated ports; a holder is the far end of the peers port and does what the test tells it to.
 */
import { Prng } from "../../cluster-sim/prng.ts";
import { SimClock } from "../../cluster-sim/sim-clock.ts";
import { SimDisk, type SimDiskOptions } from "../../cluster-sim/sim-disk.ts";
import { SimKv } from "../../cluster-sim/sim-kv.ts";
import { SimTimers } from "../../cluster-sim/sim-timers.ts";
import { World } from "../../cluster-sim/world.ts";
import { FetchBlob, type FetchedBlob } from "../../nodes/cluster/fetch-blob.ts";
import { PeerDirectory } from "../../nodes/cluster/peer-directory.ts";
import type { ByteSpan, Disk, StoredBlob } from "../../nodes/ports/disk.ts";
import type { BlobFound, Greeting, PeerLink } from "../../nodes/ports/peers.ts";
import type { Labels, Telemetry } from "../../nodes/ports/telemetry.ts";
import type { Timers } from "../../nodes/ports/timers.ts";
import { Blobs } from "../../nodes/storage/blobs.ts";
import type { Metadata } from "../../nodes/storage/metadata.ts";
import { type Digest, digestOf } from "../../shared/digest.ts";
import { type NodeIdentity, parseClusterId, parseNodeId, parseOrigin, parseRegion } from "../../shared/identity.ts";
import { RPC_BLOB_CHUNK_BYTES } from "../../shared/limits.ts";
import { imageNamed, openMetadata, push, REPO, sync } from "./metadata-fixture.ts";

/** Longer than it takes a directory to greet every peer once. */
const GREETED_BY_MS = 3_000;

/** Bytes that differ at every place, the same for the same seed. */
export function bytesOf(size: number, seed = "blob"): Buffer {
  const prng = new Prng(seed);
  const words = new Uint32Array(Math.ceil(size / 4)).map(() => prng.uint32());
  return Buffer.from(words.buffer, 0, size);
}

/** One read that a holder was asked for. */
export type HolderRead = { readonly offset: number; readonly sent: number };

type HolderOptions = { readonly region: string; readonly distanceMs: number };

/** A node that holds blobs and does as it is told. What it is told may be changed at any time. */
export class Holder {
  readonly greeting: Greeting;
  readonly #timers: Timers;
  readonly #distanceMs: number;
  readonly #blobs = new Map<Digest, Buffer>();
  readonly #reads: { offset: number; sent: number }[] = [];

  /** Of `have`, instead of the true size. */
  announces: number | undefined;
  /** Whether the repository that is asked about links its blobs here. */
  isLinking = true;
  /** When not, every call fails, and those under way break at their next chunk. */
  isReachable = true;
  /** Offsets at which a read breaks; each breaks one. */
  breaksAt: number[] = [];
  /** From this offset on no byte is sent and nothing breaks. */
  silentFrom = Number.POSITIVE_INFINITY;
  /** Whether it sends empty chunks while it is silent. */
  isPretending = false;
  chunkBytes = RPC_BLOB_CHUNK_BYTES;
  msPerChunk = 1;
  /** Digests asked for by `have`. */
  questions = 0;
  openReads = 0;
  openReadsMost = 0;
  /** Digests in the order in which they were read. */
  readonly order: Digest[] = [];

  constructor(timers: Timers, { region, distanceMs }: HolderOptions, index: number) {
    this.#timers = timers;
    this.#distanceMs = distanceMs;
    this.greeting = {
      cluster: parseClusterId("test"),
      node: parseNodeId(`${region}-1`),
      region: parseRegion(region),
      origin: parseOrigin(index.toString(16).padStart(16, "0")),
      boot: 1,
      nonce: "00000000000000f0",
      protocol: { min: 1, max: 1 },
      advertise: { registry: `http://${region}:5000`, peer: `${region}:7000` },
      version: "1",
    };
  }

  get reads(): readonly HolderRead[] {
    return this.#reads;
  }

  /** `sends` is what a reader gets instead of the blob. */
  put(blob: Buffer, sends = blob): void {
    this.#blobs.set(digestOf(blob), sends);
  }

  drop(digest: Digest): void {
    this.#blobs.delete(digest);
  }

  link(): PeerLink {
    return {
      greet: async (_, signal) => {
        await this.#travel(signal);
        return this.greeting;
      },
      have: async (_, digests, signal) => await this.#have(digests, signal),
      readBlob: (digest, offset, signal) => this.#read(digest, offset, signal),
      replicate: refuse,
      pull: refuse,
      lookup: refuse,
      describeImage: refuse,
      report: refuse,
      probe: refuse,
      probeFor: refuse,
      tellMembers: refuse,
      compareMembers: refuse,
      audit: refuse,
      auditLane: refuse,
      close: () => undefined,
    };
  }

  async #have(digests: readonly Digest[], signal: AbortSignal): Promise<readonly BlobFound[]> {
    this.questions += 1;
    await this.#travel(signal);
    const unasked = { digest: digestOf(Buffer.from("unasked")), size: 1, isLinked: true };
    const held = digests.flatMap((digest) => {
      const bytes = this.#blobs.get(digest);
      if (bytes === undefined) return [];
      return [{ digest, size: this.announces ?? bytes.length, isLinked: this.isLinking }];
    });
    return [unasked, ...held];
  }

  async *#read(digest: Digest, offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const read = { offset, sent: 0 };
    this.#reads.push(read);
    this.order.push(digest);
    this.openReads += 1;
    this.openReadsMost = Math.max(this.openReadsMost, this.openReads);
    try {
      await this.#travel(signal);
      const bytes = this.#blobs.get(digest);
      if (bytes === undefined) throw new Error("not held here");
      for (let at = offset; at < bytes.length; ) {
        const end = Math.min(at + this.chunkBytes, bytes.length, this.silentFrom, ...this.#breaksFrom(at));
        while (this.isPretending && at >= this.silentFrom) {
          await this.#timers.sleep(100, signal);
          yield Buffer.alloc(0);
        }
        await this.#nextChunk(at, signal);
        // The receiver may keep no view of it: a real one reuses its buffers.
        const chunk = Buffer.from(bytes.subarray(at, end));
        read.sent += chunk.length;
        at = end;
        yield chunk;
        chunk.fill(0xdd);
      }
      await this.#nextChunk(bytes.length, signal);
    } finally {
      this.openReads -= 1;
    }
  }

  #breaksFrom(at: number): readonly number[] {
    return this.breaksAt.filter((offset) => offset > at);
  }

  /** Throws when the read breaks at `at`, and stays away when it falls silent there. */
  async #nextChunk(at: number, signal: AbortSignal): Promise<void> {
    if (at >= this.silentFrom) await this.#timers.sleep(1e9, signal);
    await this.#timers.sleep(this.msPerChunk, signal);
    if (this.breaksAt.includes(at)) {
      this.breaksAt = this.breaksAt.filter((offset) => offset !== at);
      throw new Error("the stream was reset");
    }
    if (!this.isReachable) throw new Error("the link is gone");
  }

  /** There and back. */
  async #travel(signal: AbortSignal): Promise<void> {
    await this.#timers.sleep(this.#distanceMs, signal);
    if (!this.isReachable) throw new Error("nobody answers");
  }
}

/** The calls that pulling a blob has no use for. */
function refuse(): never {
  throw new Error("this holder only holds blobs");
}

/** Counters and the latest of each gauge, by name and labels. */
export class Recorded implements Telemetry {
  readonly #values = new Map<string, number>();

  readonly log = (): void => undefined;
  readonly observe = (): void => undefined;
  readonly count = (metric: string, labels: Labels, amount = 1): void => {
    const name = nameOf(metric, labels);
    this.#values.set(name, (this.#values.get(name) ?? 0) + amount);
  };
  readonly set = (metric: string, labels: Labels, value: number): void => {
    this.#values.set(nameOf(metric, labels), value);
  };

  valueOf(metric: string, labels: Labels = {}): number {
    return this.#values.get(nameOf(metric, labels)) ?? 0;
  }
}

function nameOf(metric: string, labels: Labels): string {
  const sorted = Object.entries(labels).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return JSON.stringify([metric, sorted]);
}

export type PullingNodeOptions = {
  readonly seed?: string | number;
  /** Far ones last; `eu` and `us` when nothing is said. */
  readonly holders?: readonly HolderOptions[];
  readonly disk?: Omit<SimDiskOptions, "pause">;
  /** What each operation of the disk takes, twice. */
  readonly diskMs?: number;
};

const EU_AND_US = [
  { region: "eu", distanceMs: 50 },
  { region: "us", distanceMs: 90 },
] as const;

/** The node `ap-1` and its holders. */
export class PullingNode {
  readonly world: World;
  readonly holders: readonly Holder[];
  readonly disk: SimDisk;
  readonly metadata: Metadata;
  readonly blobs: Blobs;
  readonly fetch: FetchBlob;
  readonly directory: PeerDirectory;
  readonly telemetry: Recorded;
  readonly timers: Timers;
  readonly openBlobs: () => number;
  readonly #authors = new Map<string, Metadata>();

  private constructor(
    parts: Pick<
      PullingNode,
      "world" | "holders" | "disk" | "metadata" | "blobs" | "fetch" | "directory" | "telemetry" | "timers" | "openBlobs"
    >,
  ) {
    this.world = parts.world;
    this.holders = parts.holders;
    this.disk = parts.disk;
    this.metadata = parts.metadata;
    this.blobs = parts.blobs;
    this.fetch = parts.fetch;
    this.directory = parts.directory;
    this.telemetry = parts.telemetry;
    this.timers = parts.timers;
    this.openBlobs = parts.openBlobs;
  }

  /** A node that has greeted its peers. */
  static async start(options: PullingNodeOptions = {}): Promise<PullingNode> {
    const { diskMs = 0 } = options;
    const world = new World(options.seed ?? 1);
    const clock = new SimClock(world);
    const timers = new SimTimers(world);
    const random = world.chanceFor("ap");
    const telemetry = new Recorded();
    const holders = (options.holders ?? EU_AND_US).map((holder, index) => new Holder(timers, holder, index + 1));
    const disk = new SimDisk({ ...options.disk, pause: async () => await timers.sleep(diskMs) });

    const metadata = await world.run(openMetadata(new SimKv(), "ap", { clock }));
    const counted = countingOpenBlobs(disk);
    const blobs = new Blobs({ disk: counted.disk, metadata, clock, random, telemetry });
    const cluster = directoryOf(metadata.self, holders, { clock, timers, random, telemetry });
    const fetch = new FetchBlob({ metadata, blobs, cluster, clock, timers, telemetry });
    cluster.start();
    await world.runFor(GREETED_BY_MS);
    const { openBlobs } = counted;
    const parts = { world, holders, disk, metadata, blobs, fetch, directory: cluster, telemetry, timers, openBlobs };
    return new PullingNode(parts);
  }

  holder(region: string): Holder {
    const holder = this.holders.find(({ greeting }) => greeting.region === region);
    if (holder === undefined) throw new Error(`no holder in ${region}`);
    return holder;
  }

  /** A blob that a manifest of `REPO`, pushed in `region`, names; held in `heldIn`. */
  async know(blob: Buffer, heldIn: readonly string[], region = "eu"): Promise<Digest> {
    const digest = digestOf(blob);
    const layers = [{ mediaType: "application/octet-stream", digest, size: blob.length }];
    const author = await this.#authorIn(region);
    await this.world.run(push(author, imageNamed(digest, { layers })));
    await this.world.run(sync(author, this.metadata));
    for (const held of heldIn) this.holder(held).put(blob);
    return digest;
  }

  /** One a region: a second store of the same origin would number other ops alike. */
  async #authorIn(region: string): Promise<Metadata> {
    const author =
      this.#authors.get(region) ??
      (await this.world.run(openMetadata(new SimKv(), region, { clock: new SimClock(this.world) })));
    this.#authors.set(region, author);
    return author;
  }

  async open(digest: Digest): Promise<FetchedBlob> {
    return await this.world.run(this.fetch.open(REPO, digest, new AbortController().signal));
  }

  /** Opens and reads to the end. */
  async pull(digest: Digest): Promise<Buffer> {
    const blob = await this.open(digest);
    return await this.world.run(wholeOf(blob));
  }
}

/** A disk that knows how many of its blobs are open. */
function countingOpenBlobs(disk: Disk): { readonly disk: Disk; readonly openBlobs: () => number } {
  let open = 0;
  const counted = {
    ...disk,
    open: async (digest: Digest): Promise<StoredBlob | undefined> => {
      const blob = await disk.open(digest);
      if (blob === undefined) return undefined;
      open += 1;
      return {
        ...blob,
        close: async () => {
          open -= 1;
          await blob.close();
        },
      };
    },
  };
  return { disk: counted, openBlobs: () => open };
}

function directoryOf(
  self: NodeIdentity,
  holders: readonly Holder[],
  ports: Pick<ConstructorParameters<typeof PeerDirectory>[0], "clock" | "timers" | "random" | "telemetry">,
): PeerDirectory {
  const links = new Map(holders.map((holder) => [holder.greeting.advertise.peer, holder]));
  return new PeerDirectory({
    ...ports,
    self: {
      ...self,
      protocol: { min: 1, max: 1 },
      advertise: { registry: "http://ap:5000", peer: "ap:7000" },
      version: "1",
    },
    join: [...links.keys()],
    peers: { dial: (address) => links.get(address)?.link() ?? refuse() },
    fence: (cause) => {
      throw cause;
    },
  });
}

/** Reads `span` into one buffer, `onChunk` before each next chunk. */
export async function bytesIn(
  blob: FetchedBlob,
  span: ByteSpan,
  onChunk: (bytesSoFar: number) => Promise<void> = async () => {},
  signal = new AbortController().signal,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of blob.read(span, signal)) {
    chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    await onChunk(bytes);
  }
  return Buffer.concat(chunks);
}

export async function wholeOf(blob: FetchedBlob): Promise<Buffer> {
  return await bytesIn(blob, { start: 0, end: blob.size });
}
