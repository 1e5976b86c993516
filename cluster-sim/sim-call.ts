/**
 * One call between two nodes of a world: a request that travels, answers that travel back, and perhaps a stream of
 * requests beside them.
 */

import type { Greeting, PeerCalls, PeerService } from "../nodes/ports/peers.ts";
import { MalformedBytesError } from "../shared/bytes.ts";
import { RegistryError } from "../shared/errors.ts";
import { PeerError } from "../shared/peer-error.ts";
import type { Carry } from "./sim-line.ts";
import { bytesOf } from "./sim-message.ts";
import { SimPipe } from "./sim-pipe.ts";

export type Listener = { readonly self: Greeting; readonly service: PeerService };

/** What the caller asks of the other node. `sent` is what follows the request, if anything does. */
export type Ask<Sent, Answer> = (
  calls: PeerCalls,
  sent: AsyncIterable<Sent>,
  signal: AbortSignal,
) => AsyncIterable<Answer>;

export type Question<Answer> = (calls: PeerCalls, signal: AbortSignal) => Promise<Answer>;

export type Ways = { readonly there: Carry; readonly back: Carry };

/** Nobody looks at where it was thrown, and there is one for every call. */
const CALL_IS_OVER = new PeerError("cancelled", "the call is over");

export class SimCall<Sent, Answer> {
  readonly caller: Greeting;
  readonly listener: Listener;
  readonly #ask: Ask<Sent, Answer>;
  readonly #ways: Ways;
  readonly #up: SimPipe<Sent>;
  readonly #down: SimPipe<Answer>;
  /** Aborts when the call is over for the node that answers. */
  readonly #remote = new AbortController();
  /** Aborts when it is over for the caller. */
  readonly #local = new AbortController();
  /** Nothing that the caller still says arrives. */
  #isLost = false;
  /** Nothing that the node that answers still says arrives. */
  #isSevered = false;

  constructor(caller: Greeting, listener: Listener, ways: Ways, ask: Ask<Sent, Answer>) {
    this.caller = caller;
    this.listener = listener;
    this.#ways = ways;
    this.#ask = ask;
    this.#up = new SimPipe(ways.there);
    this.#down = new SimPipe(ways.back);
  }

  /** The answers, as they arrive. Leaving the iteration cancels the call. */
  async *run(sent: AsyncIterable<Sent>, signal: AbortSignal): AsyncGenerator<Answer, void> {
    const cancel = (): void => this.#down.break(cancelled(signal));
    signal.addEventListener("abort", cancel, { once: true });
    this.#ways.there(() => void this.#answer());
    this.#send(sent).catch((cause: unknown) => this.#down.break(cause));
    try {
      yield* this.#down.received();
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#local.abort(CALL_IS_OVER);
      if (!this.#isLost) {
        this.#up.end("clean");
        this.#ways.there(() => this.#endThere(CALL_IS_OVER));
      }
    }
  }

  /** The connection is lost: both ends learn it, and nothing more arrives. */
  break(error: PeerError): void {
    this.#up.break(error);
    this.#endThere(error);
  }

  /** The connection is lost, and only the caller learns it. Whoever answers goes on until `break`. */
  lose(error: PeerError): void {
    this.#isLost = true;
    this.#down.break(error);
  }

  /** The connection is lost, and only the node that answers learns it. The caller waits until `break`. */
  sever(error: PeerError): void {
    this.#isSevered = true;
    this.#up.break(error);
    this.#remote.abort(error);
  }

  /** The node that answers hears of the end, whether it waits for something or for room to send. */
  #endThere(error: PeerError): void {
    this.#down.break(error);
    this.#remote.abort(error);
  }

  /** Never rejects. */
  async #answer(): Promise<void> {
    const { signal } = this.#remote;
    try {
      expectNoStranger(this.caller, this.listener.self);
      const calls = this.listener.service(this.caller);
      for await (const answer of this.#ask(calls, untilOver(this.#up.received(), signal), signal)) {
        signal.throwIfAborted();
        await this.#down.send(answer);
      }
      if (!this.#isSevered) this.#down.end("clean");
    } catch (cause) {
      if (!this.#isSevered) this.#down.end({ error: answerFor(cause) });
    }
  }

  /** @throws what `sent` throws, which is the end of the call. */
  async #send(sent: AsyncIterable<Sent>): Promise<void> {
    const { signal } = this.#local;
    const over = new Promise<undefined>((resolve) => {
      signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    const iterator = sent[Symbol.asyncIterator]();
    while (true) {
      const next = await Promise.race([iterator.next(), over]);
      if (next === undefined || next.done === true) break;
      await Promise.race([this.#up.send(next.value), over]);
    }
    if (!this.#isLost) this.#up.end("clean");
    if (signal.aborted) await iterator.return?.();
  }
}

/** A call with one request and one answer: most calls are, and they need no pipes. */
export class SimQuestion<Answer> {
  readonly caller: Greeting;
  readonly listener: Listener;
  readonly #ask: Question<Answer>;
  readonly #ways: Ways;
  /** Aborts when the call is over for the node that answers, unless it has answered. */
  readonly #remote = new AbortController();
  readonly #answer = Promise.withResolvers<Answer>();
  #isSevered = false;

  constructor(caller: Greeting, listener: Listener, ways: Ways, ask: Question<Answer>) {
    this.caller = caller;
    this.listener = listener;
    this.#ways = ways;
    this.#ask = ask;
  }

  /** `arrivesTwice`: as one that a connection had swallowed, and that was sent again; the second answer is nobody's. */
  async run(signal: AbortSignal, arrivesTwice = false): Promise<Answer> {
    const cancel = (): void => {
      this.#answer.reject(cancelled(signal));
      this.#ways.there(() => this.#remote.abort(CALL_IS_OVER));
    };
    signal.addEventListener("abort", cancel, { once: true });
    this.#ways.there(() => void this.#reply());
    if (arrivesTwice) this.#ways.there(() => void this.#reply());
    try {
      return await this.#answer.promise;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  /** The connection is lost: both ends learn it, and nothing more arrives. */
  break(error: PeerError): void {
    this.lose(error);
    this.#remote.abort(error);
  }

  /** As with a stream. */
  lose(error: PeerError): void {
    this.#answer.reject(error);
  }

  /** As with a stream. */
  sever(error: PeerError): void {
    this.#isSevered = true;
    this.#remote.abort(error);
  }

  /** Never rejects. */
  async #reply(): Promise<void> {
    const { signal } = this.#remote;
    try {
      expectNoStranger(this.caller, this.listener.self);
      const answer = await this.#ask(this.listener.service(this.caller), signal);
      if (!this.#isSevered) this.#ways.back(() => this.#answer.resolve(answer), bytesOf(answer));
    } catch (cause) {
      if (!this.#isSevered) this.#ways.back(() => this.#answer.reject(answerFor(cause)));
    }
  }
}

export function unreachableError(address: string): PeerError {
  return new PeerError("unreachable", `cannot reach ${address}`);
}

export function cancelled(signal: AbortSignal): PeerError {
  return new PeerError("cancelled", "the call was cancelled", { cause: signal.reason });
}

function expectNoStranger(caller: Greeting, self: Greeting): void {
  const isOfCluster = caller.cluster === self.cluster;
  const hasCommonVersion = caller.protocol.min <= self.protocol.max && self.protocol.min <= caller.protocol.max;
  if (!isOfCluster || !hasCommonVersion) throw new PeerError("refused", `${self.node} does not know ${caller.node}`);
}

/** What the caller hears of a failure there: the code of a refusal, and of everything else only that it happened. */
function answerFor(cause: unknown): PeerError {
  if (cause instanceof RegistryError) return new PeerError("refused", cause.message, { code: cause.code });
  if (cause instanceof MalformedBytesError) return new PeerError("refused", cause.message);
  if (cause instanceof PeerError && cause.kind === "refused") return cause;
  return new PeerError("failed", "the call failed", { cause });
}

/** A stream that was cut off is an end like another: the signal tells why. */
async function* untilOver<Item>(items: AsyncIterable<Item>, signal: AbortSignal): AsyncGenerator<Item, void> {
  try {
    yield* items;
  } catch (cause) {
    if (!signal.aborted) throw cause;
  }
}
