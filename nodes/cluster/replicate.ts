import { MalformedBytesError } from "../../shared/bytes.ts";
import { decodeOp } from "../../shared/change.ts";
import { RegistryError } from "../../shared/errors.ts";
import { wallMsOf } from "../../shared/hlc.ts";
import type { Origin, Region } from "../../shared/identity.ts";
import { InvariantError, unreachable } from "../../shared/invariant.ts";
import type { MemberStatus } from "../../shared/member.ts";
import { PeerError } from "../../shared/peer-error.ts";
import type { Version } from "../../shared/register.ts";
import { VersionVector, vectorHash } from "../../shared/version-vector.ts";
import type { Clock } from "../ports/clock.ts";
import type { Greeting, LagFrom, OpBatch, PublisherFrame, PullFrame, SubscriberFrame } from "../ports/peers.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timer, Timers } from "../ports/timers.ts";
import { Credit, creditOf } from "../protocol/credit.ts";
import { Replication, type ReplicationEffect, type ReplicationInput } from "../protocol/replication.ts";
import { MESH_NODES_MAX, planSpread, type SpreadPeer } from "../protocol/spread.ts";
import type { Metadata } from "../storage/metadata.ts";
import { Bell } from "./bell.ts";
import { Alarm, Driver, Tasks } from "./driver.ts";
import { keepArrived, senselessness, tellRefusal } from "./keep-arrived.ts";
import { Latest } from "./latest.ts";
import type { PeerDirectory, ReachableMember } from "./peer-directory.ts";
import { Publish } from "./publish.ts";
import type { Roster } from "./roster.ts";
import { Silence } from "./silence.ts";

export type ReplicateDeps = {
  readonly metadata: Metadata;
  readonly directory: PeerDirectory;
  readonly roster: Pick<Roster, "members" | "onChanged">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
  /** A peer holds `head` ops of `origin`, this node's own, which are more than are here. */
  readonly onContradicted: (origin: Origin, head: number) => void;
};

/** A publisher says something every second (`PULSE_PERIOD_MS`). */
const STREAM_SILENCE_MS_MAX = 3_000;
/** And more rarely where it may have many followers. */
const STREAM_SILENCE_IN_CROWD_MS_MAX = 10_000;
/** The answering node may have to read its whole index before the first frame. */
const PULL_SILENCE_MS_MAX = 15_000;
/** Batches of one stream that may be on their way to the disk; then the stream is not read on. */
const APPLYING_MAX = 4;
const PULLS_SERVED_MAX = 8;
const GAUGES_PERIOD_MS = 1_000;
/** Values of the label `result`. */
const PULL_RESULTS = { complete: "complete", broken: "failed", refused: "failed" } as const;

type StreamEnd = "ended" | "broken" | "refused";
type PullEnd = "complete" | "broken" | "refused";

type Stream = {
  readonly ending: AbortController;
  readonly frames: Latest<SubscriberFrame>;
  readonly credit: Credit;
  readonly applied: Bell;
  applying: number;
  /** Of what was received, the credit of what went on its way to the disk. */
  taken: number;
};

/**
 * Keeps this node's metadata level with everybody's: follows the streams of all peers that can be reached, pulls what
 * they do not bring, and publishes this node's own ops. The decisions are `Replication`'s. What a peer sent goes
 * through `Metadata.commit`, the one door, and is acknowledged by the listener that hears of durable batches.
 */
export class Replicate {
  readonly #deps: ReplicateDeps;
  readonly #machine: Replication;
  readonly #driver: Driver<ReplicationInput, ReplicationEffect>;
  readonly #publish: Publish;
  readonly #startedMs: number;
  readonly #alarm: Alarm;
  readonly #tasks = new Tasks();
  readonly #stopping = new AbortController();
  /** By address, as are the machine's peers. */
  readonly #peers = new Map<string, ReachableMember>();
  readonly #streams = new Map<string, Stream>();
  readonly #pulls = new Map<string, AbortController>();
  /** Of what is durable here; `undefined` when it must be made anew. */
  #hash: Uint8Array | undefined;
  /** What the plan in use was made of. */
  #plannedFor = "";
  #pullsServed = 0;
  #gaugesTimer: Timer | undefined;
  #stopListening: readonly (() => void)[] = [];

  constructor(deps: ReplicateDeps) {
    this.#deps = deps;
    this.#machine = new Replication(deps.metadata.self.origin, deps.metadata.held());
    this.#driver = new Driver(this.#machine, (effect) => this.#perform(effect));
    this.#startedMs = deps.clock.monotonicMs();
    this.#alarm = new Alarm(deps, () => this.#give({ kind: "woke", nowMs: this.#nowMs() }));
    const closedAgoMs = (origin: Origin): number | undefined => this.#machine.closedAgoMs(origin, this.#nowMs());
    this.#publish = new Publish({ ...deps, closedAgoMs });
  }

  start(): void {
    const { metadata, directory, roster } = this.#deps;
    this.#stopListening = [
      metadata.onCommitted((news) => this.#committed(news)),
      directory.onChanged(() => this.#lookAround()),
      metadata.onParked(() => this.#tellParked()),
      roster.onChanged(() => this.#lookAround()),
    ];
    this.#tellParked();
    this.#committed(metadata.held());
    this.#lookAround();
    this.#setGauges();
  }

  /** Ends every stream, served or followed; resolves when nothing is on its way to the disk any more. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the node stops"));
    for (const stopListening of this.#stopListening) stopListening();
    this.#alarm.cancel();
    this.#gaugesTimer?.cancel();
    this.#publish.stop();
    for (const { ending } of this.#streams.values()) ending.abort(this.#stopping.signal.reason);
    for (const ending of this.#pulls.values()) ending.abort(this.#stopping.signal.reason);
    await this.#tasks.ended();
  }

  /** `metadata.self` has another origin than before: nothing that is under way belongs to it. */
  beginAgain(): void {
    this.#give({ kind: "begun-again", self: this.#deps.metadata.self.origin, nowMs: this.#nowMs() });
    this.#publish.endStreams();
  }

  /** Answers `PeerCalls.replicate`. */
  publish(caller: Greeting, acks: AsyncIterable<SubscriberFrame>, signal: AbortSignal): AsyncIterable<PublisherFrame> {
    return this.#publish.frames(caller, acks, signal);
  }

  /**
   * Answers `PeerCalls.pull`.
   * @throws {RegistryError} `TOOMANYREQUESTS`: the caller tries another peer, or again.
   */
  async *missing(have: VersionVector, signal: AbortSignal): AsyncGenerator<PullFrame, void, void> {
    if (this.#pullsServed >= PULLS_SERVED_MAX) {
      throw new RegistryError("TOOMANYREQUESTS", { sessionsMax: PULLS_SERVED_MAX });
    }
    this.#pullsServed += 1;
    try {
      for await (const frame of this.#deps.metadata.missing(have)) {
        if (signal.aborted || this.#stopping.signal.aborted) return;
        yield frame;
      }
    } finally {
      this.#pullsServed -= 1;
    }
  }

  /** What is known to be missing here, by the node that wrote it. */
  lag(): readonly LagFrom[] {
    return this.#machine.lag(this.#nowMs()).flatMap(({ peer, isReachable, pendingOps, lagMs }) => {
      const member = this.#peers.get(peer);
      if (member === undefined) return [];
      const { node, region } = member.greeting;
      return [{ source: node, region, isReachable, pendingOps, lagMs }];
    });
  }

  /**
   * Everything that any node of the cluster wrote longer ago is here: the most that any of them may be ahead. Of one
   * that has vouched for nothing yet, as long as this node looks for it.
   */
  stalenessMs(): number {
    const nowMs = this.#nowMs();
    const others = this.#deps.roster.members().filter(({ isSelf, status }) => !isSelf && isOfCluster(status));
    const ages = others.map(({ origin }) => this.#machine.closedAgoMs(origin, nowMs) ?? nowMs - this.#startedMs);
    return Math.max(0, ...ages);
  }

  #tellParked(): void {
    const origins = this.#deps.metadata.parked().map(({ origin }) => origin);
    this.#give({ kind: "parked", origins, nowMs: this.#nowMs() });
  }

  #give(input: ReplicationInput): void {
    if (!this.#stopping.signal.aborted) this.#driver.give(input);
  }

  #nowMs(): number {
    return this.#deps.clock.monotonicMs();
  }

  #committed(news: VersionVector): void {
    this.#hash = undefined;
    this.#give({ kind: "committed", held: news, nowMs: this.#nowMs() });
  }

  /** Tells the machine who can be reached now, and how far away. */
  #lookAround(): void {
    const nowMs = this.#nowMs();
    const reachable = new Map(this.#deps.directory.reachable().map((member) => [member.address, member]));
    this.#planAnew(nowMs);
    for (const peer of this.#peers.keys()) {
      if (!reachable.has(peer)) this.#give({ kind: "vanished", peer, nowMs });
    }
    for (const [peer, member] of reachable) {
      this.#peers.set(peer, member);
      const { origin, boot } = member.greeting;
      this.#give({ kind: "appeared", peer, origin, boot, roundTripMs: member.roundTripMs, nowMs });
    }
  }

  /** Members come and go far less often than this is called. */
  #planAnew(nowMs: number): void {
    const { directory, roster, metadata } = this.#deps;
    const addresses = new Map<string, string>(
      directory.reachable().map(({ greeting, address }) => [greeting.node, address]),
    );
    const peers = roster
      .members()
      .filter(({ isSelf, status }) => !isSelf && (status === "alive" || status === "suspect"))
      .map(({ node, region, origin, address }): SpreadPeer => {
        const reached = addresses.get(node);
        return { key: reached ?? address, node, region, origin, isReachable: reached !== undefined };
      });
    const plannedFor = peers.map(({ key, origin, isReachable }) => `${key} ${origin} ${isReachable}`).join();
    if (plannedFor === this.#plannedFor) return;
    this.#plannedFor = plannedFor;
    this.#give({ kind: "planned", plan: planSpread(metadata.self, peers), nowMs });
  }

  #perform(effect: ReplicationEffect): void {
    switch (effect.kind) {
      case "follow":
        this.#begin(effect.peer, async (member) => await this.#follow(member));
        return;
      case "unfollow":
        this.#streams.get(effect.peer)?.ending.abort(new Error("not followed any more"));
        this.#streams.delete(effect.peer);
        return;
      case "apply":
        this.#apply(effect.peer, effect.batch);
        return;
      case "want":
        this.#tellWanted(effect.peer);
        return;
      case "ask":
        this.#streams.get(effect.peer)?.frames.put({ kind: "ask" });
        return;
      case "ack":
        this.#tellHeld(effect.peer);
        return;
      case "pull":
        this.#begin(effect.peer, async (member) => await this.#pull(member));
        return;
      case "cancel":
        this.#pulls.get(effect.peer)?.abort(new Error("the pull is cancelled"));
        this.#pulls.delete(effect.peer);
        return;
      case "wake":
        this.#alarm.setTo(effect.atMs);
        return;
      case "contradict":
        this.#deps.onContradicted(effect.origin, effect.seq);
        return;
      default:
        unreachable(effect);
    }
  }

  #begin(peer: string, work: (member: ReachableMember) => Promise<void>): void {
    const member = this.#peers.get(peer);
    if (member !== undefined) this.#tasks.begin(async () => await work(member));
  }

  #tellWanted(peer: string): void {
    const { metadata } = this.#deps;
    const wanted = this.#machine.wantedFrom(peer).map((origin) => ({ origin, after: metadata.upto(origin) }));
    this.#streams.get(peer)?.frames.put({ kind: "want", wanted });
  }

  #tellHeld(peer: string): void {
    const { metadata } = this.#deps;
    const wanted = this.#machine
      .wantedFrom(peer)
      .map((origin) => ({ origin, upto: metadata.upto(origin), beyond: [] }));
    this.#streams.get(peer)?.frames.put({ kind: "ack", held: VersionVector.from(wanted) });
  }

  async #follow(member: ReachableMember): Promise<void> {
    const peer = member.address;
    const stream: Stream = {
      ending: new AbortController(),
      frames: new Latest(),
      credit: new Credit(),
      applied: new Bell(),
      applying: 0,
      taken: 0,
    };
    this.#streams.set(peer, stream);
    this.#countStreams();
    this.#tellWanted(peer);
    this.#tellHeld(peer);

    const end = await this.#readStream(member, stream);

    stream.frames.close();
    // Whoever took it out of the map ended it, and has decided what follows.
    const isOwnEnd = this.#streams.get(peer) === stream;
    if (isOwnEnd) this.#streams.delete(peer);
    this.#countStreams();
    if (!isOwnEnd) return;
    const nowMs = this.#nowMs();
    if (end === "refused") this.#give({ kind: "refused", peer, origin: member.greeting.origin, nowMs });
    else this.#give({ kind: "ended", peer, nowMs });
    if (end === "broken") this.#deps.directory.reportBroken(peer);
  }

  async #readStream(member: ReachableMember, stream: Stream): Promise<StreamEnd> {
    const { signal } = stream.ending;
    const silence = new Silence(this.#deps, this.#silenceMsMax(), () => stream.ending.abort(new Error("fell silent")));
    try {
      for await (const frame of member.link.replicate(stream.frames, signal)) {
        if (signal.aborted) break;
        silence.pause();
        await this.#take(member, stream, frame);
        silence.heard();
      }
      return signal.aborted ? "broken" : "ended";
    } catch (cause) {
      return this.#endOf(member, cause);
    } finally {
      silence.cancel();
    }
  }

  async #take(member: ReachableMember, stream: Stream, frame: PublisherFrame): Promise<void> {
    const peer = member.address;
    const nowMs = this.#nowMs();
    switch (frame.kind) {
      case "heads": {
        const { held, closed, wallMs } = frame;
        this.#give({ kind: "heads", peer, held, closedAgoMs: Math.max(0, wallMs - wallMsOf(closed)), nowMs });
        return;
      }
      case "pulse": {
        const { hash, closedAgoMs } = frame;
        const travelledMs = member.roundTripMs / 2;
        const isSame = hash === undefined ? undefined : Buffer.compare(hash, this.#ownHash()) === 0;
        const agoMs = closedAgoMs === undefined ? undefined : closedAgoMs + travelledMs;
        this.#give({ kind: "pulse", peer, isSame, closedAgoMs: agoMs, nowMs });
        return;
      }
      case "lost":
        this.#give({ kind: "lost", peer, origin: frame.origin, nowMs });
        return;
      case "ops":
        this.#receive(peer, stream, frame.batch);
        while (stream.applying >= APPLYING_MAX && !stream.ending.signal.aborted) {
          await stream.applied.rung(stream.ending.signal);
        }
        return;
      default:
        unreachable(frame);
    }
  }

  #receive(peer: string, stream: Stream, batch: OpBatch): void {
    const bytes = creditOf(batch);
    if (!stream.credit.receive(bytes)) {
      throw new MalformedBytesError("a publisher sends more than it was granted");
    }
    const { taken } = stream;
    this.#give({ kind: "received", peer, batch, nowMs: this.#nowMs() });
    const dropped = bytes - (stream.taken - taken);
    if (dropped > 0) this.#grant(stream, dropped, 0);
  }

  #apply(peer: string, batch: OpBatch): void {
    const member = this.#peers.get(peer);
    const stream = this.#streams.get(peer);
    if (member === undefined || stream === undefined) return;
    stream.applying += 1;
    stream.taken += creditOf(batch);
    const arrivedMs = this.#nowMs();
    this.#tasks.begin(async () => {
      const isKept = (await keepArrived(this.#deps, member, { kind: "ops", batch })) && this.#holds(batch);
      stream.applying -= 1;
      stream.applied.ring();
      this.#grant(stream, creditOf(batch), this.#nowMs() - arrivedMs);
      if (isKept) this.#observe(batch);
      else this.#give({ kind: "refused", peer, origin: batch.origin, nowMs: this.#nowMs() });
    });
  }

  #grant(stream: Stream, bytes: number, queuedMs: number): void {
    const granted = stream.credit.apply(bytes, queuedMs);
    if (granted !== undefined) stream.frames.put({ kind: "credit", granted });
  }

  #silenceMsMax(): number {
    const isCrowd = this.#peers.size + 1 > MESH_NODES_MAX;
    return isCrowd ? STREAM_SILENCE_IN_CROWD_MS_MAX : STREAM_SILENCE_MS_MAX;
  }

  #ownHash(): Uint8Array {
    this.#hash ??= vectorHash(this.#deps.metadata.held());
    return this.#hash;
  }

  #holds({ origin, from, ops }: OpBatch): boolean {
    return this.#deps.metadata.upto(origin) >= from + ops.length - 1;
  }

  async #pull(member: ReachableMember): Promise<void> {
    const peer = member.address;
    const ending = new AbortController();
    this.#pulls.set(peer, ending);

    const outcome = await this.#readPull(member, ending);

    const source = member.greeting.region;
    const result = ending.signal.aborted ? "aborted" : PULL_RESULTS[outcome];
    this.#deps.telemetry.count("meridian_replication_pulls_total", { source, result });
    if (this.#pulls.get(peer) !== ending) return;
    this.#pulls.delete(peer);
    this.#give({ kind: "pulled", peer, outcome, nowMs: this.#nowMs() });
  }

  async #readPull(member: ReachableMember, ending: AbortController): Promise<PullEnd> {
    const { signal } = ending;
    const silence = new Silence(this.#deps, PULL_SILENCE_MS_MAX, () => ending.abort(new Error("fell silent")));
    const begunAt = this.#deps.metadata.releases;
    let isComplete = false;
    try {
      for await (const frame of member.link.pull(this.#deps.metadata.held(), signal)) {
        if (signal.aborted) break;
        silence.pause();
        const arrived = frame.kind === "end" ? { ...frame, begunAt } : frame;
        if (!(await keepArrived(this.#deps, member, arrived))) return "refused";
        silence.heard();
        isComplete = frame.kind === "end";
      }
      return isComplete ? "complete" : "broken";
    } catch (cause) {
      return this.#endOf(member, cause);
    } finally {
      silence.cancel();
    }
  }

  /** How a call to `member` ended that threw `cause`: the link's fault, or the peer's, who failed or made no sense. */
  #endOf(member: ReachableMember, cause: unknown): "broken" | "refused" {
    if (cause instanceof InvariantError) throw cause;
    // Too many ask at once: that passes.
    if (cause instanceof PeerError && cause.code === "TOOMANYREQUESTS") return "broken";
    const isPeersFault = cause instanceof PeerError && (cause.kind === "failed" || cause.kind === "refused");
    if (!isPeersFault && senselessness(cause) === undefined) return "broken";
    tellRefusal(this.#deps, member, cause);
    return "refused";
  }

  #observe({ ops, origin }: OpBatch): void {
    const source = this.#regionOf(origin);
    const last = ops.at(-1);
    if (source === undefined || last === undefined) return;
    this.#deps.telemetry.count("meridian_replication_ops_total", { source }, ops.length);
    const version = versionOf(last);
    if (version === undefined) return;
    const delayMs = Math.max(0, this.#deps.clock.wallMs() - wallMsOf(version.hlc));
    this.#deps.telemetry.observe("meridian_replication_delay_seconds", { source }, delayMs / 1000);
  }

  #regionOf(origin: Origin): Region | undefined {
    return [...this.#peers.values()].find(({ greeting }) => greeting.origin === origin)?.greeting.region;
  }

  #countStreams(): void {
    this.#deps.telemetry.set("meridian_replication_streams", { direction: "subscribing" }, this.#streams.size);
  }

  /** Every second: lag grows while nothing happens, and distances change without anybody's reachability changing. */
  #setGauges(): void {
    const { telemetry, metadata, timers } = this.#deps;
    const target = metadata.self.region;
    const worst = new Map<string, number>();
    for (const { region, lagMs } of this.lag()) worst.set(region, Math.max(worst.get(region) ?? 0, lagMs));
    for (const [source, lagMs] of worst) {
      telemetry.set("meridian_replication_lag_seconds", { source, target }, lagMs / 1000);
    }
    this.#publish.setGauges();
    this.#lookAround();
    this.#gaugesTimer = timers.after(GAUGES_PERIOD_MS, () => this.#setGauges());
  }
}

/** Whether it may write what is to be known here; of the dead nobody can say what they wrote at last. */
function isOfCluster(status: MemberStatus): boolean {
  return status !== "left" && status !== "evicted";
}

/** `undefined` when it can't be read: what had come another way meanwhile was never looked at. */
function versionOf(op: Uint8Array): Version | undefined {
  try {
    return decodeOp(op).register.versions[0];
  } catch (cause) {
    if (cause instanceof MalformedBytesError) return undefined;
    throw cause;
  }
}
