/**
 * What the members of a cluster know of each other, as far as every part of the house may know it. Status is gossiped
 * and slow: it says who belongs to the cluster and who is held for dead. It says nothing about whether *this* node can
 * reach another now; that is reachability, and each node's own (`nodes/protocol/membership.ts`).
 */
import type { NodeIdentity } from "./identity.ts";

export const MEMBER_STATUSES = ["alive", "suspect", "dead", "left", "evicted"] as const;

/**
 * - `alive`: answers, or nobody has said otherwise.
 * - `suspect`: did not answer somebody, and may yet refute it. Treat it as alive.
 * - `dead`: accused from two regions and silent since. It is expected back, and everything waits for it that must.
 * - `left`: took its leave in good order.
 * - `evicted`: given up by an operator. Only this shrinks the set which garbage collection waits for.
 */
export type MemberStatus = (typeof MEMBER_STATUSES)[number];

/** One node of the cluster, this one included. A value: ask again for the present state. */
export type ClusterMember = NodeIdentity & {
  /** `host:port` of its peer listener, as it last said. An attribute: a node may move and stays the same. */
  readonly address: string;
  readonly isSelf: boolean;
  readonly status: MemberStatus;
  /** What the node says of itself with a higher one replaces everything that was said with a lower one. */
  readonly incarnation: number;
  /** Since when the status is what it is here, on this node's monotonic clock. */
  readonly sinceMs: number;
};
