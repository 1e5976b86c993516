/**
 * A blob on its way in, as its readers see it.
 *
 * The bytes grow in one staging file and every reader reads that file at its own pace. Nothing is handed from the
 * transfer to a reader but the news that there is more, so a slow reader holds up nobody and takes no memory, and one
 * that comes late reads what landed before it came. The alternative, to divide the incoming stream among the readers,
 * needs a queue for each, and either the slowest sets the pace or the queues have no bound.
 *
 * No reader comes to a clean end before the whole blob is verified and durable: the last chunk of *its span* is held
 * back until then, also when the span ends long before the blob does, because a byte in it can't be judged alone. So
 * a wrong copy always ends in a thrown error, which becomes a broken response, never in a complete one. A reader that
 * has been given nothing yet (its span is one chunk or less, or has not landed) doesn't notice that a wrong copy was
 * dropped and goes on with the next.
 */
import { RegistryError } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { BLOB_READ_CHUNK_BYTES, UNAVAILABLE_RETRY_AFTER_SECONDS } from "../../shared/limits.ts";
import type { ByteSpan, Staging, StoredBlob } from "../ports/disk.ts";

/** Of each reader's span; released when the blob is durable. */
const HELD_BACK_BYTES = BLOB_READ_CHUNK_BYTES;

type State =
  | { readonly kind: "growing" }
  /** All bytes are there, and no reading of the staging begins any more: it is about to end. */
  | { readonly kind: "sealed" }
  | { readonly kind: "durable" }
  | { readonly kind: "failed"; readonly error: unknown };

export class GrowingBlob {
  readonly #staging: Staging;
  readonly #openStored: () => Promise<StoredBlob | undefined>;
  readonly #waiting = new Set<() => void>();
  #state: State = { kind: "growing" };
  #size: number;
  /** Counts the copies begun. What was read from an earlier copy is worth nothing. */
  #copy = 1;
  /** Bytes of the present copy that can be read: the staging may still hold more, of a copy that is being dropped. */
  #readable = 0;

  /** `openStored` opens the blob once it is durable. */
  constructor(staging: Staging, size: number, openStored: () => Promise<StoredBlob | undefined>) {
    this.#staging = staging;
    this.#size = size;
    this.#openStored = openStored;
  }

  /** What the blob's whole size is believed to be. */
  get size(): number {
    return this.#size;
  }

  /** Appends to the present copy. */
  async append(bytes: Uint8Array): Promise<void> {
    await this.#staging.append(bytes);
    this.#readable += bytes.length;
    this.#wakeReaders();
  }

  /** The size is now believed to be this one; readers who were told another one fail. */
  expect(size: number): void {
    if (this.#size === size) return;
    this.#size = size;
    this.#wakeReaders();
  }

  /** Drops all bytes; readers who were given one of them fail. */
  async restart(): Promise<void> {
    // First the number, then the bytes: no reader may take a byte of the next copy for one of this.
    this.#copy += 1;
    this.#readable = 0;
    this.#wakeReaders();
    await this.#staging.truncate(0);
  }

  /** The bytes are about to be committed: who wants more of them waits until they are. */
  seal(): void {
    if (this.#state.kind === "growing") this.#state = { kind: "sealed" };
  }

  /** The blob is verified and durable: readers may come to their ends. */
  complete(): void {
    this.#settle({ kind: "durable" });
  }

  /** Every reader that is not at its end throws `error`, now or when it next asks. */
  fail(error: unknown): void {
    this.#settle({ kind: "failed", error });
  }

  /**
   * The bytes of `span`, in chunks that are valid until the next is asked for.
   *
   * @param sizeTold what the reader has been told the blob's size is; `span` lies within it.
   * @throws {RegistryError} `UNAVAILABLE` when the transfer failed, or had to start over after this reader was given a byte.
   */
  async *read(span: ByteSpan, sizeTold: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    invariant(0 <= span.start && span.start <= span.end && span.end <= sizeTold, "a span lies within its blob");
    let at = span.start;
    let copy = this.#copy;
    while (true) {
      signal.throwIfAborted();
      if (this.#state.kind === "failed") throw this.#state.error;
      if (this.#size !== sizeTold || (this.#copy !== copy && at > span.start)) {
        throw unavailable("a holder sent wrong bytes; the transfer started over");
      }
      if (this.#state.kind === "durable") break;

      copy = this.#copy;
      const end = this.#state.kind === "growing" ? Math.min(this.#readable, span.end - HELD_BACK_BYTES) : at;
      if (end <= at) await this.#news(signal);
      for await (const chunk of this.#landed({ start: at, end }, copy)) {
        at += chunk.length;
        yield chunk;
        signal.throwIfAborted();
      }
    }
    yield* this.#stored({ start: at, end: span.end }, signal);
  }

  /** Ends early, without an error, when what is being read is no longer the present copy on its way in. */
  async *#landed(span: ByteSpan, copy: number): AsyncGenerator<Uint8Array, void, undefined> {
    if (span.end <= span.start) return;
    try {
      for await (const chunk of this.#staging.read(span)) {
        if (this.#copy !== copy || this.#state.kind === "failed") return;
        yield chunk;
      }
    } catch (cause) {
      // The staging may have been cut or ended under this read, which then fails as it must.
      if (this.#copy === copy && this.#state.kind === "growing") throw cause;
    }
  }

  async *#stored(span: ByteSpan, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    if (span.start === span.end) return;
    const stored = await this.#openStored();
    if (stored === undefined) throw unavailable("the blob was removed while it was read");
    try {
      for await (const chunk of stored.read(span)) {
        signal.throwIfAborted();
        yield chunk;
      }
    } finally {
      await stored.close();
    }
  }

  /** Resolves when anything about the blob has changed. */
  async #news(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const wake = (): void => resolve(undefined);
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake);
    await promise;
    signal.removeEventListener("abort", wake);
    this.#waiting.delete(wake);
  }

  #wakeReaders(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #settle(state: State): void {
    if (this.#state.kind !== "growing" && this.#state.kind !== "sealed") return;
    this.#state = state;
    this.#wakeReaders();
  }
}

function unavailable(message: string): RegistryError {
  return new RegistryError("UNAVAILABLE", undefined, {
    message,
    retryAfterSeconds: UNAVAILABLE_RETRY_AFTER_SECONDS,
  });
}
