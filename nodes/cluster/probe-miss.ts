import { InvariantError } from "../../shared/invariant.ts";
import { MISS_PROBE_PEERS, MISS_PROBE_TIMEOUT_MS } from "../../shared/limits.ts";
import type { Reference, RepositoryName } from "../../shared/reference.ts";
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import type { Metadata } from "../storage/metadata.ts";
import { within } from "./deadline.ts";
import { keepArrived } from "./keep-arrived.ts";
import type { PeerDirectory, ReachableMember } from "./peer-directory.ts";

export type ProbeMissDeps = {
  readonly metadata: Metadata;
  readonly directory: Pick<PeerDirectory, "reachable">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
};

const NEGATIVE_MS = 1_000;
const NEGATIVES_MAX = 10_000;

type Result = "found" | "unknown" | "unreachable";

/**
 * The last question before a 404. A client that pushed in one region and pulls in another may be faster than
 * replication; so whoever misses a tag or a manifest asks the nearest peers, once and in one round trip. Callers who
 * miss the same thing share one question, and a "no" is remembered for a moment, so that clients who keep asking
 * for what does not exist cannot make the nodes busy with each other.
 */
export class ProbeMiss {
  readonly #deps: ProbeMissDeps;
  readonly #underWay = new Map<string, Promise<boolean>>();
  /** Until when a "no" holds, oldest first. */
  readonly #negatives = new Map<string, number>();

  constructor(deps: ProbeMissDeps) {
    this.#deps = deps;
  }

  /** Whether a peer knew the tag or manifest; what it knew is durable here then, and the caller looks again. */
  async manifest(repo: RepositoryName, reference: Reference): Promise<boolean> {
    const name = reference.kind === "tag" ? reference.tag : reference.digest;
    const key = `${reference.kind} ${repo} ${name}`;
    if ((this.#negatives.get(key) ?? Number.NEGATIVE_INFINITY) > this.#deps.clock.monotonicMs()) return false;
    const asked = this.#underWay.get(key) ?? this.#ask(repo, reference).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, asked);
    const isFound = await asked;
    if (!isFound) this.#remember(key);
    return isFound;
  }

  #remember(key: string): void {
    this.#negatives.delete(key);
    this.#negatives.set(key, this.#deps.clock.monotonicMs() + NEGATIVE_MS);
    const [oldest] = this.#negatives.keys();
    if (this.#negatives.size > NEGATIVES_MAX && oldest !== undefined) this.#negatives.delete(oldest);
  }

  async #ask(repo: RepositoryName, reference: Reference): Promise<boolean> {
    const { directory, telemetry } = this.#deps;
    const peers = directory.reachable().slice(0, MISS_PROBE_PEERS);
    const result = await this.#firstAnswer(peers, repo, reference);
    telemetry.count("meridian_miss_probes_total", { kind: "manifest", result });
    return result === "found";
  }

  /** Once one of them has found it, the others are not waited for. */
  async #firstAnswer(peers: readonly ReachableMember[], repo: RepositoryName, reference: Reference): Promise<Result> {
    const { timers } = this.#deps;
    const decided = new AbortController();
    const unknownTo: ReachableMember[] = [];
    const askOne = async (member: ReachableMember): Promise<Result> => {
      const call = async (signal: AbortSignal): Promise<boolean> => await this.#lookUp(member, repo, reference, signal);
      if (await within(timers, MISS_PROBE_TIMEOUT_MS, call, decided.signal)) return "found";
      unknownTo.push(member);
      throw new UnknownThereError();
    };
    try {
      return await Promise.any(peers.map(async (member) => await askOne(member)));
    } catch (cause) {
      rethrowOwnMistake(cause);
      return unknownTo.length > 0 ? "unknown" : "unreachable";
    } finally {
      decided.abort(new Error("another peer has answered"));
    }
  }

  async #lookUp(
    member: ReachableMember,
    repo: RepositoryName,
    reference: Reference,
    signal: AbortSignal,
  ): Promise<boolean> {
    const changes = await member.link.lookup(repo, reference, signal);
    return changes.length > 0 && (await keepArrived(this.#deps, member, { kind: "live", changes }));
  }
}

class UnknownThereError extends Error {
  override readonly name = "UnknownThereError";
}

/** The peers' failures mean "no"; ours must not. */
function rethrowOwnMistake(cause: unknown): void {
  const causes: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  for (const one of causes) if (one instanceof InvariantError) throw one;
}
