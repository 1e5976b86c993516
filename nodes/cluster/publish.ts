import { wallMsOf } from "../../shared/hlc.ts";
import type { NodeId, Origin, Region } from "../../shared/identity.ts";
import { unreachable } from "../../shared/invariant.ts";
import { OP_CREDIT_BYTES } from "../../shared/limits.ts";
import { type VectorEntry, VersionVector, vectorHash } from "../../shared/version-vector.ts";
import type { Clock } from "../ports/clock.ts";
import type { Greeting, OpBatch, PublisherFrame, SubscriberFrame } from "../ports/peers.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import { creditOf } from "../protocol/credit.ts";
import type { Metadata } from "../storage/metadata.ts";
import { Bell } from "./bell.ts";
import { Tasks } from "./driver.ts";
import { HashTurns } from "./hash-turns.ts";

/** So often each follower hears something, unless there are many. */
export const PULSE_PERIOD_MS = 1_000;
/** Between two pulses to whomever: what a node says while nothing happens does not grow with its followers. */
const PULSE_MS_EACH = 60;
/** More than this is told only to those who ask. */
const UNTOLD_ENTRIES_MAX = 8;
const FIRST_ACK_TIMEOUT_MS = 10_000;
/** Weight of the newest batch in the mean size of an op. */
const OP_BYTES_SMOOTHING = 1 / 16;

export type PublishDeps = {
  readonly metadata: Pick<Metadata, "self" | "held" | "upto" | "closedHlc" | "onCommitted" | "opsFrom">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
  /** How long ago everything that another origin had written was here. */
  readonly closedAgoMs: (origin: Origin) => number | undefined;
};

type Follower = {
  readonly region: Region;
  /** Highest own op that is durable there, as it said last. */
  acked: number;
};

type Stream = {
  readonly bell: Bell;
  readonly ending: AbortController;
  /** The next op to send, of each origin that the follower wants. */
  next: Map<Origin, number>;
  /** The op that the log has lost and the follower was told of, of each such origin. */
  readonly lost: Map<Origin, number>;
  hasAcked: boolean;
  granted: number;
  sent: number;
  /** Whether the heads are to be told. */
  isAsked: boolean;
  isHashDue: boolean;
  /** What the follower was told is held here. */
  readonly told: VersionVector;
};

/**
 * The answering side of `PeerCalls.replicate`: ops, in the order of each origin, to everybody who asks. A follower costs
 * one number for each origin, the next op to send; nothing is queued for it, because the op log is the queue and its
 * reader's pace is the pace. Only what is durable is ever read, so a crash cannot take back a number that somebody has
 * seen. A follower that grants no credit is sent signs of life and nothing else.
 */
export class Publish {
  readonly #deps: PublishDeps;
  readonly #stopping = new AbortController();
  readonly #acks = new Tasks();
  readonly #followers = new Map<NodeId, Follower>();
  readonly #streams = new Set<Stream>();
  readonly #turns: HashTurns<Stream>;
  #stopListening: () => void = () => undefined;
  /** Of what is held; `undefined` when it must be made anew. */
  #hash: Uint8Array | undefined;
  #opBytes = 0;

  constructor(deps: PublishDeps) {
    this.#deps = deps;
    this.#turns = new HashTurns(deps.timers, deps.clock, this.#streams, (stream) => {
      stream.isHashDue = true;
      stream.bell.ring();
    });
  }

  /** Ends when `acks` ends, when `signal` aborts, or when the node stops. */
  async *frames(
    caller: Greeting,
    acks: AsyncIterable<SubscriberFrame>,
    signal: AbortSignal,
  ): AsyncGenerator<PublisherFrame, void, void> {
    const stream: Stream = {
      bell: new Bell(),
      ending: new AbortController(),
      next: new Map([[this.#deps.metadata.self.origin, 1]]),
      lost: new Map(),
      hasAcked: false,
      granted: OP_CREDIT_BYTES,
      sent: 0,
      isAsked: true,
      isHashDue: false,
      told: new VersionVector(),
    };
    const ended = AbortSignal.any([signal, stream.ending.signal, this.#stopping.signal]);
    this.#open(stream);
    this.#acks.begin(async () => await this.#readFrames(caller, acks, stream));
    try {
      if (!stream.hasAcked) await this.#firstAck(stream, ended);
      if (stream.hasAcked) yield* this.#framesOf(stream, ended);
    } finally {
      this.#close(stream);
      stream.ending.abort(new Error("the stream has ended"));
    }
  }

  /** Own changes that no node of the region is known to be further behind in. */
  setGauges(): void {
    const { metadata, telemetry } = this.#deps;
    const head = metadata.upto(metadata.self.origin);
    const pending = new Map<Region, number>();
    for (const { region, acked } of this.#followers.values()) {
      pending.set(region, Math.max(pending.get(region) ?? 0, head - acked));
    }
    for (const [target, items] of pending) {
      telemetry.set("meridian_replication_pending_items", { target }, items);
      telemetry.set("meridian_replication_pending_bytes", { target }, Math.round(items * this.#opBytes));
    }
  }

  /** Whoever follows has to begin anew: this node's own ops are others than when the streams began. */
  endStreams(): void {
    this.#followers.clear();
    for (const { ending } of this.#streams) ending.abort(new Error("this node goes on under a new origin"));
  }

  stop(): void {
    this.#stopping.abort(new Error("the node stops"));
  }

  #open(stream: Stream): void {
    if (this.#streams.size === 0) this.#stopListening = this.#deps.metadata.onCommitted((news) => this.#heard(news));
    this.#streams.add(stream);
    this.#turns.begin();
    this.#countStreams();
  }

  #close(stream: Stream): void {
    this.#streams.delete(stream);
    this.#countStreams();
    if (this.#streams.size > 0) return;
    this.#turns.end();
    this.#stopListening();
    this.#hash = undefined;
  }

  #heard(news: VersionVector): void {
    this.#hash = undefined;
    this.#turns.hurry();
    const origins = news.entries().map(({ origin }) => origin);
    for (const stream of this.#streams) if (origins.some((origin) => stream.next.has(origin))) stream.bell.ring();
  }

  async #firstAck(stream: Stream, ended: AbortSignal): Promise<void> {
    const { clock, timers } = this.#deps;
    const endMs = clock.monotonicMs() + FIRST_ACK_TIMEOUT_MS;
    while (!stream.hasAcked && !ended.aborted) {
      const leftMs = endMs - clock.monotonicMs();
      if (leftMs <= 0) return;
      await stream.bell.rungWithin(timers, leftMs, ended);
    }
  }

  async *#framesOf(stream: Stream, ended: AbortSignal): AsyncGenerator<PublisherFrame, void, void> {
    const { clock, timers } = this.#deps;
    let pulseAtMs = clock.monotonicMs() + PULSE_PERIOD_MS;
    while (!ended.aborted) {
      const frame = this.#headsIfAsked(stream) ?? (await this.#nextOps(stream));
      if (frame !== undefined) {
        yield frame;
        continue;
      }
      const pulseInMs = stream.isHashDue ? 0 : pulseAtMs - clock.monotonicMs();
      if (pulseInMs > 0) {
        await stream.bell.rungWithin(timers, pulseInMs, ended);
        continue;
      }
      yield this.#sign(stream);
      pulseAtMs = clock.monotonicMs() + Math.max(PULSE_PERIOD_MS, this.#streams.size * PULSE_MS_EACH);
    }
  }

  #headsIfAsked(stream: Stream): PublisherFrame | undefined {
    if (!stream.isAsked) return undefined;
    stream.isAsked = false;
    return this.#heads(stream);
  }

  #heads(stream: Stream): PublisherFrame {
    const { metadata, clock } = this.#deps;
    // The promise is read before what is held, which it speaks of.
    const closed = metadata.closedHlc();
    const own = metadata.held().entry(metadata.self.origin);
    const held = VersionVector.from([...this.#untold(stream), own]);
    stream.told.merge(held);
    return { kind: "heads", held, closed, wallMs: clock.wallMs() };
  }

  /** What is held here and was neither told nor sent on the stream. */
  #untold({ told }: Stream): readonly VectorEntry[] {
    const held = this.#deps.metadata.held().entries();
    return held.filter((entry) => !told.coversEntry(entry));
  }

  /** One batch of what the follower lacks, or what it has to pull; each wanted origin in its turn. */
  async #nextOps(stream: Stream): Promise<PublisherFrame | undefined> {
    const { metadata } = this.#deps;
    if (stream.sent >= stream.granted) return undefined;
    for (const [origin, next] of stream.next) {
      if (next > metadata.upto(origin) || stream.lost.get(origin) === next) continue;
      const batch = await metadata.opsFrom(origin, next);
      // Meanwhile the follower may have said that it has got further, or wants other things.
      if (stream.next.get(origin) !== next) return await this.#nextOps(stream);
      if (batch === undefined) {
        stream.lost.set(origin, next);
        return { kind: "lost", origin };
      }
      this.#count(stream, batch);
      return { kind: "ops", batch };
    }
    return undefined;
  }

  #count(stream: Stream, { origin, from, ops }: OpBatch): void {
    // Put last, so that others have their turn before.
    stream.next.delete(origin);
    stream.next.set(origin, from + ops.length);
    stream.lost.delete(origin);
    stream.told.advance(origin, from + ops.length - 1);
    stream.sent += creditOf({ ops });
    const mean = ops.reduce((sum, op) => sum + op.length, 0) / ops.length;
    this.#opBytes += this.#opBytes === 0 ? mean : OP_BYTES_SMOOTHING * (mean - this.#opBytes);
  }

  /** Whose turn it is to hear the hash is told at once what would make it differ, if that is little: it saves the asking. */
  #sign(stream: Stream): PublisherFrame {
    const untold = stream.isHashDue ? this.#untold(stream).length : 0;
    if (untold === 0 || untold > UNTOLD_ENTRIES_MAX) return this.#pulse(stream);
    stream.isHashDue = false;
    return this.#heads(stream);
  }

  #pulse(stream: Stream): PublisherFrame {
    const closedAgoMs = this.#closedAgoMs(stream);
    const isHashDue = stream.isHashDue;
    stream.isHashDue = false;
    if (isHashDue) this.#hash ??= vectorHash(this.#deps.metadata.held());
    return { kind: "pulse", hash: isHashDue ? this.#hash : undefined, closedAgoMs };
  }

  /** How long ago all that the wanted origins had written was sent on the stream. */
  #closedAgoMs(stream: Stream): number | undefined {
    const { metadata, clock, closedAgoMs } = this.#deps;
    // The promise is read before what is held, which it speaks of.
    const closed = metadata.closedHlc();
    let oldestMs = 0;
    for (const [origin, next] of stream.next) {
      if (stream.lost.get(origin) === next) continue;
      const isOwn = origin === metadata.self.origin;
      const agoMs = isOwn ? Math.max(0, clock.wallMs() - wallMsOf(closed)) : closedAgoMs(origin);
      if (agoMs === undefined || next <= metadata.upto(origin)) return undefined;
      oldestMs = Math.max(oldestMs, agoMs);
    }
    return oldestMs;
  }

  async #readFrames(caller: Greeting, frames: AsyncIterable<SubscriberFrame>, stream: Stream): Promise<void> {
    try {
      for await (const frame of frames) {
        this.#take(caller, frame, stream);
        stream.bell.ring();
      }
    } catch {
      // The follower is gone; it will follow anew when it can.
    } finally {
      stream.ending.abort(new Error("the follower has ended the stream"));
    }
  }

  #take(caller: Greeting, frame: SubscriberFrame, stream: Stream): void {
    switch (frame.kind) {
      case "ack":
        this.#acked(caller, frame.held, stream);
        return;
      case "want": {
        const former = stream.next;
        stream.next = new Map(
          frame.wanted.map(({ origin, after }) => [origin, Math.max(after + 1, former.get(origin) ?? 1)]),
        );
        stream.lost.clear();
        return;
      }
      case "credit":
        stream.granted = Math.max(stream.granted, frame.granted);
        return;
      case "ask":
        stream.isAsked = true;
        return;
      default:
        unreachable(frame);
    }
  }

  /** A follower that has fallen out of the log catches up by a pull, and says so. */
  #acked(caller: Greeting, held: VersionVector, stream: Stream): void {
    const { origin } = this.#deps.metadata.self;
    stream.hasAcked = true;
    for (const [wanted, next] of stream.next) stream.next.set(wanted, Math.max(next, held.upto(wanted) + 1));
    if (stream.next.has(origin)) {
      this.#followers.set(caller.node, { region: caller.region, acked: held.upto(origin) });
    }
  }

  #countStreams(): void {
    const direction = "publishing";
    this.#deps.telemetry.set("meridian_replication_streams", { direction }, this.#streams.size);
  }
}
