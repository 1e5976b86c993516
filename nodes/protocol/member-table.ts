/**
 * Who is known, what was last said of each, and which of two things said of one node holds: the higher incarnation,
 * and within one the graver standing. Only the node itself raises its incarnation, so any two nodes that have heard
 * the same hold the same, in whatever order they heard it.
 *
 * A node dies here only when accusers from two regions say so, in a cluster of three regions or more. Nodes of a
 * region that is cut off accuse the rest of the world in vain: to them it stays suspect. So they re-place nothing.
 */
import type { NodeId, Region } from "../../shared/identity.ts";
import { MEMBER_ACCUSERS_MAX } from "../../shared/limits.ts";
import {
  compareNews,
  isEvicted,
  type MemberDescription,
  type MemberNews,
  type MemberStanding,
  type MemberStatus,
} from "../../shared/member.ts";
import { CONFIRMATIONS, suspicionMs } from "./suspicion.ts";

const REGIONS_THAT_ACCUSE = 2;

/** Another node, as it is known here. Changed by the table only. */
export type Subject = {
  readonly node: NodeId;
  description: MemberDescription;
  incarnation: number;
  standing: MemberStanding;
  accusers: readonly NodeId[];
  evictions: number;
  /** When the status became what it is. */
  sinceMs: number;
  /** When the suspicion began; moved on by pauses of this node. */
  suspectedAtMs: number;
  /** Whether this node has asked the suspect itself, once its time was nearly over. */
  isAskedLast: boolean;
};

export class MemberTable {
  readonly #self: { readonly node: NodeId; readonly region: Region };
  readonly #subjects = new Map<NodeId, Subject>();
  /** Nodes that are suspect, so that looking after them costs nothing when there are none. */
  readonly #suspects = new Set<Subject>();
  #regions = 1;
  #members = 1;

  constructor(self: { readonly node: NodeId; readonly region: Region }) {
    this.#self = self;
  }

  get(node: NodeId): Subject | undefined {
    return this.#subjects.get(node);
  }

  all(): Iterable<Subject> {
    return this.#subjects.values();
  }

  get size(): number {
    return this.#subjects.size;
  }

  suspects(): Iterable<Subject> {
    return this.#suspects;
  }

  /** Members of the cluster, this node among them: all but those that left or were evicted. */
  get members(): number {
    return this.#members;
  }

  add(node: NodeId, description: MemberDescription, { incarnation, evictions }: MemberNews, nowMs: number): Subject {
    const subject: Subject = {
      node,
      description,
      incarnation,
      standing: "alive",
      accusers: [],
      evictions,
      sinceMs: nowMs,
      suspectedAtMs: nowMs,
      isAskedLast: false,
    };
    this.#subjects.set(node, subject);
    this.#recount();
    return subject;
  }

  /** The node said so itself. */
  revive(subject: Subject, incarnation: number, description: MemberDescription, nowMs: number): void {
    subject.incarnation = incarnation;
    subject.description = description;
    this.#set(subject, "alive", nowMs);
    this.#recount();
  }

  leave(subject: Subject, incarnation: number, nowMs: number): void {
    subject.incarnation = incarnation;
    this.#set(subject, "left", nowMs);
    this.#recount();
  }

  evict(subject: Subject, evictions: number, nowMs: number): void {
    const before = statusOf(subject);
    subject.evictions = evictions;
    if (statusOf(subject) !== before) subject.sinceMs = nowMs;
    this.#recount();
  }

  /** Whether the accusation is new and worth telling on. */
  accuse(subject: Subject, accuser: NodeId, incarnation: number, nowMs: number): boolean {
    const order = compareNews({ incarnation, standing: "suspect" }, subject);
    if (order < 0 || accuser === subject.node) return false;
    if (order > 0) {
      subject.incarnation = incarnation;
      this.#set(subject, "suspect", nowMs);
      subject.accusers = [accuser];
      subject.suspectedAtMs = nowMs;
      subject.isAskedLast = false;
      return true;
    }
    if (subject.accusers.includes(accuser) || !this.#isUseful(subject, accuser)) return false;
    subject.accusers = [...subject.accusers, accuser];
    return true;
  }

  bury(subject: Subject, incarnation: number, accusers: readonly NodeId[], nowMs: number): void {
    subject.incarnation = incarnation;
    subject.accusers = accusers;
    this.#set(subject, "dead", nowMs);
  }

  /** When the suspect's time is over. */
  deadlineOf({ accusers, suspectedAtMs }: Subject): number {
    return suspectedAtMs + suspicionMs(this.members, accusers.length);
  }

  /** Whether `accusers` are enough for a death. */
  areEnough(accusers: readonly NodeId[]): boolean {
    const isSpread = this.#regions > REGIONS_THAT_ACCUSE;
    return this.#regionsOf(accusers).size >= (isSpread ? REGIONS_THAT_ACCUSE : 1);
  }

  /** A pause of this node is nobody's silence. */
  extendSuspicions(byMs: number): void {
    for (const subject of this.#suspects) subject.suspectedAtMs += byMs;
  }

  /** Another accuser is of use while the timeout can still shrink, or when it comes from another region. */
  #isUseful({ accusers }: Subject, accuser: NodeId): boolean {
    if (accusers.length <= CONFIRMATIONS) return true;
    if (accusers.length >= MEMBER_ACCUSERS_MAX) return false;
    const regions = this.#regionsOf(accusers);
    const region = this.#regionOf(accuser);
    return regions.size < REGIONS_THAT_ACCUSE && region !== undefined && !regions.has(region);
  }

  #regionsOf(accusers: readonly NodeId[]): ReadonlySet<Region> {
    return new Set(accusers.flatMap((accuser) => this.#regionOf(accuser) ?? []));
  }

  /** Of whoever may accuse: nobody who is not known to belong here. */
  #regionOf(accuser: NodeId): Region | undefined {
    if (accuser === this.#self.node) return this.#self.region;
    const subject = this.#subjects.get(accuser);
    return subject !== undefined && isMember(subject) ? subject.description.region : undefined;
  }

  #set(subject: Subject, standing: MemberStanding, nowMs: number): void {
    const before = statusOf(subject);
    subject.standing = standing;
    if (standing === "suspect") this.#suspects.add(subject);
    else this.#suspects.delete(subject);
    if (standing === "alive" || standing === "left") subject.accusers = [];
    if (statusOf(subject) !== before) subject.sinceMs = nowMs;
  }

  #recount(): void {
    const members = [...this.#subjects.values()].filter((subject) => isMember(subject));
    this.#members = members.length + 1;
    this.#regions = new Set([this.#self.region, ...members.map(({ description }) => description.region)]).size;
  }
}

export function statusOf(subject: Pick<Subject, "standing" | "evictions">): MemberStatus {
  return isEvicted(subject) ? "evicted" : subject.standing;
}

/** Belongs to the cluster, dead or alive. */
export function isMember(subject: Pick<Subject, "standing" | "evictions">): boolean {
  return !isEvicted(subject) && subject.standing !== "left";
}

export function isTalkedTo(subject: Pick<Subject, "standing" | "evictions">): boolean {
  return isMember(subject) && subject.standing !== "dead";
}

export function newsOf(subject: Subject, isDescribed: boolean): MemberNews {
  const { node, incarnation, standing, accusers, evictions, description } = subject;
  return { node, incarnation, standing, accusers, evictions, description: isDescribed ? description : undefined };
}
