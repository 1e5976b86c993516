/**
 * Whom to read a blob from that is not here, and what to make of what comes.
 *
 * The bytes of a digest are the same wherever they lie, so a copy may be put together from several holders: when one
 * breaks, the next goes on at the same offset. What it costs is certainty about guilt. Nothing that arrives can be
 * judged before the last byte, because only the whole has a digest; and when the whole is wrong, one sender alone is
 * proven bad, while of several nobody knows which it was. So a wrong copy of one sender excludes that sender; a wrong
 * copy of several excludes nobody, but from then on a copy must come whole from one holder, and the next wrong one
 * names its culprit. Either way all that landed is dropped: no byte of a wrong copy is worth keeping.
 *
 * The rejected alternative, to trust the majority of holders byte by byte, reads everything three times.
 *
 * Why it ends: the holders are tried in rounds. Within a round each is tried once; a new round begins with asking who
 * holds the blob; the number of rounds is bounded and starts anew only when the copy has grown past anything an
 * earlier copy reached. Exclusions are for good, and copies of several senders are allowed until the first wrong one.
 */
import type { NodeId } from "../../shared/identity.ts";
import { unreachable } from "../../shared/invariant.ts";
import {
  BLOB_FETCH_PAUSE_MS,
  BLOB_FETCH_PROGRESS_BYTES,
  BLOB_FETCH_ROUNDS_MAX,
  BLOB_FETCH_STALL_MS,
} from "../../shared/limits.ts";
import type { Machine } from "./machine.ts";

/** A node that says it holds the blob. */
export type Holder = {
  readonly node: NodeId;
  /** In this node's own region: bytes from there cost nothing. */
  readonly isNear: boolean;
  /** Of the blob in bytes, as this holder announces it. */
  readonly size: number;
  readonly roundTripMs: number | undefined;
  /** Measured on earlier transfers; `undefined` before the first. */
  readonly bytesPerMs: number | undefined;
};

/** `nowMs` is of one monotonic clock. `read` is the number that the effect `read` gave; what is told of an earlier read changes nothing. */
export type BlobFetchInput = { readonly nowMs: number } & (
  | { readonly kind: "begun" }
  /** A peer has answered that it holds the blob. */
  | { readonly kind: "found"; readonly holder: Holder }
  /** All peers that were asked have answered, or will not. */
  | { readonly kind: "searched" }
  /** The holder has been asked for bytes: it owes some from now on. */
  | { readonly kind: "asked"; readonly read: number }
  | { readonly kind: "received"; readonly read: number; readonly bytes: number }
  /** The holder says that this was all. */
  | { readonly kind: "ended"; readonly read: number }
  | { readonly kind: "broke"; readonly read: number }
  | { readonly kind: "hashed"; readonly isRight: boolean }
  | { readonly kind: "woke" }
);

export type Fault = "wrong-digest" | "too-long" | "too-short";

export type BlobFetchEffect =
  /** Ask the peers who holds the blob; ends in `searched`. */
  | { readonly kind: "search" }
  /** Read from `offset` on. From now on the blob is believed to have `size` bytes. */
  | {
      readonly kind: "read";
      readonly read: number;
      readonly node: NodeId;
      readonly offset: number;
      readonly size: number;
    }
  /** Append what was just received. */
  | { readonly kind: "keep" }
  /** End the read that is under way. */
  | { readonly kind: "leave" }
  /** Drop every byte that was kept. Whoever has been given one of them must not be given a clean end. */
  | { readonly kind: "restart" }
  | { readonly kind: "blame"; readonly nodes: readonly NodeId[]; readonly fault: Fault }
  /** All bytes are kept: compare the digest; ends in `hashed`. */
  | { readonly kind: "hash" }
  /** The bytes are right: make them durable. Last effect. */
  | { readonly kind: "commit" }
  /** Last effect. `absent`: nobody who answered holds the blob. `wrong`: whoever holds it sent something else. */
  | { readonly kind: "give-up"; readonly reason: "absent" | "unreachable" | "wrong" }
  /** Say `woke` at that time or later. Replaces what was asked for before. */
  | { readonly kind: "wake"; readonly atMs: number };

type Phase =
  /** No holder to read from; one may still be found. */
  | { readonly kind: "seeking" }
  | { readonly kind: "pausing"; readonly untilMs: number }
  | {
      readonly kind: "reading";
      readonly read: number;
      readonly node: NodeId;
      /** Since when the holder owes bytes; `undefined` while it is this node's turn. */
      readonly owesSinceMs: number | undefined;
    }
  | { readonly kind: "hashing" }
  | { readonly kind: "over" };

/** One transfer of one blob. */
export class BlobFetch implements Machine<BlobFetchInput, BlobFetchEffect> {
  #phase: Phase = { kind: "seeking" };
  #isSearching = false;
  /** Rounds since the last progress, with the present one. */
  #round = 0;
  #reads = 0;
  #wakesAtMs: number | undefined;

  readonly #holders = new Map<NodeId, Holder>();
  /** Broke since the last progress; being found again takes a holder out. */
  readonly #tried = new Set<NodeId>();
  readonly #excluded = new Set<NodeId>();
  /** Took part in a wrong copy of several senders. */
  readonly #suspected = new Set<NodeId>();

  #size: number | undefined;
  /** Bytes of the present copy, and who sent them. */
  #received = 0;
  readonly #senders = new Set<NodeId>();
  /** Where progress was last noted, over all copies. */
  #furthest = 0;
  #isMixingAllowed = true;

  step(input: BlobFetchInput): readonly BlobFetchEffect[] {
    if (this.#phase.kind === "over") return [];
    switch (input.kind) {
      case "begun":
        return this.#search();
      case "found":
        return this.#onFound(input.holder, input.nowMs);
      case "searched":
        this.#isSearching = false;
        return this.#phase.kind === "seeking" ? this.#proceed(input.nowMs) : [];
      case "asked":
        return this.#onAsked(input.read, input.nowMs);
      case "received":
        return this.#onReceived(input.read, input.bytes, input.nowMs);
      case "ended":
        return this.#onEnded(input.read, input.nowMs);
      case "broke":
        return this.#isReading(input.read) ? this.#turnAway(input.nowMs) : [];
      case "hashed":
        return this.#onHashed(input.isRight, input.nowMs);
      case "woke":
        this.#wakesAtMs = undefined;
        return this.#onWoke(input.nowMs);
      default:
        return unreachable(input);
    }
  }

  #search(): readonly BlobFetchEffect[] {
    this.#round += 1;
    this.#isSearching = true;
    this.#phase = { kind: "seeking" };
    return [{ kind: "search" }];
  }

  #onFound(holder: Holder, nowMs: number): readonly BlobFetchEffect[] {
    this.#holders.set(holder.node, holder);
    this.#tried.delete(holder.node);
    const isIdle = this.#phase.kind === "seeking" || this.#phase.kind === "pausing";
    return isIdle ? this.#proceed(nowMs) : [];
  }

  #onAsked(read: number, nowMs: number): readonly BlobFetchEffect[] {
    if (this.#phase.kind !== "reading" || this.#phase.read !== read) return [];
    this.#phase = { ...this.#phase, owesSinceMs: nowMs };
    return this.#wakeBy(nowMs + BLOB_FETCH_STALL_MS);
  }

  #onReceived(read: number, bytes: number, nowMs: number): readonly BlobFetchEffect[] {
    if (this.#phase.kind !== "reading" || this.#phase.read !== read || this.#size === undefined) return [];
    const { node } = this.#phase;
    const received = this.#received + bytes;
    if (received > this.#size) return [{ kind: "leave" }, ...this.#exclude(node, "too-long", nowMs)];

    this.#phase = { ...this.#phase, owesSinceMs: undefined };
    this.#received = received;
    this.#senders.add(node);
    if (received >= this.#furthest + BLOB_FETCH_PROGRESS_BYTES) {
      this.#furthest = received;
      this.#round = 1;
      this.#tried.clear();
    }
    // What may follow the last byte is of no interest: the digest judges those that were announced.
    return received === this.#size ? [{ kind: "keep" }, { kind: "leave" }, ...this.#hash()] : [{ kind: "keep" }];
  }

  #onEnded(read: number, nowMs: number): readonly BlobFetchEffect[] {
    if (this.#phase.kind !== "reading" || this.#phase.read !== read) return [];
    const { node } = this.#phase;
    if (this.#received !== this.#size) return this.#exclude(node, "too-short", nowMs);
    this.#senders.add(node);
    return this.#hash();
  }

  #hash(): readonly BlobFetchEffect[] {
    this.#phase = { kind: "hashing" };
    return [{ kind: "hash" }];
  }

  #onHashed(isRight: boolean, nowMs: number): readonly BlobFetchEffect[] {
    if (this.#phase.kind !== "hashing") return [];
    if (isRight) {
      this.#phase = { kind: "over" };
      return [{ kind: "commit" }];
    }
    const [sender, ...others] = this.#senders;
    if (sender !== undefined && others.length === 0) return this.#exclude(sender, "wrong-digest", nowMs);

    const senders = [...this.#senders];
    for (const node of senders) this.#suspected.add(node);
    this.#isMixingAllowed = false;
    return [{ kind: "blame", nodes: senders, fault: "wrong-digest" }, ...this.#restart(), ...this.#proceed(nowMs)];
  }

  #onWoke(nowMs: number): readonly BlobFetchEffect[] {
    const phase = this.#phase;
    if (phase.kind === "pausing") return nowMs < phase.untilMs ? this.#wakeBy(phase.untilMs) : this.#search();
    if (phase.kind !== "reading" || phase.owesSinceMs === undefined) return [];
    const stalledAtMs = phase.owesSinceMs + BLOB_FETCH_STALL_MS;
    return nowMs < stalledAtMs ? this.#wakeBy(stalledAtMs) : [{ kind: "leave" }, ...this.#turnAway(nowMs)];
  }

  #isReading(read: number): boolean {
    return this.#phase.kind === "reading" && this.#phase.read === read;
  }

  /** Away from a holder that broke or stalled; what it sent stays. */
  #turnAway(nowMs: number): readonly BlobFetchEffect[] {
    if (this.#phase.kind === "reading") this.#tried.add(this.#phase.node);
    return this.#proceed(nowMs);
  }

  /** Away from a holder that is proven bad; nothing stays. */
  #exclude(node: NodeId, fault: Fault, nowMs: number): readonly BlobFetchEffect[] {
    this.#excluded.add(node);
    return [{ kind: "blame", nodes: [node], fault }, ...this.#restart(), ...this.#proceed(nowMs)];
  }

  #restart(): readonly BlobFetchEffect[] {
    this.#senders.clear();
    if (this.#received === 0) return [];
    this.#received = 0;
    return [{ kind: "restart" }];
  }

  /** Reads on, or waits for the answers that are still to come, or starts over, or tries all once more, or gives up. */
  #proceed(nowMs: number): readonly BlobFetchEffect[] {
    this.#phase = { kind: "seeking" };
    const untried = [...this.#holders.values()].filter(
      ({ node }) => !this.#excluded.has(node) && !this.#tried.has(node),
    );

    const next = this.#best(untried.filter((holder) => this.#fits(holder)));
    if (next !== undefined) return [this.#read(next)];
    if (this.#isSearching) return [];
    const other = this.#best(untried);
    if (other !== undefined) return [...this.#restart(), this.#read(other)];
    return this.#nextRound(nowMs);
  }

  /** Whether what this holder sends can follow what is kept. */
  #fits({ node, size }: Holder): boolean {
    if (this.#size !== undefined && size !== this.#size) return false;
    return this.#isMixingAllowed || [...this.#senders].every((sender) => sender === node);
  }

  #read({ node, size }: Holder): BlobFetchEffect {
    this.#reads += 1;
    this.#size = size;
    this.#phase = { kind: "reading", read: this.#reads, node, owesSinceMs: undefined };
    return { kind: "read", read: this.#reads, node, offset: this.#received, size };
  }

  #nextRound(nowMs: number): readonly BlobFetchEffect[] {
    const hasHope = [...this.#holders.keys()].some((node) => !this.#excluded.has(node));
    if (!hasHope || this.#round >= BLOB_FETCH_ROUNDS_MAX) {
      this.#phase = { kind: "over" };
      if (hasHope) return [{ kind: "give-up", reason: "unreachable" }];
      return [{ kind: "give-up", reason: this.#holders.size === 0 ? "absent" : "wrong" }];
    }
    const untilMs = nowMs + BLOB_FETCH_PAUSE_MS * 2 ** (this.#round - 1);
    this.#phase = { kind: "pausing", untilMs };
    return this.#wakeBy(untilMs);
  }

  /** One timer serves all: whoever is woken too early asks again. So a chunk costs no timer. */
  #wakeBy(atMs: number): readonly BlobFetchEffect[] {
    if (this.#wakesAtMs !== undefined && this.#wakesAtMs <= atMs) return [];
    this.#wakesAtMs = atMs;
    return [{ kind: "wake", atMs }];
  }

  /** Unsuspected before suspected, the own region before others, then by the time the rest of the blob should take. */
  #best(holders: readonly Holder[]): Holder | undefined {
    // A holder that was never measured counts as slow as the slowest known: ignorance is no advantage.
    const slowest = Math.min(...holders.map(({ bytesPerMs }) => bytesPerMs ?? Number.POSITIVE_INFINITY));
    const expectedMs = ({ size, roundTripMs, bytesPerMs }: Holder): number =>
      (roundTripMs ?? ROUND_TRIP_MS_UNKNOWN) + Math.max(0, size - this.#received) / (bytesPerMs ?? slowest);

    const byWorth = (left: Holder, right: Holder): number => {
      if (this.#suspected.has(left.node) !== this.#suspected.has(right.node)) {
        return this.#suspected.has(left.node) ? 1 : -1;
      }
      if (left.isNear !== right.isNear) return left.isNear ? -1 : 1;
      const difference = expectedMs(left) - expectedMs(right);
      if (difference !== 0) return difference;
      return left.node < right.node ? -1 : 1;
    };
    const [best] = holders.toSorted(byWorth);
    return best;
  }
}

/** Longer than any honest round trip on this planet. */
const ROUND_TRIP_MS_UNKNOWN = 1_000;
