import type { NodeId, Region } from "../../shared/identity.ts";
import { InvariantError } from "../../shared/invariant.ts";
import { AUDIT_TIMEOUT_MS, VERIFY_DIFFERENCES_TOLD_MAX } from "../../shared/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Timers } from "../ports/timers.ts";
import { hasArrived, type Sighting, unexplained } from "../protocol/audit.ts";
import type { Metadata } from "../storage/metadata.ts";
import type { AuditState } from "./audit-state.ts";
import { compareState, differencesIn, type StateDifference } from "./compare-state.ts";
import { within } from "./deadline.ts";
import type { PeerDirectory, ReachableMember } from "./peer-directory.ts";

export type VerifyStateDeps = {
  readonly metadata: Metadata;
  readonly directory: Pick<PeerDirectory, "reachable" | "members">;
  readonly audit: AuditState;
  readonly clock: Clock;
  readonly timers: Timers;
};

/**
 * `equal`: both hold the same registers. `different`: they do not, and nothing that was on its way explains it.
 * `pending`: they did not, and the time was not enough to tell. `unprepared`: the other still reads its own state.
 */
export type Verdict = "equal" | "different" | "pending" | "unprepared" | "unreachable";

export type NodeVerified = {
  readonly node: NodeId;
  readonly region: Region;
  readonly verdict: Verdict;
  /** At most `VERIFY_DIFFERENCES_TOLD_MAX`. */
  readonly differences: readonly StateDifference[];
  /** Whether there are more. */
  readonly hasMore: boolean;
};

const LOOK_PERIOD_MS = 250;

/** Compares this node's registers with those of every other that it knows, and names what differs. Changes nothing. */
export class VerifyState {
  readonly #deps: VerifyStateDeps;

  constructor(deps: VerifyStateDeps) {
    this.#deps = deps;
  }

  /** Resolves soon after `timeoutMs`, or when everything is decided. The own sums are made first, however long it takes. */
  async run(timeoutMs: number, signal: AbortSignal): Promise<readonly NodeVerified[]> {
    const { audit, clock, directory } = this.#deps;
    await audit.prepare();
    const endMs = clock.monotonicMs() + timeoutMs;
    const reachable = new Map(directory.reachable().map((member) => [member.greeting.node, member]));
    const others = directory.members().flatMap(({ greeting }) => (greeting === undefined ? [] : [greeting]));
    const named = [...new Map(others.map((greeting) => [greeting.node, greeting])).values()];
    return await Promise.all(
      named.map(async ({ node, region }): Promise<NodeVerified> => {
        const member = reachable.get(node);
        const outcome = member === undefined ? undefined : await this.#verify(member, endMs, signal);
        return { node, region, ...(outcome ?? decided("unreachable")) };
      }),
    );
  }

  async #verify(member: ReachableMember, endMs: number, signal: AbortSignal): Promise<Outcome | undefined> {
    try {
      return await this.#look(member, endMs, signal);
    } catch (cause) {
      if (cause instanceof InvariantError) throw cause;
      return undefined;
    }
  }

  async #look(member: ReachableMember, endMs: number, signal: AbortSignal): Promise<Outcome> {
    const { audit, clock, timers } = this.#deps;
    let first: Sighting | undefined;
    while (true) {
      const compare = async (limit: AbortSignal) => await compareState(audit.state, member.link, limit);
      const now = await within(timers, AUDIT_TIMEOUT_MS, compare, signal);
      if (now?.lanes.size === 0) return decided("equal");
      const lanes = first === undefined || now === undefined ? [] : unexplained(first, now);
      if (lanes.length > 0) return await this.#name(member, lanes, signal);
      if (clock.monotonicMs() >= endMs) return decided(now === undefined ? "unprepared" : "pending");
      // While what was on its way then still is, that first look is the one to compare with.
      first = first !== undefined && now !== undefined && !hasArrived(first, now) ? first : now;
      await timers.sleep(LOOK_PERIOD_MS, signal);
    }
  }

  async #name(member: ReachableMember, lanes: readonly number[], signal: AbortSignal): Promise<Outcome> {
    const { audit, metadata } = this.#deps;
    const deps = { state: audit.state, reader: metadata.reader, pause: audit.pause };
    const found: StateDifference[] = [];
    for (const lane of lanes) {
      if (found.length > VERIFY_DIFFERENCES_TOLD_MAX) break;
      found.push(...(await differencesIn(lane, deps, member.link, signal)));
    }
    return {
      verdict: "different",
      differences: found.slice(0, VERIFY_DIFFERENCES_TOLD_MAX),
      hasMore: found.length > VERIFY_DIFFERENCES_TOLD_MAX,
    };
  }
}

type Outcome = Pick<NodeVerified, "verdict" | "differences" | "hasMore">;

function decided(verdict: Verdict): Outcome {
  return { verdict, differences: [], hasMore: false };
}
