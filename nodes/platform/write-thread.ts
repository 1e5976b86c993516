/**
 * A thread that hashes and writes what the node's own thread has received. It works off its orders one after another, with
 * calls that block: it has nothing else to do, and a blocking call costs a fraction of one that comes back later.
 *
 * After a write that failed the rest of its lane is refused until it is rewound: what comes behind a hole is worth nothing.
 */
import { readSync, writeSync } from "node:fs";
import { parentPort } from "node:worker_threads";

import type { DigestAlgorithm } from "../../shared/digest.ts";
import { hexOf } from "../../shared/digest.ts";
import { invariant, unreachable } from "../../shared/invariant.ts";
import { CheckpointedHash } from "./checkpointed-hash.ts";
import { codeOf } from "./system-error.ts";
import { type Answer, isOrder, type Order } from "./write-protocol.ts";

type Lane = {
  readonly fd: number;
  readonly hashes: Map<DigestAlgorithm, CheckpointedHash>;
  failure: Error | undefined;
};

const READ_BYTES = 1024 * 1024;
/**
 * Measured on Linux 6.18 with ext4: a gibibyte written a mebibyte at a time costs 1.0 to 2.0 s in the kernel, which then
 * looks for pages that are as large; 64 KiB at a time 0.23 s.
 */
const WRITE_BYTES = 64 * 1024;

class WriteThread {
  readonly #slots = new Map<number, Uint8Array>();
  readonly #lanes = new Map<number, Lane>();
  readonly #spare = Buffer.allocUnsafeSlow(READ_BYTES);

  /** `undefined` when nothing is to be answered. */
  obey(order: Order): Answer | undefined {
    switch (order.kind) {
      case "slot":
        this.#slots.set(order.slot, new Uint8Array(order.memory));
        return undefined;
      case "open": {
        const hashes = new Map<DigestAlgorithm, CheckpointedHash>();
        this.#lanes.set(order.lane, { fd: order.fd, hashes, failure: undefined });
        return undefined;
      }
      case "write":
        return answering(order.lane, () => this.#write(order));
      case "rewind": {
        const lane = this.#laneOf(order.lane);
        lane.failure = undefined;
        for (const hash of lane.hashes.values()) hash.rewind(order.length);
        return undefined;
      }
      case "digest":
        return answering(order.lane, () => this.#digest(order));
      case "close":
        this.#lanes.delete(order.lane);
        return undefined;
      default:
        return unreachable(order);
    }
  }

  #write({ lane: name, slot, bytes, position }: Order & { readonly kind: "write" }): undefined {
    const lane = this.#laneOf(name);
    if (lane.failure !== undefined) throw lane.failure;
    const memory = this.#slots.get(slot);
    invariant(memory !== undefined, "a slot is told of before it is used");
    try {
      for (let done = 0; done < bytes; ) {
        done += writeSync(lane.fd, memory, done, Math.min(WRITE_BYTES, bytes - done), position + done);
      }
      const sha256 = hashOf(lane, "sha256");
      // Behind after a resume, or after a rewind to between two checkpoints.
      this.#catchUp(lane, sha256, position);
      sha256.update(memory.subarray(0, bytes));
    } catch (cause) {
      lane.failure = cause instanceof Error ? cause : new Error(String(cause));
      throw lane.failure;
    }
  }

  #digest({ lane: name, algorithm, length }: Order & { readonly kind: "digest" }): string {
    const lane = this.#laneOf(name);
    if (lane.failure !== undefined) throw lane.failure;
    const hash = hashOf(lane, algorithm);
    this.#catchUp(lane, hash, length);
    return hexOf(hash.digest());
  }

  /** Feeds what the file holds and the hash has not seen, up to `length`. */
  #catchUp({ fd }: Lane, hash: CheckpointedHash, length: number): void {
    while (hash.length < length) {
      const wanted = Math.min(READ_BYTES, length - hash.length);
      const read = readSync(fd, this.#spare, 0, wanted, hash.length);
      invariant(read > 0, "a file holds what was written to it");
      hash.update(this.#spare.subarray(0, read));
    }
  }

  #laneOf(name: number): Lane {
    const lane = this.#lanes.get(name);
    invariant(lane !== undefined, "a lane is opened before it is used");
    return lane;
  }
}

function hashOf({ hashes }: Lane, algorithm: DigestAlgorithm): CheckpointedHash {
  const known = hashes.get(algorithm);
  if (known !== undefined) return known;
  const fresh = new CheckpointedHash(algorithm);
  hashes.set(algorithm, fresh);
  return fresh;
}

function answering(lane: number, work: () => string | undefined): Answer {
  try {
    const hex = work();
    return hex === undefined ? { lane } : { lane, hex };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    return { lane, code: codeOf(cause) ?? "UNKNOWN", message };
  }
}

const thread = new WriteThread();
parentPort?.on("message", (order: unknown) => {
  if (!isOrder(order)) return;
  const answer = thread.obey(order);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Node's message ports know no origin
  if (answer !== undefined) parentPort?.postMessage(answer);
});
