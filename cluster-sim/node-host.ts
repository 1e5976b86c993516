/**
 * One machine of a simulated world, and the process on it: `createNode`, unmodified, on simulated ports. The machine
 * keeps its disk, store and clock over all lives of the process; a life ends by a stop in good order, by an exit, or
 * with the power.
 *
 * A process that is dead must do nothing, not even finish a sentence. Its timers never ring, its links are closed, and
 * whatever it waits for of its store never comes.
 */
import { createNode, type Node } from "../nodes/node.ts";
import type { Kv, KvWrite } from "../nodes/ports/kv.ts";
import { type NodeConfig, parseNodeConfig } from "../shared/config.ts";
import type { Digest } from "../shared/digest.ts";
import type { NodeId } from "../shared/identity.ts";
import type { Dot } from "../shared/version-vector.ts";
import { type Ailment, diskError } from "./ailment.ts";
import { chopped, type Lie, lying } from "./facade.ts";
import { Holdings } from "./holdings.ts";
import { hostKv } from "./host-kv.ts";
import { blobInRow, bootInRow, opInRow } from "./oracle.ts";
import type { Probes } from "./probes.ts";
import type { Place, Settings } from "./settings.ts";
import { SimClock } from "./sim-clock.ts";
import { type DiskImage, SimDisk } from "./sim-disk.ts";
import { type KvImage, SimKv } from "./sim-kv.ts";
import type { SimNetwork } from "./sim-network.ts";
import { SimTelemetry } from "./sim-telemetry.ts";
import { SimTimers } from "./sim-timers.ts";
import type { World } from "./world.ts";

/** What a call on a node ends with whose process is gone. Not a failure of anything. */
export class ProcessGoneError extends Error {
  override readonly name = "ProcessGoneError";
}

export type HostDeps = {
  readonly world: World;
  readonly network: Pick<SimNetwork, "peers" | "listen" | "kill" | "silence">;
  readonly note: (subject: string, event: string) => void;
  readonly probes: Probes;
  /** An op that is durable on `holder`'s disk now. */
  readonly onDurable: (op: Uint8Array, holder: NodeHost) => void;
  /** `holder`'s own rows say now that it holds more. */
  readonly onHeld: (holder: NodeHost) => void;
  readonly onStarted: (started: Started) => void;
  /** A process asked its store for a batch after one had failed. */
  readonly onWrongTry: (holder: NodeHost) => void;
  /** The store of `holder` says now that the blob is durable; the digest of what its disk has under that name. */
  readonly onNamed: (blob: Digest, kept: Digest | undefined, holder: NodeHost) => void;
  readonly settings: Pick<Settings, "opLogOpsMax" | "commitMsMax" | "isChopped">;
};

/** What a process says of itself when it begins to answer, and the boot counter that its disk holds then. */
export type Started = {
  readonly holder: NodeHost;
  readonly origin: string;
  readonly boot: number;
  readonly durableBoot: number;
};

/** Everything that a machine keeps, as of one moment. */
export type HostImage = { readonly kv: KvImage; readonly disk: DiskImage };

const EMPTY: HostImage = { kv: [], disk: new Map() };

type Life = {
  readonly timers: SimTimers;
  readonly telemetry: SimTelemetry;
  readonly gone: PromiseWithResolvers<never>;
  node: Node | undefined;
  stopListening: () => void;
  isDead: boolean;
  isStopping: boolean;
};

const STOP_GRACE_MS = 2_000;
/** After this whoever looks after a process tries to start it again. */
const RESTART_MS = 500;
const DISK_MS_MAX = 2;

export class NodeHost {
  readonly name: NodeId;
  readonly clock: SimClock;
  readonly #deps: HostDeps;
  readonly #config: NodeConfig;
  readonly #kv = new SimKv();
  readonly #disk: SimDisk;
  readonly #address: string;
  readonly #holdings = new Holdings();
  readonly #asked = new Set<Promise<unknown>>();
  /** What it tells others instead of the truth. */
  lie: Lie | undefined;
  /** A copy of its directory is alive beside it: that it fences itself is right. */
  isCopied = false;
  /** Rings when a process that is held goes on; `undefined` while none is. */
  #awake: PromiseWithResolvers<undefined> | undefined;
  #isGone = false;
  #ailment: Ailment | undefined;
  #hasBeenIll = false;
  #life: Life | undefined;
  #lives = 0;
  #boot = 0;
  #origin = "";
  #commits = 0;

  constructor(deps: HostDeps, place: Place, join: readonly string[], address = `${place.name}:7000`) {
    this.name = place.name;
    this.#deps = deps;
    this.#address = address;
    this.clock = new SimClock(deps.world, place.aheadMs);
    const prng = deps.world.chanceFor(`disk of ${place.name}`);
    const pause = async (): Promise<void> => {
      await deps.world.delay(DISK_MS_MAX * prng.fraction());
      await this.#awake?.promise;
    };
    this.#disk = new SimDisk({
      prng: deps.world.chanceFor(`platter of ${place.name}`),
      pause,
      isFull: () => this.#ailment?.isFull === true,
      fault: (operation) => diskError(operation, this.#ailment, prng),
    });
    const parsed = parseNodeConfig({ node: place.name, region: place.region, join: [...join] });
    if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.problems));
    this.#config = parsed.config;
  }

  /** The node, while it answers clients. */
  get node(): Node | undefined {
    return this.#life?.isStopping === false ? this.#life.node : undefined;
  }

  /** Whether the machine is lost for good, with its disk. */
  get isGone(): boolean {
    return this.#isGone;
  }

  get isPaused(): boolean {
    return this.#awake !== undefined;
  }

  get telemetry(): SimTelemetry | undefined {
    return this.#life?.telemetry;
  }

  /** Of its latest start. */
  get origin(): string {
    return this.#origin;
  }

  /** Whether no batch is on its way to the store: what the node shows is then what it holds. */
  get isQuiet(): boolean {
    return this.#commits === 0;
  }

  /** Starts the process, when none is alive. */
  async start(): Promise<void> {
    if (this.#life !== undefined || this.#isGone) return;
    const { world, network, note } = this.#deps;
    const { opLogOpsMax, isChopped } = this.#deps.settings;
    this.#lives += 1;
    this.#commits = 0;
    const life: Life = {
      timers: new SimTimers(world),
      telemetry: new SimTelemetry(this.#deps.probes),
      gone: Promise.withResolvers<never>(),
      node: undefined,
      stopListening: () => undefined,
      isDead: false,
      isStopping: false,
    };
    // Whoever waits for it hears of it; if nobody does, nobody has to.
    life.gone.promise.catch(() => undefined);
    this.#life = life;
    const advertise = { registry: `http://${this.name}:5000`, peer: this.#address };
    const ports = {
      clock: this.clock,
      timers: life.timers,
      random: world.chanceFor(`${this.#address} life ${this.#lives}`),
      disk: this.#disk,
      kv: this.#kvOf(life),
      peers: network.peers,
      telemetry: life.telemetry,
    };
    const node = await this.#openOn(life, createNode(this.#config, advertise, ports, { opLogOpsMax }));
    if (node === undefined) return await this.start();
    life.node = node;
    this.#origin = node.self.origin;
    this.#deps.onStarted({ holder: this, origin: node.self.origin, boot: node.self.boot, durableBoot: this.#boot });
    const service = this.#deps.probes.watching(
      lying(node.peerService, () => this.lie),
      this.name,
    );
    life.stopListening = network.listen(node.self, isChopped ? chopped(service) : service);
    node.start();
    note(this.name, `started, boot ${node.self.boot} of ${node.self.origin}`);
  }

  /** `undefined` when the store is too ill for a process to start on; then a while has passed. */
  async #openOn(life: Life, opening: Promise<Node>): Promise<Node | undefined> {
    try {
      return await Promise.race([opening, life.gone.promise]);
    } catch (cause) {
      if (!this.isIll || life.isDead) throw cause;
      this.kill("exit");
      await this.#deps.world.delay(RESTART_MS);
      return undefined;
    }
  }

  /** The process is gone from one moment to the next; with its power, also what the disk had not yet synced. */
  kill(how: "exit" | "power" | "silent power"): void {
    const life = this.#life;
    if (life === undefined) return;
    this.#deps.probes.crashed(this.name, this.#commits > 0);
    this.#deps.note(this.name, how === "exit" ? "exited" : `lost its ${how}`);
    this.#end(life);
    if (how === "silent power") this.#deps.network.silence(this.name);
    else this.#deps.network.kill(this.name);
    if (how === "exit") this.#disk.exit();
    else this.#disk.crash();
  }

  /** Whether the disk or the store is failing, or has failed in the life that goes on. */
  get isIll(): boolean {
    return this.#ailment !== undefined || this.#hasBeenIll;
  }

  /** The disk or the store is not what it should be, until `recover`. */
  fallIll(ailment: Ailment): void {
    this.#ailment = ailment;
    this.#hasBeenIll = true;
  }

  /** The disk is well again. A process that has stopped writing over it is started again, as its keeper would. */
  async recover(): Promise<void> {
    this.#ailment = undefined;
    const isFenced = this.node?.health().checks.some(({ name, isPassing }) => name === "writes" && !isPassing) === true;
    if (isFenced) this.kill("exit");
    this.#hasBeenIll = false;
    await this.start();
  }

  /** The machine's disk as it ages. Returns how many blobs are no longer what they were. */
  rot(isRotten: (digest: Digest) => boolean): number {
    return this.#disk.rot(isRotten);
  }

  /** Whether the blob is there, and its bytes are its own. */
  holdsWhole(digest: Digest): boolean {
    return this.#disk.isWhole(digest);
  }

  /** The process does nothing more until `resume`, while time goes on. */
  pause(): void {
    this.#awake ??= Promise.withResolvers<undefined>();
    this.#life?.timers.hold();
  }

  resume(): void {
    this.#awake?.resolve(undefined);
    this.#awake = undefined;
    this.#life?.timers.release();
  }

  /** The machine is lost, with all that it keeps. */
  die(): void {
    this.kill("power");
    this.putBack(undefined);
    this.#isGone = true;
  }

  /** What a backup made now would hold. */
  image(): HostImage {
    return { kv: this.#kv.image(), disk: this.#disk.image() };
  }

  /** Replaces all that the machine keeps by what a backup held, or by nothing; of no process that is alive. */
  putBack(image: HostImage = EMPTY): void {
    this.#kv.restore(image.kv);
    this.#disk.restore(image.disk);
    this.#holdings.reset(image.kv);
  }

  /** Whether the op is on this machine, or was superseded there. */
  holds(dot: Dot): boolean {
    return this.#holdings.includes(dot);
  }

  holdsBlob(digest: Digest): boolean {
    return this.#disk.has(digest);
  }

  /** Ends the process in good order, as production does: first the requests, then the peers, then the node. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life?.node === undefined || life.isStopping) return;
    const { node } = life;
    life.isStopping = true;
    await Promise.race([Promise.allSettled(this.#asked), this.#deps.world.delay(STOP_GRACE_MS)]);
    await this.#awake?.promise;
    if (life.isDead) return;
    life.stopListening();
    await Promise.race([node.stop(), life.gone.promise]);
    this.#deps.note(this.name, "stopped");
    this.#end(life);
    this.#disk.exit();
  }

  /** Asks the node something as a client would. @throws {ProcessGoneError} when it does not live to answer. */
  async ask<T>(question: (node: Node) => Promise<T>): Promise<T> {
    await this.#awake?.promise;
    const life = this.#life;
    const node = this.node;
    if (life === undefined || node === undefined) throw new ProcessGoneError(`${this.name} is down`);
    const answer = Promise.race([question(node), life.gone.promise]);
    this.#asked.add(answer);
    try {
      return await answer;
    } finally {
      this.#asked.delete(answer);
    }
  }

  #end(life: Life): void {
    life.isDead = true;
    this.resume();
    life.timers.stop();
    life.gone.reject(new ProcessGoneError(`${this.name} is gone`));
    this.#kv.crash();
    this.#life = undefined;
  }

  #kvOf(life: Life): Kv {
    const { world, settings } = this.#deps;
    const deps = {
      kv: this.#kv,
      prng: world.chanceFor(`kv of ${this.name} life ${this.#lives}`),
      isDead: () => life.isDead,
      sleep: async (ms: number) => await life.timers.sleep(ms),
      commitMsMax: settings.commitMsMax,
      ailment: () => this.#ailment,
      commit: async (writes: readonly KvWrite[]) => await this.#commit(writes),
      onWrongTry: () => this.#deps.onWrongTry(this),
    };
    return hostKv(deps, (more) => {
      this.#commits += more;
    });
  }

  async #commit(writes: readonly KvWrite[]): Promise<void> {
    await this.#kv.commit(writes);
    const isMore = writes.filter((write) => this.#holdings.note(write)).length > 0;
    for (const write of writes) {
      const op = write.kind === "put" ? opInRow(write.key, write.value) : undefined;
      if (op !== undefined) this.#deps.onDurable(op, this);
      const boot = write.kind === "put" ? bootInRow(write.key, write.value) : undefined;
      if (boot !== undefined) this.#boot = boot;
      const blob = write.kind === "put" ? blobInRow(write.key) : undefined;
      if (blob !== undefined) this.#deps.onNamed(blob, this.#disk.digestKept(blob), this);
    }
    if (isMore) this.#deps.onHeld(this);
  }
}
