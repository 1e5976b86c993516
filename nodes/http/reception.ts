/**
 * From a request's head to the last byte of its answer, once for every request: judge the head, judge the target, find the
 * route, let it answer, send what it answered, and say so in one line. Whatever goes wrong on the way becomes an answer
 * here, or, when the answer has already begun, a broken connection; nothing escapes.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

import { RegistryError } from "../../shared/errors.ts";
import { BODY_IDLE_MS_MAX, PIPELINED_REQUESTS_MAX } from "../../shared/limits.ts";
import { isRepositoryName, isTag } from "../../shared/reference.ts";
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import { AccessLog, CLIENT_GONE } from "./access-log.ts";
import { type Call, type Desk, headerOf, type Listener, type Route } from "./call.ts";
import { clientOf } from "./client-connections.ts";
import { problemWithHead } from "./judge-head.ts";
import { emptyReply, type Headers, type Reply, withHeaders } from "./reply.ts";
import { isFault, replyToError } from "./reply-error.ts";
import { ClientGoneError, RequestBody } from "./request-body.ts";
import type { RouteTable } from "./route-table.ts";
import { sendReply, type Wire } from "./send-reply.ts";
import { ShortWay } from "./short-way.ts";
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

/** A host, perhaps with a port: what may stand in a header. */
const NAMESPACE = /^[A-Za-z0-9._:[\]-]{1,255}$/;

/** Until there is authentication. */
const ANONYMOUS = "anonymous";

/** One request, as it came in. */
type Arrival = {
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

/** The requests of one connection that are not answered yet. */
type Line = { tail: Promise<void>; length: number };

type Delivered = { readonly status: number; readonly code: string | undefined; readonly sentBytes: number };

export class Reception {
  readonly #deps: ReceptionDeps;
  readonly #underWay = new Set<AbortController>();
  /** By connection; of several requests on one, the last that came. */
  readonly #answering = new WeakMap<Socket, ServerResponse>();
  #ended: PromiseWithResolvers<undefined> | undefined;
  readonly #lines = new WeakMap<Socket, Line>();
  /** Answers that the refusal of their connection waits for. */
  readonly #awaited = new WeakSet<ServerResponse>();
  readonly #accessLog: AccessLog;
  readonly #shortWay: ShortWay;
  #isClosing = false;

  constructor(deps: ReceptionDeps) {
    this.#deps = deps;
    const { listener, table, desk, clock, telemetry } = deps;
    this.#accessLog = new AccessLog(listener, telemetry);
    const commonFields = Object.entries(this.#headersFor("/v2/")).flat();
    this.#shortWay = new ShortWay({ table, desk, clock, accessLog: this.#accessLog, commonFields });
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
    if (response === undefined || response.writableFinished) return false;
    return response.headersSent || (this.#lines.get(socket)?.length ?? 0) > 1;
  }

  /** Resolves when nothing is being answered. */
  async ended(): Promise<void> {
    if (this.#underWay.size === 0) return;
    this.#ended ??= Promise.withResolvers();
    await this.#ended.promise;
  }

  /**
   * Whether a request that came in whole still has its answer to come on `socket`, which a refusal of what follows must not
   * take the place of. `then` runs after it, once, however often this is asked meanwhile.
   */
  isAnswerDue(socket: Socket, then: () => void): boolean {
    const response = this.#answering.get(socket);
    if (response?.req.complete !== true || response.writableFinished) return false;
    if (!this.#awaited.has(response)) response.once("close", then);
    this.#awaited.add(response);
    return true;
  }

  /**
   * Requests that came in one breath are answered one after another: begun all at once, a few connections would hold
   * thousands of files and buffers for a client that reads nothing.
   */
  receive(arrival: Arrival): void {
    const { socket } = arrival.request;
    const line = this.#lines.get(socket) ?? { tail: Promise.resolve(), length: 0 };
    if (line.length === 0 && !this.#isClosing && this.#answerAtOnce(arrival, line)) return;
    if (line.length >= PIPELINED_REQUESTS_MAX) {
      this.#deps.telemetry.count("meridian_http_rejected_total", { reason: "pipeline" });
      socket.destroy();
      return;
    }

    this.#answering.set(socket, arrival.response);
    this.#lines.set(socket, line);
    line.length += 1;
    line.tail = line.tail.then(async () => {
      if (socket.writable) await this.#attend(arrival);
      line.length -= 1;
    });
  }

  #answerAtOnce({ request, response, rawTarget, isContinueExpected }: Arrival, line: Line): boolean {
    if (isContinueExpected) return false;
    const sent = this.#shortWay.answer(request, response, rawTarget);
    if (sent === "not") return false;
    this.#answering.set(request.socket, response);
    if (sent === "in-part") this.#hold(request.socket, response, line);
    return true;
  }

  /** What comes next on the connection waits until the system has taken the answer; a reader that stands still is given up. */
  #hold(socket: Socket, response: ServerResponse, line: Line): void {
    const { timers, telemetry, idleMs = BODY_IDLE_MS_MAX } = this.#deps;
    const taken = Promise.withResolvers<undefined>();
    const timer = timers.after(idleMs, () => {
      telemetry.log("debug", "a client stopped reading");
      socket.destroy();
    });
    response.once("close", () => {
      timer.cancel();
      line.length -= 1;
      taken.resolve(undefined);
    });
    this.#lines.set(socket, line);
    line.length += 1;
    line.tail = line.tail.then(async () => await taken.promise);
  }

  async #attend(arrival: Arrival): Promise<void> {
    const { response, rawTarget } = arrival;
    const leaving = new AbortController();
    const onClose = (): void => leaving.abort(new ClientGoneError("the client went away"));
    // An error of the connection is told by its close as well; nobody may be missing to hear it.
    response.once("close", onClose).on("error", onClose);
    this.#begin(leaving);
    try {
      await this.#receive(arrival, leaving.signal);
    } catch (cause) {
      this.#deps.telemetry.log("error", "a request failed", { path: rawTarget.split("?", 1)[0], cause });
      response.destroy();
    } finally {
      response.off("close", onClose);
      this.#end(leaving);
    }
  }

  async #receive(arrival: Arrival, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { request, rawTarget } = arrival;
    const startedMs = clock.monotonicMs();
    const wire = this.#wireOf(arrival, signal);

    const answered = await this.#answer(arrival, wire);
    const delivered = await this.#deliver(answered, arrival, wire);

    const { route, placeholders } = answered;
    const { receivedBytes } = wire.body;
    const durationMs = clock.monotonicMs() - startedMs;
    this.#accessLog.record({ request, rawTarget, route, placeholders, receivedBytes, durationMs, ...delivered });
  }

  #begin(leaving: AbortController): void {
    this.#underWay.add(leaving);
    this.#showInFlight();
  }

  #end(leaving: AbortController): void {
    this.#underWay.delete(leaving);
    this.#showInFlight();
    if (this.#underWay.size > 0) return;
    this.#ended?.resolve(undefined);
    this.#ended = undefined;
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
      const { headers, socket } = request;
      const client = clientOf(socket.remoteAddress);
      const call: Call = { method, target, placeholders, headers, body, actor: ANONYMOUS, client, signal };
      await awaitVersion(call, this.#deps.desk);
      const reply = withHeaders(await route.answer(call, this.#deps.desk), namespaceTold(target));
      return { reply, route, placeholders, error: undefined };
    } catch (error) {
      return { reply: replyToError(error), route, placeholders, error };
    }
  }

  async #deliver({ reply, route, error }: Answered, arrival: Arrival, wire: Wire): Promise<Delivered> {
    if (isGone(error, wire)) return await abandon(reply, wire);
    if (error !== undefined && isFault(error)) this.#tellFault("a request failed", route, error);
    try {
      const sentBytes = await sendReply(withHeaders(reply, this.#headersFor(arrival.rawTarget)), wire);
      return { status: reply.status, code: codeOf(error), sentBytes };
    } catch (failure) {
      if (isGone(failure, wire)) return await abandon(emptyReply(reply.status), wire);
      if (wire.response.headersSent || error !== undefined) {
        this.#tellFault("an answer broke off", route, failure);
        wire.response.destroy();
        return { status: reply.status, code: "BROKEN_OFF", sentBytes: 0 };
      }
      // The body failed before its first byte: that can still be said.
      const placeholders = new Map<string, string>();
      return await this.#deliver({ reply: replyToError(failure), route, placeholders, error: failure }, arrival, wire);
    }
  }

  #headersFor(rawTarget: string): Headers {
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

function unknownEndpoint(): RegistryError {
  return new RegistryError("UNSUPPORTED", undefined, { status: 404, message: "no such endpoint" });
}

function refusal(error: RegistryError, headers: Headers): Answered {
  return { reply: withHeaders(replyToError(error), headers), route: undefined, placeholders: new Map(), error };
}

/**
 * Whose content a client takes this to be, when it asks a mirror. Said back and otherwise ignored: here a repository is
 * named by its path alone, and no name a client sends is ever called. Source: distribution-spec, "Registry Proxying".
 */
function namespaceTold({ path, query }: Target): Headers {
  const namespace = query.first("ns");
  if (namespace === undefined || !path.startsWith("/v2") || !NAMESPACE.test(namespace)) return {};
  return { "OCI-Namespace": namespace };
}

/** A read that says what its caller has seen never shows an older state, and one that sets a bound none that may be older. */
async function awaitVersion(call: Call, { operations }: Desk): Promise<void> {
  const isRead = call.method === "GET" || call.method === "HEAD";
  if (!isRead) return;
  const maxStalenessMs = headerOf(call, "meridian-max-staleness-ms");
  if (maxStalenessMs !== undefined) await operations.awaitFreshness.run(maxStalenessMs, call.signal);
  const token = headerOf(call, "meridian-min-version");
  if (token === undefined) return;
  const [repo, reference] = [call.placeholders.get("name"), call.placeholders.get("reference")];
  const isOfTag = repo !== undefined && reference !== undefined && isRepositoryName(repo) && isTag(reference);
  await operations.awaitVersion.run({ token, tag: isOfTag ? { repo, tag: reference } : undefined }, call.signal);
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
