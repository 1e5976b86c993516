import type { NodeIdentity } from "../../shared/identity.ts";
import type { FetchBlob } from "../cluster/fetch-blob.ts";
import { LeaveCluster } from "../cluster/leave-cluster.ts";
import type { PeerDirectory } from "../cluster/peer-directory.ts";
import type { ProbeMiss } from "../cluster/probe-miss.ts";
import type { ClusterView } from "../cluster/report.ts";
import type { Roster } from "../cluster/roster.ts";
import type { VerifyState } from "../cluster/verify-state.ts";
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { Metadata } from "../storage/metadata.ts";
import type { Uploads } from "../storage/uploads.ts";
import { AskNearPeers } from "./ask-near-peers.ts";
import { AwaitFreshness } from "./await-freshness.ts";
import { AwaitVersion } from "./await-version.ts";
import { ChangeMember } from "./change-member.ts";
import { DeleteBlob } from "./delete-blob.ts";
import { DeleteManifest } from "./delete-manifest.ts";
import { DescribeCluster } from "./describe-cluster.ts";
import { HeadBlob } from "./head-blob.ts";
import { HeldBlobs } from "./held-blobs.ts";
import { ListConflicts } from "./list-conflicts.ts";
import { ListHistory } from "./list-history.ts";
import { ListReferrers } from "./list-referrers.ts";
import { ListRepositories } from "./list-repositories.ts";
import { ListTagStates } from "./list-tag-states.ts";
import { ListTags } from "./list-tags.ts";
import { LocateUpload } from "./locate-upload.ts";
import { MountBlob } from "./mount-blob.ts";
import { PullBlob } from "./pull-blob.ts";
import { PullManifest } from "./pull-manifest.ts";
import { PushBlob } from "./push-blob.ts";
import { PushManifest } from "./push-manifest.ts";
import { ReleaseOrigin } from "./release-origin.ts";

/** Everything that a client can ask of a node. Each is one class with one method, `run`; the most asked also say what is `atHand`. */
export type Operations = {
  readonly pullManifest: PullManifest;
  readonly pushManifest: PushManifest;
  readonly deleteManifest: DeleteManifest;

  readonly headBlob: HeadBlob;
  readonly pullBlob: PullBlob;
  readonly pushBlob: PushBlob;
  readonly mountBlob: MountBlob;
  readonly deleteBlob: DeleteBlob;
  /** Sessions are storage's own: nothing is left to decide about them here. */
  readonly uploads: Pick<Uploads, "start" | "append" | "finish" | "status" | "cancel">;
  readonly locateUpload: LocateUpload;

  readonly listTags: ListTags;
  readonly listTagStates: ListTagStates;
  readonly listReferrers: ListReferrers;
  readonly listRepositories: ListRepositories;
  readonly listHistory: ListHistory;
  readonly listConflicts: ListConflicts;

  /** Comes before a read whose caller has seen something elsewhere. */
  readonly awaitVersion: AwaitVersion;
  /** Comes before a read whose caller sets a bound to how old the answer may be. */
  readonly awaitFreshness: AwaitFreshness;

  readonly describeCluster: DescribeCluster;
  readonly releaseOrigin: ReleaseOrigin;
  /** How far nodes are behind each other and images have come; asked of everybody at the moment of the question. */
  readonly clusterView: Pick<ClusterView, "lag" | "replication" | "wait" | "stalenessMs">;
  /** Whether all nodes hold the same; asked of everybody, and decided within a time that the caller names. */
  readonly verifyState: Pick<VerifyState, "run">;
  readonly changeMember: ChangeMember;
};

export type OperationsDeps = {
  readonly metadata: Metadata;
  readonly blobs: Blobs;
  readonly uploads: Uploads;
  readonly fetchBlob: FetchBlob;
  readonly probeMiss: ProbeMiss;
  readonly cluster: PeerDirectory;
  readonly clusterView: ClusterView;
  readonly verifyState: VerifyState;
  readonly roster: Roster;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
};

export function createOperations(deps: OperationsDeps): Operations {
  const { metadata, blobs, uploads, fetchBlob, probeMiss, cluster, clusterView, verifyState } = deps;
  const { roster, clock, timers, telemetry } = deps;
  const { reader } = metadata;
  const self: NodeIdentity = metadata.self;
  const rows = metadata.rowSource();
  const held = new HeldBlobs({ rows });
  const leaveCluster = new LeaveCluster({ metadata, directory: cluster, roster, clock, timers });
  const askNearPeers = new AskNearPeers({ cluster, reader, timers });
  return {
    pullManifest: new PullManifest({ reader, rows, probeMiss }),
    pushManifest: new PushManifest({ metadata, askNearPeers, probeMiss }),
    deleteManifest: new DeleteManifest({ metadata, probeMiss }),

    headBlob: new HeadBlob({ reader, held, askNearPeers }),
    pullBlob: new PullBlob({ reader, held, blobs, fetchBlob, telemetry }),
    pushBlob: new PushBlob({ uploads }),
    mountBlob: new MountBlob({ metadata, askNearPeers }),
    deleteBlob: new DeleteBlob({ metadata, askNearPeers }),
    uploads,
    locateUpload: new LocateUpload({ self: self.node, cluster }),

    listTags: new ListTags({ reader }),
    listTagStates: new ListTagStates({ reader }),
    listReferrers: new ListReferrers({ reader }),
    listRepositories: new ListRepositories({ reader }),
    listHistory: new ListHistory({ reader }),
    listConflicts: new ListConflicts({ reader }),

    awaitVersion: new AwaitVersion({ metadata, timers }),
    awaitFreshness: new AwaitFreshness({ clusterView, timers }),

    describeCluster: new DescribeCluster({ view: clusterView }),
    releaseOrigin: new ReleaseOrigin({ metadata }),
    clusterView,
    verifyState,
    changeMember: new ChangeMember({ roster, leaveCluster }),
  };
}
