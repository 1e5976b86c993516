import type { IncomingMessage } from "node:http";
import type { LogFields, Telemetry } from "../ports/telemetry.ts";
import { type Listener, METHODS, type Route } from "./call.ts";

/** One request, as it ended. */
export type Outcome = {
  readonly listener: Listener;
  readonly request: IncomingMessage;
  /** As it was sent, perhaps refused. */
  readonly rawTarget: string;
  /** `undefined` when none was found. */
  readonly route: Route | undefined;
  readonly placeholders: ReadonlyMap<string, string>;
  /** What the client was told, or `CLIENT_GONE`. */
  readonly status: number;
  /** Of the refusal or the fault. */
  readonly code: string | undefined;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly durationMs: number;
};

/** What nginx writes for a client that left before its answer; nobody is ever told it. */
export const CLIENT_GONE = 499;

const PATH_LENGTH_TOLD_MAX = 512;
const AGENT_LENGTH_TOLD_MAX = 256;
const NO_ROUTE = "none";
const OTHER_METHOD = "OTHER";

/** One line and one sample a request. Neither holds a query, a header that authenticates, or a label that clients choose. */
export function recordOutcome(outcome: Outcome, telemetry: Telemetry): void {
  const { listener, request, status, receivedBytes, sentBytes, durationMs } = outcome;
  const route = outcome.route?.path ?? NO_ROUTE;
  const method = METHODS.find((known) => known === request.method) ?? OTHER_METHOD;
  telemetry.count("meridian_http_requests_total", { method, route, code: String(status) });
  telemetry.observe("meridian_http_request_duration_seconds", { method, route }, durationMs / 1000);
  if (receivedBytes > 0) telemetry.count("meridian_http_received_bytes_total", { route }, receivedBytes);
  if (sentBytes > 0) telemetry.count("meridian_http_sent_bytes_total", { route }, sentBytes);
  // Probes ask every few seconds: they are worth a line to nobody who did not ask for all.
  telemetry.log(listener === "ops" ? "debug" : "info", "request", fieldsOf(outcome, route));
}

function fieldsOf({ request, rawTarget, placeholders, ...outcome }: Outcome, route: string): LogFields {
  const [path = ""] = rawTarget.split("?", 1);
  return {
    method: request.method,
    path: path.slice(0, PATH_LENGTH_TOLD_MAX),
    route,
    status: outcome.status,
    ...(outcome.code === undefined ? {} : { code: outcome.code }),
    durationMs: Math.round(outcome.durationMs * 10) / 10,
    receivedBytes: outcome.receivedBytes,
    sentBytes: outcome.sentBytes,
    remote: request.socket.remoteAddress,
    userAgent: request.headers["user-agent"]?.slice(0, AGENT_LENGTH_TOLD_MAX),
    ...(placeholders.has("name") ? { repository: placeholders.get("name") } : {}),
  };
}
