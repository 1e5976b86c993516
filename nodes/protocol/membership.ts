/**
 * Which of the configured addresses answer, who lives there, and how far away it is.
 *
 * The problem is to notice a broken link soon, a healed one sooner, and neither too often. Two kinds of evidence
 * come in. A stream that breaks is a fact about the link as it was: the peer is unreachable from that moment, and it
 * is greeted at once to learn whether the link is still broken. A greeting that is not answered in time may merely be
 * late: only the second in a row counts. Whoever is unreachable is greeted again at least every `RETRY_MS_MAX`,
 * without waiting for the earlier greeting to time out, because the greeting that was sent before the link healed may
 * never come back. That one rule makes a healed link usable within a second.
 *
 * The operator names some addresses, the seeds; the others are learned from whoever answers there. A learned address is
 * greeted like a seed, and forgotten when its node is no longer a member or has moved. The more there are, the more
 * rarely each is greeted, so that a node's greetings do not grow with the cluster.
 *
 * The result is *reachability*: this node's own view of a link, which drives routing and the choice of sources. It says
 * nothing about who is alive; nobody is ever declared dead here.
 *
 * A node may find itself in its list, because operators give every node the same one: same origin, same start, dropped
 * for good. Another start of the own origin that is alive *now* means that the data directory was copied. Both
 * copies would number different ops alike, which nothing later can repair, so this node must stop writing.
 *
 * Source: SWIM (Das et al., 2002) for the second chance; consul's serf for the conflict of names.
 */

import type { NodeIdentity } from "../../shared/identity.ts";
import { unreachable } from "../../shared/invariant.ts";
import type { Machine } from "./machine.ts";

/** `host:port` of a peer listener. */
export type Address = string;

/** What a node must have said of itself to be judged here. */
export type Introduction = NodeIdentity & {
  readonly protocol: { readonly min: number; readonly max: number };
  readonly advertise: { readonly peer: Address };
};

export type Reachability = "connecting" | "reachable" | "unreachable";

export type MemberView<Said extends Introduction> = {
  readonly address: Address;
  readonly reachability: Reachability;
  /** When the reachability became what it is, on the driver's monotonic clock. */
  readonly sinceMs: number;
  /** Who answered last; kept while unreachable. */
  readonly said: Said | undefined;
  /** The distance: the shortest of the last `ROUND_TRIPS_KEPT`. */
  readonly roundTripMs: number | undefined;
  /** What a call should take now, for timeouts: an exponentially weighted mean. */
  readonly smoothedRoundTripMs: number | undefined;
};

/** Times are of one monotonic clock; `jitter` is even in [0, 1). */
export type MembershipInput<Said extends Introduction> =
  | { readonly kind: "woke"; readonly nowMs: number; readonly jitter: number }
  | {
      readonly kind: "answered";
      readonly address: Address;
      readonly greetingNumber: number;
      readonly said: Said;
      readonly roundTripMs: number;
      readonly nowMs: number;
    }
  | { readonly kind: "failed"; readonly address: Address; readonly greetingNumber: number; readonly nowMs: number }
  /** A stream with the peer ended by an error, or fell silent. */
  | { readonly kind: "broken"; readonly address: Address; readonly nowMs: number }
  /** This node goes on under another origin. */
  | { readonly kind: "renamed"; readonly self: Introduction; readonly nowMs: number }
  /** Where the members of the cluster say they are, this node among them or not. */
  | { readonly kind: "known"; readonly addresses: readonly Address[]; readonly nowMs: number }
  /** The peer called this node. */
  | { readonly kind: "heard"; readonly said: Said; readonly nowMs: number };

export type MembershipTrouble =
  | "other-cluster"
  | "other-protocol"
  | "same-name"
  | "moved"
  | "two-lives"
  | "own-origin-elsewhere";

export type MembershipEffect =
  /** Answered by `answered` or `failed` with the same number, after `timeoutMs` at the latest. */
  | {
      readonly kind: "greet";
      readonly address: Address;
      readonly greetingNumber: number;
      readonly timeoutMs: number;
    }
  /** Give `woke` at `atMs`; replaces what was asked before. */
  | { readonly kind: "wake"; readonly atMs: number }
  /** Tell whoever watches: reachability or identity at this address is another than before. */
  | { readonly kind: "changed"; readonly address: Address }
  /** Close the connections and open new ones: the old ones may be half open and will not notice a healed link for minutes. */
  | { readonly kind: "redial"; readonly address: Address }
  /** Open connections to an address that is new. */
  | { readonly kind: "dial"; readonly address: Address }
  /** It is this node itself, or no member's any more: forget the address. */
  | { readonly kind: "drop"; readonly address: Address }
  /** This node must not write any more. */
  | { readonly kind: "fence"; readonly trouble: MembershipTrouble; readonly said: Introduction }
  /** For the operator; nothing else follows from it. */
  | {
      readonly kind: "report";
      readonly trouble: MembershipTrouble;
      readonly address: Address;
      readonly said: Introduction;
    };

export const GREET_PERIOD_MS = 1_000;
export const RETRY_MS_MIN = 250;
export const RETRY_MS_MAX = 500;
/** A greeting includes opening a connection: three round trips with TLS. */
export const GREET_TIMEOUT_MS_MIN = 500;
export const GREET_TIMEOUT_MS_MAX = 2_000;
/** Calls of a peer whose link is cut in one direction must not make this node greet it without pause. */
const HEARD_PAUSE_MS = 100;
const FAILURES_UNTIL_UNREACHABLE = 2;
/**
 * A connection that was being opened when the link broke retries after 1, 3 and 7 s; a fresh one every two seconds never
 * leaves a healed link unused for longer than one. Not sooner: a slow link needs the time to open it.
 */
const REDIAL_PERIOD_MS = GREET_TIMEOUT_MS_MAX;
const UNREACHABLE_UNTIL_REDIAL_MS = 1_000;
/** Nobody of another cluster or version becomes one of ours by being asked often. */
const REFUSED_PERIOD_MS = 5_000;
/** With more addresses than this each is greeted more rarely. */
const GREETED_OFTEN = 12;
const ROUND_TRIPS_KEPT = 20;
/** Weight of a new sample. Source: RFC 6298, alpha. */
const SMOOTHING = 1 / 8;
/** How long a message of this node's former start can have been under way. */
const ECHO_MS_MAX = 5_000;

type Member<Said extends Introduction> = {
  readonly address: Address;
  /** Named by the operator. */
  readonly isSeed: boolean;
  reachability: Reachability;
  sinceMs: number;
  said: Said | undefined;
  roundTrips: number[];
  smoothedMs: number | undefined;
  greetingNumber: number;
  /** Highest number of a greeting that was answered; failures of it and of earlier ones are old news. */
  answeredNumber: number;
  inFlight: number;
  failures: number;
  greetedAtMs: number;
  nextGreetingMs: number;
  redialedAtMs: number;
  jitter: number;
  /** Already reported, so that a mistake in a configuration is said once and not every second. */
  reported: string;
};

export class Membership<Said extends Introduction> implements Machine<MembershipInput<Said>, MembershipEffect> {
  #self: Introduction;
  readonly #members: Map<Address, Member<Said>>;
  /** Where this node has met itself. */
  readonly #own: Set<Address>;
  #wakeAtMs: number | undefined;
  #echoFirstMs: number | undefined;

  constructor(self: Introduction, join: readonly Address[], nowMs: number) {
    this.#self = self;
    this.#members = new Map(join.map((address) => [address, newMember(address, true, nowMs)]));
    this.#own = new Set([self.advertise.peer]);
  }

  /** In the order of the list; without addresses that turned out to be this node. */
  members(): readonly MemberView<Said>[] {
    return [...this.#members.values()].map((member) => ({
      address: member.address,
      reachability: member.reachability,
      sinceMs: member.sinceMs,
      said: member.said,
      roundTripMs: member.roundTrips.length === 0 ? undefined : Math.min(...member.roundTrips),
      smoothedRoundTripMs: member.smoothedMs,
    }));
  }

  step(input: MembershipInput<Said>): readonly MembershipEffect[] {
    const effects = this.#judge(input);
    const wakeAtMs = Math.min(...[...this.#members.values()].map(({ nextGreetingMs }) => nextGreetingMs));
    if (wakeAtMs === this.#wakeAtMs || !Number.isFinite(wakeAtMs)) return effects;
    this.#wakeAtMs = wakeAtMs;
    return [...effects, { kind: "wake", atMs: wakeAtMs }];
  }

  #judge(input: MembershipInput<Said>): readonly MembershipEffect[] {
    switch (input.kind) {
      case "woke":
        this.#wakeAtMs = undefined;
        return [...this.#members.values()].flatMap((member) => greetWhenDue(member, input, this.#rarity()));
      case "answered":
        return this.#answered(input);
      case "failed":
        return this.#failed(input);
      case "broken":
        return this.#broken(input);
      case "known":
        return this.#known(input.addresses, input.nowMs);
      case "heard":
        return this.#heard(input);
      case "renamed":
        this.#self = input.self;
        return [...this.#members.values()].flatMap((member) => redial(member, input.nowMs));
      default:
        return unreachable(input);
    }
  }

  #answered(input: MembershipInput<Said> & { readonly kind: "answered" }): readonly MembershipEffect[] {
    const { address, said, nowMs } = input;
    const member = this.#members.get(address);
    if (member === undefined) return [];
    member.inFlight -= 1;
    if (input.greetingNumber < member.answeredNumber) return [];
    member.answeredNumber = input.greetingNumber;

    if (isSameLife(said, this.#self)) {
      this.#own.add(address);
      this.#members.delete(address);
      return [{ kind: "drop", address }];
    }
    const trouble = this.#troubleWith(said);
    if (trouble !== undefined) {
      const isFatal = trouble === "own-origin-elsewhere";
      const told = isFatal ? [{ kind: "fence" as const, trouble, said }] : reportOnce(member, trouble, said);
      member.nextGreetingMs = nowMs + REFUSED_PERIOD_MS;
      return [...told, ...lose(member, nowMs)];
    }
    return this.#welcome(member, input);
  }

  #welcome(
    member: Member<Said>,
    { said, roundTripMs, nowMs }: MembershipInput<Said> & { readonly kind: "answered" },
  ): readonly MembershipEffect[] {
    const { address, said: before, reachability } = member;
    const isSameNode = before !== undefined && before.node === said.node && before.origin === said.origin;
    const told = before !== undefined && before.node !== said.node ? reportOnce(member, "moved", said) : [];
    const twin = this.#twinOf(member, said);
    const twins = twin === undefined ? [] : reportOnce(member, "two-lives", said);
    if (told.length + twins.length === 0) member.reported = "";

    if (!isSameNode) member.roundTrips = [];
    member.roundTrips = [...member.roundTrips, roundTripMs].slice(-ROUND_TRIPS_KEPT);
    member.smoothedMs =
      isSameNode && member.smoothedMs !== undefined
        ? member.smoothedMs + SMOOTHING * (roundTripMs - member.smoothedMs)
        : roundTripMs;
    member.said = said;
    member.failures = 0;
    member.nextGreetingMs = nowMs + GREET_PERIOD_MS * this.#rarity() * (1 - member.jitter / 4);

    if (reachability === "reachable" && isSameNode && before.boot === said.boot) return [...told, ...twins];
    if (reachability !== "reachable") {
      member.reachability = "reachable";
      member.sinceMs = nowMs;
    }
    return [...told, ...twins, { kind: "changed", address }];
  }

  #failed({
    address,
    greetingNumber,
    nowMs,
  }: MembershipInput<Said> & { readonly kind: "failed" }): readonly MembershipEffect[] {
    const member = this.#members.get(address);
    if (member === undefined) return [];
    member.inFlight -= 1;
    if (greetingNumber <= member.answeredNumber) return [];

    member.failures += 1;
    if (member.reachability === "reachable" && member.failures < FAILURES_UNTIL_UNREACHABLE) {
      member.nextGreetingMs = nowMs;
      return [];
    }
    return [...lose(member, nowMs), ...redialWhenDue(member, nowMs)];
  }

  #broken({ address, nowMs }: MembershipInput<Said> & { readonly kind: "broken" }): readonly MembershipEffect[] {
    const member = this.#members.get(address);
    if (member?.reachability !== "reachable") return [];
    member.nextGreetingMs = Math.max(nowMs, member.greetedAtMs + HEARD_PAUSE_MS);
    return lose(member, nowMs);
  }

  /** The seeds stay whatever is known. Who was met under a seed's address is not dialed a second time under his own. */
  #known(addresses: readonly Address[], nowMs: number): readonly MembershipEffect[] {
    const aliases = new Set(
      [...this.#members.values()].flatMap(({ address, said, isSeed }) =>
        isSeed && said !== undefined && said.advertise.peer !== address ? said.advertise.peer : [],
      ),
    );
    const wanted = new Set(addresses.filter((address) => !this.#own.has(address) && !aliases.has(address)));
    const dropped = [...this.#members.values()].filter(({ address, isSeed }) => !isSeed && !wanted.has(address));
    for (const { address } of dropped) this.#members.delete(address);
    const added = [...wanted].filter((address) => !this.#members.has(address));
    for (const address of added) this.#members.set(address, newMember(address, false, nowMs));
    return [
      ...dropped.map(({ address }) => ({ kind: "drop" as const, address })),
      ...added.map((address) => ({ kind: "dial" as const, address })),
    ];
  }

  /** By how much each is greeted more rarely than in a small cluster. */
  #rarity(): number {
    return Math.max(1, this.#members.size / GREETED_OFTEN);
  }

  #heard({ said, nowMs }: MembershipInput<Said> & { readonly kind: "heard" }): readonly MembershipEffect[] {
    if (said.origin === this.#self.origin) return this.#heardOwnOrigin(said, nowMs);
    const member = [...this.#members.values()].find(
      ({ address, said: known }) => known?.origin === said.origin || address === said.advertise.peer,
    );
    if (member === undefined || member.reachability === "reachable") return [];
    member.nextGreetingMs = Math.min(member.nextGreetingMs, Math.max(nowMs, member.greetedAtMs + HEARD_PAUSE_MS));
    return [];
  }

  /** A call may have been made by this node's former start and arrive only now; nobody but a copy makes such calls for long. */
  #heardOwnOrigin(said: Said, nowMs: number): readonly MembershipEffect[] {
    if (isSameLife(said, this.#self)) return [];
    this.#echoFirstMs ??= nowMs;
    const isEcho = said.boot < this.#self.boot && nowMs - this.#echoFirstMs < ECHO_MS_MAX;
    return isEcho ? [] : [{ kind: "fence", trouble: "own-origin-elsewhere", said }];
  }

  #troubleWith(said: Said): MembershipTrouble | undefined {
    if (said.cluster !== this.#self.cluster) return "other-cluster";
    const common = Math.min(said.protocol.max, this.#self.protocol.max);
    if (common < said.protocol.min || common < this.#self.protocol.min) return "other-protocol";
    if (said.origin === this.#self.origin) return "own-origin-elsewhere";
    return said.node === this.#self.node ? "same-name" : undefined;
  }

  /** Another address where the same origin is alive in another start, or under another name. */
  #twinOf(member: Member<Said>, said: Said): Member<Said> | undefined {
    return [...this.#members.values()].find(
      (other) =>
        other !== member &&
        other.reachability === "reachable" &&
        other.said?.origin === said.origin &&
        !isSameLife(other.said, said),
    );
  }
}

function newMember<Said extends Introduction>(address: Address, isSeed: boolean, nowMs: number): Member<Said> {
  return {
    address,
    isSeed,
    reachability: "connecting",
    sinceMs: nowMs,
    said: undefined,
    roundTrips: [],
    smoothedMs: undefined,
    greetingNumber: 0,
    answeredNumber: 0,
    inFlight: 0,
    failures: 0,
    greetedAtMs: Number.NEGATIVE_INFINITY,
    nextGreetingMs: nowMs,
    redialedAtMs: Number.NEGATIVE_INFINITY,
    jitter: 0,
    reported: "",
  };
}

function isSameLife(left: Introduction, right: Introduction): boolean {
  return (
    left.origin === right.origin &&
    left.boot === right.boot &&
    left.nonce === right.nonce &&
    left.node === right.node &&
    left.advertise.peer === right.advertise.peer
  );
}

function greetWhenDue<Said extends Introduction>(
  member: Member<Said>,
  { nowMs, jitter }: { readonly nowMs: number; readonly jitter: number },
  rarity: number,
): readonly MembershipEffect[] {
  if (nowMs < member.nextGreetingMs) return [];
  member.jitter = jitter;
  member.greetedAtMs = nowMs;
  member.nextGreetingMs = nowMs + rarity * (RETRY_MS_MIN + jitter * (RETRY_MS_MAX - RETRY_MS_MIN));
  // A reachable peer is greeted again when it has answered, or failed to.
  const isWaitedFor = member.reachability === "reachable" && member.inFlight > 0;
  if (isWaitedFor) return [];
  member.greetingNumber += 1;
  member.inFlight += 1;
  const { address, greetingNumber } = member;
  return [{ kind: "greet", address, greetingNumber, timeoutMs: timeoutOf(member) }];
}

/** Doubled with each failure, so that a link which has become slow is waited for and not given up. */
function timeoutOf<Said extends Introduction>({ smoothedMs, failures }: Member<Said>): number {
  if (smoothedMs === undefined) return GREET_TIMEOUT_MS_MAX;
  return Math.min(GREET_TIMEOUT_MS_MAX, Math.max(GREET_TIMEOUT_MS_MIN, 4 * smoothedMs) * 2 ** failures);
}

function redialWhenDue<Said extends Introduction>(member: Member<Said>, nowMs: number): readonly MembershipEffect[] {
  const isDue =
    nowMs - member.sinceMs >= UNREACHABLE_UNTIL_REDIAL_MS && nowMs - member.redialedAtMs >= REDIAL_PERIOD_MS;
  return isDue ? redial(member, nowMs) : [];
}

function redial<Said extends Introduction>(member: Member<Said>, nowMs: number): readonly MembershipEffect[] {
  member.redialedAtMs = nowMs;
  member.nextGreetingMs = nowMs;
  return [{ kind: "redial", address: member.address }];
}

function lose<Said extends Introduction>(member: Member<Said>, nowMs: number): readonly MembershipEffect[] {
  const { address, reachability } = member;
  if (reachability === "unreachable") return [];
  member.reachability = "unreachable";
  member.sinceMs = nowMs;
  return [{ kind: "changed", address }];
}

function reportOnce<Said extends Introduction>(
  member: Member<Said>,
  trouble: MembershipTrouble,
  said: Said,
): readonly MembershipEffect[] {
  const news = `${trouble} ${said.node} ${said.origin} ${said.boot}`;
  if (member.reported === news) return [];
  member.reported = news;
  return [{ kind: "report", trouble, address: member.address, said }];
}
