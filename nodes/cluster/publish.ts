import type { NodeId, Region } from "../../shared/identity.ts";
import type { VersionVector } from "../../shared/version-vector.ts";
import type { Clock } from "../ports/clock.ts";
import type { Greeting, PublisherFrame, SubscriberFrame } from "../ports/peers.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import type { Metadata } from "../storage/metadata.ts";
import { Bell } from "./bell.ts";
import { Tasks } from "./driver.ts";

/** What is held is told this often while it changes. */
export const HEADS_PERIOD_MS = 250;
/** And this often while it does not: a sign of life. */
export const HEADS_IDLE_MS = 1_000;
const FIRST_ACK_TIMEOUT_MS = 10_000;
/** Weight of the newest batch in the mean size of an op. */
const OP_BYTES_SMOOTHING = 1 / 16;

export type PublishDeps = {
  readonly metadata: Pick<Metadata, "self" | "held" | "closedHlc" | "onCommitted" | "ownOpsFrom">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
};

type Follower = {
  readonly region: Region;
  /** Highest own op that is durable there, as it said last. */
  acked: number;
};

type Stream = {
  readonly bell: Bell;
  readonly ending: AbortController;
  /** What the follower said last; `undefined` before it has said anything. */
  held: VersionVector | undefined;
};

/**
 * The answering side of `PeerCalls.replicate`: this node's own ops, in order, to everybody who asks. A follower costs
 * one number, the next op to send; nothing is queued for it, because the op log is the queue and its reader's pace is
 * the pace. Only what is durable is ever read, so a crash cannot take back a number that somebody has seen.
 */
export class Publish {
  readonly #deps: PublishDeps;
  readonly #stopping = new AbortController();
  readonly #acks = new Tasks();
  readonly #followers = new Map<NodeId, Follower>();
  readonly #open = new Set<Stream>();
  #opBytes = 0;

  constructor(deps: PublishDeps) {
    this.#deps = deps;
  }

  /** Ends when `acks` ends, when `signal` aborts, or when the node stops. */
  async *frames(
    caller: Greeting,
    acks: AsyncIterable<SubscriberFrame>,
    signal: AbortSignal,
  ): AsyncGenerator<PublisherFrame, void, void> {
    const stream: Stream = { bell: new Bell(), ending: new AbortController(), held: undefined };
    const ended = AbortSignal.any([signal, stream.ending.signal, this.#stopping.signal]);
    const stopListening = this.#deps.metadata.onCommitted(() => stream.bell.ring());
    this.#acks.begin(async () => await this.#readAcks(caller, acks, stream));
    this.#open.add(stream);
    this.#countStreams();
    try {
      const start = await this.#startOf(stream, ended);
      if (start !== undefined) yield* this.#framesFrom(start, stream, ended);
    } finally {
      this.#open.delete(stream);
      this.#countStreams();
      stopListening();
      stream.ending.abort(new Error("the stream has ended"));
    }
  }

  /** Own changes that no node of the region is known to be further behind in. */
  setGauges(): void {
    const { metadata, telemetry } = this.#deps;
    const head = metadata.held().upto(metadata.self.origin);
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
    for (const { ending } of this.#open) ending.abort(new Error("this node goes on under a new origin"));
  }

  stop(): void {
    this.#stopping.abort(new Error("the node stops"));
  }

  /** The number of the first op to send; `undefined` when the follower never says what it holds. */
  async #startOf(stream: Stream, ended: AbortSignal): Promise<number | undefined> {
    if (stream.held === undefined) await stream.bell.rungWithin(this.#deps.timers, FIRST_ACK_TIMEOUT_MS, ended);
    return this.#afterAck(stream);
  }

  /**
   * Order law, which followers rely on: heads that name an own op which has not been sent come only right after an op,
   * or when the log has lost that op and the follower must pull it.
   */
  async *#framesFrom(start: number, stream: Stream, ended: AbortSignal): AsyncGenerator<PublisherFrame, void, void> {
    const { metadata, clock, timers } = this.#deps;
    let next = start;
    let lost = 0;
    let told: VersionVector | undefined;
    let toldAtMs = Number.NEGATIVE_INFINITY;
    let hasJustSent = false;
    while (!ended.aborted) {
      // The promise is read before what is held, which it speaks of.
      const closed = metadata.closedHlc();
      const held = metadata.held();
      const isNews = told?.equals(held) !== true;
      const headsDueMs = toldAtMs + (isNews ? HEADS_PERIOD_MS : HEADS_IDLE_MS) - clock.monotonicMs();

      // A follower that has fallen out of the log catches up by a pull, and says so.
      next = Math.max(next, this.#afterAck(stream) ?? next);
      const isBehind = next <= held.upto(metadata.self.origin);
      const isHeadsTurn = hasJustSent && headsDueMs <= 0;
      const batch = isBehind && !isHeadsTurn ? await metadata.ownOpsFrom(next) : undefined;
      if (batch !== undefined) {
        next = batch.from + batch.ops.length;
        hasJustSent = true;
        this.#measure(batch.ops);
        yield { kind: "ops", batch };
        continue;
      }

      const isLost = isBehind && !isHeadsTurn && lost !== next;
      if (headsDueMs > 0 && !isLost) {
        await stream.bell.rungWithin(timers, headsDueMs, ended);
        continue;
      }
      if (isLost) lost = next;
      told = held;
      hasJustSent = false;
      yield { kind: "heads", held, closed, wallMs: clock.wallMs() };
      toldAtMs = clock.monotonicMs();
    }
  }

  #afterAck({ held }: Stream): number | undefined {
    return held === undefined ? undefined : held.upto(this.#deps.metadata.self.origin) + 1;
  }

  async #readAcks(caller: Greeting, acks: AsyncIterable<SubscriberFrame>, stream: Stream): Promise<void> {
    try {
      for await (const { held } of acks) {
        stream.held = held;
        this.#followers.set(caller.node, { region: caller.region, acked: held.upto(this.#deps.metadata.self.origin) });
        stream.bell.ring();
      }
    } catch {
      // The follower is gone; it will follow anew when it can.
    } finally {
      stream.ending.abort(new Error("the follower has ended the stream"));
    }
  }

  #measure(ops: readonly Uint8Array[]): void {
    const mean = ops.reduce((sum, op) => sum + op.length, 0) / ops.length;
    this.#opBytes += this.#opBytes === 0 ? mean : OP_BYTES_SMOOTHING * (mean - this.#opBytes);
  }

  #countStreams(): void {
    this.#deps.telemetry.set("meridian_replication_streams", { direction: "publishing" }, this.#open.size);
  }
}
