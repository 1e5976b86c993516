/**
 * The one place that writes an answer. The length is set here, when the status is final: an error, a 304 or a HEAD that
 * carried the length of what it did not send would leave client and server out of step on the connection.
 *
 *   GET and others     Content-Length always, 0 when there is nothing; 204 and 304 have none (RFC 9110, 8.6)
 *   HEAD               the length that GET would carry; of an error none
 *
 * A body that fails half-way ends in a destroyed connection, never in a clean end: the client must not take what it
 * has for the whole. A request whose body nobody read is answered first, then drained for a moment, then closed;
 * closing at once would reset the connection and take the answer with it.
 */
import type { ServerResponse } from "node:http";

import { invariant, unreachable } from "../../shared/invariant.ts";
import type { Timers } from "../ports/timers.ts";
import type { Body, Reply } from "./reply.ts";
import { ClientGoneError, type RequestBody } from "./request-body.ts";

export type Wire = {
  readonly method: string;
  readonly response: ServerResponse;
  readonly body: RequestBody;
  readonly timers: Timers;
  /** Milliseconds that a reader may take for one chunk. */
  readonly idleMs: number;
  /** Whether no further request is wanted on this connection. */
  readonly isLast: () => boolean;
  readonly signal: AbortSignal;
};

/**
 * Resolves with the bytes of the body that were sent. A stream's first chunk is there before the head goes out, so that
 * a stream which fails at once can still be answered with an error.
 * @throws what the body threw. When `response.headersSent`, the connection is destroyed; otherwise nothing was sent.
 */
export async function sendReply(reply: Reply, wire: Wire): Promise<number> {
  const { response, body } = wire;
  const chunks = chunksToSend(reply, wire);
  const flow = new Outflow(wire);
  try {
    let chunk = await chunks?.next();
    const isUnread = !body.isComplete;
    response.writeHead(reply.status, headFields(reply, wire, isUnread || wire.isLast()));
    let sentBytes = 0;
    for (; chunk !== undefined && chunk.done !== true; chunk = await chunks?.next()) {
      sentBytes += chunk.value.length;
      invariant(sentBytes <= lengthOf(reply.body), "a body is no longer than it said");
      await flow.send(chunk.value);
    }
    invariant(chunks === undefined || sentBytes === lengthOf(reply.body), "a body is as long as it said");
    if (isUnread) {
      response.flushHeaders();
      await body.drain();
    }
    response.end();
    return sentBytes;
  } catch (cause) {
    if (response.headersSent) response.destroy();
    throw cause;
  } finally {
    flow.close();
    await chunks?.return?.();
    if (reply.body.kind === "stream") await reply.body.close();
  }
}

function headFields(reply: Reply, { method }: Wire, isLast: boolean): Record<string, string> {
  const length = lengthFor(reply, method);
  return {
    ...reply.headers,
    ...(length === undefined ? {} : { "Content-Length": String(length) }),
    ...(isLast ? { Connection: "close" } : {}),
  };
}

function lengthFor({ status, body }: Reply, method: string): number | undefined {
  if (status === 204 || status === 304) return undefined;
  if (method === "HEAD" && status >= 400) return undefined;
  return lengthOf(body);
}

function lengthOf(body: Body): number {
  switch (body.kind) {
    case "none":
      return 0;
    case "bytes":
      return body.bytes.length;
    case "described":
    case "stream":
      return body.length;
    default:
      return unreachable(body);
  }
}

/** `undefined` when no byte of a body is sent. */
function chunksToSend({ status, body }: Reply, { method, signal }: Wire): AsyncIterator<Uint8Array> | undefined {
  if (method === "HEAD" || status === 204 || status === 304) return undefined;
  switch (body.kind) {
    case "none":
      return undefined;
    case "bytes":
      return alone(body.bytes);
    case "described":
      throw new TypeError("only a HEAD describes a body without sending it");
    case "stream":
      return body.chunks(signal)[Symbol.asyncIterator]();
    default:
      return unreachable(body);
  }
}

async function* alone(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** Bytes on their way to the client, at the client's pace. */
class Outflow {
  readonly #wire: Wire;
  #giveUp: (cause: ClientGoneError) => void = () => undefined;
  readonly #onAbort = (): void => this.#giveUp(new ClientGoneError(LEFT));

  constructor(wire: Wire) {
    this.#wire = wire;
    wire.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Resolves when the system has taken the bytes: only then may their memory be used again. */
  async send(chunk: Uint8Array): Promise<void> {
    const { response, timers, idleMs, signal } = this.#wire;
    if (chunk.length === 0) return;
    if (signal.aborted || response.destroyed) throw new ClientGoneError(LEFT);
    const taken = Promise.withResolvers<undefined>();
    this.#giveUp = taken.reject;
    const timer = timers.after(idleMs, () => taken.reject(new ClientGoneError("the client stopped reading")));
    response.write(chunk, (error) => {
      if (error === null || error === undefined) taken.resolve(undefined);
      else taken.reject(new ClientGoneError(LEFT, { cause: error }));
    });
    try {
      await taken.promise;
    } finally {
      timer.cancel();
    }
  }

  close(): void {
    this.#wire.signal.removeEventListener("abort", this.#onAbort);
  }
}

const LEFT = "the client went away while it was reading";
