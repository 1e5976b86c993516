/**
 * Many nodes of which only the failure detector is there: the production machine (`Swim`), one a node, on a network that
 * takes as long as between eight regions of the world, loses messages, and weighs them. Whole nodes would show the same
 * and take a thousand times as long; what is asked here, how soon a death is known to all and how often one is
 * invented, needs thousands of hours.
 *
 * A lost message is lost. In production TCP sends it again, which is kinder. A node that is *stressed* does nothing for
 * a while; then its timers ring before it has read what came meanwhile, as in a process that was stopped.
 */

import { Swim } from "../../nodes/protocol/swim.ts";
import type { SwimEffect, SwimInput } from "../../nodes/protocol/swim-io.ts";
import type { NodeId } from "../../shared/identity.ts";
import { parseNodeId, parseOrigin, parseRegion } from "../../shared/identity.ts";
import { unreachable } from "../../shared/invariant.ts";
import type { MemberDescription, MemberNews, MemberStatus } from "../../shared/member.ts";
import { Prng } from "../prng.ts";
import { latencyMsBetween, REGION_NAMES, type RegionName } from "../regions.ts";
import { Events } from "./events.ts";
import * as sizes from "./wire-sizes.ts";

export type FleetOptions = {
  readonly seed: string | number;
  readonly nodes: number;
  /** Share of messages that are lost. */
  readonly loss: number;
};

/** What an observer has come to hold of a subject. */
export type Belief = {
  readonly atMs: number;
  readonly observer: number;
  readonly subject: number;
  readonly status: MemberStatus;
};

type Resident = {
  readonly index: number;
  readonly name: NodeId;
  readonly region: RegionName;
  readonly swim: Swim;
  isCrashed: boolean;
  stressedUntilMs: number;
  /** Of the latest wake that was asked for; earlier ones are void. */
  wakeNumber: number;
  calls: number;
  /** Of calls that wait for this node's reply. */
  readonly replies: Map<number, (news: readonly MemberNews[]) => void>;
};

const RESERVE_MS = 5;
const JITTER = 0.1;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #prng: Prng;
  readonly #events = new Events();
  readonly #residents: readonly Resident[];
  readonly #indexes: ReadonlyMap<NodeId, number>;
  readonly #onBelief: (belief: Belief) => void;
  /** Bytes that all nodes have sent. */
  sentBytes = 0;
  calls = 0;

  constructor(options: FleetOptions, onBelief: (belief: Belief) => void = () => undefined) {
    this.#options = options;
    this.#onBelief = onBelief;
    this.#prng = new Prng(options.seed);
    const places = Array.from({ length: options.nodes }, (_, index) => placeOf(index));
    const everybody = places.map(({ name, description }) => introduced(name, description));
    this.#residents = places.map(({ index, name, region, description }) => {
      const self = { node: name, description, incarnation: 1, reservedUpto: 64, evictions: 0 };
      const swim = new Swim(self, everybody, this.#prng.uint32(), 0);
      const idle = { isCrashed: false, stressedUntilMs: 0, wakeNumber: 0, calls: 0, replies: new Map() };
      return { index, name, region, swim, ...idle };
    });
    this.#indexes = new Map(places.map(({ name, index }) => [name, index]));
    for (const resident of this.#residents) this.#give(resident, { kind: "woke", nowMs: 0 });
  }

  get nowMs(): number {
    return this.#events.nowMs;
  }

  runUntil(endMs: number): void {
    this.#events.runUntil(endMs);
  }

  at(atMs: number, act: () => void): void {
    this.#events.at(atMs, act);
  }

  /** The machine is gone, without a word. */
  crash(index: number): void {
    const resident = this.#residents[index];
    if (resident !== undefined) resident.isCrashed = true;
  }

  /** The node does nothing before `untilMs`. */
  stress(index: number, untilMs: number): void {
    const resident = this.#residents[index];
    if (resident !== undefined) resident.stressedUntilMs = untilMs;
  }

  statusOf(observer: number, subject: number): MemberStatus | undefined {
    const name = this.#residents[subject]?.name;
    return name === undefined ? undefined : this.#residents[observer]?.swim.member(name)?.status;
  }

  /** When the node gets to do something that is due now; never, when it is gone. */
  #turnOf(resident: Resident, act: () => void): void {
    if (resident.isCrashed) return;
    if (this.nowMs < resident.stressedUntilMs) {
      // Behind the wake, which was asked for before.
      this.#events.at(resident.stressedUntilMs + Number.EPSILON, () => this.#turnOf(resident, act));
      return;
    }
    act();
  }

  #give(resident: Resident, input: SwimInput): void {
    for (const effect of resident.swim.step(input)) this.#perform(resident, effect);
  }

  #perform(resident: Resident, effect: SwimEffect): void {
    switch (effect.kind) {
      case "wake":
        return this.#wake(resident, effect.atMs);
      case "reserve":
        return this.#events.at(this.nowMs + RESERVE_MS, () =>
          this.#give(resident, { kind: "reserved", upto: effect.upto, nowMs: this.nowMs }),
        );
      case "reply":
        resident.replies.get(effect.callNumber)?.(effect.news);
        resident.replies.delete(effect.callNumber);
        return;
      case "probe":
        return this.#probe(resident, effect);
      case "help":
        return this.#help(resident, effect);
      case "tell":
        return this.#tell(resident, effect);
      case "compare":
        return this.#compare(resident, effect);
      case "changed": {
        const subject = this.#indexes.get(effect.node);
        const status = resident.swim.member(effect.node)?.status;
        if (subject === undefined || status === undefined || status === effect.from) return;
        return this.#onBelief({ atMs: this.nowMs, observer: resident.index, subject, status });
      }
      case "report":
        return;
      default:
        unreachable(effect);
    }
  }

  #wake(resident: Resident, atMs: number): void {
    resident.wakeNumber += 1;
    const number = resident.wakeNumber;
    const ring = (): void => {
      if (resident.isCrashed || number !== resident.wakeNumber) return;
      if (this.nowMs < resident.stressedUntilMs) this.#events.at(resident.stressedUntilMs, ring);
      else this.#give(resident, { kind: "woke", nowMs: this.nowMs });
    };
    this.#events.at(atMs, ring);
  }

  /** `answer` is called at most once: with the news, or with nothing when none came within `timeoutMs`. */
  #callProbe(
    caller: Resident,
    target: Resident,
    { timeoutMs, news }: { readonly timeoutMs: number; readonly news: readonly MemberNews[] },
    answer: (news: readonly MemberNews[] | undefined) => void,
  ): void {
    let isOver = false;
    const end = (said: readonly MemberNews[] | undefined): void => {
      if (isOver) return;
      isOver = true;
      answer(said);
    };
    this.#events.at(this.nowMs + timeoutMs, () => this.#turnOf(caller, () => end(undefined)));
    this.#send(caller, target, sizes.probeBytes(target.name, news), () => {
      target.calls += 1;
      const callNumber = target.calls;
      target.replies.set(callNumber, (said) =>
        this.#reply(target, caller, sizes.probeAnswerBytes(said), () => end(said)),
      );
      this.#give(target, { kind: "asked", callNumber, by: caller.name, news, nowMs: this.nowMs });
    });
  }

  #probe(resident: Resident, effect: SwimEffect & { readonly kind: "probe" }): void {
    const { probeNumber } = effect;
    const sentMs = this.nowMs;
    this.#callProbe(resident, this.#named(effect.target), effect, (news) => {
      const nowMs = this.nowMs;
      if (news === undefined) return this.#give(resident, { kind: "failed", probeNumber, nowMs });
      const answer = { probeNumber, by: effect.target, news, roundTripMs: nowMs - sentMs, nowMs };
      this.#give(resident, { kind: "answered", ...answer });
    });
  }

  #help(
    resident: Resident,
    { probeNumber, helper: name, target, withinMs }: SwimEffect & { readonly kind: "help" },
  ): void {
    const helper = this.#named(name);
    const address = `${target}:7000`;
    this.#send(resident, helper, sizes.probeForBytes(target, address, withinMs), () => {
      this.#callProbe(helper, this.#named(target), { timeoutMs: withinMs, news: [] }, (news) => {
        const isReached = news !== undefined;
        this.#reply(helper, resident, sizes.probeForAnswerBytes(), () =>
          this.#give(resident, { kind: "helped", probeNumber, isReached, nowMs: this.nowMs }),
        );
      });
    });
  }

  #tell(resident: Resident, { target: name, news }: SwimEffect & { readonly kind: "tell" }): void {
    const target = this.#named(name);
    this.#send(resident, target, sizes.toldBytes(news), () => {
      this.#give(target, { kind: "told", by: resident.name, news, nowMs: this.nowMs });
      this.#reply(target, resident, 0, () => undefined);
    });
  }

  #compare(resident: Resident, { target: name, digest, news }: SwimEffect & { readonly kind: "compare" }): void {
    const target = this.#named(name);
    this.#send(resident, target, sizes.compareBytes(digest, news), () => {
      this.#give(target, { kind: "told", by: resident.name, news, nowMs: this.nowMs });
      const isEqual = Buffer.from(target.swim.digest()).equals(digest);
      const theirs = isEqual ? undefined : target.swim.everything();
      this.#reply(target, resident, sizes.compareAnswerBytes(theirs), () =>
        this.#give(resident, { kind: "compared", by: target.name, news: theirs, nowMs: this.nowMs }),
      );
    });
  }

  #send(source: Resident, target: Resident, bytes: number, arrive: () => void): void {
    this.calls += 1;
    this.sentBytes += bytes + sizes.FRAMING_BYTES.request;
    this.#travel(source, target, arrive);
  }

  #reply(source: Resident, target: Resident, bytes: number, arrive: () => void): void {
    this.sentBytes += bytes + sizes.FRAMING_BYTES.answer;
    this.#travel(source, target, arrive);
  }

  #travel(source: Resident, target: Resident, arrive: () => void): void {
    if (this.#prng.chance(this.#options.loss)) return;
    const latencyMs = latencyMsBetween(source.region, target.region) * (1 + JITTER * this.#prng.fraction());
    this.#events.at(this.nowMs + latencyMs, () => this.#turnOf(target, arrive));
  }

  #named(name: NodeId): Resident {
    const resident = this.#residents[this.#indexes.get(name) ?? -1];
    if (resident === undefined) throw new Error(`no node is called ${name}`);
    return resident;
  }
}

function placeOf(index: number): {
  readonly index: number;
  readonly name: NodeId;
  readonly region: RegionName;
  readonly description: MemberDescription;
} {
  const region = REGION_NAMES[index % REGION_NAMES.length] ?? "us-east";
  const name = parseNodeId(`${region}-${index}`);
  const description: MemberDescription = {
    region: parseRegion(region),
    origin: parseOrigin(index.toString(16).padStart(16, "0")),
    boot: 1,
    nonce: index.toString(16).padStart(16, "0"),
    protocol: { min: 1, max: 1 },
    advertise: { registry: `https://${name}.example.com`, peer: `${name}.example.com:7000` },
    version: "0.1.0",
    labels: { zone: "", role: "full", capacityBytes: undefined, costClass: "" },
    features: [],
  };
  return { index, name, region, description };
}

function introduced(node: NodeId, description: MemberDescription): MemberNews {
  return { node, incarnation: 1, standing: "alive", accusers: [], evictions: 0, description };
}
