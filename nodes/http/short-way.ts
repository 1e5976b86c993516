/**
 * The short way: a read whose answer lies in memory is answered in the same breath, before the parser goes on. Most
 * requests of a registry are such reads, and a promise, an abort signal and a timer for each would cost more than
 * the answer. What is not the plainest case takes the long way through `Reception`: a query, a body, a range, a version to
 * wait for, an answer that is still to be sent on this connection, a node that is stopping.
 *
 * Nothing is decided twice: head, target and route are judged by the same functions, and a handler that says what is at hand
 * says the same as the one that may wait.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

import type { Clock } from "../ports/clock.ts";
import type { AccessLog } from "./access-log.ts";
import type { Desk, Route } from "./call.ts";
import { problemWithHead } from "./judge-head.ts";
import type { Reply } from "./reply.ts";
import type { RouteTable } from "./route-table.ts";
import { parseTarget } from "./target.ts";

export type ShortWayDeps = {
  readonly table: RouteTable;
  readonly desk: Desk;
  readonly clock: Clock;
  readonly accessLog: AccessLog;
  /** In pairs: what every answer below `/v2/` carries. */
  readonly commonFields: readonly string[];
};

/** Any of these may change the answer, or ask for more than one. */
const LONG_WAY_HEADERS = [
  "content-length",
  "transfer-encoding",
  "expect",
  "range",
  "meridian-min-version",
  "meridian-max-staleness-ms",
] as const;

/** What is sent in one piece; a reader that takes less of it at once is waited for. */
const AT_ONCE_BYTES_MAX = 256 * 1024;

export type Sent = "in-full" | "in-part" | "not";

type Found = { readonly route: Route; readonly placeholders: ReadonlyMap<string, string>; readonly reply: Reply };

export class ShortWay {
  readonly #deps: ShortWayDeps;

  constructor(deps: ShortWayDeps) {
    this.#deps = deps;
  }

  /** `in-part`: the answer is complete, and the system has not taken all of it yet. `not`: nothing was done. */
  answer(request: IncomingMessage, response: ServerResponse, rawTarget: string): Sent {
    const startedMs = this.#deps.clock.monotonicMs();
    // Without a socket it waits for the answer before it.
    const { socket } = response;
    if (socket === null) return "not";
    const found = this.#find(request, rawTarget);
    if (found === undefined) return "not";
    const { reply, route, placeholders } = found;
    const bytes = bodyOf(reply);
    if (bytes === undefined || bytes.length > AT_ONCE_BYTES_MAX) return "not";

    const isHead = request.method === "HEAD";
    response.writeHead(reply.status, this.#fieldsOf(reply));
    if (isHead || bytes.length === 0) response.end();
    else response.end(bytes);
    this.#deps.accessLog.record({
      request,
      rawTarget,
      route,
      placeholders,
      status: reply.status,
      code: undefined,
      receivedBytes: 0,
      sentBytes: isHead ? 0 : bytes.length,
      durationMs: this.#deps.clock.monotonicMs() - startedMs,
    });
    return isTaken(socket) ? "in-full" : "in-part";
  }

  #find(request: IncomingMessage, rawTarget: string): Found | undefined {
    const { method = "", headers } = request;
    if ((method !== "GET" && method !== "HEAD") || !rawTarget.startsWith("/v2/") || rawTarget.includes("?")) {
      return undefined;
    }
    for (const name of LONG_WAY_HEADERS) if (headers[name] !== undefined) return undefined;
    if (problemWithHead(request) !== undefined) return undefined;
    try {
      const found = this.#deps.table.find(method, parseTarget(rawTarget));
      if (found.kind !== "found") return undefined;
      const { route, placeholders } = found;
      const reply = route.atHand?.({ placeholders, headers }, this.#deps.desk);
      return reply === undefined ? undefined : { route, placeholders, reply };
    } catch {
      // A refusal: the long way comes to the same one, and renders it.
      return undefined;
    }
  }

  #fieldsOf({ status, headers, body }: Reply): string[] {
    const fields = [...this.#deps.commonFields];
    for (const name of Object.keys(headers)) fields.push(name, headers[name] ?? "");
    if (status !== 304) fields.push("Content-Length", String(lengthOf(body)));
    return fields;
  }
}

function bodyOf({ body }: Reply): Uint8Array | undefined {
  switch (body.kind) {
    case "bytes":
      return body.bytes;
    case "none":
    case "described":
      return NOTHING;
    case "stream":
      return undefined;
  }
}

const NOTHING = new Uint8Array();

function lengthOf(body: Reply["body"]): number {
  switch (body.kind) {
    case "bytes":
      return body.bytes.length;
    case "none":
      return 0;
    case "described":
    case "stream":
      return body.length;
  }
}

function isTaken(socket: Socket): boolean {
  return socket.writableLength === 0;
}
