import type { Digest } from "../../shared/digest.ts";
import { InvariantError } from "../../shared/invariant.ts";
import { MISS_PROBE_PEERS, MISS_PROBE_TIMEOUT_MS } from "../../shared/limits.ts";
import type { Reference, RepositoryName } from "../../shared/reference.ts";
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import type { Metadata } from "../storage/metadata.ts";
import { within } from "./deadline.ts";
import type { PeerDirectory, ReachableMember } from "./peer-directory.ts";

export type ProbeMissDeps = {
  readonly metadata: Metadata;
  readonly directory: PeerDirectory;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
};

/** A peer where the repository has the blob. */
export type ProbedHolder = { readonly member: ReachableMember; readonly size: number };

const NEGATIVE_MS = 1_000;
const NEGATIVES_MAX = 10_000;

/**
 * The last question before a 404. A client that pushed in one region and pulls in another may be faster than
 * replication; so whoever misses something asks the nearest peers, once and in one round trip. Callers who miss the
 * same thing share one question, and a "no" is remembered for a moment, so that clients who keep asking for what
 * does not exist cannot make the nodes busy with each other.
 */
export class ProbeMiss {
  readonly #deps: ProbeMissDeps;
  readonly #manifests = new Map<string, Promise<boolean>>();
  readonly #blobs = new Map<string, Promise<ProbedHolder | undefined>>();
  /** Until when a "no" holds, oldest first. */
  readonly #negatives = new Map<string, number>();

  constructor(deps: ProbeMissDeps) {
    this.#deps = deps;
  }

  /** Whether a peer knew the tag or manifest; what it knew is durable here then, and the caller looks again. */
  async manifest(repo: RepositoryName, reference: Reference): Promise<boolean> {
    const name = reference.kind === "tag" ? reference.tag : reference.digest;
    const key = `${reference.kind} ${repo} ${name}`;
    const found = await this.#once(this.#manifests, key, async () => {
      return await this.#ask("manifest", async (member, signal) => await this.#lookUp(member, repo, reference, signal));
    });
    return found ?? false;
  }

  /** A peer whose repository `repo` has the blob. */
  async blob(repo: RepositoryName, digest: Digest): Promise<ProbedHolder | undefined> {
    return await this.#once(this.#blobs, `blob ${repo} ${digest}`, async () => {
      return await this.#ask("blob", async (member, signal) => {
        const found = await member.link.have(repo, [digest], signal);
        const blob = found.find((candidate) => candidate.digest === digest && candidate.isLinked);
        return blob === undefined ? undefined : { member, size: blob.size };
      });
    });
  }

  async #lookUp(
    { link }: ReachableMember,
    repo: RepositoryName,
    reference: Reference,
    signal: AbortSignal,
  ): Promise<true | undefined> {
    const changes = await link.lookup(repo, reference, signal);
    if (changes.length === 0) return undefined;
    await this.#deps.metadata.commit({ kind: "live", changes });
    return true;
  }

  async #once<Found>(
    underWay: Map<string, Promise<Found | undefined>>,
    key: string,
    ask: () => Promise<Found | undefined>,
  ): Promise<Found | undefined> {
    const { clock } = this.#deps;
    if ((this.#negatives.get(key) ?? Number.NEGATIVE_INFINITY) > clock.monotonicMs()) return undefined;
    const running = underWay.get(key);
    if (running !== undefined) return await running;

    const asked = ask().finally(() => underWay.delete(key));
    underWay.set(key, asked);
    const found = await asked;
    if (found === undefined) this.#remember(key);
    return found;
  }

  #remember(key: string): void {
    this.#negatives.delete(key);
    this.#negatives.set(key, this.#deps.clock.monotonicMs() + NEGATIVE_MS);
    const [oldest] = this.#negatives.keys();
    if (this.#negatives.size > NEGATIVES_MAX && oldest !== undefined) this.#negatives.delete(oldest);
  }

  /** The first answer that is not `undefined`; then the others are not waited for. */
  async #ask<Found>(
    kind: "manifest" | "blob",
    ask: (member: ReachableMember, signal: AbortSignal) => Promise<Found | undefined>,
  ): Promise<Found | undefined> {
    const { directory, timers, telemetry } = this.#deps;
    const peers = directory.reachable().slice(0, MISS_PROBE_PEERS);
    const decided = new AbortController();
    const unknownTo: ReachableMember[] = [];
    const askOne = async (member: ReachableMember): Promise<Found> => {
      const answer = await within(
        timers,
        MISS_PROBE_TIMEOUT_MS,
        async (signal) => await ask(member, signal),
        decided.signal,
      );
      if (answer !== undefined) return answer;
      unknownTo.push(member);
      throw new UnknownThereError();
    };
    try {
      const found = await Promise.any(peers.map(async (member) => await askOne(member)));
      telemetry.count("meridian_miss_probes_total", { kind, result: "found" });
      return found;
    } catch (cause) {
      rethrowOwnMistake(cause);
      telemetry.count("meridian_miss_probes_total", { kind, result: unknownTo.length > 0 ? "unknown" : "unreachable" });
      return undefined;
    } finally {
      decided.abort(new Error("another peer has answered"));
    }
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
