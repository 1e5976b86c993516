import type { Socket } from "node:net";

import { RegistryError } from "../../shared/errors.ts";
import { DRAIN_MS_MAX } from "../../shared/limits.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import type { Reception } from "./reception.ts";
import { errorDocument } from "./reply-error.ts";

type ParseFailure = {
  readonly status: number;
  readonly phrase: string;
  readonly reason: string;
  readonly message: string;
};

const MALFORMED: ParseFailure = {
  status: 400,
  phrase: "Bad Request",
  reason: "malformed",
  message: "the request is not HTTP",
};

/** By the codes of Node's parser. */
const FAILURES: ReadonlyMap<string, ParseFailure> = new Map([
  [
    "HPE_HEADER_OVERFLOW",
    {
      status: 431,
      phrase: "Request Header Fields Too Large",
      reason: "headers",
      message: "the request's head is too large",
    },
  ],
  [
    "HPE_CHUNK_EXTENSIONS_OVERFLOW",
    { status: 413, phrase: "Content Too Large", reason: "malformed", message: "a chunk's extensions are too large" },
  ],
  [
    "ERR_HTTP_REQUEST_TIMEOUT",
    { status: 408, phrase: "Request Timeout", reason: "timeout", message: "the request's head took too long" },
  ],
]);

export type MalformedDeps = {
  readonly reception: Pick<Reception, "hasBegunToAnswer" | "isAnswerDue">;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
};

/**
 * Tells a client that did not speak HTTP, where that can still be told: not when an answer is already on its way, because
 * then the bytes would land in the middle of it.
 */
export function answerMalformed(error: { readonly code?: string }, socket: Socket, deps: MalformedDeps): void {
  const { reception, timers, telemetry } = deps;
  // What still comes after the refusal fails again, and has been answered.
  if (socket.writableEnded) return;
  const isGone = error.code === "ECONNRESET" || !socket.writable;
  if (!isGone && reception.isAnswerDue(socket, () => answerMalformed(error, socket, deps))) return;
  if (isGone || reception.hasBegunToAnswer(socket)) {
    socket.destroy();
    return;
  }
  const failure = FAILURES.get(error.code ?? "") ?? MALFORMED;
  telemetry.count("meridian_http_rejected_total", { reason: failure.reason });
  writeRefusal(socket, failure, timers);
}

/** This is no proxy. */
export function refuseConnect(socket: Socket, deps: Omit<MalformedDeps, "telemetry">): void {
  const { reception, timers } = deps;
  if (reception.isAnswerDue(socket, () => refuseConnect(socket, deps))) return;
  const message = "the operation is unsupported";
  writeRefusal(socket, { status: 405, phrase: "Method Not Allowed", reason: "malformed", message }, timers);
}

/** One connection more than there may be. What it would have asked is not read. */
export function refuseConnection(
  socket: Socket,
  { timers, telemetry }: Pick<MalformedDeps, "timers" | "telemetry">,
): void {
  telemetry.count("meridian_http_rejected_total", { reason: "connections" });
  socket.pause();
  const message = "too many connections";
  writeRefusal(socket, { status: 503, phrase: "Service Unavailable", reason: "connections", message }, timers);
}

function writeRefusal(socket: Socket, { status, phrase, message }: ParseFailure, timers: Timers): void {
  const body = JSON.stringify(errorDocument(new RegistryError("UNSUPPORTED", undefined, { message })));
  const head = [
    `HTTP/1.1 ${status} ${phrase}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ].join("\r\n");
  socket.end(`${head}\r\n\r\n${body}`);
  // Closing at once would reset the connection while the client still sends, and take the answer with it.
  const timer = timers.after(DRAIN_MS_MAX, () => socket.destroy());
  socket.once("close", () => timer.cancel());
}
