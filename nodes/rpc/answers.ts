/**
 * Answering calls: who calls is checked first, the request is parsed, the service answers, every way to fail becomes a status,
 * and each call is counted once. A service never sees gRPC; a caller never sees a stack.
 */

import type { EventEmitter } from "node:events";
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type ServerErrorResponse,
  status,
} from "@grpc/grpc-js";
import type { Greeting__Output } from "../../proto/gen/meridian/v1/Greeting.ts";
import type { Greeting, PeerCalls, PeerService } from "../ports/peers.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { callerOf } from "./caller.ts";
import { type MessageSink, type MessageSource, received, send } from "./messages.ts";
import { type Failure, failureOf, methodName, StatusError } from "./status.ts";

export type AnswersDeps = {
  readonly self: Greeting;
  readonly service: PeerService;
  readonly telemetry: Telemetry;
  readonly readGreeting: (bytes: Buffer) => Greeting__Output;
};

type Call = EventEmitter & { readonly metadata: Metadata; readonly getPath: () => string };
type OutgoingCall<Response> = Call &
  MessageSink<Response> & { readonly sendMetadata: (metadata: Metadata) => void; readonly end: () => unknown };

export class Answers {
  readonly #deps: AnswersDeps;
  readonly #endless = new Set<AbortController>();

  constructor(deps: AnswersDeps) {
    this.#deps = deps;
  }

  unary<Request, Response>(
    answer: (calls: PeerCalls, request: Request, signal: AbortSignal) => Promise<Response>,
  ): handleUnaryCall<Request, Response> {
    return (call, respond) => {
      const { signal } = cancellationOf(call);
      const run = async (): Promise<Response> => await answer(this.#callsFor(call), call.request, signal);
      run().then(
        (response) => {
          this.#count(call, status.OK);
          respond(null, response);
        },
        (error: unknown) => respond(this.#failed(call, error, signal)),
      );
    };
  }

  stream<Request, Response>(
    answer: (calls: PeerCalls, request: Request, signal: AbortSignal) => AsyncIterable<Response>,
  ): handleServerStreamingCall<Request, Response> {
    return (call) => {
      const { signal } = cancellationOf(call);
      this.#pour(call, signal, () => answer(this.#callsFor(call), call.request, signal));
    };
  }

  /** A call that ends only when somebody ends it; `endAll` does. */
  exchange<Request, Response>(
    answer: (calls: PeerCalls, requests: AsyncIterable<Request>, signal: AbortSignal) => AsyncIterable<Response>,
  ): handleBidiStreamingCall<Request, Response> {
    return (call) => {
      const cancellation = cancellationOf(call);
      const { signal } = cancellation;
      this.#endless.add(cancellation);
      signal.addEventListener("abort", () => this.#endless.delete(cancellation), { once: true });
      this.#pour<Response>(call, signal, () => answer(this.#callsFor(call), untilOver<Request>(call, signal), signal));
    };
  }

  /** Ends the calls that would never end by themselves; the others may finish. */
  endAll(): void {
    for (const cancellation of this.#endless) {
      cancellation.abort(new StatusError(status.UNAVAILABLE, `${this.#deps.self.node} is stopping`));
    }
  }

  #pour<Response>(call: OutgoingCall<Response>, signal: AbortSignal, answer: () => AsyncIterable<Response>): void {
    const run = async (): Promise<void> => {
      const messages = answer();
      // Tells the caller that he was let in, long before there may be anything to say.
      call.sendMetadata(new Metadata());
      await send(messages, call, signal);
      signal.throwIfAborted();
    };
    run().then(
      () => {
        this.#count(call, status.OK);
        call.end();
      },
      (error: unknown) => call.emit("error", this.#failed(call, error, signal)),
    );
  }

  #callsFor({ metadata }: Call): PeerCalls {
    const { self, service, readGreeting } = this.#deps;
    return service(callerOf(metadata, readGreeting, self));
  }

  #failed(call: Call, error: unknown, signal: AbortSignal): ServerErrorResponse {
    const failure = failureOf(signal.aborted ? signal.reason : error) ?? this.#unforeseen(call, error);
    this.#count(call, failure.code);
    return Object.assign(new Error(failure.details), failure);
  }

  #unforeseen(call: Call, error: unknown): Failure {
    this.#deps.telemetry.log("error", "a call from a peer failed", { method: methodName(call.getPath()), error });
    return { code: status.INTERNAL, details: "the call failed", metadata: new Metadata() };
  }

  #count(call: Call, code: status): void {
    const method = methodName(call.getPath());
    this.#deps.telemetry.count("meridian_rpc_calls_total", { method, side: "server", code: status[code] });
  }
}

/** Aborts when the call is over, whoever ended it: the caller, the connection, or this side. */
function cancellationOf(call: EventEmitter): AbortController {
  const cancellation = new AbortController();
  call.once("cancelled", () => cancellation.abort(new StatusError(status.CANCELLED, "the call is over")));
  return cancellation;
}

/** What the caller sends, until he or the call ends. A stream that was cut off is an end like another: `signal` tells why. */
async function* untilOver<Request>(call: MessageSource<Request>, signal: AbortSignal): AsyncGenerator<Request, void> {
  try {
    yield* received<Request>(call);
  } catch (cause) {
    if (!signal.aborted) throw cause;
  }
}
