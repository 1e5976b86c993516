/**
 * What the members of a cluster know of each other, as far as every part of the house may know it. Status is gossiped
 * and slow: it says who belongs to the cluster and who is held for dead. It says nothing about whether *this* node can
 * reach another now; that is reachability, and each node's own (`nodes/protocol/membership.ts`).
 */
import type { NodeId, NodeIdentity, Origin, Region } from "./identity.ts";

/** In order of precedence: of two things said of one incarnation, the later in this list holds. */
export const MEMBER_STANDINGS = ["alive", "suspect", "dead", "left"] as const;
export type MemberStanding = (typeof MEMBER_STANDINGS)[number];

export const MEMBER_STATUSES = [...MEMBER_STANDINGS, "evicted"] as const;

/**
 * - `alive`: answers, or nobody has said otherwise.
 * - `suspect`: did not answer somebody, and may yet refute it. Treat it as alive.
 * - `dead`: accused from two regions and silent since. It is expected back, and everything waits for it that must.
 * - `left`: took its leave in good order.
 * - `evicted`: given up by an operator. Only this shrinks the set which garbage collection waits for.
 */
export type MemberStatus = (typeof MEMBER_STATUSES)[number];

/** `full`: keeps and serves everything that policy asks for; `cache`: metadata, and layers only while in use; `witness`: votes, and holds no layers. */
export const MEMBER_ROLES = ["full", "cache", "witness"] as const;
export type MemberRole = (typeof MEMBER_ROLES)[number];

/** What an operator says of a node, for those who choose between nodes. */
export type MemberLabels = {
  /** Nodes of one zone fail together; empty when nobody said. */
  readonly zone: string;
  readonly role: MemberRole;
  /** For layers; `undefined` when nobody said. */
  readonly capacityBytes: number | undefined;
  /** What bytes out of there cost, in the operator's own words; empty when nobody said. */
  readonly costClass: string;
};

/** What a node says of itself. It changes only with the incarnation. */
export type MemberDescription = {
  readonly region: Region;
  readonly origin: Origin;
  readonly boot: number;
  /** Of this start; see `NodeIdentity`. */
  readonly nonce: string;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly advertise: { readonly registry: string; readonly peer: string };
  readonly version: string;
  readonly labels: MemberLabels;
  /** What the software there can do beyond its protocol version. */
  readonly features: readonly string[];
};

/** What one node tells another of a third, or of itself. */
export type MemberNews = {
  readonly node: NodeId;
  /** Only the node itself raises it. */
  readonly incarnation: number;
  readonly standing: MemberStanding;
  /** Who found the node silent; with `suspect` and `dead`. */
  readonly accusers: readonly NodeId[];
  /** Counts the decisions of operators: odd is evicted, even is not. The higher one holds, whatever the incarnation. */
  readonly evictions: number;
  /** Left out where the receiver is likely to have it. */
  readonly description: MemberDescription | undefined;
};

/** One node of the cluster, this one included. A value: ask again for the present state. */
export type ClusterMember = NodeIdentity & {
  /** `host:port` of its peer listener, as it last said. An attribute: a node may move and stays the same. */
  readonly address: string;
  readonly isSelf: boolean;
  readonly status: MemberStatus;
  /** What the node says of itself with a higher one replaces everything that was said with a lower one. */
  readonly incarnation: number;
  readonly labels: MemberLabels;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly features: readonly string[];
  /** Since when the status is what it is here, on this node's monotonic clock. */
  readonly sinceMs: number;
};

export function isEvicted({ evictions }: Pick<MemberNews, "evictions">): boolean {
  return evictions % 2 === 1;
}

/** Below 0 when `left` is older news of its node than `right`, 0 when both say as much. */
export function compareNews(
  left: Pick<MemberNews, "incarnation" | "standing">,
  right: Pick<MemberNews, "incarnation" | "standing">,
): number {
  if (left.incarnation !== right.incarnation) return left.incarnation - right.incarnation;
  return MEMBER_STANDINGS.indexOf(left.standing) - MEMBER_STANDINGS.indexOf(right.standing);
}
