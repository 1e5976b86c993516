import type { ClusterMember } from "../../shared/member.ts";
import type { Clock } from "../ports/clock.ts";
import type { Greeting } from "../ports/peers.ts";
import type { PeerDirectory } from "./peer-directory.ts";

export type RosterDeps = {
  /** What this node says of itself. */
  readonly self: () => Greeting;
  readonly directory: Pick<PeerDirectory, "members" | "onChanged">;
  readonly clock: Clock;
};

/** Who belongs to the cluster, and which of them are held for dead. Read only; relays, audit and collection go by it. */
export class Roster {
  readonly #deps: RosterDeps;
  readonly #startedMs: number;

  constructor(deps: RosterDeps) {
    this.#deps = deps;
    this.#startedMs = deps.clock.monotonicMs();
  }

  /** This node first, then the others; each once. */
  members(): readonly ClusterMember[] {
    const { directory } = this.#deps;
    const self = this.#deps.self();
    const known = new Map([[self.node, memberOf(self, self, this.#startedMs)]]);
    for (const { greeting, sinceMs } of directory.members()) {
      if (greeting !== undefined && !known.has(greeting.node)) {
        known.set(greeting.node, memberOf(greeting, self, sinceMs));
      }
    }
    return [...known.values()];
  }

  /** After a change of anybody's status, incarnation or address. Returns what ends the listening. */
  onChanged(listener: () => void): () => void {
    return this.#deps.directory.onChanged(listener);
  }
}

function memberOf(greeting: Greeting, self: Greeting, sinceMs: number): ClusterMember {
  const { cluster, node, region, origin, boot, nonce, advertise } = greeting;
  const identity = { cluster, node, region, origin, boot, nonce };
  const isSelf = node === self.node;
  return { ...identity, address: advertise.peer, isSelf, status: "alive", incarnation: boot, sinceMs };
}
