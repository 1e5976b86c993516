/** What crosses the simulated wire is copied, as a real one would: neither end can change what the other holds. */
import type {
  ImageState,
  NodeReport,
  OpBatch,
  PublisherFrame,
  PullFrame,
  SubscriberFrame,
} from "../nodes/ports/peers.ts";
import { unreachable } from "../shared/invariant.ts";

export function copyBytes(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

export function copyAck({ kind, held }: SubscriberFrame): SubscriberFrame {
  return { kind, held: held.clone() };
}

export function copyPublished(frame: PublisherFrame): PublisherFrame {
  switch (frame.kind) {
    case "ops":
      return { kind: "ops", batch: copyBatch(frame.batch) };
    case "heads":
      return { ...frame, held: frame.held.clone() };
    default:
      return unreachable(frame);
  }
}

export function copyPulled(frame: PullFrame): PullFrame {
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

export function copyReport(report: NodeReport): NodeReport {
  return { ...report, held: report.held.clone(), lag: report.lag.map((lag) => ({ ...lag })) };
}

export function copyImageState(state: ImageState): ImageState {
  return { ...state, missing: state.missing.map((blob) => ({ ...blob })) };
}

function copyBatch(batch: OpBatch): OpBatch {
  return { ...batch, ops: batch.ops.map(copyBytes), chain: copyBytes(batch.chain) };
}
