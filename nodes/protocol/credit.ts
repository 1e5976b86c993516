/**
 * How many bytes of ops a follower lets its publisher send ahead of what it has applied. Without a limit a publisher that
 * is faster than the follower's disk would fill the follower's memory; with HTTP/2's window alone, one stream that is
 * slow to apply would take the whole connection's window from the others.
 *
 * The grant is a running total, so that only the newest one matters. It is what was applied, and a window beyond it. The
 * window halves when ops had to wait longer than `QUEUE_MS_MAX` for the disk and doubles when they did not.
 */
import { invariant } from "../../shared/invariant.ts";
import { OP_BATCH_BYTES_MAX, OP_CREDIT_BYTES } from "../../shared/limits.ts";

export const QUEUE_MS_MAX = 200;
/** Never less than one full batch, or nothing would ever come. */
export const CREDIT_BYTES_MIN = OP_BATCH_BYTES_MAX;
/** What a batch costs beside its ops. */
const BATCH_OVERHEAD_BYTES = 64;

invariant(CREDIT_BYTES_MIN * 4 <= OP_CREDIT_BYTES, "the window can shrink");

/** What both ends count for a batch. */
export function creditOf({ ops }: { readonly ops: readonly Uint8Array[] }): number {
  return ops.reduce((bytes, op) => bytes + op.length, BATCH_OVERHEAD_BYTES);
}

export class Credit {
  #received = 0;
  #applied = 0;
  #windowBytes = OP_CREDIT_BYTES;
  #granted = OP_CREDIT_BYTES;

  /** Whether the publisher was allowed to send it. It may overdraw by the last batch. */
  receive(bytes: number): boolean {
    const isCovered = this.#received < this.#granted;
    this.#received += bytes;
    return isCovered;
  }

  /** It waited `queuedMs` to become durable. @returns the new total when it is worth telling. */
  apply(bytes: number, queuedMs: number): number | undefined {
    this.#applied += bytes;
    this.#windowBytes =
      queuedMs > QUEUE_MS_MAX
        ? Math.max(CREDIT_BYTES_MIN, this.#windowBytes / 2)
        : Math.min(OP_CREDIT_BYTES, this.#windowBytes * 2);
    const total = Math.floor(this.#applied + this.#windowBytes);
    const isWorthTelling = total - this.#granted >= this.#windowBytes / 4 || this.#received >= this.#granted;
    if (!isWorthTelling || total <= this.#granted) return undefined;
    this.#granted = total;
    return total;
  }
}
