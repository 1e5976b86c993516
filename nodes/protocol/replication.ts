/**
 * How one node comes to hold every op of every other: whose stream it follows, what of a stream it takes, and what it
 * pulls from whom when the stream is not enough.
 *
 * A node follows the peers that its plan names (`planSpread`), and asks each for the ops of some origins: in a small
 * cluster each for its own, in a large one relays for those of others. It tells once what it holds and receives what
 * comes after. The publisher keeps one number for each origin and follower and no queue, so a slow or absent follower
 * costs it nothing. What a node lacks and is not sent is found by *heads*: a publisher tells a few of its followers at
 * a time the hash of what it holds, and whoever holds something else asks what it is. A gap that no stream is about
 * to fill is pulled from the nearest holder. A pull is a catch-up session, the same whether one op is missing or all
 * (protocol.md, rules R1 to R5; `Metadata.missing`).
 *
 * Two impatiences must be kept apart. An op that a third node already shows may still be on its way down a stream:
 * pulling at once would send everything twice, so an origin that is asked of somebody is given three quarters of
 * a round trip. An origin that nobody is asked for will not come: what is missing of it is pulled as soon as it is seen. So is
 * what a stream cannot bring, because the publisher's log does not reach back so far, which it says.
 *
 * Hinted handoff (queues kept for absent nodes) was the alternative. It ends with the disk of the sender, and then
 * needs exactly this as its fallback.
 *
 * Sources: Corrosion's sync, garage's table sync, chitchat; what they differ in is weighed in the protocol's evidence.
 */

import type { Origin } from "../../shared/identity.ts";
import { unreachable } from "../../shared/invariant.ts";
import { type VectorEntry, VersionVector } from "../../shared/version-vector.ts";
import { ClosedTimes } from "./closed-times.ts";
import type { Machine } from "./machine.ts";
import type { PeerKey, SpreadPlan } from "./spread.ts";

/** Consecutive ops of one origin; `from` is the first one's number. */
export type Batch = {
  readonly origin: Origin;
  readonly from: number;
  readonly ops: readonly Uint8Array[];
  /** The origin's hash chain after the last op, and before the first. */
  readonly chain: Uint8Array;
  readonly base: Uint8Array;
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
  /** Whom to ask for what, from now on. Before the first, every peer is asked for its own ops. */
  | { readonly kind: "planned"; readonly plan: SpreadPlan; readonly nowMs: number }
  /** From the peer's stream: what it holds beside what it told before, and how long ago it was true that it had no other op of its own. */
  | {
      readonly kind: "heads";
      readonly peer: PeerKey;
      readonly held: VersionVector;
      readonly closedAgoMs: number;
      readonly nowMs: number;
    }
  /** From the peer's stream: a sign of life. */
  | {
      readonly kind: "pulse";
      readonly peer: PeerKey;
      /** Whether the peer holds exactly what is durable here; `undefined` when it did not say. */
      readonly isSame: boolean | undefined;
      /** How long ago it was true that everything it is asked for had been sent; `undefined` when it is not true. */
      readonly closedAgoMs: number | undefined;
      readonly nowMs: number;
    }
  /** From the peer's stream: it cannot send what is missing of this origin. */
  | { readonly kind: "lost"; readonly peer: PeerKey; readonly origin: Origin; readonly nowMs: number }
  /** This is durable here, beside what was before. */
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
  /** These origins' ops are kept aside here: what is missing of them is not waited for. All that there are now. */
  | { readonly kind: "parked"; readonly origins: readonly Origin[]; readonly nowMs: number }
  | { readonly kind: "woke"; readonly nowMs: number };

/**
 * Order: `ack` is decided by `committed` and by nothing else, so nothing is acknowledged that is not durable.
 * The batches of one origin are applied in the order of their numbers; the driver begins each before it begins the next.
 */
export type ReplicationEffect =
  /** Open the peer's stream and ask for `wantedFrom(peer)`; its first frames tell what is durable here. */
  | { readonly kind: "follow"; readonly peer: PeerKey }
  /** Ask for `wantedFrom(peer)` instead. */
  | { readonly kind: "want"; readonly peer: PeerKey }
  /** Ask for the peer's heads. */
  | { readonly kind: "ask"; readonly peer: PeerKey }
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
  /**
   * Everything that the peer wrote longer ago is here. 0 when nothing is known to be missing, unless for
   * `LAG_DOUBT_MS` nobody has vouched for that.
   */
  readonly lagMs: number;
};

/** Longer than any healthy link is silent. */
export const LAG_DOUBT_MS = 10_000;
export const PULLS_MAX = 3;
/** A stream that is followed gets at least this long to bring what others show already. */
export const STREAM_PATIENCE_MS_MIN = 150;
/** An op that a third node shows left its origin before that: it is half a round trip away at most, and some jitter. */
const STREAM_PATIENCE_ROUND_TRIPS = 0.75;
/** A stream that brings nothing for this long is helped by a pull over the very same link. */
export const STREAM_STALLED_MS = 2_000;
export const FOLLOW_RETRY_MS_MIN = 100;
export const FOLLOW_RETRY_MS_MAX = 500;
export const PULL_RETRY_MS_MIN = 250;
export const PULL_RETRY_MS_MAX = 30_000;
/** A peer that sends what must be refused is asked again, in case it was mended; ever more rarely. */
export const REFUSED_RETRY_MS_MIN = 1_000;
export const REFUSED_RETRY_MS_MAX = 30_000;
type Peer = {
  readonly key: PeerKey;
  origin: Origin;
  boot: number;
  roundTripMs: number;
  isReachable: boolean;
  isFollowed: boolean;
  followAtMs: number;
  /** Origins whose ops it is asked for. It is followed only if there are any. */
  wanted: readonly Origin[];
  /** Of those, the ones that the stream will not bring. */
  readonly lost: Set<Origin>;
  streamFailures: number;
  refusals: number;
  /** What the peer holds, as it said. */
  known: VersionVector;
  /** Origins of which `known` includes what is not here. The own one is never among them: see `#fenceIfBehind`. */
  readonly missing: Set<Origin>;
  /** What a pull that is under way will bring; `undefined` when none is. */
  promised: readonly VectorEntry[] | undefined;
  pullAtMs: number;
  pullFailures: number;
  /** When it was first heard of here. */
  readonly appearedAtMs: number;
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
  #parked: ReadonlySet<Origin> = new Set();
  readonly #closed = new ClosedTimes();
  #plan: SpreadPlan | undefined;
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

  /** The origins whose ops `peer` is asked for. */
  wantedFrom(peer: PeerKey): readonly Origin[] {
    return this.#peers.get(peer)?.wanted ?? [];
  }

  /** Everything that `origin` wrote longer ago is durable here; `undefined` when nobody has said so yet. */
  closedAgoMs(origin: Origin, nowMs: number): number | undefined {
    return this.#closed.agoMs(origin, nowMs);
  }

  lag(nowMs: number): readonly Lag[] {
    return [...this.#peers.values()].map(({ key, origin, isReachable, appearedAtMs }) => {
      const newest = Math.max(...[...this.#peers.values()].map(({ known }) => known.upto(origin)));
      const pendingOps = Math.max(0, newest - this.#held.upto(origin));
      const closedAgoMs = this.closedAgoMs(origin, nowMs) ?? Math.max(0, nowMs - appearedAtMs);
      const isInDoubt = pendingOps > 0 || closedAgoMs > LAG_DOUBT_MS;
      return { peer: key, origin, isReachable, pendingOps, lagMs: isInDoubt ? closedAgoMs : 0 };
    });
  }

  #judge(input: ReplicationInput): readonly ReplicationEffect[] {
    switch (input.kind) {
      case "appeared":
        return this.#appeared(input);
      case "vanished":
        return this.#vanished(input);
      case "planned":
        return this.#planned(input.plan);
      case "received":
        return this.#received(input);
      case "heads":
        return this.#heads(input);
      case "pulse":
        return this.#pulse(input);
      case "lost":
        return this.#lost(input);
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
      case "parked":
        return this.#parkedNow(input.origins);
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
      const wanted = this.#plan === undefined ? [origin] : (this.#plan.get(key) ?? []);
      this.#peers.set(key, newPeer({ key, origin, boot, roundTripMs, wanted, nowMs }));
      return effects;
    }
    const isNewLife = known.boot !== boot;
    known.boot = boot;
    known.roundTripMs = roundTripMs;
    if (known.isReachable && !isNewLife) return [];
    // A stream with the former start may be half open, and would stay silent.
    const effects = leave(known);
    known.isReachable = true;
    if (isNewLife) this.#forgetKnown(known);
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

  #planned(plan: SpreadPlan): readonly ReplicationEffect[] {
    this.#plan = plan;
    const effects: ReplicationEffect[] = [];
    for (const peer of this.#peers.values()) {
      const wanted = plan.get(peer.key) ?? [];
      const isSame = wanted.length === peer.wanted.length && wanted.every((origin) => peer.wanted.includes(origin));
      if (isSame) continue;
      peer.wanted = wanted;
      peer.lost.clear();
      if (!peer.isFollowed) continue;
      if (wanted.length > 0) effects.push({ kind: "want", peer: peer.key });
      else effects.push(...unfollow(peer));
    }
    return effects;
  }

  #received({ peer: key, batch, nowMs }: InputOf<"received">): readonly ReplicationEffect[] {
    const peer = this.#peers.get(key);
    if (peer?.isFollowed !== true) return [];
    const { origin, from, ops } = batch;
    const to = from + ops.length - 1;
    if (from < 1 || to < from) return this.#stopTrusting(peer, nowMs);
    peer.streamFailures = 0;
    peer.lost.delete(origin);
    if (origin === this.#self) return this.#contradictIfBehind(peer, to);

    const upto = this.#have.upto(origin);
    if (to <= upto) return [];
    if (from > upto + 1) {
      if (this.#parked.has(origin)) return [];
      // What lies between was lost on the way; followed anew, the stream begins at what is durable here.
      return retryFollowing(peer, nowMs, FOLLOW_RETRY_MS_MIN);
    }
    this.#applying.set(origin, to);
    this.#have.advance(origin, to);
    this.#forgetMissing(origin);
    if (from === upto + 1) return [{ kind: "apply", peer: key, batch }];
    const rest = { ...batch, from: upto + 1, ops: ops.slice(upto + 1 - from), base: new Uint8Array() };
    return [{ kind: "apply", peer: key, batch: rest }];
  }

  #heads({ peer: key, held, closedAgoMs, nowMs }: InputOf<"heads">): readonly ReplicationEffect[] {
    const peer = this.#peers.get(key);
    if (peer?.isFollowed !== true) return [];
    peer.streamFailures = 0;
    peer.known.merge(held);
    this.#noteMissing(peer, held.entries());
    this.#promised(peer.origin, held.upto(peer.origin), nowMs - closedAgoMs);
    return this.#contradictIfBehind(peer, held.upto(this.#self));
  }

  #pulse({ peer: key, isSame, closedAgoMs, nowMs }: InputOf<"pulse">): readonly ReplicationEffect[] {
    const peer = this.#peers.get(key);
    if (peer?.isFollowed !== true) return [];
    peer.streamFailures = 0;
    if (closedAgoMs !== undefined) {
      for (const origin of peer.wanted) {
        // The stream is in order: what was sent before the pulse is here, or being applied.
        if (!peer.lost.has(origin)) this.#promised(origin, this.#have.upto(origin), nowMs - closedAgoMs);
      }
    }
    return isSame === false ? [{ kind: "ask", peer: key }] : [];
  }

  #promised(origin: Origin, upto: number, atMs: number): void {
    this.#closed.promised(origin, { upto, atMs }, this.#held.upto(origin));
  }

  #lost({ peer: key, origin }: InputOf<"lost">): readonly ReplicationEffect[] {
    const peer = this.#peers.get(key);
    if (peer?.isFollowed === true && peer.wanted.includes(origin)) peer.lost.add(origin);
    return [];
  }

  #committed(held: VersionVector): readonly ReplicationEffect[] {
    const effects: ReplicationEffect[] = [];
    const told = new Set<Peer>();
    for (const { origin, upto } of held.entries()) {
      const isProgress = upto > this.#held.upto(origin);
      this.#held.merge(VersionVector.from([held.entry(origin)]));
      if ((this.#applying.get(origin) ?? 0) <= this.#held.upto(origin)) this.#applying.delete(origin);
      this.#have.merge(VersionVector.from([held.entry(origin)]));
      this.#forgetMissing(origin);
      this.#closed.held(origin, this.#held.upto(origin));
      if (!isProgress) continue;
      for (const peer of this.#peers.values()) {
        if (!peer.wanted.includes(origin)) continue;
        peer.refusals = 0;
        if (peer.isFollowed) told.add(peer);
      }
    }
    for (const { key } of told) effects.push({ kind: "ack", peer: key });
    return effects;
  }

  #refused({ peer: key, origin, nowMs }: InputOf<"refused">): readonly ReplicationEffect[] {
    this.#applying.delete(origin);
    this.#recount();
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
    const isDone =
      outcome === "complete" &&
      promised.every((entry) => this.#have.coversEntry(entry) || this.#parked.has(entry.origin));
    const retryMs = outcome === "refused" ? REFUSED_RETRY_MS_MIN : PULL_RETRY_MS_MIN;
    peer.pullAtMs = isDone ? nowMs : nowMs + backoff(peer.pullFailures, retryMs, PULL_RETRY_MS_MAX);
    peer.pullFailures = isDone ? 0 : peer.pullFailures + 1;
    return [];
  }

  /** What is under way was begun by another node, so to say: sessions left out what now has to come. */
  #begunAgain({ self, nowMs }: InputOf<"begun-again">): readonly ReplicationEffect[] {
    this.#self = self;
    this.#isContradicted = false;
    for (const peer of this.#peers.values()) this.#noteMissing(peer, peer.known.entries());
    return [...this.#peers.values()].flatMap((peer) => {
      const effects = leave(peer);
      peer.followAtMs = nowMs;
      peer.pullAtMs = nowMs;
      return effects;
    });
  }

  /** What was on its way to the disk of a parked origin is there, yet not held; when it is let go, the rest is pulled. */
  #parkedNow(origins: readonly Origin[]): readonly ReplicationEffect[] {
    const released = [...this.#parked].filter((origin) => !origins.includes(origin));
    this.#parked = new Set(origins);
    for (const origin of origins) for (const peer of this.#peers.values()) peer.missing.delete(origin);
    if (released.length === 0) return [];
    for (const origin of released) this.#applying.delete(origin);
    this.#recount();
    return [];
  }

  #recount(): void {
    this.#have = this.#held.clone();
    for (const [applying, to] of this.#applying) this.#have.advance(applying, to);
    for (const peer of this.#peers.values()) this.#noteMissing(peer, peer.known.entries());
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

  #followWhenDue(nowMs: number): readonly ReplicationEffect[] {
    const effects: ReplicationEffect[] = [];
    for (const peer of this.#peers.values()) {
      if (!canBeFollowed(peer) || nowMs < peer.followAtMs) continue;
      peer.isFollowed = true;
      peer.lost.clear();
      effects.push({ kind: "follow", peer: peer.key });
    }
    return effects;
  }

  #noteMissing(peer: Peer, entries: readonly VectorEntry[]): void {
    for (const entry of entries) {
      if (entry.origin === this.#self || this.#parked.has(entry.origin)) continue;
      if (!this.#have.coversEntry(entry)) peer.missing.add(entry.origin);
    }
  }

  /** More of `origin` is here. */
  #forgetMissing(origin: Origin): void {
    for (const peer of this.#peers.values()) {
      if (peer.missing.has(origin) && this.#have.coversEntry(peer.known.entry(origin))) peer.missing.delete(origin);
    }
  }

  /** Its data directory may be another state of the same origin. */
  #forgetKnown(peer: Peer): void {
    peer.known = new VersionVector();
    peer.missing.clear();
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
      nearest.promised = [...nearest.missing].map((missing) => nearest.known.entry(missing));
      effects.push({ kind: "pull", peer: nearest.key });
    }
    return effects;
  }

  #holdersOfMissing(): ReadonlyMap<Origin, readonly Peer[]> {
    const holders = new Map<Origin, Peer[]>();
    for (const peer of this.#peers.values()) {
      if (!peer.isReachable) continue;
      for (const origin of peer.missing) {
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
      ({ promised }) => promised?.some((entry) => entry.origin === origin && !this.#have.coversEntry(entry)) === true,
    );
  }

  #pullsUnderWay(): number {
    return [...this.#peers.values()].filter(({ promised }) => promised !== undefined).length;
  }

  /** When what is missing of `origin` may be pulled from `peer`; infinite while it may not at all. */
  #pullableAtMs(peer: Peer, origin: Origin, gap: Gap): number {
    if (peer.promised !== undefined) return Number.POSITIVE_INFINITY;
    // What must be refused of its stream is not believed when it comes another way.
    if (peer.refusals > 0 && peer.wanted.includes(origin)) return Number.POSITIVE_INFINITY;
    const source = [...this.#peers.values()].find((other) => other.isFollowed && other.wanted.includes(origin));
    if (source === undefined || source.lost.has(origin)) return Math.max(peer.pullAtMs, gap.sinceMs);
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
      if (canBeFollowed(peer)) times.push(peer.followAtMs);
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
  wanted,
  nowMs,
}: Pick<Peer, "key" | "origin" | "boot" | "roundTripMs" | "wanted"> & { readonly nowMs: number }): Peer {
  return {
    key,
    origin,
    boot,
    roundTripMs,
    isReachable: true,
    isFollowed: false,
    followAtMs: nowMs,
    wanted,
    lost: new Set(),
    streamFailures: 0,
    refusals: 0,
    known: new VersionVector(),
    missing: new Set(),
    promised: undefined,
    pullAtMs: nowMs,
    pullFailures: 0,
    appearedAtMs: nowMs,
  };
}

function canBeFollowed({ isReachable, isFollowed, wanted }: Peer): boolean {
  return isReachable && !isFollowed && wanted.length > 0;
}

/** Ends everything that is under way with the peer. When it is followed next does not change. */
function leave(peer: Peer): readonly ReplicationEffect[] {
  const effects: ReplicationEffect[] = [...unfollow(peer)];
  if (peer.promised !== undefined) effects.push({ kind: "cancel", peer: peer.key });
  peer.promised = undefined;
  return effects;
}

function unfollow(peer: Peer): readonly ReplicationEffect[] {
  if (!peer.isFollowed) return [];
  peer.isFollowed = false;
  return [{ kind: "unfollow", peer: peer.key }];
}

function retryFollowing(peer: Peer, nowMs: number, delayMs: number): readonly ReplicationEffect[] {
  const effects = unfollow(peer);
  peer.followAtMs = nowMs + delayMs;
  return effects;
}

function backoff(failures: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(failures, 16));
}
