import type { IncomingMessage } from "node:http";
import type { Labels, LogFields, Telemetry } from "../ports/telemetry.ts";
import { type Listener, METHODS, type Route } from "./call.ts";

/** One request, as it ended. */
export type Outcome = {
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

/** The series of one route and method, made once: telemetry finds what it knows by its identity. */
type Series = { readonly route: Labels; readonly request: Labels; readonly byCode: Map<number, Labels> };

/** One line and one sample a request. Neither holds a query, a header that authenticates, or a label that clients choose. */
export class AccessLog {
  readonly #listener: Listener;
  readonly #telemetry: Telemetry;
  readonly #series = new Map<string, Map<string, Series>>();

  constructor(listener: Listener, telemetry: Telemetry) {
    this.#listener = listener;
    this.#telemetry = telemetry;
  }

  record(outcome: Outcome): void {
    const { request, status, receivedBytes, sentBytes, durationMs } = outcome;
    const telemetry = this.#telemetry;
    const route = outcome.route?.path ?? NO_ROUTE;
    const series = this.#seriesOf(route, request.method ?? "");
    telemetry.count("meridian_http_requests_total", withCode(series, status));
    telemetry.observe("meridian_http_request_duration_seconds", series.request, durationMs / 1000);
    if (receivedBytes > 0) telemetry.count("meridian_http_received_bytes_total", series.route, receivedBytes);
    if (sentBytes > 0) telemetry.count("meridian_http_sent_bytes_total", series.route, sentBytes);
    // Probes ask every few seconds: they are worth a line to nobody who did not ask for all.
    const level = this.#listener === "ops" ? "debug" : "info";
    telemetry.log(level, "request", () => fieldsOf(outcome, route));
  }

  /** Routes and methods are few, and neither is made by clients. */
  #seriesOf(route: string, name: string): Series {
    const method = METHODS.find((known) => known === name) ?? OTHER_METHOD;
    const known = this.#series.get(route)?.get(method);
    if (known !== undefined) return known;
    const series = {
      route: Object.freeze({ route }),
      request: Object.freeze({ method, route }),
      byCode: new Map<number, Labels>(),
    };
    const byMethod = this.#series.get(route) ?? new Map<string, Series>();
    this.#series.set(route, byMethod.set(method, series));
    return series;
  }
}

function withCode({ request, byCode }: Series, status: number): Labels {
  const known = byCode.get(status);
  if (known !== undefined) return known;
  const labels = Object.freeze({ ...request, code: String(status) });
  byCode.set(status, labels);
  return labels;
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
