/**
 * Who belongs to the cluster, performed: `Swim` decides, and this file makes the calls, keeps what must survive a
 * restart, and tells the directory which addresses to dial. Relays, the audit and garbage collection read the list.
 *
 * Incarnations are reserved in the store before they are used, and an eviction is in the store before it is told.
 */
import { RegistryError } from "../../shared/errors.ts";
import type { NodeId } from "../../shared/identity.ts";
import { unreachable } from "../../shared/invariant.ts";
import {
  type ClusterMember,
  isEvicted,
  MEMBER_STATUSES,
  type MemberDescription,
  type MemberLabels,
  type MemberNews,
  type MemberStatus,
} from "../../shared/member.ts";
import { PeerError } from "../../shared/peer-error.ts";
import type { Clock } from "../ports/clock.ts";
import type { Greeting, MembersCompared, PeerAddress, PeerLink, Probe, ProbeAnswer, ProbeFor } from "../ports/peers.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import { INCARNATIONS_RESERVED, type MemberView, Swim } from "../protocol/swim.ts";
import type { SwimEffect, SwimInput, SwimTrouble } from "../protocol/swim-io.ts";
import type { Metadata } from "../storage/metadata.ts";
import { within } from "./deadline.ts";
import { Alarm, Driver, Tasks } from "./driver.ts";
import type { Member, PeerDirectory } from "./peer-directory.ts";

const TELL_TIMEOUT_MS = 5_000;
const COMPARE_TIMEOUT_MS = 10_000;
/** The same trouble is said no more often. */
const TROUBLE_EVERY_MS = 60_000;

const TROUBLES: Readonly<Record<SwimTrouble, string>> = {
  "too-many-members": "the cluster has more members than this node can keep; the newest is ignored",
  "same-name": "another node calls itself by this node's name",
  "evicted-self": "this node was evicted from the cluster; nobody follows it until an operator admits it again",
};

export type RosterDeps = {
  /** What this node says of itself. */
  readonly self: () => Greeting;
  readonly labels: MemberLabels;
  /** Where this node reaches another, when not where that one says. */
  readonly routes: ReadonlyMap<NodeId, PeerAddress>;
  readonly metadata: Metadata;
  readonly directory: PeerDirectory;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly telemetry: Telemetry;
};

/** The four wall clocks of one probe, and what it took on this node's monotonic clock; all in ms. */
export type ProbeSample = {
  readonly node: NodeId;
  readonly sentWallMs: number;
  readonly receivedWallMs: number;
  readonly answeredWallMs: number;
  readonly arrivedWallMs: number;
  readonly roundTripMs: number;
};

export class Roster {
  readonly #deps: RosterDeps;
  readonly #swim: Swim;
  readonly #driver: Driver<SwimInput, SwimEffect>;
  readonly #alarm: Alarm;
  readonly #tasks = new Tasks();
  readonly #stopping = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #sampleListeners = new Set<(sample: ProbeSample) => void>();
  readonly #replies = new Map<number, (news: readonly MemberNews[]) => void>();
  /** How each node was reached at last. */
  readonly #links = new Map<NodeId, Member>();
  /** Members whose row in the store is old. */
  readonly #unsaved = new Set<NodeId>();
  readonly #toldMs = new Map<SwimTrouble, number>();
  #isSaving = false;
  #calls = 0;
  #stopListening: () => void = () => undefined;

  private constructor(deps: RosterDeps, swim: Swim) {
    this.#deps = deps;
    this.#swim = swim;
    this.#driver = new Driver(swim, (effect) => this.#perform(effect));
    this.#alarm = new Alarm(deps, () => this.#give({ kind: "woke", nowMs: this.#nowMs() }));
  }

  /** Reads what the store remembers, and reserves this life's incarnations. */
  static async open(deps: RosterDeps): Promise<Roster> {
    const { metadata, random, clock, telemetry } = deps;
    const { node } = deps.self();
    const { reader } = metadata;
    const onDamaged = (error: Error): void => telemetry.log("warn", "a remembered member is damaged", { error });
    const last = await reader.incarnationsReserved(onDamaged);
    const remembered = await Array.fromAsync(reader.members(onDamaged));
    const reservedUpto = await reserveFrom(last, deps);

    const evictions = remembered.find((news) => news.node === node)?.evictions ?? 0;
    const incarnation = Math.min(last + 1, reservedUpto);
    const self = { node, description: descriptionOf(deps), incarnation, reservedUpto, evictions };
    const seed = Buffer.from(random.bytes(4)).readUInt32LE();
    return new Roster(deps, new Swim(self, remembered, seed, clock.monotonicMs()));
  }

  start(): void {
    const { directory } = this.#deps;
    this.#stopListening = directory.onChanged(() => this.#lookAtLinks());
    this.#dialMembers();
    this.#lookAtLinks();
    this.#give({ kind: "woke", nowMs: this.#nowMs() });
    this.#tellMetrics();
  }

  /** Resolves when no call is under way and nothing is left to save. */
  async stop(): Promise<void> {
    this.#stopListening();
    this.#stopping.abort(new Error("the node stops"));
    this.#alarm.cancel();
    await this.#tasks.ended();
  }

  /** This node first, then the others; each once. */
  members(): readonly ClusterMember[] {
    return this.#swim.members().map((view) => this.#memberOf(view));
  }

  /** After a change of anybody's status, incarnation or address. Returns what ends the listening. */
  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** After each probe that was answered. Returns what ends the listening. */
  onProbed(listener: (sample: ProbeSample) => void): () => void {
    this.#sampleListeners.add(listener);
    return () => this.#sampleListeners.delete(listener);
  }

  /** Gives a member up, or takes it back. Durable here when it resolves, and on its way to the others. */
  async decide(node: NodeId, isOut: boolean): Promise<void> {
    const { metadata } = this.#deps;
    const self = this.#deps.self();
    const news = this.#swim.newsOf(node);
    if (news === undefined) throw new RegistryError("NAME_UNKNOWN", { node }, { message: "no member has this name" });
    if (node === self.node) {
      const message = "a node does not decide about itself; ask another one";
      throw new RegistryError("UNSUPPORTED", { node }, { status: 409, message });
    }
    if (isEvicted(news) === isOut) return;
    await metadata.record(self.node, async (turn) => turn.putMember({ ...news, evictions: news.evictions + 1 }));
    this.#give({ kind: "decided", node, isEvicted: isOut, nowMs: this.#nowMs() });
  }

  /** This node says something else of itself than before. */
  introduce(): void {
    this.#give({ kind: "renamed", description: descriptionOf(this.#deps), nowMs: this.#nowMs() });
  }

  /** Tells the others that this node leaves. What it holds must be elsewhere by then. */
  sayFarewell(): void {
    this.#give({ kind: "leave", nowMs: this.#nowMs() });
  }

  /** @throws {RegistryError} `NAME_UNKNOWN` when another node is meant. */
  async answerProbe(by: NodeId, { target, news }: Probe): Promise<ProbeAnswer> {
    const { clock } = this.#deps;
    const self = this.#deps.self();
    const receivedWallMs = clock.wallMs();
    if (target !== self.node) {
      throw new RegistryError("NAME_UNKNOWN", { node: target }, { message: `${self.node} lives here, not ${target}` });
    }
    this.#calls += 1;
    const callNumber = this.#calls;
    const reply = Promise.withResolvers<readonly MemberNews[]>();
    this.#replies.set(callNumber, reply.resolve);
    this.#give({ kind: "asked", callNumber, by, news, nowMs: this.#nowMs() });
    if (this.#stopping.signal.aborted) reply.resolve([]);
    const answer = await reply.promise;
    return { receivedWallMs, answeredWallMs: clock.wallMs(), news: answer };
  }

  /** Whether this node has reached the target within the time given. */
  async probeFor({ target, address, withinMs }: ProbeFor, signal: AbortSignal): Promise<boolean> {
    const link = this.#deps.directory.linkTo(target, this.#deps.routes.get(target) ?? address);
    const sentWallMs = this.#deps.clock.wallMs();
    const answer = await this.#asked(link, withinMs, async (calls, limit) => {
      return await calls.probe({ target, sentWallMs, news: [] }, AbortSignal.any([limit, signal]));
    });
    return answer !== undefined;
  }

  hear(by: NodeId, news: readonly MemberNews[]): void {
    this.#give({ kind: "told", by, news, nowMs: this.#nowMs() });
  }

  /** All that is known here, unless that is what the caller knows. */
  compare(by: NodeId, { digest, news }: MembersCompared): readonly MemberNews[] | undefined {
    this.hear(by, news);
    return Buffer.from(this.#swim.digest()).equals(digest) ? undefined : this.#swim.everything();
  }

  #perform(effect: SwimEffect): void {
    switch (effect.kind) {
      case "probe":
        return this.#tasks.begin(async () => await this.#probe(effect));
      case "help":
        return this.#tasks.begin(async () => await this.#askForHelp(effect));
      case "reply":
        this.#replies.get(effect.callNumber)?.(effect.news);
        this.#replies.delete(effect.callNumber);
        return;
      case "tell":
        return this.#tasks.begin(async () => {
          const link = this.#linkTo(effect.target);
          await this.#asked(link, TELL_TIMEOUT_MS, async (calls, limit) => await calls.tellMembers(effect.news, limit));
        });
      case "compare":
        return this.#tasks.begin(async () => await this.#compare(effect));
      case "reserve":
        return this.#tasks.begin(async () => await this.#reserve(effect.upto));
      case "wake":
        return this.#alarm.setTo(effect.atMs);
      case "changed":
        return this.#changed(effect.node, effect.from);
      case "report":
        return this.#report(effect.trouble, effect.node);
      default:
        unreachable(effect);
    }
  }

  async #probe({ probeNumber, target, timeoutMs, news }: SwimEffect & { readonly kind: "probe" }): Promise<void> {
    const { clock } = this.#deps;
    const [sentMs, sentWallMs] = [this.#nowMs(), clock.wallMs()];
    const answer = await this.#asked(this.#linkTo(target), timeoutMs, async (calls, limit) => {
      return await calls.probe({ target, sentWallMs, news }, limit);
    });
    const nowMs = this.#nowMs();
    if (answer === undefined) return this.#give({ kind: "failed", probeNumber, nowMs });
    const roundTripMs = nowMs - sentMs;
    this.#give({ kind: "answered", probeNumber, by: target, news: answer.news, roundTripMs, nowMs });
    const { receivedWallMs, answeredWallMs } = answer;
    const sample = { node: target, sentWallMs, receivedWallMs, answeredWallMs, arrivedWallMs: clock.wallMs() };
    for (const listener of this.#sampleListeners) listener({ ...sample, roundTripMs });
    this.#deps.telemetry.set("meridian_membership_doubt", {}, this.#swim.doubt);
  }

  async #askForHelp(effect: SwimEffect & { readonly kind: "help" }): Promise<void> {
    const { probeNumber, helper, target, withinMs } = effect;
    const address = this.#swim.member(target)?.description.advertise.peer ?? "";
    const isReached = await this.#asked(this.#linkTo(helper), 2 * withinMs, async (calls, limit) => {
      return await calls.probeFor({ target, address, withinMs }, limit);
    });
    if (isReached !== undefined) this.#give({ kind: "helped", probeNumber, isReached, nowMs: this.#nowMs() });
  }

  async #compare({ target, digest, news }: SwimEffect & { readonly kind: "compare" }): Promise<void> {
    const answer = await this.#asked(this.#linkTo(target), COMPARE_TIMEOUT_MS, async (calls, limit) => {
      return { news: await calls.compareMembers({ digest, news }, limit) };
    });
    if (answer !== undefined) this.#give({ kind: "compared", by: target, news: answer.news, nowMs: this.#nowMs() });
  }

  /** A node that may not write does not refute beyond what it has reserved; that its disk failed is known by then. */
  async #reserve(upto: number): Promise<void> {
    const { self, metadata } = this.#deps;
    try {
      await metadata.record(self().node, async (turn) => turn.reserveIncarnations(upto));
    } catch (cause) {
      if (!(cause instanceof RegistryError)) throw cause;
      return this.#deps.telemetry.log("warn", "no incarnation could be reserved", { error: cause });
    }
    this.#give({ kind: "reserved", upto, nowMs: this.#nowMs() });
  }

  /** `undefined` when there is no answer: for the machine all reasons are one. */
  async #asked<Answer>(
    link: PeerLink | undefined,
    timeoutMs: number,
    call: (calls: PeerLink, limit: AbortSignal) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    if (link === undefined) return undefined;
    try {
      const limited = async (limit: AbortSignal): Promise<Answer> => await call(link, limit);
      return await within(this.#deps.timers, timeoutMs, limited, this.#stopping.signal);
    } catch (cause) {
      if (!(cause instanceof PeerError)) throw cause;
      return undefined;
    }
  }

  #linkTo(node: NodeId): PeerLink | undefined {
    const { directory, routes } = this.#deps;
    return directory.linkTo(node, routes.get(node) ?? this.#swim.member(node)?.description.advertise.peer ?? "");
  }

  #changed(node: NodeId, from: MemberStatus | undefined): void {
    const { self, telemetry } = this.#deps;
    const status = this.#swim.member(node)?.status;
    if (node !== self().node && status !== from) {
      telemetry.log(status === "alive" ? "info" : "warn", "a member's status changed", { peer: node, from, status });
    }
    // A suspicion is refuted or proven within the minute: no restart has to know of it.
    if (status !== "suspect") this.#save(node);
    this.#dialMembers();
    this.#tellMetrics();
    for (const listener of this.#listeners) listener();
  }

  #save(node: NodeId): void {
    this.#unsaved.add(node);
    if (this.#isSaving) return;
    this.#isSaving = true;
    this.#tasks.begin(async () => await this.#saveAll());
  }

  async #saveAll(): Promise<void> {
    const { self, metadata, telemetry } = this.#deps;
    try {
      while (this.#unsaved.size > 0) {
        const news = [...this.#unsaved].flatMap((node) => this.#swim.newsOf(node) ?? []);
        this.#unsaved.clear();
        await metadata.record(self().node, async (turn) => {
          for (const one of news) turn.putMember(one);
        });
      }
    } catch (cause) {
      if (!(cause instanceof RegistryError)) throw cause;
      telemetry.log("warn", "what was heard of members could not be kept", { error: cause });
    } finally {
      this.#isSaving = false;
    }
  }

  #dialMembers(): void {
    const { directory, routes } = this.#deps;
    const [, ...others] = this.#swim.members();
    const wanted = others.filter(({ status }) => status !== "left" && status !== "evicted");
    directory.know(wanted.map(({ node, description }) => routes.get(node) ?? description.advertise.peer));
  }

  /** What the directory sees of links, as news of nodes: met, met in another life, lost. */
  #lookAtLinks(): void {
    const nowMs = this.#nowMs();
    for (const member of this.#deps.directory.members()) {
      const { greeting, reachability } = member;
      if (greeting === undefined) continue;
      const { node, origin, boot } = greeting;
      const before = this.#links.get(node);
      const isMeant = reachability === "reachable" || before?.address === member.address;
      if (!isMeant) continue;
      this.#links.set(node, member);
      const isNew = before?.greeting?.origin !== origin || before.greeting.boot !== boot;
      const wasReachable = before?.reachability === "reachable";
      const isMet = reachability === "reachable" && (isNew || !wasReachable);
      if (isMet) this.#give({ kind: "met", node, origin, boot, nowMs });
      if (reachability === "unreachable" && wasReachable) this.#give({ kind: "lost", node, nowMs });
    }
  }

  #tellMetrics(): void {
    const [, ...others] = this.#swim.members();
    for (const status of MEMBER_STATUSES) {
      const count = others.filter((member) => member.status === status).length;
      this.#deps.telemetry.set("meridian_members", { status }, count);
    }
  }

  #report(trouble: SwimTrouble, node: NodeId): void {
    const toldMs = this.#toldMs.get(trouble) ?? Number.NEGATIVE_INFINITY;
    if (this.#nowMs() - toldMs < TROUBLE_EVERY_MS) return;
    this.#toldMs.set(trouble, this.#nowMs());
    this.#deps.telemetry.log("error", TROUBLES[trouble], { peer: node });
  }

  #memberOf({ node, description, status, incarnation, sinceMs }: MemberView): ClusterMember {
    const { cluster, node: own } = this.#deps.self();
    const { region, origin, boot, nonce, advertise, labels, protocol, features } = description;
    const identity = { cluster, node, region, origin, boot, nonce };
    const isSelf = node === own;
    const said = { address: advertise.peer, incarnation, labels, protocol, features };
    return { ...identity, ...said, isSelf, status, sinceMs };
  }

  #give(input: SwimInput): void {
    if (!this.#stopping.signal.aborted) this.#driver.give(input);
  }

  #nowMs(): number {
    return this.#deps.clock.monotonicMs();
  }
}

/** Up to where this life may go. A node that may not write goes on as it was, and refutes nothing. */
async function reserveFrom(last: number, { self, metadata, telemetry }: RosterDeps): Promise<number> {
  const upto = last + INCARNATIONS_RESERVED;
  try {
    await metadata.record(self().node, async (turn) => turn.reserveIncarnations(upto));
    return upto;
  } catch (cause) {
    if (!(cause instanceof RegistryError)) throw cause;
    telemetry.log("warn", "no incarnation could be reserved", { error: cause });
    return last;
  }
}

function descriptionOf({ self, labels }: RosterDeps): MemberDescription {
  const { region, origin, boot, nonce, protocol, advertise, version } = self();
  return { region, origin, boot, nonce, protocol, advertise, version, labels, features: [] };
}
