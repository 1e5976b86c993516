/**
 * The probes that are under way: first the call itself, then, when it has failed or takes too long, the same call by
 * three others, then the verdict. A verdict comes as soon as all have spoken, and at the end of the period at the latest.
 * A helper that does not even say "he does not answer me either" tells more about this node than about the target:
 * each that is missing counts against this node's health (Lifeguard's nack).
 */
import type { NodeId, Region } from "../../shared/identity.ts";
import type { MemberNews } from "../../shared/member.ts";
import type { Chance } from "./chance.ts";
import { isTalkedTo, type MemberTable, type Subject } from "./member-table.ts";
import { INDIRECT_PROBES, type LocalHealth, PROBE_PERIOD_MS, probeTimeoutMs } from "./suspicion.ts";
import type { SwimEffect } from "./swim-io.ts";

/** Weight of a new round trip. Source: RFC 6298, alpha. */
const SMOOTHING = 1 / 8;
/** A helper must have given up, and his word have come back, before the verdict. */
const HELPER_SHARE = 0.6;

type Probe = {
  readonly number: number;
  readonly target: NodeId;
  /** From then on others are asked. */
  directUntilMs: number;
  endMs: number;
  helpersAsked: number | undefined;
  helpersHeard: number;
};

export type Verdict = {
  readonly effects: readonly SwimEffect[];
  /** Whom neither this node nor anybody asked for it could reach. */
  readonly silent: readonly NodeId[];
};

const NOTHING: Verdict = { effects: [], silent: [] };

export class Probes {
  readonly #table: MemberTable;
  readonly #health: LocalHealth;
  readonly #chance: Chance;
  readonly #region: Region;
  readonly #underWay = new Map<number, Probe>();
  readonly #roundTrips = new Map<NodeId, number>();
  #last = 0;

  constructor(table: MemberTable, health: LocalHealth, chance: Chance, region: Region) {
    this.#table = table;
    this.#health = health;
    this.#chance = chance;
    this.#region = region;
  }

  /** When something is due; never, when no probe is under way. */
  get nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { directUntilMs, endMs, helpersAsked } of this.#underWay.values()) {
      nextMs = Math.min(nextMs, helpersAsked === undefined ? directUntilMs : endMs);
    }
    return nextMs;
  }

  isUnderWay(target: NodeId): boolean {
    return [...this.#underWay.values()].some((probe) => probe.target === target);
  }

  begin({ node, description }: Subject, news: readonly MemberNews[], nowMs: number): SwimEffect {
    this.#last += 1;
    const timeoutMs = this.#health.stretched(PROBE_PERIOD_MS);
    this.#underWay.set(this.#last, {
      number: this.#last,
      target: node,
      directUntilMs: nowMs + this.#health.stretched(probeTimeoutMs(this.#roundTrips.get(node))),
      endMs: nowMs + timeoutMs,
      helpersAsked: undefined,
      helpersHeard: 0,
    });
    const address = description.advertise.peer;
    return { kind: "probe", probeNumber: this.#last, target: node, address, timeoutMs, news };
  }

  answered(number: number, roundTripMs: number): void {
    const probe = this.#underWay.get(number);
    if (probe === undefined) return;
    const smoothed = this.#roundTrips.get(probe.target) ?? roundTripMs;
    this.#roundTrips.set(probe.target, smoothed + SMOOTHING * (roundTripMs - smoothed));
    this.#succeeded(probe);
  }

  failed(number: number, nowMs: number): Verdict {
    const probe = this.#underWay.get(number);
    if (probe === undefined) return NOTHING;
    const effects = probe.helpersAsked === undefined ? this.#askHelpers(probe, nowMs) : [];
    return { effects, silent: this.#verdictWhenAllSpoke(probe) };
  }

  helped(number: number, isReached: boolean): Verdict {
    const probe = this.#underWay.get(number);
    if (probe === undefined) return NOTHING;
    probe.helpersHeard += 1;
    if (isReached) this.#succeeded(probe);
    return { effects: [], silent: isReached ? [] : this.#verdictWhenAllSpoke(probe) };
  }

  /** What the time brings. */
  due(nowMs: number): Verdict {
    const effects: SwimEffect[] = [];
    const silent: NodeId[] = [];
    for (const probe of this.#underWay.values()) {
      if (nowMs >= probe.endMs) silent.push(this.#unreached(probe));
      else if (nowMs >= probe.directUntilMs && probe.helpersAsked === undefined) {
        effects.push(...this.#askHelpers(probe, nowMs));
      }
    }
    return { effects, silent };
  }

  /** A pause of this node is nobody's silence. */
  extend(byMs: number): void {
    for (const probe of this.#underWay.values()) {
      probe.directUntilMs += byMs;
      probe.endMs += byMs;
    }
  }

  #succeeded(probe: Probe): void {
    this.#underWay.delete(probe.number);
    this.#health.note(-1);
  }

  #verdictWhenAllSpoke(probe: Probe): readonly NodeId[] {
    // The target has had three of its usual round trips by then.
    return probe.helpersHeard === probe.helpersAsked ? [this.#unreached(probe)] : [];
  }

  #unreached(probe: Probe): NodeId {
    this.#underWay.delete(probe.number);
    const { helpersAsked = 0, helpersHeard } = probe;
    this.#health.note(helpersAsked === 0 ? 1 : helpersAsked - helpersHeard);
    return probe.target;
  }

  #askHelpers(probe: Probe, nowMs: number): readonly SwimEffect[] {
    const helpers = this.#drawHelpers(probe.target);
    probe.helpersAsked = helpers.length;
    const withinMs = Math.max(1, Math.round((probe.endMs - nowMs) * HELPER_SHARE));
    const { number: probeNumber, target } = probe;
    return helpers.map((helper) => ({ kind: "help", probeNumber, helper, target, withinMs }));
  }

  /** Three of different regions, as far as there are so many; the own region last, whose lines this node shares. */
  #drawHelpers(target: NodeId): readonly NodeId[] {
    const able = [...this.#table.all()].filter(
      (one) => isTalkedTo(one) && one.standing === "alive" && one.node !== target,
    );
    const byRegion = new Map<Region, NodeId[]>();
    for (const { node, description } of this.#chance.shuffled(able)) {
      byRegion.set(description.region, [...(byRegion.get(description.region) ?? []), node]);
    }
    const elsewhere = [...byRegion].filter(([region]) => region !== this.#region).map(([, nodes]) => nodes);
    const ranked = [...elsewhere, byRegion.get(this.#region) ?? []];
    const first = ranked.flatMap(([node]) => node ?? []);
    const others = ranked.flatMap(([, ...rest]) => rest);
    return [...first, ...others].slice(0, INDIRECT_PROBES);
  }
}
