/**
 * Leaving for good: this node takes no more writes, waits until what it wrote is durable in every region that it can
 * reach, tells the others, and stays long enough to answer who has not heard. A restart is no leave; starting again
 * after a leave is a return. What does not get through in time is no leave either: the node goes on as before.
 */
import { RegistryError } from "../../shared/errors.ts";
import type { Region } from "../../shared/identity.ts";
import { UNAVAILABLE_RETRY_AFTER_SECONDS } from "../../shared/limits.ts";
import { PeerError } from "../../shared/peer-error.ts";
import { sleepBy } from "../../shared/sleep.ts";
import type { Clock } from "../ports/clock.ts";
import type { Timers } from "../ports/timers.ts";
import type { Metadata } from "../storage/metadata.ts";
import { within } from "./deadline.ts";
import type { PeerDirectory, ReachableMember } from "./peer-directory.ts";
import type { Roster } from "./roster.ts";

const ASK_TIMEOUT_MS = 1_000;
const ASK_PERIOD_MS = 250;
/** For the last probes, by nodes that have not heard the farewell. */
const FAREWELL_MS = 1_000;

export type LeaveClusterDeps = {
  readonly metadata: Metadata;
  readonly directory: Pick<PeerDirectory, "reachable">;
  readonly roster: Pick<Roster, "sayFarewell">;
  readonly clock: Clock;
  readonly timers: Timers;
};

export class LeaveCluster {
  readonly #deps: LeaveClusterDeps;

  constructor(deps: LeaveClusterDeps) {
    this.#deps = deps;
  }

  /** @throws {RegistryError} `UNAVAILABLE` when something is still only here after `timeoutMs`, or nobody can be reached. */
  async run(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { metadata, roster, clock, timers } = this.#deps;
    const { holds } = metadata;
    if (holds.reason("leaving") !== undefined) return;
    const endMs = clock.monotonicMs() + timeoutMs;
    holds.hold("leaving", "it leaves the cluster");
    let lacking = await this.#lacking(signal);
    while (lacking === undefined || lacking.length > 0) {
      if (clock.monotonicMs() >= endMs || signal.aborted) {
        holds.lift("leaving");
        throw notYet(lacking);
      }
      await sleepBy(timers.after, ASK_PERIOD_MS, signal);
      lacking = await this.#lacking(signal);
    }
    roster.sayFarewell();
    await sleepBy(timers.after, FAREWELL_MS, signal);
  }

  /** Regions in which no node holds all that this one wrote; `undefined` when no other node can be reached. */
  async #lacking(signal: AbortSignal): Promise<readonly Region[] | undefined> {
    const members = this.#deps.directory.reachable();
    if (members.length === 0) return undefined;
    const holding = new Set<Region>();
    const asking = members.map(async (member) => {
      if (await this.#holdsAll(member, signal)) holding.add(member.greeting.region);
    });
    await Promise.all(asking);
    return [...new Set(members.map(({ greeting }) => greeting.region))].filter((region) => !holding.has(region));
  }

  async #holdsAll({ link }: ReachableMember, signal: AbortSignal): Promise<boolean> {
    const { metadata, timers } = this.#deps;
    const { origin } = metadata.self;
    try {
      const ask = async (limit: AbortSignal): ReturnType<typeof link.report> => await link.report(limit);
      const { held } = await within(timers, ASK_TIMEOUT_MS, ask, signal);
      return held.upto(origin) >= metadata.held().upto(origin);
    } catch (cause) {
      if (!(cause instanceof PeerError)) throw cause;
      return false;
    }
  }
}

function notYet(lacking: readonly Region[] | undefined): RegistryError {
  const what = lacking === undefined ? "no other node can be reached" : `not yet in ${lacking.join(", ")}`;
  const message = `what this node wrote is not elsewhere: ${what}; it stays`;
  return new RegistryError("UNAVAILABLE", { lacking }, { message, retryAfterSeconds: UNAVAILABLE_RETRY_AFTER_SECONDS });
}
