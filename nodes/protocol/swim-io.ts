/** What the machine of `swim.ts` is told, and what it wants done. */
import type { NodeId, Origin } from "../../shared/identity.ts";
import type { MemberDescription, MemberNews, MemberStatus } from "../../shared/member.ts";

/** Times are of one monotonic clock. */
export type SwimInput =
  | { readonly kind: "woke"; readonly nowMs: number }
  /** The target of a probe answered this node itself. */
  | {
      readonly kind: "answered";
      readonly probeNumber: number;
      readonly by: NodeId;
      readonly news: readonly MemberNews[];
      readonly roundTripMs: number;
      readonly nowMs: number;
    }
  /** The direct call of a probe failed, or took too long. */
  | { readonly kind: "failed"; readonly probeNumber: number; readonly nowMs: number }
  /** A helper has tried: with or without success, he at least was heard. */
  | { readonly kind: "helped"; readonly probeNumber: number; readonly isReached: boolean; readonly nowMs: number }
  /** Another node probes this one, and waits for the `reply` with the same number. */
  | {
      readonly kind: "asked";
      readonly callNumber: number;
      readonly by: NodeId;
      readonly news: readonly MemberNews[];
      readonly nowMs: number;
    }
  | { readonly kind: "told"; readonly by: NodeId; readonly news: readonly MemberNews[]; readonly nowMs: number }
  /** All that another node knows; `undefined` when that is just what this one knows. */
  | {
      readonly kind: "compared";
      readonly by: NodeId;
      readonly news: readonly MemberNews[] | undefined;
      readonly nowMs: number;
    }
  /** A link works, and this is who answered. */
  | {
      readonly kind: "met";
      readonly node: NodeId;
      readonly origin: Origin;
      readonly boot: number;
      readonly nowMs: number;
    }
  /** A link broke. */
  | { readonly kind: "lost"; readonly node: NodeId; readonly nowMs: number }
  /** Incarnations up to here are this node's to use: it is durable. */
  | { readonly kind: "reserved"; readonly upto: number; readonly nowMs: number }
  /** An operator's decision. What is decided already changes nothing. */
  | { readonly kind: "decided"; readonly node: NodeId; readonly isEvicted: boolean; readonly nowMs: number }
  /** This node says something else of itself from now on. */
  | { readonly kind: "renamed"; readonly description: MemberDescription; readonly nowMs: number }
  /** This node takes its leave. */
  | { readonly kind: "leave"; readonly nowMs: number };

export type SwimEffect =
  /** Call the target; `answered` or `failed` follows, after `timeoutMs` at the latest. */
  | {
      readonly kind: "probe";
      readonly probeNumber: number;
      readonly target: NodeId;
      readonly address: string;
      readonly timeoutMs: number;
      readonly news: readonly MemberNews[];
    }
  /** Let the helper call the target for up to `withinMs`; `helped` follows when he answers. */
  | {
      readonly kind: "help";
      readonly probeNumber: number;
      readonly helper: NodeId;
      readonly target: NodeId;
      readonly withinMs: number;
    }
  | { readonly kind: "reply"; readonly callNumber: number; readonly news: readonly MemberNews[] }
  /** Nothing follows. */
  | { readonly kind: "tell"; readonly target: NodeId; readonly news: readonly MemberNews[] }
  /** Ask whether the other knows the same; when it does not, `compared` follows. */
  | {
      readonly kind: "compare";
      readonly target: NodeId;
      readonly digest: Uint8Array;
      readonly news: readonly MemberNews[];
    }
  /** Make durable that incarnations up to here are in use, then give `reserved`. */
  | { readonly kind: "reserve"; readonly upto: number }
  /** Give `woke` at `atMs`; replaces what was asked before. */
  | { readonly kind: "wake"; readonly atMs: number }
  /** What is known of the node is another than before. */
  | { readonly kind: "changed"; readonly node: NodeId; readonly from: MemberStatus | undefined }
  /** For the operator; nothing else follows from it. */
  | { readonly kind: "report"; readonly trouble: SwimTrouble; readonly node: NodeId };

export type SwimTrouble = "too-many-members" | "same-name" | "evicted-self";
