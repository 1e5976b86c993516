import { RegistryError } from "../../shared/errors.ts";
import type { NodeId } from "../../shared/identity.ts";
import { LEAVE_MS_MAX } from "../../shared/limits.ts";
import type { MemberStatus } from "../../shared/member.ts";
import type { LeaveCluster } from "../cluster/leave-cluster.ts";
import type { Roster } from "../cluster/roster.ts";

type MemberAction = "evict" | "admit" | "leave";

export type ChangeMemberDeps = {
  readonly roster: Pick<Roster, "decide" | "members">;
  readonly leaveCluster: Pick<LeaveCluster, "run">;
};

/** An operator's decision about a member: give it up, take it back, or let this node leave. */
export class ChangeMember {
  readonly #deps: ChangeMemberDeps;

  constructor(deps: ChangeMemberDeps) {
    this.#deps = deps;
  }

  /** @throws {RegistryError} `NAME_UNKNOWN` when no member has the name, `UNSUPPORTED` (409) when another node must be asked. */
  async run(node: NodeId, action: MemberAction, signal: AbortSignal): Promise<MemberStatus> {
    const { roster, leaveCluster } = this.#deps;
    const member = roster.members().find((one) => one.node === node);
    if (member === undefined) throw new RegistryError("NAME_UNKNOWN", { node }, { message: "no member has this name" });
    if (action !== "leave") await roster.decide(node, action === "evict");
    else if (member.isSelf) await leaveCluster.run(LEAVE_MS_MAX, signal);
    else {
      const message = "a node leaves by itself; ask the node that is to leave";
      throw new RegistryError("UNSUPPORTED", { node, address: member.address }, { status: 409, message });
    }
    return roster.members().find((one) => one.node === node)?.status ?? member.status;
  }
}
