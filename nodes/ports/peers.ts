/**
 * The other nodes, as a node sees them. Both ends of a call have the same type: `Peers.dial(address)` gives the
 * calls a node can make, and `PeerService` answers the same calls, given who asks. Production puts gRPC between the
 * two (`nodes/rpc`), the simulator its network.
 *
 * Bulk bytes are always pulled by the node that wants them: a grpc-js server never widens its flow-control window,
 * a client can. So ops come down the *answer* of `replicate`, and blobs are read, never sent.
 */
import type { Digest } from "../../shared/digest.ts";
import type { Hlc } from "../../shared/hlc.ts";
import type { NodeId, NodeIdentity, Origin } from "../../shared/identity.ts";
import type { MemberNews } from "../../shared/member.ts";
import type { Reference, RepositoryName } from "../../shared/reference.ts";
import type { VersionVector } from "../../shared/version-vector.ts";

/** `host:port` of a peer listener. */
export type PeerAddress = string;

/** Said by both ends of every connection. */
export type Greeting = NodeIdentity & {
  /** Lowest and highest protocol version spoken. */
  readonly protocol: { readonly min: number; readonly max: number };
  /** Where others reach this node: `registry` as an URL, `peer` as `host:port`. */
  readonly advertise: { readonly registry: string; readonly peer: PeerAddress };
  readonly version: string;
};

/** Consecutive ops of one origin, `from` first, each as its origin encoded it. */
export type OpBatch = {
  readonly origin: Origin;
  readonly from: number;
  readonly ops: readonly Uint8Array[];
  /**
   * The origin's hash chain after the last op, 16 bytes: one dot can never have two contents unseen. Empty when the
   * sender does not know it, because it caught up without ops.
   */
  readonly chain: Uint8Array;
  /** The same before the first op: what differs here was written before, what differs only after that was told wrong. */
  readonly base: Uint8Array;
};

/** An origin whose ops are wanted, and the number of its last op that the subscriber holds. */
export type Wanted = { readonly origin: Origin; readonly after: number };

export type SubscriberFrame =
  /** What is durable at the subscriber, of the wanted origins. Nothing is sent before the first. */
  | { readonly kind: "ack"; readonly held: VersionVector }
  /** Whose ops the publisher shall pass on from now on; until the first, its own. */
  | { readonly kind: "want"; readonly wanted: readonly Wanted[] }
  /** Bytes of ops that may have been sent in all since the stream began; before the first, `OP_CREDIT_BYTES`. */
  | { readonly kind: "credit"; readonly granted: number }
  /** Tell the heads. */
  | { readonly kind: "ask" };

export type PublisherFrame =
  | { readonly kind: "ops"; readonly batch: OpBatch }
  /**
   * What is durable at the publisher, as far as it was not told on this stream before, and that no op of its own with a
   * timestamp up to `closed` is still to come. The first frame of a stream, and the answer to each `ask`.
   */
  | { readonly kind: "heads"; readonly held: VersionVector; readonly closed: Hlc; readonly wallMs: number }
  /** A sign of life. */
  | {
      readonly kind: "pulse";
      /** Of everything that is durable at the publisher, by `vectorHash`; told to a few followers at a time. */
      readonly hash: Uint8Array | undefined;
      /** How old the newest op of a wanted origin can at most be that was not sent on this stream; `undefined` when it can't be said. */
      readonly closedAgoMs: number | undefined;
    }
  /** The log does not reach back to what the subscriber lacks of a wanted origin: it has to pull. */
  | { readonly kind: "lost"; readonly origin: Origin };

export type PullFrame =
  | { readonly kind: "ops"; readonly batch: OpBatch }
  /** Whole registers of the live index, encoded changes; they may be applied at once, yet move no head. */
  | { readonly kind: "live"; readonly changes: readonly Uint8Array[] }
  /** Everything that `held` includes has now been sent or was held before: only now the heads may move. */
  | { readonly kind: "end"; readonly held: VersionVector; readonly chains: ReadonlyMap<Origin, Uint8Array> };

export type BlobFound = {
  readonly digest: Digest;
  readonly size: number;
  /** Whether the repository that was asked about links the blob there. */
  readonly isLinked: boolean;
};

/** How far an image has come on one node. */
export type ImageState = {
  readonly digest: Digest | undefined;
  readonly isKnown: boolean;
  /** Blobs and manifests of the closure, and what of it is durable here. */
  readonly blobsTotal: number;
  readonly blobsHeld: number;
  readonly bytesTotal: number;
  readonly bytesHeld: number;
  /** Blobs of the closure that are not here. */
  readonly missing: readonly { readonly digest: Digest; readonly size: number }[];
};

/** One node's account of itself and of its links. */
export type NodeReport = {
  readonly greeting: Greeting;
  readonly held: VersionVector;
  readonly uptimeMs: number;
  readonly repositories: number;
  readonly tags: number;
  /** Equal on two nodes exactly when they hold the same registers. Hex. */
  readonly stateHash: string;
  /** What this node still lacks of others, by the node that wrote it. */
  readonly lag: readonly LagFrom[];
};

export type LagFrom = {
  readonly source: string;
  readonly region: string;
  readonly isReachable: boolean;
  readonly pendingOps: number;
  /** Age of what is missing, in ms; 0 when nothing is known to be missing. */
  readonly lagMs: number;
};

/** Sums over the registers by which two nodes compare what they hold: see `nodes/storage/audit-lanes.ts`. */
export type AuditQuestion =
  /** The sums of all groups of lanes, unless the callee's total is `root`. */
  | { readonly kind: "groups"; readonly root: bigint }
  /** The sums of all lanes of these groups, in their order. */
  | { readonly kind: "lanes"; readonly groups: readonly number[] };

export type AuditAnswer = {
  /** False while the callee has not read its own state yet: there are no sums then. */
  readonly isReady: boolean;
  /** What the sums are the sums of. */
  readonly held: VersionVector;
  /** 128 bits each; none when the totals are equal. */
  readonly sums: readonly bigint[];
};

/** Of one lane: registers that the callee holds and the caller does not name, at last the fingerprints that only the caller has. */
export type LaneFrame =
  | { readonly kind: "changes"; readonly changes: readonly Uint8Array[] }
  | { readonly kind: "unknown"; readonly fingerprints: readonly bigint[] };

/** Wall clocks are those of the two nodes, in ms since the epoch. */
export type Probe = {
  /** Who is meant. Another node at the address refuses. */
  readonly target: NodeId;
  readonly sentWallMs: number;
  readonly news: readonly MemberNews[];
};

export type ProbeAnswer = {
  readonly receivedWallMs: number;
  readonly answeredWallMs: number;
  readonly news: readonly MemberNews[];
};

export type ProbeFor = { readonly target: NodeId; readonly address: PeerAddress; readonly withinMs: number };

export type MembersCompared = {
  /** 16 bytes over all that the caller knows of the members. */
  readonly digest: Uint8Array;
  /** What the caller says of itself. */
  readonly news: readonly MemberNews[];
};

/** Calls throw a `PeerError` (shared/peer-error.ts) when the peer cannot be reached, answers with an error, or `signal` aborts. */
export type PeerCalls = {
  readonly greet: (greeting: Greeting, signal: AbortSignal) => Promise<Greeting>;
  readonly probe: (probe: Probe, signal: AbortSignal) => Promise<ProbeAnswer>;
  /** Whether the callee has reached the target. */
  readonly probeFor: (request: ProbeFor, signal: AbortSignal) => Promise<boolean>;
  readonly tellMembers: (news: readonly MemberNews[], signal: AbortSignal) => Promise<void>;
  /** All that the callee knows of the members; `undefined` when that is what the caller knows. */
  readonly compareMembers: (
    compared: MembersCompared,
    signal: AbortSignal,
  ) => Promise<readonly MemberNews[] | undefined>;
  /** Ends when either side ends or `signal` aborts. */
  readonly replicate: (acks: AsyncIterable<SubscriberFrame>, signal: AbortSignal) => AsyncIterable<PublisherFrame>;
  /** Everything the callee holds that `have` does not. */
  readonly pull: (have: VersionVector, signal: AbortSignal) => AsyncIterable<PullFrame>;
  /** The registers behind a reference, with the manifest's bytes: what a miss asks for. Encoded changes; none when unknown there. */
  readonly lookup: (repo: RepositoryName, reference: Reference, signal: AbortSignal) => Promise<readonly Uint8Array[]>;
  readonly describeImage: (repo: RepositoryName, reference: Reference, signal: AbortSignal) => Promise<ImageState>;
  readonly report: (signal: AbortSignal) => Promise<NodeReport>;
  readonly audit: (question: AuditQuestion, signal: AbortSignal) => Promise<AuditAnswer>;
  /** The callee reads its whole state for this: it is asked only when the sums of the lane differ without a reason. */
  readonly auditLane: (lane: number, known: readonly bigint[], signal: AbortSignal) => AsyncIterable<LaneFrame>;
  /** Which of `digests` are durable there; a manifest's digest counts as well. */
  readonly have: (
    repo: RepositoryName | undefined,
    digests: readonly Digest[],
    signal: AbortSignal,
  ) => Promise<readonly BlobFound[]>;
  /** The bytes of a blob or manifest from `offset` to its end. Nothing is verified here: the reader hashes. */
  readonly readBlob: (digest: Digest, offset: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;
};

/** Connections to one peer: three, so that a layer never delays a probe or an op. */
export type PeerLink = PeerCalls & { readonly close: () => void };

export type Peers = { readonly dial: (address: PeerAddress) => PeerLink };

/** Answers the calls of `caller`, who has been checked to belong to this cluster and to speak a common protocol version. */
export type PeerService = (caller: Greeting) => PeerCalls;
