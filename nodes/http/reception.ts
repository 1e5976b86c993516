/**
 * From a request's head to the last byte of its answer, once for every request: judge the head, judge the target, find the
 * route, let it answer, send what it answered, and say so in one line. Whatever goes wrong on the way becomes an answer
 * here, or, when the answer has already begun, a broken connection; nothing escapes.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

import { RegistryError } from "../../shared/errors.ts";
import { BODY_IDLE_MS_MAX, HEADERS_MAX } from "../../shared/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import { CLIENT_GONE, recordOutcome } from "./access-log.ts";
import type { Call, Desk, Listener, Route } from "./call.ts";
import { type Headers, type Reply, withHeaders } from "./reply.ts";
import { isFault, replyToError } from "./reply-error.ts";
import { ClientGoneError, RequestBody } from "./request-body.ts";
import type { RouteTable } from "./route-table.ts";
import { sendReply, type Wire } from "./send-reply.ts";
import { parseTarget, type Target } from "./target.ts";

export type ReceptionDeps = {
  readonly listener: Listener;
  readonly table: RouteTable;
  readonly desk: Desk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
  /** Of a body or a reader; `BODY_IDLE_MS_MAX` unless a test is in a hurry. */
  readonly idleMs: number | undefined;
};

/** Until there is authentication. */
const ANONYMOUS = "anonymous";

/** One request, as it came in. */
export type Arrival = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Before anybody rewrote or decoded it. */
  readonly rawTarget: string;
  readonly isContinueExpected: boolean;
};

type Answered = {
  readonly reply: Reply;
  readonly route: Route | undefined;
  readonly placeholders: ReadonlyMap<string, string>;
  /** What the reply renders, when it is a failure. */
  readonly error: unknown;
};

type Delivered = { readonly status: number; readonly code: string | undefined; readonly sentBytes: number };

export class Reception {
  readonly #deps: ReceptionDeps;
  readonly #underWay = new Set<AbortController>();
  /** By connection; of several requests on one, the last that came. */
  readonly #answering = new WeakMap<Socket, ServerResponse>();
  #isClosing = false;

  constructor(deps: ReceptionDeps) {
    this.#deps = deps;
  }

  /** From now on every answer is the last on its connection. */
  close(): void {
    this.#isClosing = true;
  }

  /** Gives up what is being answered. */
  abort(): void {
    for (const leaving of this.#underWay) leaving.abort(new ClientGoneError("the node stops"));
  }

  /** Whether bytes of an unfinished answer are on their way through `socket`. */
  hasBegunToAnswer(socket: Socket): boolean {
    const response = this.#answering.get(socket);
    return response !== undefined && response.headersSent && !response.writableFinished;
  }

  /** Never rejects. */
  async receive(arrival: Arrival): Promise<void> {
    const { clock, telemetry, listener } = this.#deps;
    const startedMs = clock.monotonicMs();
    const leaving = new AbortController();
    const onClose = (): void => leaving.abort(new ClientGoneError("the client went away"));
    arrival.response.once("close", onClose);
    this.#answering.set(arrival.request.socket, arrival.response);
    this.#underWay.add(leaving);
    this.#showInFlight();

    const wire = this.#wireOf(arrival, leaving.signal);
    const answered = await this.#answer(arrival, wire);
    const delivered = await this.#deliver(answered, arrival, wire);

    arrival.response.off("close", onClose);
    this.#underWay.delete(leaving);
    this.#showInFlight();
    const { request, rawTarget } = arrival;
    const { route, placeholders } = answered;
    const { receivedBytes } = wire.body;
    const durationMs = clock.monotonicMs() - startedMs;
    const outcome = { listener, request, rawTarget, route, placeholders, receivedBytes, durationMs, ...delivered };
    recordOutcome(outcome, telemetry);
  }

  #wireOf({ request, response, isContinueExpected }: Arrival, signal: AbortSignal): Wire {
    const { clock, timers, idleMs = BODY_IDLE_MS_MAX } = this.#deps;
    const body = new RequestBody({ request, response, clock, timers, idleMs, isContinueExpected });
    return { method: request.method ?? "", response, body, timers, idleMs, isLast: () => this.#isClosing, signal };
  }

  async #answer({ request, rawTarget }: Arrival, { method, body, signal }: Wire): Promise<Answered> {
    let route: Route | undefined;
    let placeholders: ReadonlyMap<string, string> = new Map();
    try {
      const unsound = this.#judgeHead(request);
      if (unsound !== undefined) return unsound;
      const target = this.#targetOf(rawTarget);
      const found = this.#deps.table.find(method, target);
      if (found.kind === "unknown") throw unknownEndpoint();
      if (found.kind === "other-methods") {
        const { methods } = found;
        return refusal(new RegistryError("UNSUPPORTED", { allowed: methods }), { Allow: methods.join(", ") });
      }

      ({ route, placeholders } = found);
      const call: Call = { method, target, placeholders, headers: request.headers, body, actor: ANONYMOUS, signal };
      return { reply: await route.answer(call, this.#deps.desk), route, placeholders, error: undefined };
    } catch (error) {
      return { reply: replyToError(error), route, placeholders, error };
    }
  }

  async #deliver({ reply, route, error }: Answered, arrival: Arrival, wire: Wire): Promise<Delivered> {
    if (isGone(error, wire)) return await abandon(reply, wire);
    if (error !== undefined && isFault(error)) this.#tellFault("a request failed", route, error);
    try {
      const sentBytes = await sendReply(withHeaders(reply, this.#headersFor(arrival)), wire);
      return { status: reply.status, code: codeOf(error), sentBytes };
    } catch (failure) {
      if (isGone(failure, wire)) return { status: CLIENT_GONE, code: undefined, sentBytes: 0 };
      if (wire.response.headersSent) {
        this.#tellFault("an answer broke off", route, failure);
        return { status: reply.status, code: "BROKEN_OFF", sentBytes: 0 };
      }
      // The body failed before its first byte: that can still be said.
      const placeholders = new Map<string, string>();
      return await this.#deliver({ reply: replyToError(failure), route, placeholders, error: failure }, arrival, wire);
    }
  }

  #headersFor({ rawTarget }: Arrival): Headers {
    const { node, region } = this.#deps.desk.self;
    return {
      "Meridian-Node": node,
      "Meridian-Region": region,
      "X-Content-Type-Options": "nosniff",
      "Content-Security-Policy": "default-src 'none'; sandbox",
      ...(/^\/v2(?:[/?]|$)/.test(rawTarget) ? { "Docker-Distribution-API-Version": "registry/2.0" } : {}),
    };
  }

  #targetOf(rawTarget: string): Target {
    try {
      return parseTarget(rawTarget);
    } catch (cause) {
      this.#deps.telemetry.count("meridian_http_rejected_total", { reason: "target" });
      throw cause;
    }
  }

  /** Refuses what Node lets pass and nobody should. A request that can be read in two ways is the last on its connection. */
  #judgeHead(request: IncomingMessage): Answered | undefined {
    const problem = problemWithHead(request);
    if (problem === undefined) return undefined;
    const { reason, status, message } = problem;
    this.#deps.telemetry.count("meridian_http_rejected_total", { reason });
    const error = new RegistryError("UNSUPPORTED", undefined, { status, message });
    return refusal(error, { Connection: "close" });
  }

  #tellFault(event: string, route: Route | undefined, cause: unknown): void {
    this.#deps.telemetry.log("error", event, { route: route?.path, cause });
  }

  #showInFlight(): void {
    this.#deps.telemetry.set("meridian_http_in_flight_requests", {}, this.#underWay.size);
  }
}

type HeadProblem = { readonly reason: string; readonly status: number; readonly message: string };

function problemWithHead({
  rawHeaders,
  httpVersionMajor,
  httpVersionMinor,
  headers,
}: IncomingMessage): HeadProblem | undefined {
  // Names and values take turns.
  const names = rawHeaders.filter((_, index) => index % 2 === 0);
  if (names.length > HEADERS_MAX) {
    return { reason: "headers", status: 431, message: `more than ${HEADERS_MAX} headers` };
  }

  const hosts = names.filter((name) => name.toLowerCase() === "host").length;
  const isHostNeeded = httpVersionMajor > 1 || httpVersionMinor > 0;
  if (hosts > 1 || (hosts === 0 && isHostNeeded)) {
    return { reason: "host", status: 400, message: hosts > 1 ? "more than one Host" : "no Host" };
  }

  const coding = headers["transfer-encoding"];
  if (coding !== undefined && coding.trim().toLowerCase() !== "chunked") {
    return { reason: "headers", status: 501, message: "Transfer-Encoding other than chunked is not supported" };
  }
  return undefined;
}

function unknownEndpoint(): RegistryError {
  return new RegistryError("UNSUPPORTED", undefined, { status: 404, message: "no such endpoint" });
}

function refusal(error: RegistryError, headers: Headers): Answered {
  return { reply: withHeaders(replyToError(error), headers), route: undefined, placeholders: new Map(), error };
}

/** Nobody is left to hear the answer. */
function isGone(error: unknown, { signal }: Wire): boolean {
  return error instanceof ClientGoneError || signal.aborted;
}

async function abandon({ body }: Reply, { response }: Wire): Promise<Delivered> {
  response.destroy();
  if (body.kind === "stream") await body.close();
  return { status: CLIENT_GONE, code: undefined, sentBytes: 0 };
}

function codeOf(error: unknown): string | undefined {
  if (error === undefined) return undefined;
  return error instanceof RegistryError ? error.code : "FAULT";
}
