/**
 * One run of the simulator: a seed becomes a cluster, work and faults; first a phase in which anything may go wrong and
 * nothing may be wrong, then one in which everything is mended and must come right in bounded time. The nodes are
 * production's, as `createNode` makes them; below them nothing is real, and nothing waits for anything real.
 *
 * The faults of a run are a plan made before it begins, every part draws from a branch of the seed that is its own, and
 * all that happens goes into one hash. So a seed that fails fails again, and can be looked at.
 *
 * Models were the alternative: proofs about something else than what is deployed. Sources: FoundationDB's simulator;
 * TigerBeetle's VOPR, for swarms and the two phases.
 */
import process from "node:process";
import type { Digest } from "../shared/digest.ts";
import type { NodeId } from "../shared/identity.ts";
import { clocksMisjudged } from "./checkers/clocks.ts";
import { Convergence } from "./checkers/convergence.ts";
import { Durability } from "./checkers/durability.ts";
import { type Finding, Findings } from "./checkers/findings.ts";
import { Honesty } from "./checkers/honesty.ts";
import { Sessions } from "./checkers/sessions.ts";
import type { Chronicle } from "./chronicle.ts";
import { Faults } from "./faults.ts";
import type { Line } from "./lines.ts";
import { type HostDeps, type HostImage, NodeHost, ProcessGoneError, type Started } from "./node-host.ts";
import { Oracle } from "./oracle.ts";
import { type ProbeCounts, Probes } from "./probes.ts";
import { latencyMsBetween } from "./regions.ts";
import type { Place } from "./settings.ts";
import type { Wire } from "./sim-message.ts";
import { SimNetwork } from "./sim-network.ts";
import type { Story } from "./story.ts";
import { Trace } from "./trace.ts";
import { Workload, type WorkloadCounts } from "./workload.ts";
import { World } from "./world.ts";

/** Healed nodes must agree within this. The longest pause that a node makes between two tries is 30 s. */
const LIVENESS_MS_MAX = 40_000;
/** Everybody has met everybody after this, where nothing is wrong. */
const MEET_MS = 1_000;
const LOOK_EVERY_MS = 1_600;
/** A look must end; how long it takes is the disk's. */
const LOOK_MS_MAX = 10_000;
/** A run ends this soon after something was found. */
const SLICE_MS = 500;
/**
 * Whoever holds its writes for more than this after all is healed, does so for ever. A node that has just seen all others
 * fail probes seldom, so that it may take more than a minute until it has compared its clock with each (seed 229).
 */
const HOLD_MS_MAX = 180_000;
/** A run whose requests and checks have not ended by then hangs. */
const END_MS_MAX = 300_000;

export type RunOutcome = {
  readonly story: Story;
  readonly findings: readonly Finding[];
  readonly traceHash: string;
  readonly lines: readonly string[];
  /** Simulated time, in ms. */
  readonly virtualMs: number;
  readonly ops: number;
  readonly requests: WorkloadCounts;
  readonly probes: ProbeCounts;
  /** How long after the healing and the last write all nodes agreed, to a quarter of a second; `undefined` when they did not. */
  readonly agreedAfterMs: number | undefined;
  /** When the first finding was made, since the world began. */
  readonly foundAtMs: number | undefined;
};

export type Telling = {
  /** Told what a picture needs. */
  readonly chronicle?: Chronicle | undefined;
  /** What messages between nodes go through. */
  readonly wire?: Wire;
};

/** Never rejects over what the nodes do: whatever goes wrong in them is a finding. */
export async function runStory(story: Story, telling: Telling = {}): Promise<RunOutcome> {
  const run = new Run(story, telling);
  const onRejection = (cause: unknown): void => run.mistake("a rejection that nobody heard", cause);
  process.on("unhandledRejection", onRejection);
  try {
    return await run.play();
  } finally {
    process.off("unhandledRejection", onRejection);
  }
}

class Run {
  readonly #story: Story;
  readonly #world: World;
  readonly #trace: Trace;
  readonly #note: (subject: string, event: string) => void;
  #foundAtMs: number | undefined;
  readonly #network: SimNetwork;
  readonly #oracle = new Oracle();
  readonly #findings: Findings;
  readonly #probes = new Probes();
  readonly #hosts: ReadonlyMap<NodeId, NodeHost>;
  readonly #join: readonly string[];
  readonly #hostDeps: HostDeps;
  readonly #workload: Workload;
  readonly #durability: Durability;
  readonly #sessions: Sessions;
  readonly #honesty: Honesty;
  readonly #convergence: Convergence;
  #isSafetyOver = false;
  #isHealed = false;
  /** Whether a disk was lost, and with it what only it held. */
  #hasLost = false;
  #lastChangeMs = 0;
  /** What clients had begun when they were told to leave. */
  #unfinished: Promise<unknown> = Promise.resolve();

  constructor(story: Story, { chronicle, wire }: Telling) {
    this.#story = story;
    const { settings } = story;
    const world = new World(story.seed);
    this.#world = world;
    this.#trace = new Trace(() => world.nowMs);
    const note = (subject: string, event: string): void => {
      this.#trace.note(subject, event);
      chronicle?.note({ atMs: world.nowMs, subject, event });
    };
    this.#note = note;
    this.#network = new SimNetwork(world, { wire, witness: chronicle?.carried });
    const findings = new Findings(({ invariant, what }) => {
      this.#foundAtMs ??= world.nowMs;
      note("FOUND", `${invariant}: ${what}`);
    });
    this.#findings = findings;
    const durability = new Durability(this.#oracle, findings);
    this.#durability = durability;

    const { places } = settings;
    const onDurable = (op: Uint8Array, holder: NodeHost): void => {
      const known = this.#oracle.size;
      durability.durable(op, holder);
      if (this.#oracle.size > known) this.#lastChangeMs = world.nowMs;
      note(holder.name, `holds an op of ${op.length} bytes, and so do ${this.#oracle.size}`);
    };
    const onHeld = (holder: NodeHost): void => this.#oracle.regain((dot) => holder.holds(dot));
    const onStarted = (started: Started): void => durability.started(started);
    const onNamed: HostDeps["onNamed"] = (blob, kept, holder) => durability.named(blob, kept, holder);
    const onWrongTry = ({ name }: NodeHost): void =>
      findings.add("I3 no lost acknowledged op", `${name} wrote again after a batch had failed`);
    const deps = {
      world,
      network: this.#network,
      note,
      probes: this.#probes,
      onDurable,
      onHeld,
      onStarted,
      onWrongTry,
      onNamed,
      settings,
    };
    this.#hostDeps = deps;
    const join = places.map(({ name }) => `${name}:7000`);
    this.#join = join;
    this.#hosts = new Map(places.map((place) => [place.name, new NodeHost(deps, place, join)]));

    const hosts = [...this.#hosts.values()];
    const sessions = new Sessions(this.#oracle, findings);
    this.#sessions = sessions;
    const look = async (host: NodeHost): Promise<void> => await this.#look(host);
    const probes = this.#probes;
    this.#workload = new Workload({ world, hosts, settings, note, durability, sessions, findings, probes, look });
    this.#honesty = new Honesty(this.#oracle, findings);
    const isLost = (digest: Digest): boolean => this.#hasLost && !hosts.some((host) => host.holdsBlob(digest));
    this.#convergence = new Convergence({ world, hosts, oracle: this.#oracle, findings, isLost });
  }

  mistake(what: string, cause: unknown): void {
    if (cause instanceof ProcessGoneError) return;
    const told = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    this.#findings.add("no mistake of ours", `${what}: ${told}`);
  }

  async play(): Promise<RunOutcome> {
    let agreedAfterMs: number | undefined;
    try {
      await this.#safety();
      // What was wrong once makes everything wrong that follows: the first finding is the story.
      if (this.#isClean()) {
        await this.#healAll();
        agreedAfterMs = await this.#liveness();
      }
    } catch (cause) {
      this.mistake("the run came to no end", cause);
    }
    const virtualMs = this.#world.nowMs;
    this.#note("run", `ended after ${this.#world.pending} pending, ${this.#oracle.stateHash()}`);
    return {
      story: this.#story,
      findings: this.#findings.all,
      lines: this.#trace.lines(),
      traceHash: this.#trace.end(),
      virtualMs,
      ops: this.#oracle.size,
      requests: this.#workload.counts,
      probes: this.#probes.counts,
      agreedAfterMs,
      foundAtMs: this.#foundAtMs,
    };
  }

  /** Anything may go wrong, and nothing may be wrong. */
  async #safety(): Promise<void> {
    const { safetyMs } = this.#story.settings;
    const world = this.#world;
    for (const pair of this.#pairs()) this.#mend(pair);
    await world.run(Promise.all([...this.#hosts.values()].map(async (host) => await host.start())));
    await world.runFor(MEET_MS);

    const faults = new Faults({
      world,
      network: this.#network,
      hosts: this.#hosts,
      note: this.#note,
      probes: this.#probes,
      mend: (pair) => this.#mend(pair),
      onFailure: (what, cause) => this.mistake(what, cause),
      copyOf: (host, image) => this.#copyOf(host, image),
      onLost: (host) => this.#lost(host),
      onRepeated: (host) => this.#durability.repeated(host.origin),
      onUnnoticed: ({ name }) =>
        this.#findings.add("I18 identity", `${name} and its copy have not both fenced themselves`),
    });
    faults.begin(this.#story.faults);
    const working = this.#workload.run(this.#story.work);
    const looking = this.#lookNowAndThen();
    const endMs = world.nowMs + safetyMs;
    while (world.nowMs <= endMs && this.#isClean()) await world.runFor(SLICE_MS);
    this.#isSafetyOver = true;
    this.#workload.end();
    if (this.#oracle.siblingsMax() >= 3) this.#probes.hit("three siblings of one tag");
    this.#unfinished = Promise.all([working, looking]);
    this.#unfinished.catch((cause: unknown) => this.mistake("a client failed", cause));
  }

  /** What no disk holds any more is gone; nobody is to blame. */
  #lost(host: NodeHost): void {
    this.#hasLost = true;
    const hosts = [...this.#hosts.values()];
    const lost = this.#oracle.lose((dot) => hosts.some((one) => one.holds(dot)));
    this.#durability.lost();
    this.#sessions.lost(host.name);
    this.#lastChangeMs = this.#world.nowMs;
    this.#note(host.name, `lost its disk, and everybody ${lost} ops`);
  }

  #copyOf({ name }: NodeHost, image: HostImage): NodeHost {
    const copy = new NodeHost(this.#hostDeps, this.#place(name), this.#join, `${name}-copy:7000`);
    copy.putBack(image);
    return copy;
  }

  async #lookNowAndThen(): Promise<void> {
    const prng = this.#world.chanceFor("looking");
    const hosts = [...this.#hosts.values()];
    while (!this.#isSafetyOver) {
      await this.#world.delay(LOOK_EVERY_MS * prng.fraction());
      await this.#look(prng.pick(hosts));
    }
  }

  async #look(host: NodeHost): Promise<void> {
    try {
      await Promise.race([this.#honesty.check(host, { isHealed: this.#isHealed }), this.#world.delay(LOOK_MS_MAX)]);
    } catch (cause) {
      this.mistake(`${host.name} could not be looked at`, cause);
    }
  }

  async #liveness(): Promise<number | undefined> {
    const agreedAtMs = await this.#world.run(this.#within(END_MS_MAX, this.#convergence.reached(LIVENESS_MS_MAX)));
    if (agreedAtMs === undefined) return undefined;
    await this.#world.run(this.#within(END_MS_MAX, this.#convergence.check()));
    await this.#world.run(this.#writable());
    this.#isHealed = true;
    for (const host of this.#hosts.values()) await this.#world.run(this.#look(host));
    await this.#stopAll();
    return agreedAtMs - this.#lastChangeMs;
  }

  /**
   * A node that came back late waits for those who are gone before it writes, and one whose clock was wrong until its
   * clock is known to be right; not for long.
   */
  async #writable(): Promise<void> {
    const hosts = [...this.#hosts.values()];
    const isRecalling = ({ node }: NodeHost): boolean =>
      node?.health().checks.some(({ name, isPassing }) => name === "identity" && !isPassing) === true;
    for (let waitedMs = 0; waitedMs < HOLD_MS_MAX; waitedMs += SLICE_MS) {
      if (!hosts.some(isRecalling) && clocksMisjudged(hosts).length === 0) return;
      await this.#world.delay(SLICE_MS);
    }
    for (const what of clocksMisjudged(hosts)) this.#findings.add("I19 clock", what);
  }

  #isClean(): boolean {
    return this.#findings.all.length === 0;
  }

  /** All faults are over by the plan; what is still down comes back. */
  async #healAll(): Promise<void> {
    this.#note("run", "everything is healed");
    this.#lastChangeMs = this.#world.nowMs;
    for (const [left, right] of this.#pairs()) this.#network.heal(left, right);
    const starting = [...this.#hosts.values()].map(async (host) => {
      while (host.node === undefined && !host.isGone) {
        await host.start();
        await this.#world.delay(100);
      }
    });
    await this.#world.run(this.#within(END_MS_MAX, Promise.all([...starting, this.#unfinished])));
  }

  /** A cluster that was stopped does nothing more. */
  async #stopAll(): Promise<void> {
    const stopping = Promise.all([...this.#hosts.values()].map(async (host) => await host.stop()));
    await this.#world.run(this.#within(END_MS_MAX, stopping));
  }

  async #within<T>(ms: number, work: Promise<T>): Promise<T> {
    const timeout = Promise.withResolvers<never>();
    const timer = this.#world.after(ms, () => timeout.reject(new Error(`not over after ${ms} ms`)));
    try {
      return await Promise.race([work, timeout.promise]);
    } finally {
      timer.cancel();
    }
  }

  #pairs(): readonly Line[] {
    const { places } = this.#story.settings;
    return places.flatMap((left, index) => places.slice(index + 1).map((right) => [left.name, right.name] as const));
  }

  #mend([left, right]: Line): void {
    const { jitterMs, tailMs = 0, loss = 0, bytesPerSecond = 0 } = this.#story.settings;
    const latencyMs = latencyMsBetween(this.#place(left).region, this.#place(right).region);
    this.#network.set(left, right, { latencyMs, jitterMs, tailMs, loss, bytesPerSecond });
  }

  #place(name: NodeId): Place {
    const place = this.#story.settings.places.find((one) => one.name === name);
    if (place === undefined) throw new Error(`no node is called ${name}`);
    return place;
  }
}
