/**
 * What the network does to bytes that travel from one node to another. The words are toxiproxy's, so that whoever has
 * used it can read a drill: `latency`, `bandwidth`, `slicer`, `limit_data`, `timeout` (here a cut: nothing is lost,
 * nothing arrives, nobody is told).
 *
 * One object stands for one direction between two nodes, whoever dialled: bytes from eu to us are the requests of
 * eu's connections and the answers on us' connections. So a one-way cut is one flag, and all connections share the
 * bandwidth of the line as they would at sea.
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { invariant } from "../../shared/invariant.ts";

export type Toxics = {
  /** Each byte arrives this much later, give or take up to the jitter; order is kept. Milliseconds, one way. */
  readonly latency?: { readonly latencyMs: number; readonly jitterMs: number } | undefined;
  readonly bandwidth?: { readonly bytesPerSecond: number } | undefined;
  /** Chunks are cut into pieces of about this size, sent one by one. */
  readonly slicer?:
    | { readonly averageBytes: number; readonly variationBytes: number; readonly delayMs: number }
    | undefined;
  /** A connection is reset after so many bytes in this direction. */
  readonly limitData?: { readonly bytes: number } | undefined;
  /** A cut: bytes are held back, and go on when it ends, as lost packets are sent again. */
  readonly timeout?: true | undefined;
};

/** A limited line takes bytes in pieces of this size, so that connections get their turns. */
const PACED_PIECE_BYTES = 16 * 1024;
/** Timers are no finer than a millisecond: a line may run this far ahead of its rate before it waits. */
const PACING_SLACK_MS = 2;

export class LinkDirection {
  readonly #usual: Toxics;
  #toxics: Toxics;
  readonly #changes = new EventTarget();
  #lineFreeAtMs = 0;

  /** `usual` is the state that `heal` returns to. */
  constructor(usual: Toxics = {}) {
    this.#usual = usual;
    this.#toxics = usual;
  }

  get toxics(): Toxics {
    return this.#toxics;
  }

  get isCut(): boolean {
    return this.#toxics.timeout === true;
  }

  /** Changes what `patch` names, for open connections too; a key set to `undefined` takes that toxic away. */
  poison(patch: Toxics): void {
    this.#toxics = { ...this.#toxics, ...patch };
    this.#changes.dispatchEvent(new Event("change"));
  }

  heal(): void {
    this.#toxics = this.#usual;
    this.#lineFreeAtMs = 0;
    this.#changes.dispatchEvent(new Event("change"));
  }

  /** Resolves when the direction is not cut. @throws when `signal` aborts first. */
  async whole(signal: AbortSignal): Promise<void> {
    while (this.isCut) await once(this.#changes, "change", { signal });
  }

  /** How long a byte that starts now takes, in ms. */
  travelMs(): number {
    const { latency } = this.#toxics;
    if (latency === undefined) return 0;
    const jitter = (Math.random() * 2 - 1) * latency.jitterMs;
    return Math.max(0, latency.latencyMs + jitter);
  }

  /** `chunk` in the pieces in which this direction takes it. */
  *pieces(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    while (at < chunk.length) {
      const end = at + this.#pieceBytes(chunk.length - at);
      yield chunk.subarray(at, end);
      at = end;
    }
  }

  /** Waits for the line to have sent `byteCount` bytes, after everything that came before. @throws when `signal` aborts. */
  async transmit(byteCount: number, signal: AbortSignal): Promise<void> {
    const { bandwidth, slicer } = this.#toxics;
    if (slicer !== undefined && slicer.delayMs > 0) await sleep(slicer.delayMs, undefined, { signal });
    if (bandwidth === undefined) return;
    const nowMs = performance.now();
    this.#lineFreeAtMs = Math.max(nowMs, this.#lineFreeAtMs) + (byteCount * 1000) / bandwidth.bytesPerSecond;
    const aheadMs = this.#lineFreeAtMs - nowMs;
    if (aheadMs > PACING_SLACK_MS) await sleep(aheadMs, undefined, { signal });
  }

  #pieceBytes(bytesLeft: number): number {
    const { slicer, bandwidth } = this.#toxics;
    if (slicer === undefined) return bandwidth === undefined ? bytesLeft : Math.min(bytesLeft, PACED_PIECE_BYTES);
    invariant(slicer.averageBytes > slicer.variationBytes, "a slice holds at least one byte");
    const variation = (Math.random() * 2 - 1) * slicer.variationBytes;
    return Math.min(bytesLeft, Math.max(1, Math.round(slicer.averageBytes + variation)));
  }
}
