/**
 * How one node comes to hold every op of every other: whose stream it follows, what of a stream it takes, and what it
 * pulls from whom when the stream is not enough.
 *
 * In a full mesh each origin's ops go straight from it to all: whoever wants them follows the origin, tells once what
 * it holds, and receives what comes after. The publisher keeps one number per follower and no queue, so a slow or
 * absent follower costs it nothing. A stream carries the publisher's own ops and nothing else. What a node lacks of
 * an origin that it cannot hear is seen in the *heads* of those who can: everybody tells on its stream what it
 * holds, and a gap that the origin's stream is not about to fill is pulled from the nearest holder. A pull is a
 * catch-up session, the same whether one op is missing or all (protocol.md, rules R1 to R5; `Metadata.missing`).
 *
 * Two impatiences must be kept apart. An op that a third node already shows may still be on its way from its origin:
 * pulling at once would send everything twice, so a followed origin is given one and a half round trips. An origin
 * that is not being followed will send nothing: what is missing of it is pulled as soon as it is seen. So is what a
 * followed origin cannot send, because its log does not reach back so far. A stream is in order, and a publisher that
 * has an op to send tells its heads only right after an op. So heads that come after heads, or first, and name more
 * than is here, say that the stream will not bring it.
 *
 * Hinted handoff (queues kept for absent nodes) was the alternative. It ends with the disk of the sender, and then
 * needs exactly this as its fallback.
 *
 * Sources: Corrosion's sync, garage's table sync, chitchat; what they differ in is weighed in the protocol's evidence.
 */

import type { Origin } from "../../shared/identity.ts";
import { unreachable } from "../../shared/invariant.ts";
import { VersionVector } from "../../shared/version-vector.ts";
import type { Machine } from "./machine.ts";

/** Names a peer for as long as this process lives. */
export type PeerKey = string;

/** Consecutive ops of one origin; `from` is the first one's number. */
export type Batch = {
  readonly origin: Origin;
  readonly from: number;
  readonly ops: readonly Uint8Array[];
  /** The origin's hash chain after the last op. */
  readonly chain: Uint8Array;
};

/** Times are of one monotonic clock. */
export type ReplicationInput =
  /** The peer can be reached; said again when its start or its distance has changed. */
  | {
      readonly kind: "appeared";
      readonly peer: PeerKey;
      readonly origin: Origin;
      readonly boot: number;
      readonly roundTripMs: number;
      readonly nowMs: number;
    }
  | { readonly kind: "vanished"; readonly peer: PeerKey; readonly nowMs: number }
  /** From the peer's stream. */
  | { readonly kind: "received"; readonly peer: PeerKey; readonly batch: Batch; readonly nowMs: number }
  /** From the peer's stream: what it held, and how long ago it was true that it had no other op of its own. */
  | {
      readonly kind: "heads";
      readonly peer: PeerKey;
      readonly held: VersionVector;
      readonly closedAgoMs: number;
      readonly nowMs: number;
    }
  /** This is durable here. */
  | { readonly kind: "committed"; readonly held: VersionVector; readonly nowMs: number }
  /** What came from the peer's stream is not what it should be. */
  | { readonly kind: "refused"; readonly peer: PeerKey; readonly origin: Origin; readonly nowMs: number }
  /** The stream ended, by whatever reason but `unfollow`. */
  | { readonly kind: "ended"; readonly peer: PeerKey; readonly nowMs: number }
  /** The pull ended, by whatever reason but `cancel`; what it brought has been told as `committed`. */
  | {
      readonly kind: "pulled";
      readonly peer: PeerKey;
      readonly outcome: "complete" | "broken" | "refused";
      readonly nowMs: number;
    }
  /** This node goes on under another origin; what it wrote so far is now a foreign origin's. */
  | { readonly kind: "begun-again"; readonly self: Origin; readonly nowMs: number }
  | { readonly kind: "woke"; readonly nowMs: number };

/**
 * Order: `ack` is decided by `committed` and by nothing else, so nothing is acknowledged that is not durable.
 * The batches of one origin are applied in the order of their numbers; the driver begins each before it begins the next.
 */
export type ReplicationEffect =
  /** Open the peer's stream; its first frame tells what is durable here. */
  | { readonly kind: "follow"; readonly peer: PeerKey }
  /** End the stream; nothing of it is told any more. */
  | { readonly kind: "unfollow"; readonly peer: PeerKey }
  /** Commit; follows on what is durable or being applied, without a gap or a repeat. */
  | { readonly kind: "apply"; readonly peer: PeerKey; readonly batch: Batch }
  /** Tell the peer what is durable here. */
  | { readonly kind: "ack"; readonly peer: PeerKey }
  /** Ask the peer for everything that is missing here. */
  | { readonly kind: "pull"; readonly peer: PeerKey }
  /** End the pull; nothing of it is told any more. */
  | { readonly kind: "cancel"; readonly peer: PeerKey }
  /** Give `woke` at `atMs`; replaces what was asked before. */
  | { readonly kind: "wake"; readonly atMs: number }
  /** A peer holds ops under this node's origin that this node has not: its next op would carry a number that is taken. */
  | { readonly kind: "contradict"; readonly peer: PeerKey; readonly origin: Origin; readonly seq: number };

/** What is known to be missing here of one peer's own ops. */
export type Lag = {
  readonly peer: PeerKey;
  readonly origin: Origin;
  readonly isReachable: boolean;
  readonly pendingOps: number;
  /** The oldest op that is missing is no older; 0 when none is known to be missing. */
  readonly lagMs: number;
};

export const PULLS_MAX = 3;
/** A stream that is followed gets at least this long to bring what others show already. */
export const STREAM_PATIENCE_MS_MIN = 150;
const STREAM_PATIENCE_ROUND_TRIPS = 1.5;
/** A stream that brings nothing for this long is helped by a pull over the very same link. */
export const STREAM_STALLED_MS = 2_000;
export const FOLLOW_RETRY_MS_MIN = 100;
export const FOLLOW_RETRY_MS_MAX = 500;
export const PULL_RETRY_MS_MIN = 250;
export const PULL_RETRY_MS_MAX = 30_000;
/** A peer that sends what must be refused is asked again, in case it was mended; ever more rarely. */
export const REFUSED_RETRY_MS_MIN = 1_000;
export const REFUSED_RETRY_MS_MAX = 30_000;
/** Heads remembered until what they name is held. Beyond it the newest is forgotten: lag is then told too high, never too low. */
const MARKS_MAX = 64;

type Mark = { readonly upto: number; readonly atMs: number };

type Peer = {
  readonly key: PeerKey;
  origin: Origin;
  boot: number;
  roundTripMs: number;
  isReachable: boolean;
  isFollowed: boolean;
  followAtMs: number;
  /** Whether the last frame of the stream was of ops. */
  hasJustSent: boolean;
  /** Whether the stream will not bring what is missing of the peer's own ops. */
  isExhausted: boolean;
  streamFailures: number;
  refusals: number;
  /** What the peer holds, as it said last. */
  known: VersionVector;
  /** What a pull that is under way will bring; `undefined` when none is. */
  promised: VersionVector | undefined;
  pullAtMs: number;
  pullFailures: number;
  /** The highest number of the peer's own ops that it has been told is durable here. */
  acked: number;
  /** Heads whose ops are not all held, oldest first. */
  marks: Mark[];
  /** When the peer had, for certain, no own op that is missing here. */
  syncedAtMs: number;
};

type Gap = { readonly upto: number; readonly sinceMs: number };

export class Replication implements Machine<ReplicationInput, ReplicationEffect> {
  #self: Origin;
  readonly #peers = new Map<PeerKey, Peer>();
  /** Durable. */
  readonly #held: VersionVector;
  /** Being applied: the highest number of each origin. */
  readonly #applying = new Map<Origin, number>();
  /** Durable or being applied. */
  #have: VersionVector;
  readonly #gaps = new Map<Origin, Gap>();
  #wakeAtMs: number | undefined;
  #isContradicted = false;

  constructor(self: Origin, held: VersionVector) {
    this.#self = self;
    this.#held = held.clone();
    this.#have = held.clone();
  }

  step(input: ReplicationInput): readonly ReplicationEffect[] {
    const effects = [
      ...this.#judge(input),
      ...this.#followWhenDue(input.nowMs),
      ...this.#pullWhatIsMissing(input.nowMs),
    ];
    const wakeAtMs = this.#nextWakeMs(input.nowMs);
    if (wakeAtMs === this.#wakeAtMs || wakeAtMs === undefined) return effects;
    this.#wakeAtMs = wakeAtMs;
    return [...effects, { kind: "wake", atMs: wakeAtMs }];
  }

  lag(nowMs: number): readonly Lag[] {
    return [...this.#peers.values()].map(({ key, origin, isReachable, syncedAtMs }) => {
      const newest = Math.max(...[...this.#peers.values()].map(({ known }) => known.upto(origin)));
      const pendingOps = Math.max(0, newest - this.#held.upto(origin));
      return {
        peer: key,
        origin,
        isReachable,
        pendingOps,
        lagMs: pendingOps === 0 ? 0 : Math.max(0, nowMs - syncedAtMs),
      };
    });
  }

  #judge(input: ReplicationInput): readonly ReplicationEffect[] {
    switch (input.kind) {
      case "appeared":
        return this.#appeared(input);
      case "vanished":
        return this.#vanished(input);
      case "received":
        return this.#received(input);
      case "heads":
        return this.#heads(input);
      case "committed":
        return this.#committed(input.held);
      case "refused":
        return this.#refused(input);
      case "ended":
        return this.#ended(input);
      case "pulled":
        return this.#pulled(input);
      case "begun-again":
        return this.#begunAgain(input);
      case "woke":
        this.#wakeAtMs = undefined;
        return [];
      default:
        return unreachable(input);
    }
  }

  #appeared({ peer: key, origin, boot, roundTripMs, nowMs }: InputOf<"appeared">): readonly ReplicationEffect[] {
    const known = this.#peers.get(key);
    if (known === undefined || known.origin !== origin) {
      const effects = known === undefined ? [] : leave(known);
      this.#peers.set(key, newPeer({ key, origin, boot, roundTripMs, nowMs }));
      return effects;
    }
    const isNewLife = known.boot !== boot;
    known.boot = boot;
    known.roundTripMs = roundTripMs;
    if (known.isReachable && !isNewLife) return [];
    // A stream with the former start may be half open, and would stay silent.
    const effects = leave(known);
    known.isReachable = true;
    known.pullFailures = 0;
    known.pullAtMs = nowMs;
    return effects;
  }

  #vanished({ peer: key }: InputOf<"vanished">): readonly ReplicationEffect[] {
    const peer = this.#peers.get(key);
    if (peer === undefined) return [];
    peer.isReachable = false;
    return leave(peer);
  }

  #received({ peer: key, batch, nowMs }: InputOf<"received">): readonly ReplicationEffect[] {
    const peer = this.#peers.get(key);
    if (peer?.isFollowed !== true) return [];
    const { origin, from, ops } = batch;
    const to = from + ops.length - 1;
    if (from < 1 || to < from) return this.#stopTrusting(peer, nowMs);
    peer.streamFailures = 0;
    peer.hasJustSent = true;
    peer.isExhausted = false;
    if (origin === this.#self) return this.#contradictIfBehind(peer, to);

    const upto = this.#have.upto(origin);
    if (to <= upto) return [];
    if (from > upto + 1) {
      // What lies between was lost on the way; followed anew, the stream begins at what is durable here.
      return retryFollowing(peer, nowMs, FOLLOW_RETRY_MS_MIN);
    }
    this.#applying.set(origin, to);
    this.#have.advance(origin, to);
    const rest = { ...batch, from: upto + 1, ops: ops.slice(upto + 1 - from) };
    return [{ kind: "apply", peer: key, batch: rest }];
  }

  #heads({ peer: key, held, closedAgoMs, nowMs }: InputOf<"heads">): readonly ReplicationEffect[] {
    const peer = this.#peers.get(key);
    if (peer?.isFollowed !== true) return [];
    peer.streamFailures = 0;
    peer.known = held.clone();
    peer.isExhausted = !peer.hasJustSent && held.upto(peer.origin) > this.#have.upto(peer.origin);
    peer.hasJustSent = false;
    if (peer.marks.length < MARKS_MAX) peer.marks.push({ upto: held.upto(peer.origin), atMs: nowMs - closedAgoMs });
    this.#settleMarks(peer);
    return this.#contradictIfBehind(peer, held.upto(this.#self));
  }

  #committed(held: VersionVector): readonly ReplicationEffect[] {
    this.#held.merge(held);
    for (const [origin, to] of this.#applying) if (to <= this.#held.upto(origin)) this.#applying.delete(origin);
    this.#have.merge(this.#held);

    const effects: ReplicationEffect[] = [];
    for (const peer of this.#peers.values()) {
      this.#settleMarks(peer);
      const durable = this.#held.upto(peer.origin);
      if (durable <= peer.acked) continue;
      peer.refusals = 0;
      if (!peer.isFollowed) continue;
      peer.acked = durable;
      effects.push({ kind: "ack", peer: peer.key });
    }
    return effects;
  }

  #refused({ peer: key, origin, nowMs }: InputOf<"refused">): readonly ReplicationEffect[] {
    this.#applying.delete(origin);
    this.#have = this.#held.clone();
    for (const [applying, to] of this.#applying) this.#have.advance(applying, to);
    const peer = this.#peers.get(key);
    return peer === undefined ? [] : this.#stopTrusting(peer, nowMs);
  }

  #ended({ peer: key, nowMs }: InputOf<"ended">): readonly ReplicationEffect[] {
    const peer = this.#peers.get(key);
    if (peer === undefined) return [];
    peer.isFollowed = false;
    peer.followAtMs = nowMs + backoff(peer.streamFailures, FOLLOW_RETRY_MS_MIN, FOLLOW_RETRY_MS_MAX);
    peer.streamFailures += 1;
    return [];
  }

  #pulled({ peer: key, outcome, nowMs }: InputOf<"pulled">): readonly ReplicationEffect[] {
    const peer = this.#peers.get(key);
    if (peer?.promised === undefined) return [];
    const { promised } = peer;
    peer.promised = undefined;
    // A session that was complete and still left open what it was begun for would be begun again for ever.
    const isDone = outcome === "complete" && this.#missingOf(promised).length === 0;
    const retryMs = outcome === "refused" ? REFUSED_RETRY_MS_MIN : PULL_RETRY_MS_MIN;
    peer.pullAtMs = isDone ? nowMs : nowMs + backoff(peer.pullFailures, retryMs, PULL_RETRY_MS_MAX);
    peer.pullFailures = isDone ? 0 : peer.pullFailures + 1;
    return [];
  }

  /** What is under way was begun by another node, so to say: sessions left out what now has to come. */
  #begunAgain({ self, nowMs }: InputOf<"begun-again">): readonly ReplicationEffect[] {
    this.#self = self;
    this.#isContradicted = false;
    return [...this.#peers.values()].flatMap((peer) => {
      const effects = leave(peer);
      peer.followAtMs = nowMs;
      peer.pullAtMs = nowMs;
      return effects;
    });
  }

  #stopTrusting(peer: Peer, nowMs: number): readonly ReplicationEffect[] {
    const effects = retryFollowing(peer, nowMs, backoff(peer.refusals, REFUSED_RETRY_MS_MIN, REFUSED_RETRY_MS_MAX));
    peer.refusals += 1;
    return effects;
  }

  /**
   * Nobody can hold more of this node's ops than are durable here, unless the data directory was put back to an
   * earlier state. Its next op would then carry a number that is taken.
   */
  #contradictIfBehind({ key }: Peer, seq: number): readonly ReplicationEffect[] {
    if (this.#isContradicted || seq <= this.#held.upto(this.#self)) return [];
    this.#isContradicted = true;
    return [{ kind: "contradict", peer: key, origin: this.#self, seq }];
  }

  #settleMarks(peer: Peer): void {
    const upto = this.#held.upto(peer.origin);
    while (peer.marks[0] !== undefined && peer.marks[0].upto <= upto) {
      peer.syncedAtMs = Math.max(peer.syncedAtMs, peer.marks[0].atMs);
      peer.marks.shift();
    }
  }

  #followWhenDue(nowMs: number): readonly ReplicationEffect[] {
    const effects: ReplicationEffect[] = [];
    for (const peer of this.#peers.values()) {
      if (!peer.isReachable || peer.isFollowed || nowMs < peer.followAtMs) continue;
      peer.isFollowed = true;
      peer.hasJustSent = false;
      peer.isExhausted = false;
      peer.acked = this.#held.upto(peer.origin);
      effects.push({ kind: "follow", peer: peer.key });
    }
    return effects;
  }

  /** Origins of which `known` includes what is not here. The own one is never among them: see `#contradictIfBehind`. */
  #missingOf(known: VersionVector): readonly Origin[] {
    if (this.#have.covers(known)) return [];
    return known
      .entries()
      .filter((entry) => entry.origin !== this.#self && !this.#have.covers(VersionVector.from([entry])))
      .map(({ origin }) => origin);
  }

  #pullWhatIsMissing(nowMs: number): readonly ReplicationEffect[] {
    const holders = this.#holdersOfMissing();
    for (const origin of this.#gaps.keys()) if (!holders.has(origin)) this.#gaps.delete(origin);

    const effects: ReplicationEffect[] = [];
    for (const [origin, peers] of holders) {
      const gap = this.#gapOf(origin, nowMs);
      if (this.#isPromised(origin) || this.#pullsUnderWay() >= PULLS_MAX) continue;
      const nearest = peers
        .filter((peer) => this.#pullableAtMs(peer, origin, gap) <= nowMs)
        .toSorted((left, right) => left.roundTripMs - right.roundTripMs)[0];
      if (nearest === undefined) continue;
      nearest.promised = nearest.known.clone();
      effects.push({ kind: "pull", peer: nearest.key });
    }
    return effects;
  }

  #holdersOfMissing(): ReadonlyMap<Origin, readonly Peer[]> {
    const holders = new Map<Origin, Peer[]>();
    for (const peer of this.#peers.values()) {
      if (!peer.isReachable) continue;
      for (const origin of this.#missingOf(peer.known)) {
        const known = holders.get(origin);
        if (known === undefined) holders.set(origin, [peer]);
        else known.push(peer);
      }
    }
    return holders;
  }

  /** A gap is as old as the last progress made in closing it. */
  #gapOf(origin: Origin, nowMs: number): Gap {
    const upto = this.#have.upto(origin);
    const known = this.#gaps.get(origin);
    if (known?.upto === upto) return known;
    const gap = { upto, sinceMs: nowMs };
    this.#gaps.set(origin, gap);
    return gap;
  }

  #isPromised(origin: Origin): boolean {
    return [...this.#peers.values()].some(
      ({ promised }) => promised !== undefined && this.#missingOf(promised).includes(origin),
    );
  }

  #pullsUnderWay(): number {
    return [...this.#peers.values()].filter(({ promised }) => promised !== undefined).length;
  }

  /** When what is missing of `origin` may be pulled from `peer`; infinite while another pull from it is under way. */
  #pullableAtMs(peer: Peer, origin: Origin, gap: Gap): number {
    if (peer.promised !== undefined) return Number.POSITIVE_INFINITY;
    const source = [...this.#peers.values()].find((other) => other.origin === origin && other.isFollowed);
    if (source === undefined || source.isExhausted) return Math.max(peer.pullAtMs, gap.sinceMs);
    const patienceMs =
      source === peer
        ? STREAM_STALLED_MS
        : Math.max(STREAM_PATIENCE_MS_MIN, STREAM_PATIENCE_ROUND_TRIPS * source.roundTripMs);
    return Math.max(peer.pullAtMs, gap.sinceMs + patienceMs);
  }

  /** The next time at which following or pulling becomes due; what a pull under way will bring is not waited for. */
  #nextWakeMs(nowMs: number): number | undefined {
    const times: number[] = [];
    for (const peer of this.#peers.values()) {
      if (peer.isReachable && !peer.isFollowed) times.push(peer.followAtMs);
    }
    if (this.#pullsUnderWay() < PULLS_MAX) {
      for (const [origin, peers] of this.#holdersOfMissing()) {
        if (this.#isPromised(origin)) continue;
        const gap = this.#gapOf(origin, nowMs);
        for (const peer of peers) times.push(this.#pullableAtMs(peer, origin, gap));
      }
    }
    const next = Math.min(...times);
    return Number.isFinite(next) ? next : undefined;
  }
}

type InputOf<Kind extends ReplicationInput["kind"]> = ReplicationInput & { readonly kind: Kind };

function newPeer({
  key,
  origin,
  boot,
  roundTripMs,
  nowMs,
}: Pick<Peer, "key" | "origin" | "boot" | "roundTripMs"> & { readonly nowMs: number }): Peer {
  return {
    key,
    origin,
    boot,
    roundTripMs,
    isReachable: true,
    isFollowed: false,
    followAtMs: nowMs,
    hasJustSent: false,
    isExhausted: false,
    streamFailures: 0,
    refusals: 0,
    known: new VersionVector(),
    promised: undefined,
    pullAtMs: nowMs,
    pullFailures: 0,
    acked: 0,
    marks: [],
    syncedAtMs: nowMs,
  };
}

/** Ends everything that is under way with the peer. When it is followed next does not change. */
function leave(peer: Peer): readonly ReplicationEffect[] {
  const effects: ReplicationEffect[] = [];
  if (peer.isFollowed) effects.push({ kind: "unfollow", peer: peer.key });
  if (peer.promised !== undefined) effects.push({ kind: "cancel", peer: peer.key });
  peer.isFollowed = false;
  peer.promised = undefined;
  return effects;
}

function retryFollowing(peer: Peer, nowMs: number, delayMs: number): readonly ReplicationEffect[] {
  const effects: readonly ReplicationEffect[] = peer.isFollowed ? [{ kind: "unfollow", peer: peer.key }] : [];
  peer.isFollowed = false;
  peer.followAtMs = nowMs + delayMs;
  return effects;
}

function backoff(failures: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(failures, 16));
}
