/**
 * The cluster as one node sees it, gathered by asking everybody at once. There is no place where this knowledge is
 * kept: each node knows itself, and an answer is as old as the question. Whoever can't be asked is shown as such;
 * no question takes longer than `ASK_TIMEOUT_MS`.
 */
import type { NodeId, Region } from "../../shared/identity.ts";
import type { ClusterMember, MemberLabels, MemberStatus } from "../../shared/member.ts";
import type { Reference, RepositoryName } from "../../shared/reference.ts";
import type { Clock } from "../ports/clock.ts";
import type { Greeting, NodeReport, PeerCalls } from "../ports/peers.ts";
import type { Timers } from "../ports/timers.ts";
import type { Reachability } from "../protocol/membership.ts";
import type { Metadata } from "../storage/metadata.ts";
import { Bell } from "./bell.ts";
import { within } from "./deadline.ts";
import { describeImage } from "./describe-image.ts";
import {
  type Account,
  hasReached,
  type ImageReplication,
  replicationOf,
  type WaitedLevel,
} from "./image-replication.ts";
import type { PeerDirectory, ReachableMember } from "./peer-directory.ts";
import type { Replicate } from "./replicate.ts";
import type { Roster } from "./roster.ts";

const ASK_TIMEOUT_MS = 1_000;
const WAIT_PERIOD_MS = 250;

export type ClusterViewDeps = {
  /** What this node says of itself. */
  readonly self: () => Greeting;
  readonly metadata: Metadata;
  readonly directory: PeerDirectory;
  readonly roster: Pick<Roster, "members">;
  readonly replicate: Replicate;
  readonly clock: Clock;
  readonly timers: Timers;
};

export type MemberSeen = {
  /** `undefined`, as all that follows from a greeting, when nobody has answered at the address yet. */
  readonly node: NodeId | undefined;
  readonly region: Region | undefined;
  readonly address: string;
  readonly registry: string | undefined;
  readonly version: string | undefined;
  readonly isSelf: boolean;
  /** What the cluster holds of it; `undefined` while nobody has said who lives at the address. */
  readonly status: MemberStatus | undefined;
  readonly statusForMs: number | undefined;
  readonly incarnation: number | undefined;
  readonly labels: MemberLabels | undefined;
  readonly reachability: Reachability;
  readonly roundTripMs: number | undefined;
  /** For how long the reachability has been what it is. */
  readonly forMs: number;
};

/** How far `target` is behind `source`. */
export type LagEntry = {
  readonly source: NodeId;
  readonly sourceRegion: Region;
  readonly target: NodeId;
  readonly targetRegion: Region;
  /** Whether the target can reach the source; `undefined` when the target could not be asked. */
  readonly isReachable: boolean | undefined;
  /** Ops; `undefined` when the target could not be asked. */
  readonly pendingOps: number | undefined;
  /** Age of the oldest op that the target knows to be missing; `undefined` when it could not be asked. */
  readonly lagMs: number | undefined;
};

export type WaitRequest = {
  readonly repo: RepositoryName;
  readonly reference: Reference;
  readonly regions: readonly Region[] | "all";
  readonly level: WaitedLevel;
  readonly timeoutMs: number;
};

export type WaitOutcome = ImageReplication & { readonly isReached: boolean };

export class ClusterView {
  readonly #deps: ClusterViewDeps;
  readonly #startedMs: number;

  constructor(deps: ClusterViewDeps) {
    this.#deps = deps;
    this.#startedMs = deps.clock.monotonicMs();
  }

  /** This node's account of itself. */
  report(): NodeReport {
    const { self, metadata, replicate, clock } = this.#deps;
    return {
      greeting: self(),
      held: metadata.held(),
      uptimeMs: clock.monotonicMs() - this.#startedMs,
      ...metadata.counts(),
      stateHash: metadata.stateHash(),
      lag: replicate.lag(),
    };
  }

  /** This node first, then the others in the order of the configuration. */
  members(): readonly MemberSeen[] {
    const { directory, roster, clock } = this.#deps;
    const self = this.#deps.self();
    const known = new Map(roster.members().map((member) => [member.node, member]));
    const nowMs = clock.monotonicMs();
    const own: MemberSeen = {
      ...said(self),
      address: self.advertise.peer,
      isSelf: true,
      ...standing(known.get(self.node), nowMs),
      reachability: "reachable",
      roundTripMs: 0,
      forMs: nowMs - this.#startedMs,
    };
    const others = directory.members().map(({ greeting, address, reachability, roundTripMs, sinceMs }) => ({
      ...said(greeting),
      address,
      isSelf: false,
      ...standing(greeting === undefined ? undefined : known.get(greeting.node), nowMs),
      reachability,
      roundTripMs,
      forMs: nowMs - sinceMs,
    }));
    const seen = new Set([own.node, ...others.map(({ node }) => node)]);
    const unseen = [...known.values()]
      .filter(({ node }) => !seen.has(node))
      .map((member) => unseenMember(member, nowMs));
    return [own, ...others, ...unseen];
  }

  /** What each node that can be asked says of itself, this one first; `undefined` for those that can't. */
  async reports(
    signal?: AbortSignal,
  ): Promise<readonly { readonly node: NodeId; readonly report: NodeReport | undefined }[]> {
    const accounts = await this.#accounts(undefined, signal);
    return accounts.map(({ node, report }) => ({ node, report }));
  }

  /** Everything that any node of the cluster wrote longer ago is here. */
  stalenessMs(): number {
    return this.#deps.replicate.stalenessMs();
  }

  /** Every known node from every other. */
  async lag(signal?: AbortSignal): Promise<readonly LagEntry[]> {
    const accounts = await this.#accounts(undefined, signal);
    return accounts.flatMap((target) =>
      accounts
        .filter((source) => source !== target)
        .map((source) => lagBetween(source, target, headOf(source, accounts))),
    );
  }

  /** How far the image has come in each region. */
  async replication(repo: RepositoryName, reference: Reference, signal?: AbortSignal): Promise<ImageReplication> {
    const accounts = await this.#accounts({ repo, reference }, signal);
    const unheard = this.#deps.directory.members().filter(({ greeting }) => greeting === undefined);
    return { ...replicationOf(accounts), unheard: unheard.map(({ address }) => address) };
  }

  /** Resolves when all `regions` have reached `level`, or after `timeoutMs` with how far they have come by then. */
  async wait(request: WaitRequest, signal: AbortSignal): Promise<WaitOutcome> {
    const { clock, timers, metadata } = this.#deps;
    const endMs = clock.monotonicMs() + request.timeoutMs;
    const bell = new Bell();
    const stopListening = metadata.onCommitted(() => bell.ring());
    try {
      while (true) {
        const state = await this.replication(request.repo, request.reference, signal);
        const isReached = hasReached(state, request.regions, request.level);
        const leftMs = endMs - clock.monotonicMs();
        if (isReached || leftMs <= 0 || signal.aborted) return { ...state, isReached };
        await bell.rungWithin(timers, Math.min(WAIT_PERIOD_MS, leftMs), signal);
      }
    } finally {
      stopListening();
    }
  }

  /** This node first; then every other that has ever answered, once. */
  async #accounts(
    image: { readonly repo: RepositoryName; readonly reference: Reference } | undefined,
    signal: AbortSignal | undefined,
  ): Promise<readonly Account[]> {
    const { metadata, directory } = this.#deps;
    const self = this.#deps.self();
    const own: Account = {
      node: self.node,
      region: self.region,
      origin: self.origin,
      report: this.report(),
      image: image === undefined ? undefined : await describeImage(metadata, image.repo, image.reference),
    };
    const reachable = new Map(directory.reachable().map((member) => [member.greeting.node, member]));
    const named = new Map<NodeId, Greeting>();
    for (const { greeting } of directory.members()) if (greeting !== undefined) named.set(greeting.node, greeting);
    const others = [...named.values()].map(async ({ node, region, origin }): Promise<Account> => {
      const member = reachable.get(node);
      const ask = async <Answer>(call: (calls: PeerCalls, limit: AbortSignal) => Promise<Answer>) =>
        member === undefined ? undefined : await this.#ask(member, call, signal);
      const [report, state] = await Promise.all([
        ask(async (calls, limit) => await calls.report(limit)),
        image === undefined
          ? undefined
          : ask(async (calls, limit) => await calls.describeImage(image.repo, image.reference, limit)),
      ]);
      return { node, region, origin, report, image: state };
    });
    return [own, ...(await Promise.all(others))];
  }

  async #ask<Answer>(
    { link }: ReachableMember,
    call: (calls: PeerCalls, limit: AbortSignal) => Promise<Answer>,
    signal: AbortSignal | undefined,
  ): Promise<Answer | undefined> {
    try {
      return await within(this.#deps.timers, ASK_TIMEOUT_MS, async (limit) => await call(link, limit), signal);
    } catch {
      // Whoever does not answer in time is shown as one who could not be asked.
      return undefined;
    }
  }
}

function standing(
  member: ClusterMember | undefined,
  nowMs: number,
): Pick<MemberSeen, "status" | "statusForMs" | "incarnation" | "labels"> {
  const statusForMs = member === undefined ? undefined : nowMs - member.sinceMs;
  return { status: member?.status, statusForMs, incarnation: member?.incarnation, labels: member?.labels };
}

/** Heard of and never dialed, or not any more: it left, or was evicted. */
function unseenMember(member: ClusterMember, nowMs: number): MemberSeen {
  const { node, region, address } = member;
  const place = { node, region, address, registry: undefined, version: undefined, isSelf: false };
  const forMs = nowMs - member.sinceMs;
  return { ...place, ...standing(member, nowMs), reachability: "unreachable", roundTripMs: undefined, forMs };
}

function said(greeting: Greeting | undefined): Pick<MemberSeen, "node" | "region" | "registry" | "version"> {
  return {
    node: greeting?.node,
    region: greeting?.region,
    registry: greeting?.advertise.registry,
    version: greeting?.version,
  };
}

/** The number of the newest op of `source` that anybody who was asked has. */
function headOf({ origin }: Account, accounts: readonly Account[]): number {
  return Math.max(...accounts.map(({ report }) => report?.held.upto(origin) ?? 0));
}

function lagBetween(source: Account, target: Account, head: number): LagEntry {
  const link = target.report?.lag.find((entry) => entry.source === source.node);
  const pendingOps =
    target.report === undefined ? undefined : Math.max(0, head - target.report.held.upto(source.origin));
  return {
    source: source.node,
    sourceRegion: source.region,
    target: target.node,
    targetRegion: target.region,
    isReachable: target.report === undefined ? undefined : (link?.isReachable ?? false),
    pendingOps,
    lagMs: target.report === undefined ? undefined : (link?.lagMs ?? 0),
  };
}
