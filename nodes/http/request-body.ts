/**
 * The bytes a client sends, at the client's pace and no slower than it must: the total time of an upload is never
 * bounded, since 2 GB on a slow line is honest, but a client that sends next to nothing while we wait for it is given up.
 * Only waiting counts; a disk of ours that is busy costs the client nothing.
 *
 * Nothing is read before somebody asks. A client that sent `Expect: 100-continue` hears 100 at that moment and not
 * before, so that a refusal reaches it instead of the invitation.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

import { RegistryError } from "../../shared/errors.ts";
import { BODY_PROGRESS_BYTES_MIN, DRAIN_BYTES_MAX, DRAIN_MS_MAX } from "../../shared/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Timer, Timers } from "../ports/timers.ts";

/** The client went away in the middle: there is nobody left to answer. */
export class ClientGoneError extends Error {
  override readonly name = "ClientGoneError";
}

export type RequestBodyDeps = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Milliseconds of waiting for `BODY_PROGRESS_BYTES_MIN` more bytes, or the end. */
  readonly idleMs: number;
  readonly isContinueExpected: boolean;
};

export class RequestBody {
  readonly #deps: RequestBodyDeps;
  #receivedBytes = 0;
  #hasBegun = false;
  #isStalled = false;

  constructor(deps: RequestBodyDeps) {
    this.#deps = deps;
  }

  /** What `Content-Length` announces; `undefined` when it is absent, as with chunked bodies. */
  get declaredBytes(): number | undefined {
    const header = this.#deps.request.headers["content-length"];
    return header === undefined ? undefined : Number(header);
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Whether the client has sent all of it. */
  get isComplete(): boolean {
    return this.#deps.request.complete;
  }

  /**
   * To be read once.
   * @throws {RegistryError} `BLOB_UPLOAD_INVALID` (408) when the client stops sending.
   * @throws {ClientGoneError} when the connection ends first.
   */
  async *chunks(): AsyncGenerator<Uint8Array> {
    this.#begin();
    const parts = this.#parts();
    const patience = new Patience(this.#deps, () => {
      this.#isStalled = true;
    });
    try {
      while (true) {
        const next = await patience.during(parts.next());
        if (next.done === true) break;
        this.#receivedBytes += next.value.length;
        patience.received(next.value.length);
        yield next.value;
      }
    } catch (cause) {
      throw cause instanceof RegistryError ? cause : gone(cause);
    } finally {
      patience.end();
      // A stalled request never answers the question it was asked, so it cannot be asked to end either.
      if (!this.#isStalled) await parts.return?.();
    }
    if (!this.#deps.request.complete) throw gone();
  }

  /**
   * The whole body.
   * @throws {RegistryError} `SIZE_INVALID` (413) as soon as it is known to exceed `bytesMax`; else as `chunks`.
   */
  async read(bytesMax: number): Promise<Uint8Array> {
    if ((this.declaredBytes ?? 0) > bytesMax) throw tooLarge(bytesMax);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of this.chunks()) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw tooLarge(bytesMax);
      parts.push(chunk);
    }
    return Buffer.concat(parts, bytes);
  }

  /** Throws away what still comes, up to a bound of bytes and time. */
  async drain(): Promise<void> {
    if (this.isComplete || this.#isStalled) return;
    const enough = new AbortController();
    const discarding = this.#discard().finally(() => enough.abort());
    await this.#deps.timers.sleep(DRAIN_MS_MAX, enough.signal).catch(ignore);
    if (enough.signal.aborted) await discarding;
  }

  async #discard(): Promise<void> {
    let bytes = 0;
    try {
      for await (const part of this.#deps.request.iterator({ destroyOnReturn: false })) {
        if (!(part instanceof Uint8Array)) continue;
        this.#receivedBytes += part.length;
        bytes += part.length;
        if (bytes > DRAIN_BYTES_MAX) return;
      }
    } catch {
      // The client left, which is all that was waited for.
    }
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    if (this.#deps.isContinueExpected) this.#deps.response.writeContinue();
  }

  /** Whoever stops early leaves the connection whole, so that the client can still be told why. */
  #parts(): AsyncIterator<Uint8Array> {
    const parts: AsyncIterable<Uint8Array> = this.#deps.request.iterator({ destroyOnReturn: false });
    return parts[Symbol.asyncIterator]();
  }
}

/** How long a client has been waited for, and the end of it. One timer a body: one for each chunk would cost more than the chunk. */
class Patience {
  readonly #deps: Pick<RequestBodyDeps, "clock" | "timers" | "idleMs">;
  readonly #onStalled: () => void;
  #timer: Timer;
  /** Since the last progress, without the wait that is under way. */
  #waitedMs = 0;
  #bytesOfStep = 0;
  #waitingSinceMs: number | undefined;
  #giveUp: (error: RegistryError) => void = () => undefined;

  constructor(deps: Pick<RequestBodyDeps, "clock" | "timers" | "idleMs">, onStalled: () => void) {
    this.#deps = deps;
    this.#onStalled = onStalled;
    this.#timer = deps.timers.after(deps.idleMs, () => this.#look());
  }

  /** @throws {RegistryError} `BLOB_UPLOAD_INVALID` (408) when the patience ends first. */
  async during<T>(answer: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#giveUp = reject;
    this.#waitingSinceMs = this.#deps.clock.monotonicMs();
    answer.then(resolve, reject);
    const result = await promise;
    this.#waitedMs += this.#waitingNowMs();
    this.#waitingSinceMs = undefined;
    return result;
  }

  received(bytes: number): void {
    this.#bytesOfStep += bytes;
    if (this.#bytesOfStep >= BODY_PROGRESS_BYTES_MIN) this.#waitedMs = this.#bytesOfStep = 0;
  }

  end(): void {
    this.#timer.cancel();
  }

  #look(): void {
    const leftMs = this.#deps.idleMs - this.#waitedMs - this.#waitingNowMs();
    if (leftMs > 0 || this.#waitingSinceMs === undefined) {
      this.#timer = this.#deps.timers.after(Math.max(1, leftMs), () => this.#look());
      return;
    }
    this.#onStalled();
    const told = { status: 408, message: "the body stopped coming" };
    this.#giveUp(new RegistryError("BLOB_UPLOAD_INVALID", undefined, told));
  }

  #waitingNowMs(): number {
    return this.#waitingSinceMs === undefined ? 0 : this.#deps.clock.monotonicMs() - this.#waitingSinceMs;
  }
}

function gone(cause?: unknown): ClientGoneError {
  return new ClientGoneError("the client went away while it was sending", { cause });
}

function tooLarge(bytesMax: number): RegistryError {
  return new RegistryError("SIZE_INVALID", { bytesMax }, { status: 413, message: `more than ${bytesMax} bytes` });
}

function ignore(): void {}
