import type { ClusterView, MemberSeen } from "../cluster/report.ts";
import type { NodeReport } from "../ports/peers.ts";

export type MemberDescribed = MemberSeen & {
  /** What the node says of itself; `undefined` when it could not be asked. */
  readonly report: NodeReport | undefined;
};

/** All nodes, this one first: how it reaches them, and what they say of themselves. */
export class DescribeCluster {
  readonly #view: Pick<ClusterView, "members" | "reports">;

  constructor({ view }: { readonly view: Pick<ClusterView, "members" | "reports"> }) {
    this.#view = view;
  }

  async run(signal: AbortSignal): Promise<readonly MemberDescribed[]> {
    const reports = await this.#view.reports(signal);
    const byNode = new Map(reports.map(({ node, report }) => [node, report]));
    return this.#view.members().map((member) => ({
      ...member,
      report: member.node === undefined ? undefined : byNode.get(member.node),
    }));
  }
}
