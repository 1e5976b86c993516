/** Calls over one connection: each ends with an answer or with a `PeerError`, and is counted. */
import { type Client, type ClientReadableStream, type Metadata, status } from "@grpc/grpc-js";
import { PeerError } from "../../shared/peer-error.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Connection } from "./connection.ts";
import { received, send } from "./messages.ts";
import { isMalformed, methodName, peerErrorOf, statusOf } from "./status.ts";

/** The caller's half of a method of the generated service definitions. */
export type Method<Request, Response> = {
  readonly path: string;
  readonly requestSerialize: (message: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
};

export type CallsDeps = {
  readonly connection: Connection;
  /** Goes with every call. */
  readonly metadata: Metadata;
  readonly telemetry: Telemetry;
};

type Running = { readonly cancel: () => void };

export class Calls {
  readonly #deps: CallsDeps;
  readonly #running = new Set<Running>();

  constructor(deps: CallsDeps) {
    this.#deps = deps;
  }

  /** One request, one answer. `read` parses the answer; what it throws is the peer's failure. */
  async ask<Request, Response, Answer>(
    method: Method<Request, Response>,
    request: Request,
    read: (response: Response) => Answer,
    signal: AbortSignal,
  ): Promise<Answer> {
    let outcome: status = status.OK;
    try {
      const client = await this.#ready(signal);
      return read(await this.#answerOf(client, method, request, signal));
    } catch (cause) {
      const error = this.#failed(method, cause, signal);
      outcome = statusOf(error);
      throw error;
    } finally {
      this.#count(method, outcome);
    }
  }

  /** One request, many answers. Nothing is sent before the first is asked for; leaving the iteration cancels the call. */
  stream<Request, Response, Answer>(
    method: Method<Request, Response>,
    request: Request,
    read: (response: Response) => Answer,
    signal: AbortSignal,
  ): AsyncIterable<Answer> {
    return this.#counted(method, signal, this.#streamed(method, request, read, signal));
  }

  /** Many of both. `requests` is closed when the call ends, whoever ended it; when it fails, so does the call. */
  exchange<Request, Response, Answer>(
    method: Method<Request, Response>,
    requests: AsyncIterable<Request>,
    read: (response: Response) => Answer,
    signal: AbortSignal,
  ): AsyncIterable<Answer> {
    return this.#counted(method, signal, this.#exchanged(method, requests, read, signal));
  }

  /** Ends what runs, as if the connection had broken. */
  close(): void {
    this.#deps.connection.close();
    for (const call of this.#running) call.cancel();
  }

  async #answerOf<Request, Response>(
    client: Client,
    method: Method<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): Promise<Response> {
    const answer = Promise.withResolvers<Response>();
    const { path, requestSerialize, responseDeserialize } = method;
    const { metadata } = this.#deps;
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      (error, response) => {
        if (response === undefined) answer.reject(error ?? new Error("the call ended without an answer"));
        else answer.resolve(response);
      },
    );
    const release = this.#cancelOn(signal, call);
    try {
      return await answer.promise;
    } finally {
      release();
    }
  }

  async *#streamed<Request, Response, Answer>(
    { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
    request: Request,
    read: (response: Response) => Answer,
    signal: AbortSignal,
  ): AsyncGenerator<Answer, void> {
    const client = await this.#ready(signal);
    const { metadata } = this.#deps;
    const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata);
    yield* this.#received(call, read, signal);
  }

  async *#exchanged<Request, Response, Answer>(
    { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
    requests: AsyncIterable<Request>,
    read: (response: Response) => Answer,
    signal: AbortSignal,
  ): AsyncGenerator<Answer, void> {
    const client = await this.#ready(signal);
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, this.#deps.metadata);
    const over = new AbortController();
    const failures: PeerError[] = [];
    send(requests, call, over.signal).then(
      () => call.end(),
      (cause: unknown) => {
        failures.push(new PeerError("failed", "there was nothing to send any more", { cause }));
        call.cancel();
      },
    );
    try {
      yield* this.#received(call, read, signal);
    } catch (cause) {
      throw failures[0] ?? cause;
    } finally {
      over.abort();
    }
  }

  async *#received<Response, Answer>(
    call: ClientReadableStream<Response>,
    read: (response: Response) => Answer,
    signal: AbortSignal,
  ): AsyncGenerator<Answer, void> {
    // After the iteration was left nobody hears the call's last error, and an error that nobody hears ends the process.
    call.on("error", ignore);
    const release = this.#cancelOn(signal, call);
    try {
      for await (const response of received<Response>(call)) {
        signal.throwIfAborted();
        yield read(response);
      }
    } finally {
      release();
      call.cancel();
    }
  }

  async *#counted<Answer>(
    method: { readonly path: string },
    signal: AbortSignal,
    answers: AsyncIterable<Answer>,
  ): AsyncGenerator<Answer, void> {
    // What stays so when the caller leaves the iteration.
    let outcome: status = status.CANCELLED;
    try {
      yield* answers;
      outcome = status.OK;
    } catch (cause) {
      const error = this.#failed(method, cause, signal);
      outcome = statusOf(error);
      throw error;
    } finally {
      this.#count(method, outcome);
    }
  }

  async #ready(signal: AbortSignal): Promise<Client> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<undefined>();
    const abort = (): void => aborted.resolve(undefined);
    signal.addEventListener("abort", abort, { once: true });
    try {
      const client = await Promise.race([this.#deps.connection.ready(), aborted.promise]);
      if (client === undefined) throw new PeerError("cancelled", "the call was cancelled", { cause: signal.reason });
      return client;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Returns what ends the watch. */
  #cancelOn(signal: AbortSignal, call: Running): () => void {
    const cancel = (): void => call.cancel();
    this.#running.add(call);
    signal.addEventListener("abort", cancel, { once: true });
    // It may have aborted since the connection was ready.
    if (signal.aborted) cancel();
    return () => {
      this.#running.delete(call);
      signal.removeEventListener("abort", cancel);
    };
  }

  #failed({ path }: { readonly path: string }, cause: unknown, signal: AbortSignal): PeerError {
    const error = peerErrorOf(cause, signal);
    if (error.kind === "failed" && isMalformed(cause)) {
      const { connection, telemetry } = this.#deps;
      const fields = { method: methodName(path), address: connection.address, problem: cause.message };
      telemetry.log("error", "a peer's answer is malformed", fields);
    }
    return error;
  }

  #count({ path }: { readonly path: string }, outcome: status): void {
    this.#deps.telemetry.count("meridian_rpc_calls_total", {
      method: methodName(path),
      side: "client",
      code: status[outcome],
    });
  }
}

function ignore(): void {}
