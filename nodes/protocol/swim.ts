/**
 * Who belongs to the cluster, and who of them is alive: SWIM with Lifeguard, in a profile for nodes that lie oceans
 * apart (`suspicion.ts` holds its numbers).
 *
 * Every two seconds a node probes one other, in an order shuffled anew each round. Who does not answer is probed
 * through three others, each of another region, because the fault may be in the line between the two. Who does not
 * answer them either is suspect: everybody is told, he first of all, and has time to refute by a higher incarnation
 * before anybody takes him for dead. What is news goes to three others at once and to three more every 200 ms, a
 * dozen in all, or as a passenger of probes and their answers; every half minute two nodes compare a digest of all they know, so that nothing stays untold.
 *
 * An incarnation must never be used twice, or old accusations would fit a new life. So numbers are reserved in the
 * store before they are used, some at a time: a refutation need not wait for a slow disk, and a crash only wastes some.
 *
 * A node that was paused wakes to find that all its deadlines have passed and has not yet read one of the answers. It
 * moves every deadline on by as much as it woke late.
 *
 * What it does not do: decide which link is used (`membership.ts`), or who may be forgotten. That is `evicted`, which
 * only an operator says; his decisions are counted, and the count outweighs all that nodes say of each other.
 *
 * Rejected: agreement on the list by Raft or Rapid, which needs a majority across oceans to say that a node is gone;
 * partial views, which pay only beyond a thousand nodes. Sources: as in `suspicion.ts`; hashicorp's memberlist, for
 * the nack, for the rule that a death learned by comparing is only a suspicion, and for what not to do over a WAN.
 */
import type { NodeId, Region } from "../../shared/identity.ts";
import { unreachable } from "../../shared/invariant.ts";
import { MEMBERS_MAX, NEWS_PER_MESSAGE_MAX, PEERS_MAX } from "../../shared/limits.ts";
import {
  compareNews,
  isEvicted,
  type MemberDescription,
  type MemberNews,
  type MemberStatus,
} from "../../shared/member.ts";
import { digestOfMembers } from "../../shared/member-news.ts";
import { Chance } from "./chance.ts";
import type { Machine } from "./machine.ts";
import { isMember, isTalkedTo, MemberTable, newsOf, type Subject, statusOf } from "./member-table.ts";
import { Probes } from "./probes.ts";
import { Rumours } from "./rumours.ts";
import {
  comparePeriodMs,
  GOSSIP_PEERS,
  GOSSIP_PERIOD_MS,
  GOSSIP_TO_THE_DEAD_MS,
  LocalHealth,
  PROBE_PERIOD_MS,
  transmissionsOf,
} from "./suspicion.ts";
import type { SwimEffect, SwimInput } from "./swim-io.ts";

export type SwimSelf = {
  readonly node: NodeId;
  readonly description: MemberDescription;
  readonly incarnation: number;
  /** Incarnations up to here are reserved. */
  readonly reservedUpto: number;
  readonly evictions: number;
};

export type MemberView = {
  readonly node: NodeId;
  readonly description: MemberDescription;
  readonly status: MemberStatus;
  readonly incarnation: number;
  readonly sinceMs: number;
};

export const INCARNATIONS_RESERVED = 64;
/** A wake that comes so late was held up by this process. */
const LATE_MS = 100;
/** How often a node looks at the clock while it suspects somebody. */
const PULSE_MS = 500;
/** So many members in one message are no rumour: a cut has healed, or a node has come, and all compare for themselves. */
const RUMOURS_AT_ONCE_MAX = NEWS_PER_MESSAGE_MAX;

export class Swim implements Machine<SwimInput, SwimEffect> {
  #self: SwimSelf;
  readonly #region: Region;
  readonly #table: MemberTable;
  readonly #probes: Probes;
  readonly #rumours = new Rumours();
  readonly #health = new LocalHealth();
  readonly #chance: Chance;
  readonly #startedMs: number;
  #incarnation: number;
  #reservedUpto: number;
  /** What this node wants to be, and may not before it is reserved. */
  #wanted = 0;
  #evictions: number;
  #hasLeft = false;
  #hasCompared = false;
  #rivalAtMs = Number.NEGATIVE_INFINITY;
  #isFullTold = false;
  #order: NodeId[] = [];
  #nextProbeMs: number;
  #nextCompareMs: number;
  #nextGossipMs = Number.POSITIVE_INFINITY;
  #wakeAtMs: number | undefined;
  #digest: Uint8Array | undefined;
  /** Nodes of which this step has learned. */
  #learned: NodeId[] = [];
  #effects: SwimEffect[] = [];

  /** `remembered` is what this node knew when it ended; `seed` 32 random bits. */
  constructor(self: SwimSelf, remembered: readonly MemberNews[], seed: number, nowMs: number) {
    this.#self = self;
    this.#region = self.description.region;
    this.#table = new MemberTable({ node: self.node, region: this.#region });
    this.#chance = new Chance(seed);
    this.#probes = new Probes(this.#table, this.#health, this.#chance, this.#region);
    this.#startedMs = nowMs;
    this.#incarnation = self.incarnation;
    this.#reservedUpto = self.reservedUpto;
    this.#evictions = self.evictions;
    this.#nextProbeMs = nowMs + PROBE_PERIOD_MS * this.#chance.fraction();
    this.#nextCompareMs = nowMs + comparePeriodMs(remembered.length + 1) * this.#chance.fraction();
    for (const news of remembered) this.#remember(news, nowMs);
    this.#rumours.tell(self.node, transmissionsOf(this.#table.members));
  }

  /** This node first. */
  members(): readonly MemberView[] {
    const { node, description } = this.#self;
    const status = statusOf({ standing: this.#hasLeft ? "left" : "alive", evictions: this.#evictions });
    const own = { node, description, status, incarnation: this.#incarnation, sinceMs: this.#startedMs };
    return [own, ...[...this.#table.all()].map((subject) => viewOf(subject))];
  }

  member(node: NodeId): MemberView | undefined {
    const subject = this.#table.get(node);
    return subject === undefined ? undefined : viewOf(subject);
  }

  /** Everything that is known, for another node to compare or for the store to keep. */
  everything(): readonly MemberNews[] {
    return [this.#ownNews(), ...[...this.#table.all()].map((subject) => newsOf(subject, true))];
  }

  newsOf(node: NodeId): MemberNews | undefined {
    if (node === this.#self.node) return this.#ownNews();
    const subject = this.#table.get(node);
    return subject === undefined ? undefined : newsOf(subject, true);
  }

  /** 16 bytes; equal on two nodes that know the same. */
  digest(): Uint8Array {
    this.#digest ??= digestOfMembers(this.everything());
    return this.#digest;
  }

  /** How much this node doubts itself, from 0 to 8. */
  get doubt(): number {
    return this.#health.score;
  }

  step(input: SwimInput): readonly SwimEffect[] {
    this.#effects = [];
    this.#learned = [];
    this.#noticePause(input.nowMs);
    this.#judge(input);
    this.#pushLearned(input.nowMs);
    this.#askForWake(input.nowMs);
    return this.#effects;
  }

  #judge(input: SwimInput): void {
    const { nowMs } = input;
    switch (input.kind) {
      case "woke":
        return this.#woke(nowMs);
      case "answered": {
        this.#probes.answered(input.probeNumber, input.roundTripMs);
        return this.#learn(input, nowMs);
      }
      case "failed":
        return this.#conclude(this.#probes.failed(input.probeNumber, nowMs), nowMs);
      case "helped":
        return this.#conclude(this.#probes.helped(input.probeNumber, input.isReached), nowMs);
      case "asked":
        this.#learn(input, nowMs);
        return this.#emit({ kind: "reply", callNumber: input.callNumber, news: this.#newsFor(input.by) });
      case "told":
        return this.#learn(input, nowMs);
      case "compared":
        this.#hasCompared = true;
        if (input.news === undefined) return;
        this.#learn({ by: input.by, news: input.news, isList: true }, nowMs);
        return this.#tellWhatLacks(input.by, input.news);
      case "met":
        return this.#met(input);
      case "lost":
        return this.#lost(input.node, nowMs);
      case "reserved":
        return this.#reserved(input.upto);
      case "decided":
        return this.#decide(input.node, input.isEvicted, nowMs);
      case "renamed":
        this.#self = { ...this.#self, description: input.description };
        return this.#rise(this.#incarnation + 1);
      case "leave":
        this.#hasLeft = true;
        this.#digest = undefined;
        this.#learned.push(this.#self.node);
        return;
      default:
        unreachable(input);
    }
  }

  /** Whatever comes first after a pause may be a message as well as the wake that is overdue. */
  #noticePause(nowMs: number): void {
    const lateMs = nowMs - (this.#wakeAtMs ?? nowMs);
    if (lateMs <= LATE_MS) return;
    this.#wakeAtMs = undefined;
    this.#health.note(1);
    this.#probes.extend(lateMs);
    // Beyond the pause itself: what came meanwhile has still to be read, and may be a refutation.
    this.#table.extendSuspicions(lateMs + Math.min(lateMs, PROBE_PERIOD_MS));
  }

  #woke(nowMs: number): void {
    this.#wakeAtMs = undefined;
    this.#conclude(this.#probes.due(nowMs), nowMs);
    for (const suspect of this.#table.suspects()) {
      this.#askWhenNearlyDue(suspect, nowMs);
      this.#buryWhenDue(suspect, nowMs);
    }
    if (nowMs >= this.#nextProbeMs) this.#probeNext(nowMs);
    if (nowMs >= this.#nextCompareMs) this.#compareWithAny(nowMs);
    if (nowMs >= this.#nextGossipMs) this.#gossip(nowMs);
  }

  #probeNext(nowMs: number): void {
    this.#nextProbeMs = nowMs + this.#health.stretched(PROBE_PERIOD_MS);
    if (this.#hasLeft) return;
    for (let rounds = 0; rounds < 2; rounds += 1) {
      while (this.#order.length > 0) {
        const node = this.#order.pop();
        const subject = node === undefined ? undefined : this.#table.get(node);
        if (subject === undefined || !isTalkedTo(subject) || this.#probes.isUnderWay(subject.node)) continue;
        return this.#probe(subject, nowMs);
      }
      const talkedTo = [...this.#table.all()].filter((subject) => isTalkedTo(subject));
      this.#order = [...this.#chance.shuffled(talkedTo.map(({ node }) => node))];
    }
  }

  #probe(subject: Subject, nowMs: number): void {
    this.#emit(this.#probes.begin(subject, this.#newsFor(subject.node), nowMs));
  }

  /** Performs what follows from a probe; whoever it did not reach is accused by this node. */
  #conclude({ effects, silent }: ReturnType<Probes["due"]>, nowMs: number): void {
    this.#emit(...effects);
    for (const node of silent) {
      const subject = this.#table.get(node);
      if (subject !== undefined && isTalkedTo(subject)) {
        this.#accuse(subject, [this.#self.node], subject.incarnation, nowMs);
      }
    }
  }

  #accuse(subject: Subject, accusers: readonly NodeId[], incarnation: number, nowMs: number): void {
    const from = statusOf(subject);
    const isNews = accusers.filter((accuser) => this.#table.accuse(subject, accuser, incarnation, nowMs)).length > 0;
    if (!isNews) return;
    this.#changed(subject, from);
    this.#buryWhenDue(subject, nowMs);
  }

  #buryWhenDue(subject: Subject, nowMs: number): void {
    const { standing, accusers, incarnation } = subject;
    const isDue = standing === "suspect" && nowMs >= this.#table.deadlineOf(subject);
    if (!isDue || !this.#table.areEnough(accusers)) return;
    this.#bury(subject, incarnation, accusers, nowMs);
  }

  /**
   * A rumour misses one node in a hundred thousand. Before this node says the worst it asks the suspect itself, and
   * accuses it once more before three others, of whom those who know better say so.
   */
  #askWhenNearlyDue(suspect: Subject, nowMs: number): void {
    if (suspect.isAskedLast || nowMs < this.#table.deadlineOf(suspect) - PROBE_PERIOD_MS) return;
    suspect.isAskedLast = true;
    const news = [newsOf(suspect, false)];
    for (const { node } of this.#chance.draw(this.#hearing(nowMs), GOSSIP_PEERS)) {
      this.#emit({ kind: "tell", target: node, news });
    }
    if (!this.#probes.isUnderWay(suspect.node) && !isEvicted(suspect)) this.#probe(suspect, nowMs);
  }

  #bury(subject: Subject, incarnation: number, accusers: readonly NodeId[], nowMs: number): void {
    const from = statusOf(subject);
    this.#table.bury(subject, incarnation, accusers, nowMs);
    this.#changed(subject, from);
  }

  #learn({ by, news, isList = false }: Told, nowMs: number): void {
    const learnedBefore = this.#learned.length;
    for (const one of news) this.#learnOne(one, isList, nowMs);
    if (!isList) this.#correct(by, news);
    // One's own refutation is told however much came with the accusation.
    if (news.length <= RUMOURS_AT_ONCE_MAX) return;
    const own = this.#learned.slice(learnedBefore).filter((node) => node === this.#self.node);
    this.#learned = [...this.#learned.slice(0, learnedBefore), ...own];
  }

  /** Whoever still accuses a node that has refuted it is told so: the refutation has missed him. */
  #correct(by: NodeId, heard: readonly MemberNews[]): void {
    const refuted = heard.flatMap(({ node, incarnation, standing }) => {
      const known = standing === "alive" ? undefined : this.newsOf(node);
      return known === undefined || known.incarnation <= incarnation ? [] : [known];
    });
    if (refuted.length > 0) this.#emit({ kind: "tell", target: by, news: refuted });
  }

  #learnOne(news: MemberNews, isList: boolean, nowMs: number): void {
    if (news.node === this.#self.node) return this.#hearOfSelf(news, nowMs);
    const subject = this.#table.get(news.node) ?? this.#introduce(news, nowMs);
    if (subject === undefined) return;
    if (news.evictions > subject.evictions) {
      const from = statusOf(subject);
      this.#table.evict(subject, news.evictions, nowMs);
      this.#changed(subject, from);
    }
    const { incarnation, standing, accusers, description } = news;
    if (incarnation < subject.incarnation) return;
    const from = statusOf(subject);
    switch (standing) {
      case "alive":
        if (incarnation === subject.incarnation || description === undefined) return;
        this.#table.revive(subject, incarnation, description, nowMs);
        return this.#changed(subject, from);
      case "suspect":
        return this.#accuse(subject, accusers, incarnation, nowMs);
      case "dead":
        // A list may be old: what it says of the dead is only what somebody once found.
        if (isList || !this.#table.areEnough(accusers)) {
          return this.#accuse(subject, accusers, incarnation, nowMs);
        }
        if (subject.standing === "dead" || subject.standing === "left") {
          if (incarnation === subject.incarnation) return;
        }
        return this.#bury(subject, incarnation, accusers, nowMs);
      case "left":
        if (incarnation === subject.incarnation && subject.standing === "left") return;
        this.#table.leave(subject, incarnation, nowMs);
        return this.#changed(subject, from);
      default:
        unreachable(standing);
    }
  }

  /** A node that was not known. `undefined` when nobody says who it is, or there is no room. */
  #introduce(news: MemberNews, nowMs: number): Subject | undefined {
    if (news.description === undefined) return undefined;
    if (this.#table.size + 1 >= MEMBERS_MAX || (isMember(news) && this.#table.members > PEERS_MAX)) {
      if (!this.#isFullTold) this.#emit({ kind: "report", trouble: "too-many-members", node: news.node });
      this.#isFullTold = true;
      return undefined;
    }
    const subject = this.#table.add(news.node, news.description, news, nowMs);
    // Somewhere in the present round, or the newest would always be probed first.
    this.#order.splice(this.#chance.below(this.#order.length + 1), 0, news.node);
    this.#changed(subject, undefined);
    return subject;
  }

  #remember(news: MemberNews, nowMs: number): void {
    if (news.description === undefined || news.node === this.#self.node) return;
    const subject = this.#table.add(news.node, news.description, news, nowMs);
    // A suspicion of a former life has nobody to see it through.
    if (news.standing === "dead") this.#table.bury(subject, news.incarnation, news.accusers, nowMs);
    if (news.standing === "left") this.#table.leave(subject, news.incarnation, nowMs);
  }

  /** What others say of this node is right only when it says so itself. */
  #hearOfSelf({ incarnation, standing, evictions, description }: MemberNews, nowMs: number): void {
    if (evictions > this.#evictions) {
      this.#evictions = evictions;
      this.#digest = undefined;
      this.#learned.push(this.#self.node);
      this.#emit({ kind: "changed", node: this.#self.node, from: undefined });
      if (evictions % 2 === 1) this.#emit({ kind: "report", trouble: "evicted-self", node: this.#self.node });
    }
    if (this.#hasLeft || incarnation < this.#incarnation) return;
    if (standing !== "alive") {
      if (standing !== "left") this.#health.note(1);
      return this.#rise(incarnation + 1);
    }
    const { origin, nonce } = this.#self.description;
    const isOther = description !== undefined && (description.origin !== origin || description.nonce !== nonce);
    if (incarnation === this.#incarnation && !isOther) return;
    // A former life, or another node of this name. With the latter it would go on for ever, as fast as the network is.
    const isRival = nowMs - this.#rivalAtMs < PROBE_PERIOD_MS;
    if (isRival) return this.#emit({ kind: "report", trouble: "same-name", node: this.#self.node });
    this.#rivalAtMs = nowMs;
    this.#rise(incarnation + 1);
  }

  #rise(incarnation: number): void {
    this.#wanted = Math.max(this.#wanted, incarnation);
    if (incarnation > this.#reservedUpto) {
      return this.#emit({ kind: "reserve", upto: this.#wanted + INCARNATIONS_RESERVED });
    }
    this.#incarnation = incarnation;
    this.#digest = undefined;
    this.#learned.push(this.#self.node);
    this.#emit({ kind: "changed", node: this.#self.node, from: undefined });
  }

  #reserved(upto: number): void {
    this.#reservedUpto = Math.max(this.#reservedUpto, upto);
    if (this.#wanted > this.#incarnation && this.#wanted <= this.#reservedUpto) this.#rise(this.#wanted);
  }

  #decide(node: NodeId, isOut: boolean, nowMs: number): void {
    const subject = this.#table.get(node);
    if (subject === undefined || isEvicted(subject) === isOut) return;
    const from = statusOf(subject);
    this.#table.evict(subject, subject.evictions + 1, nowMs);
    this.#changed(subject, from);
  }

  #met({ node, origin, boot }: SwimInput & { readonly kind: "met" }): void {
    if (node === this.#self.node) return;
    const subject = this.#table.get(node);
    const isAsKnown =
      subject?.standing === "alive" && subject.description.origin === origin && subject.description.boot === boot;
    if (isAsKnown && this.#hasCompared) return;
    if (subject === undefined || !isEvicted(subject)) this.#compareWith(node);
  }

  #lost(node: NodeId, nowMs: number): void {
    const subject = this.#table.get(node);
    if (subject?.standing !== "alive" || isEvicted(subject) || this.#hasLeft) return;
    if (!this.#probes.isUnderWay(node)) this.#probe(subject, nowMs);
  }

  #compareWithAny(nowMs: number): void {
    const periodMs = comparePeriodMs(this.#table.members);
    this.#nextCompareMs = nowMs + periodMs * (0.75 + this.#chance.fraction() / 2);
    const [subject] = this.#chance.draw(
      [...this.#table.all()].filter((one) => isTalkedTo(one)),
      1,
    );
    if (subject !== undefined && !this.#hasLeft) this.#compareWith(subject.node);
  }

  #compareWith(target: NodeId): void {
    this.#emit({ kind: "compare", target, digest: this.digest(), news: [this.#ownNews()] });
  }

  /** What the other's list lacks or has older. */
  #tellWhatLacks(target: NodeId, theirs: readonly MemberNews[]): void {
    const known = new Map(theirs.map((news) => [news.node, news]));
    const lacks = this.everything().filter((news) => {
      const other = known.get(news.node);
      return other === undefined || news.evictions > other.evictions || compareNews(news, other) > 0;
    });
    if (lacks.length > 0) this.#emit({ kind: "tell", target, news: lacks });
  }

  /** What goes along with a message to `target`: what is said of it, so that it may refute that, and then what is news. */
  #newsFor(target: NodeId): readonly MemberNews[] {
    const subject = this.#table.get(target);
    const isAccused = subject !== undefined && statusOf(subject) !== "alive";
    const first = isAccused ? [newsOf(subject, false)] : [];
    const others = this.#rumours.take(NEWS_PER_MESSAGE_MAX - first.length).filter((node) => node !== target);
    return [...first, ...others.flatMap((node) => this.#rumourOf(node) ?? [])];
  }

  /** What is told of a node to those who probably know it. */
  #rumourOf(node: NodeId): MemberNews | undefined {
    if (node === this.#self.node) return this.#ownNews();
    const subject = this.#table.get(node);
    return subject === undefined ? undefined : newsOf(subject, subject.standing === "alive");
  }

  #ownNews(): MemberNews {
    const { node, description } = this.#self;
    const standing = this.#hasLeft ? "left" : "alive";
    const evictions = this.#evictions;
    return { node, incarnation: this.#incarnation, standing, accusers: [], evictions, description };
  }

  #changed(subject: Subject, from: MemberStatus | undefined): void {
    this.#digest = undefined;
    this.#learned.push(subject.node);
    this.#emit({ kind: "changed", node: subject.node, from });
  }

  /** What this step has learned goes on at once, and to whom it is about if that is bad. */
  #pushLearned(nowMs: number): void {
    const learned = new Set(this.#learned);
    if (learned.size === 0) return;
    const times = transmissionsOf(this.#table.members);
    for (const node of learned) this.#rumours.tell(node, times);
    for (const node of learned) {
      if (this.#table.get(node)?.standing !== "suspect") continue;
      this.#emit({ kind: "tell", target: node, news: this.#newsFor(node) });
    }
    this.#gossip(nowMs);
  }

  /** Three others hear what is still told; each of them tells three. */
  #gossip(nowMs: number): void {
    const hearing = this.#hearing(nowMs);
    for (const { node } of this.#chance.draw(hearing, GOSSIP_PEERS)) {
      const news = this.#newsFor(node);
      if (news.length > 0) this.#emit({ kind: "tell", target: node, news });
    }
    // With nobody to hear it, it waits for the next who is met.
    const isOver = this.#rumours.isEmpty || hearing.length === 0;
    this.#nextGossipMs = isOver ? Number.POSITIVE_INFINITY : nowMs + GOSSIP_PERIOD_MS;
  }

  #hearing(nowMs: number): readonly Subject[] {
    return [...this.#table.all()].filter((subject) => hears(subject, nowMs));
  }

  #askForWake(nowMs: number): void {
    let atMs = Math.min(this.#nextProbeMs, this.#nextCompareMs, this.#nextGossipMs, this.#probes.nextMs);
    for (const suspect of this.#table.suspects()) {
      // While somebody's time runs, a pause must not hide between two wakes that lie far apart.
      atMs = Math.min(atMs, nowMs + PULSE_MS);
      // Who lacks an accuser waits for one, not for the time.
      if (!this.#table.areEnough(suspect.accusers)) continue;
      const deadlineMs = this.#table.deadlineOf(suspect);
      atMs = Math.min(atMs, suspect.isAskedLast ? deadlineMs : deadlineMs - PROBE_PERIOD_MS);
    }
    // What is overdue is due now; or the wake would seem to come late.
    atMs = Math.max(atMs, nowMs);
    if (atMs === this.#wakeAtMs) return;
    this.#wakeAtMs = atMs;
    this.#emit({ kind: "wake", atMs });
  }

  #emit(...effects: readonly SwimEffect[]): void {
    this.#effects.push(...effects);
  }
}

/** News that came from another node; a list is all that it knows, however old. */
type Told = { readonly by: NodeId; readonly news: readonly MemberNews[]; readonly isList?: boolean };

function viewOf({ node, description, standing, evictions, incarnation, sinceMs }: Subject): MemberView {
  return { node, description, status: statusOf({ standing, evictions }), incarnation, sinceMs };
}

/** The dead are told for a while: they may be no more than cut off. */
function hears(subject: Subject, nowMs: number): boolean {
  if (subject.standing === "dead") return !isEvicted(subject) && nowMs - subject.sinceMs < GOSSIP_TO_THE_DEAD_MS;
  return isTalkedTo(subject);
}
