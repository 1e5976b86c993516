/**
 * The threads that hash and write, as the disk sees them. Each file that is being received is a lane of one thread for as long
 * as it is received, so that its bytes are written and hashed in their order without a lock. Threads are started when
 * there is the first work for them, because most nodes are idle most of the time.
 *
 * A thread that ends on its own takes its lanes with it: whatever they were asked for fails, and so does all that is asked
 * later. A lane that is opened after that gets a new thread.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";

import type { DigestAlgorithm } from "../../shared/digest.ts";
import type { Slot } from "./slot-pool.ts";
import { type Answer, isAnswer, type Order } from "./write-protocol.ts";

const THREADS_MAX = 4;

/** A failure of the system, as a thread met it. */
export class WriteError extends Error {
  override readonly name = "WriteError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

type Asked = PromiseWithResolvers<string>;

class Thread {
  readonly #worker = new Worker(new URL("./write-thread.ts", import.meta.url));
  readonly #knownSlots = new Set<number>();
  /** By lane, in the order in which they were asked. */
  readonly #asked = new Map<number, Asked[]>();
  #failure: Error | undefined;
  lanes = 0;

  constructor() {
    // The process lives by its listeners; a thread that waits for work does not keep it.
    this.#worker.unref();
    this.#worker.on("message", (answer: unknown) => {
      if (isAnswer(answer)) this.#answered(answer);
    });
    this.#worker.on("error", (cause) => this.#end(new Error("a writing thread failed", { cause })));
    this.#worker.on("exit", () => this.#end(new Error("a writing thread has ended")));
  }

  get hasEnded(): boolean {
    return this.#failure !== undefined;
  }

  order(order: Order): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Node's message ports know no origin
    this.#worker.postMessage(order);
  }

  async ask(order: Order & { readonly kind: "write" | "digest" }): Promise<string> {
    if (this.#failure !== undefined) throw this.#failure;
    const asked = Promise.withResolvers<string>();
    const before = this.#asked.get(order.lane);
    if (before === undefined) this.#asked.set(order.lane, [asked]);
    else before.push(asked);
    this.order(order);
    return await asked.promise;
  }

  tellOf({ name, memory }: Slot): void {
    if (this.#knownSlots.has(name)) return;
    this.#knownSlots.add(name);
    this.order({ kind: "slot", slot: name, memory });
  }

  forget(lane: number): void {
    this.#asked.delete(lane);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #answered({ lane, hex = "", code, message = "" }: Answer): void {
    const asked = this.#asked.get(lane)?.shift();
    if (code === undefined) asked?.resolve(hex);
    else asked?.reject(new WriteError(code, message));
  }

  #end(failure: Error): void {
    this.#failure ??= failure;
    for (const asked of this.#asked.values()) for (const { reject } of asked.splice(0)) reject(this.#failure);
  }
}

/** One file, in the hands of one thread. Orders are obeyed in the order in which they are given. */
export type WriteLane = {
  /** Writes and hashes the first `bytes` of `slot`. @throws {WriteError} */
  readonly write: (slot: Slot, bytes: number, position: number) => Promise<void>;
  /** The hex digest of the first `length` bytes of the file. @throws {WriteError} */
  readonly digest: (algorithm: DigestAlgorithm, length: number) => Promise<string>;
  /** To be called after a cut, and after a write that failed, before anything else. */
  readonly rewind: (length: number) => void;
  /** Nothing may be under way. The file stays open. */
  readonly close: () => void;
};

export class WriteLanes {
  readonly #threadsMax = Math.min(THREADS_MAX, Math.max(1, Math.floor(availableParallelism() / 2)));
  #threads: readonly Thread[] = [];
  #lastLane = 0;

  open(fd: number): WriteLane {
    const thread = this.#leastBusy();
    this.#lastLane += 1;
    const lane = this.#lastLane;
    thread.lanes += 1;
    thread.order({ kind: "open", lane, fd });
    return {
      write: async (slot, bytes, position) => {
        thread.tellOf(slot);
        await thread.ask({ kind: "write", lane, slot: slot.name, bytes, position });
      },
      digest: async (algorithm, length) => await thread.ask({ kind: "digest", lane, algorithm, length }),
      rewind: (length) => thread.order({ kind: "rewind", lane, length }),
      close: () => {
        thread.lanes -= 1;
        thread.forget(lane);
        thread.order({ kind: "close", lane });
      },
    };
  }

  /** Ends the threads. Nothing may be under way. */
  async stop(): Promise<void> {
    const threads = this.#threads;
    this.#threads = [];
    await Promise.all(threads.map(async (thread) => await thread.stop()));
  }

  #leastBusy(): Thread {
    this.#threads = this.#threads.filter(({ hasEnded }) => !hasEnded);
    const idle = this.#threads.toSorted((left, right) => left.lanes - right.lanes)[0];
    if (idle !== undefined && (idle.lanes === 0 || this.#threads.length >= this.#threadsMax)) return idle;
    const thread = new Thread();
    this.#threads = [...this.#threads, thread];
    return thread;
  }
}
