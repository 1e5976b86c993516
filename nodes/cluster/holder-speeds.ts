import type { NodeId } from "../../shared/identity.ts";

/** The weight of the latest sample: a line that became slow is known as slow after a few reads. */
const LATEST_WEIGHT = 0.3;
/** A shorter read measures the round trip, not the line. */
const SAMPLE_BYTES_MIN = 256 * 1024;

/** How fast each node has sent blobs to this one: a moving average over its reads. */
export class HolderSpeeds {
  readonly #bytesPerMs = new Map<NodeId, number>();

  /** A read from `node` brought `bytes` in `durationMs`. */
  note(node: NodeId, bytes: number, durationMs: number): void {
    if (bytes < SAMPLE_BYTES_MIN || durationMs <= 0) return;
    const latest = bytes / durationMs;
    const known = this.#bytesPerMs.get(node) ?? latest;
    this.#bytesPerMs.set(node, known + LATEST_WEIGHT * (latest - known));
  }

  /** `undefined` before the first read that was long enough. */
  bytesPerMs(node: NodeId): number | undefined {
    return this.#bytesPerMs.get(node);
  }
}
