/**
 * Whether this node's data directory is the one that the cluster remembers.
 *
 * A directory that was put back to an earlier state looks like any other. Yet the next op written there would carry a
 * number under which the others know another op already, and nothing can repair that afterwards. So before a node
 * writes under an origin that is older than the process, it asks the others how many ops of that origin they know. If
 * one knows more than are here, the origin is *sealed*: its ops come back by replication, as any other node's would, and the
 * node goes on under an origin that nobody has ever seen.
 *
 * Whom to wait for is a matter of which mistake is worse. Everybody who is configured is waited for, but no longer than
 * `PATIENCE_MS`; from then on one answer is enough, or a node could not be restarted while another is away for good.
 * Without any answer the node goes on waiting: a person may say that it is alone (`forceSolo`). What slips through (the
 * only holder of the lost ops was away) shows later, as a peer that holds more of this origin than this node.
 *
 * The alternative, to compare with a number kept outside of the directory, only moves the question: that place is
 * restored, wiped or copied as well.
 *
 * Source: protocol.md, "Identity"; the evidence, section 1.5.
 */
import { unreachable } from "../../shared/invariant.ts";
import type { Machine } from "./machine.ts";
import type { Reachability } from "./membership.ts";

/** Names a peer for as long as this process lives. */
export type RememberingPeer = string;

/** Times are of one monotonic clock. */
export type RecollectionInput =
  /** Everybody else who is configured, as they can be reached now. */
  | {
      readonly kind: "looked";
      readonly members: readonly { readonly peer: RememberingPeer; readonly reachability: Reachability }[];
      readonly nowMs: number;
    }
  /** The highest number of this node's own ops that the peer knows; 0 when it knows none. */
  | { readonly kind: "told"; readonly peer: RememberingPeer; readonly head: number; readonly nowMs: number }
  /** The peer did not answer. */
  | { readonly kind: "failed"; readonly peer: RememberingPeer; readonly nowMs: number }
  | { readonly kind: "woke"; readonly nowMs: number };

export type RecollectionEffect =
  /** Answered by `told` or `failed`. */
  | { readonly kind: "ask"; readonly peer: RememberingPeer }
  /** The last effect of this machine: the directory holds all that anybody remembers, or less. */
  | { readonly kind: "settle"; readonly isBehind: boolean; readonly head: number }
  /** Give `woke` at `atMs`; replaces what was asked before. */
  | { readonly kind: "wake"; readonly atMs: number };

/** So long everybody is waited for. */
export const PATIENCE_MS = 10_000;
export const ASK_RETRY_MS = 500;

type Peer = { state: "idle" | "asked" | "told"; askAtMs: number };

export class Recollection implements Machine<RecollectionInput, RecollectionEffect> {
  readonly #ownHead: number;
  readonly #startedMs: number;
  readonly #peers = new Map<RememberingPeer, Peer>();
  #members: (RecollectionInput & { readonly kind: "looked" })["members"] | undefined;
  #isSettled = false;

  /** `ownHead` is the highest number of an own op that is durable here. */
  constructor(ownHead: number, startedMs: number) {
    this.#ownHead = ownHead;
    this.#startedMs = startedMs;
  }

  step(input: RecollectionInput): readonly RecollectionEffect[] {
    if (this.#isSettled) return [];
    switch (input.kind) {
      case "looked":
        this.#members = input.members;
        break;
      case "told":
        if (input.head > this.#ownHead) return this.#settle(true, input.head);
        this.#peer(input.peer, input.nowMs).state = "told";
        break;
      case "failed": {
        const peer = this.#peer(input.peer, input.nowMs);
        peer.state = "idle";
        peer.askAtMs = input.nowMs + ASK_RETRY_MS;
        break;
      }
      case "woke":
        break;
      default:
        return unreachable(input);
    }
    if (this.#hasHeardEnough(input.nowMs)) return this.#settle(false, this.#ownHead);
    return [...this.#askWhenDue(input.nowMs), ...this.#wake(input.nowMs)];
  }

  #settle(isBehind: boolean, head: number): readonly RecollectionEffect[] {
    this.#isSettled = true;
    return [{ kind: "settle", isBehind, head }];
  }

  #hasHeardEnough(nowMs: number): boolean {
    if (this.#members === undefined) return false;
    const hasEverybodyTold = this.#members.every(({ peer }) => this.#peers.get(peer)?.state === "told");
    const hasAnybodyTold = [...this.#peers.values()].some(({ state }) => state === "told");
    return hasEverybodyTold || (hasAnybodyTold && nowMs >= this.#startedMs + PATIENCE_MS);
  }

  #askWhenDue(nowMs: number): readonly RecollectionEffect[] {
    return this.#reachable().flatMap((name) => {
      const peer = this.#peer(name, nowMs);
      if (peer.state !== "idle" || nowMs < peer.askAtMs) return [];
      peer.state = "asked";
      return [{ kind: "ask" as const, peer: name }];
    });
  }

  /** When a peer is to be asked again, or patience ends. */
  #wake(nowMs: number): readonly RecollectionEffect[] {
    const times = this.#reachable()
      .map((name) => this.#peer(name, nowMs))
      .flatMap(({ state, askAtMs }) => (state === "idle" ? [askAtMs] : []));
    const atMs = Math.min(...[...times, this.#startedMs + PATIENCE_MS].filter((time) => time > nowMs));
    return Number.isFinite(atMs) ? [{ kind: "wake", atMs }] : [];
  }

  #reachable(): readonly RememberingPeer[] {
    return (this.#members ?? []).filter(({ reachability }) => reachability === "reachable").map(({ peer }) => peer);
  }

  #peer(name: RememberingPeer, nowMs: number): Peer {
    const known = this.#peers.get(name);
    if (known !== undefined) return known;
    const fresh: Peer = { state: "idle", askAtMs: nowMs };
    this.#peers.set(name, fresh);
    return fresh;
  }
}
