import type { NodeId } from "../../shared/identity.ts";
import { unreachable } from "../../shared/invariant.ts";
import { PeerError } from "../../shared/peer-error.ts";
import type { Clock } from "../ports/clock.ts";
import type { Greeting, PeerAddress, PeerLink, Peers } from "../ports/peers.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import {
  Membership,
  type MembershipEffect,
  type MembershipInput,
  type MembershipTrouble,
  type MemberView,
  type Reachability,
} from "../protocol/membership.ts";
import { Alarm, Driver, Tasks } from "./driver.ts";

/** One other node, or an address where none has answered yet. A value: ask again for the present state. */
export type Member = {
  /** What the node said last; `undefined` until it has answered once. */
  readonly greeting: Greeting | undefined;
  readonly address: PeerAddress;
  /** Replaced when the connections are opened anew; calls on the old one fail. */
  readonly link: PeerLink;
  readonly reachability: Reachability;
  /** The distance, in ms: a minimum over recent samples. */
  readonly roundTripMs: number | undefined;
  /** Monotonic time since which the reachability is what it is. */
  readonly sinceMs: number;
};

/** A member that has answered, and answers now. */
export type ReachableMember = Member & { readonly greeting: Greeting; readonly roundTripMs: number };

export type PeerDirectoryDeps = {
  /** At the start; see `introduce`. */
  readonly self: Greeting;
  /** Addresses of other nodes, from which all others are learned; this node's own may be among them. */
  readonly join: readonly PeerAddress[];
  readonly peers: Peers;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Takes this node's right to write. */
  readonly fence: (cause: Error) => void;
};

/** Distances that differ by less count as equal, so that the order of sources does not flicker. */
const DISTANCE_STEP_MS = 2;

const TROUBLES: Readonly<Record<MembershipTrouble, string>> = {
  "other-cluster": "a peer belongs to another cluster",
  "other-protocol": "a peer speaks no protocol version of ours",
  "same-name": "another node has this node's name",
  moved: "another node answers at a peer's address",
  "two-lives": "two nodes with the same origin are alive",
  "own-origin-elsewhere": "this node's data directory is in use elsewhere: it was copied",
};

/** The other nodes and how they are reached. The decisions are `Membership`'s; this file performs them. */
export class PeerDirectory {
  readonly #deps: PeerDirectoryDeps;
  readonly #membership: Membership<Greeting>;
  readonly #driver: Driver<MembershipInput<Greeting>, MembershipEffect>;
  readonly #alarm: Alarm;
  readonly #tasks = new Tasks();
  readonly #links: Map<PeerAddress, PeerLink>;
  readonly #listeners = new Set<() => void>();
  readonly #stopping = new AbortController();
  #self: Greeting;
  #peers: Peers;
  /** What each peer that refuses this node has said, until it answers. */
  readonly #refusals = new Map<PeerAddress, string>();

  constructor(deps: PeerDirectoryDeps) {
    this.#deps = deps;
    this.#self = deps.self;
    this.#peers = deps.peers;
    this.#membership = new Membership(deps.self, deps.join, deps.clock.monotonicMs());
    this.#driver = new Driver(this.#membership, (effect) => this.#perform(effect));
    this.#alarm = new Alarm(deps, () => this.#wake());
    this.#links = new Map(deps.join.map((address) => [address, deps.peers.dial(address)]));
  }

  start(): void {
    this.#wake();
  }

  /** Closes every connection; resolves when no call is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the node stops"));
    this.#alarm.cancel();
    await this.#tasks.ended();
    for (const link of this.#links.values()) link.close();
  }

  /** The seeds in the order of the configuration, then what was learned. */
  members(): readonly Member[] {
    return this.#membership.members().flatMap((view) => {
      const link = this.#links.get(view.address);
      return link === undefined ? [] : [memberOf(view, link)];
    });
  }

  /** Each node once, the own region first, then the nearest. */
  reachable(): readonly ReachableMember[] {
    const { region } = this.#self;
    const sorted = this.members()
      .filter((member) => isReachable(member))
      .toSorted((left, right) => distanceOf(left, region) - distanceOf(right, region));
    const names = sorted.map(({ greeting }) => greeting.node);
    return sorted.filter(({ greeting }, index) => names.indexOf(greeting.node) === index);
  }

  member(node: NodeId): Member | undefined {
    const named = this.members().filter(({ greeting }) => greeting?.node === node);
    return named.find((member) => isReachable(member)) ?? named[0];
  }

  /** The way to a node that says it lives at `address`: one that works, else any. */
  linkTo(node: NodeId, address: PeerAddress): PeerLink | undefined {
    const member = this.member(node);
    if (member?.reachability === "reachable") return member.link;
    return this.#links.get(address) ?? member?.link;
  }

  /** Addresses of the cluster's members. What is new among them is dialed, what was learned and is missing is let go. */
  know(addresses: readonly PeerAddress[]): void {
    this.#give({ kind: "known", addresses, nowMs: this.#nowMs() });
  }

  /** After a change of anybody's reachability or identity. Returns what ends the listening. */
  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** This node calls itself `self` from now on, over new connections, which `peers` makes. */
  introduce(self: Greeting, peers: Peers): void {
    this.#self = self;
    this.#peers = peers;
    this.#give({ kind: "renamed", self, nowMs: this.#nowMs() });
  }

  /** A stream with the peer ended by an error, or fell silent: what the caller saw of the link. */
  reportBroken(address: PeerAddress): void {
    this.#give({ kind: "broken", address, nowMs: this.#nowMs() });
  }

  /** The peer called this node, so it is there. */
  reportHeard(said: Greeting): void {
    this.#give({ kind: "heard", said, nowMs: this.#nowMs() });
  }

  #wake(): void {
    this.#give({ kind: "woke", nowMs: this.#nowMs(), jitter: this.#deps.random.fraction() });
  }

  #give(input: MembershipInput<Greeting>): void {
    if (!this.#stopping.signal.aborted) this.#driver.give(input);
  }

  #nowMs(): number {
    return this.#deps.clock.monotonicMs();
  }

  #perform(effect: MembershipEffect): void {
    switch (effect.kind) {
      case "greet":
        this.#tasks.begin(async () => await this.#greet(effect));
        return;
      case "wake":
        this.#alarm.setTo(effect.atMs);
        return;
      case "changed":
        this.#changed(effect.address);
        return;
      case "redial":
        this.#links.get(effect.address)?.close();
        this.#links.set(effect.address, this.#peers.dial(effect.address));
        this.#tellListeners();
        return;
      case "dial":
        this.#links.set(effect.address, this.#peers.dial(effect.address));
        this.#tellListeners();
        return;
      case "drop":
        this.#links.get(effect.address)?.close();
        this.#links.delete(effect.address);
        this.#tellListeners();
        return;
      case "fence":
        this.#deps.fence(new Error(`${TROUBLES[effect.trouble]} (boot ${effect.said.boot} of ${effect.said.origin})`));
        return;
      case "report": {
        const { node: peer, cluster, origin, boot } = effect.said;
        const fields = { address: effect.address, peer, cluster, origin, boot };
        this.#deps.telemetry.log("error", TROUBLES[effect.trouble], fields);
        return;
      }
      default:
        unreachable(effect);
    }
  }

  async #greet({ address, greetingNumber, timeoutMs }: MembershipEffect & { readonly kind: "greet" }): Promise<void> {
    const link = this.#links.get(address);
    if (link === undefined) return;
    const deadline = new AbortController();
    const timer = this.#deps.timers.after(timeoutMs, () => deadline.abort(new Error("no answer in time")));
    const startedMs = this.#nowMs();
    let said: Greeting | undefined;
    try {
      said = await link.greet(this.#self, AbortSignal.any([deadline.signal, this.#stopping.signal]));
    } catch (cause) {
      // For the machine all reasons are one: the peer did not answer.
      this.#tellRefusal(address, cause);
    } finally {
      timer.cancel();
    }

    const nowMs = this.#nowMs();
    if (said === undefined) return this.#give({ kind: "failed", address, greetingNumber, nowMs });
    this.#refusals.delete(address);
    this.#give({ kind: "answered", address, greetingNumber, said, roundTripMs: nowMs - startedMs, nowMs });
    this.#tellRoundTrip(address);
  }

  /** Once: a mistake in a configuration does not go away by being asked about. */
  #tellRefusal(address: PeerAddress, cause: unknown): void {
    if (!(cause instanceof PeerError) || cause.kind !== "refused") return;
    if (this.#refusals.get(address) === cause.message) return;
    this.#refusals.set(address, cause.message);
    this.#deps.telemetry.log("error", "a peer refuses this node", { address, problem: cause.message });
  }

  #tellRoundTrip(address: PeerAddress): void {
    const view = this.#viewOf(address);
    if (view?.said === undefined || view.smoothedRoundTripMs === undefined) return;
    const seconds = view.smoothedRoundTripMs / 1000;
    this.#deps.telemetry.set("meridian_peer_round_trip_seconds", { peer: view.said.node }, seconds);
  }

  #viewOf(address: PeerAddress): MemberView<Greeting> | undefined {
    return this.#membership.members().find((member) => member.address === address);
  }

  #changed(address: PeerAddress): void {
    const { telemetry } = this.#deps;
    const view = this.#viewOf(address);
    telemetry.log("info", "a peer's reachability changed", {
      address,
      peer: view?.said?.node,
      reachability: view?.reachability,
    });
    this.#tellListeners();
  }

  #tellListeners(): void {
    const members = this.members();
    for (const reachability of ["connecting", "reachable", "unreachable"] as const) {
      const count = members.filter((member) => member.reachability === reachability).length;
      this.#deps.telemetry.set("meridian_peers", { reachability }, count);
    }
    for (const listener of this.#listeners) listener();
  }
}

function memberOf({ said, address, reachability, roundTripMs, sinceMs }: MemberView<Greeting>, link: PeerLink): Member {
  return { greeting: said, address, link, reachability, roundTripMs, sinceMs };
}

export function isReachable(member: Member): member is ReachableMember {
  return member.reachability === "reachable" && member.greeting !== undefined && member.roundTripMs !== undefined;
}

function distanceOf({ greeting, roundTripMs }: ReachableMember, region: string): number {
  const elsewhere = greeting.region === region ? 0 : Number.MAX_SAFE_INTEGER / 2;
  return elsewhere + Math.floor(roundTripMs / DISTANCE_STEP_MS);
}
