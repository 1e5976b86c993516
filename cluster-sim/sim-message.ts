/**
 * What crosses the simulated wire is copied, as a real one would: neither end can change what the other holds.
 *
 * The real encoding cannot be reached from here: it lives beside gRPC, on the same floor. Whoever may see both, a test,
 * hands in a wire that encodes each message and decodes it again.
 */
import type {
  AuditAnswer,
  ImageState,
  LaneFrame,
  MembersCompared,
  NodeReport,
  OpBatch,
  Probe,
  ProbeAnswer,
  PublisherFrame,
  PullFrame,
  SubscriberFrame,
} from "../nodes/ports/peers.ts";
import { unreachable } from "../shared/invariant.ts";
import type { MemberNews } from "../shared/member.ts";
import { decodeMemberNews, encodeMemberNews } from "../shared/member-news.ts";
import type { VersionVector } from "../shared/version-vector.ts";

/** Each message that crosses it, as the other end gets it. */
export type Wire = {
  readonly subscribed: (frame: SubscriberFrame) => SubscriberFrame;
  readonly published: (frame: PublisherFrame) => PublisherFrame;
  readonly pulled: (frame: PullFrame) => PullFrame;
  readonly held: (have: VersionVector) => VersionVector;
  readonly news: (news: readonly MemberNews[]) => readonly MemberNews[];
  readonly probe: (probe: Probe) => Probe;
  readonly probeAnswer: (answer: ProbeAnswer) => ProbeAnswer;
  readonly compared: (compared: MembersCompared) => MembersCompared;
  readonly report: (report: NodeReport) => NodeReport;
  readonly audit: (answer: AuditAnswer) => AuditAnswer;
  readonly lane: (frame: LaneFrame) => LaneFrame;
  readonly imageState: (state: ImageState) => ImageState;
  readonly bytes: (bytes: Uint8Array) => Uint8Array;
};

export const COPYING: Wire = {
  subscribed: copySubscribed,
  published: copyPublished,
  pulled: copyPulled,
  held: (have) => have.clone(),
  news: copyNews,
  probe: copyProbe,
  probeAnswer: copyProbeAnswer,
  compared: copyCompared,
  report: copyReport,
  audit: copyAudit,
  lane: copyLane,
  imageState: copyImageState,
  bytes: copyBytes,
};

/** The bytes of what is large, which is all that a narrow line notices: blobs, ops and registers. */
export function bytesOf(message: unknown): number {
  if (message instanceof Uint8Array) return message.length;
  if (typeof message !== "object" || message === null) return 0;
  if ("batch" in message) return bytesOf(message.batch);
  if ("ops" in message) return bytesOf(message.ops);
  if ("changes" in message) return bytesOf(message.changes);
  return Array.isArray(message) ? message.reduce<number>((sum, part: unknown) => sum + bytesOf(part), 0) : 0;
}

function copyBytes(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

function copySubscribed(frame: SubscriberFrame): SubscriberFrame {
  switch (frame.kind) {
    case "ack":
      return { ...frame, held: frame.held.clone() };
    case "want":
      return { ...frame, wanted: frame.wanted.map((wanted) => ({ ...wanted })) };
    case "credit":
    case "ask":
      return frame;
    default:
      return unreachable(frame);
  }
}

function copyPublished(frame: PublisherFrame): PublisherFrame {
  switch (frame.kind) {
    case "ops":
      return { kind: "ops", batch: copyBatch(frame.batch) };
    case "heads":
      return { ...frame, held: frame.held.clone() };
    case "pulse":
      return { ...frame, hash: frame.hash === undefined ? undefined : copyBytes(frame.hash) };
    case "lost":
      return frame;
    default:
      return unreachable(frame);
  }
}

function copyPulled(frame: PullFrame): PullFrame {
  switch (frame.kind) {
    case "ops":
      return { kind: "ops", batch: copyBatch(frame.batch) };
    case "live":
      return { kind: "live", changes: frame.changes.map(copyBytes) };
    case "end": {
      const chains = [...frame.chains].map(([origin, chain]) => [origin, copyBytes(chain)] as const);
      return { kind: "end", held: frame.held.clone(), chains: new Map(chains) };
    }
    default:
      return unreachable(frame);
  }
}

/** As the real wire does: written and read. */
function copyNews(news: readonly MemberNews[]): readonly MemberNews[] {
  return decodeMemberNews(encodeMemberNews(news));
}

function copyProbe(probe: Probe): Probe {
  return { ...probe, news: copyNews(probe.news) };
}

function copyProbeAnswer(answer: ProbeAnswer): ProbeAnswer {
  return { ...answer, news: copyNews(answer.news) };
}

function copyCompared({ digest, news }: MembersCompared): MembersCompared {
  return { digest: copyBytes(digest), news: copyNews(news) };
}

function copyReport(report: NodeReport): NodeReport {
  return { ...report, held: report.held.clone(), lag: report.lag.map((lag) => ({ ...lag })) };
}

function copyAudit(answer: AuditAnswer): AuditAnswer {
  return { ...answer, held: answer.held.clone(), sums: [...answer.sums] };
}

function copyLane(frame: LaneFrame): LaneFrame {
  return frame.kind === "changes"
    ? { kind: "changes", changes: frame.changes.map(copyBytes) }
    : { kind: "unknown", fingerprints: [...frame.fingerprints] };
}

function copyImageState(state: ImageState): ImageState {
  return { ...state, missing: state.missing.map((blob) => ({ ...blob })) };
}

function copyBatch(batch: OpBatch): OpBatch {
  return { ...batch, ops: batch.ops.map(copyBytes), chain: copyBytes(batch.chain), base: copyBytes(batch.base) };
}
