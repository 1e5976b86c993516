/**
 * The two HTTP listeners of a node. Fastify owns the sockets' life: limits, errors below HTTP, closing. It routes nothing
 * and parses nothing: its router decodes before it matches, takes absolute targets and follows `..`, and its body
 * parsers refuse types that a registry must take. So every request is taken over before routing and goes to
 * `Reception`. What it leaves open by default (no bound on heads in time or number, any number of `Host`) is set by hand.
 *
 * The total time of a request is never bounded, or an upload over a slow line would die; its progress is, byte by byte.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type FastifyInstance, fastify } from "fastify";

import type { HostPort } from "../../shared/host-port.ts";
import type { NodeIdentity } from "../../shared/identity.ts";
import { invariant } from "../../shared/invariant.ts";
import {
  CONNECTIONS_MAX,
  CONNECTIONS_PER_CLIENT_MAX,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  STOP_GRACE_MS_MAX,
} from "../../shared/limits.ts";
import type { Health } from "../node.ts";
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import type { Operations } from "../registry/operations.ts";
import type { Desk, Listener, RenderedMetrics } from "./call.ts";
import { ClientConnections, type ConnectionLimits } from "./client-connections.ts";
import { answerMalformed, refuseConnect, refuseConnection } from "./malformed-request.ts";
import { Reception } from "./reception.ts";
import { RouteTable } from "./route-table.ts";
import { ROUTES } from "./routes.ts";

export type HttpDeps = {
  /** Port 0 asks the system for a free one. */
  readonly listen: { readonly registry: HostPort; readonly ops: HostPort };
  readonly self: Pick<NodeIdentity, "node" | "region" | "cluster">;
  readonly operations: Operations;
  readonly health: () => Health;
  /** What Prometheus reads from `/metrics`. */
  readonly renderMetrics: () => Promise<RenderedMetrics>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
  /** Of the registry's listener; `CONNECTIONS_MAX` and `CONNECTIONS_PER_CLIENT_MAX` unless the operator says others. */
  readonly limits?: ConnectionLimits;
  /** Milliseconds after which a silent body or reader is given up; `BODY_IDLE_MS_MAX` unless a test is in a hurry. */
  readonly idleMs?: number;
  /** Milliseconds that a head may take; `HEADERS_TIMEOUT_MS` likewise. */
  readonly headsMs?: number;
  /** Milliseconds that requests under way are given when the node stops; `STOP_GRACE_MS_MAX` likewise. */
  readonly stopGraceMs?: number;
};

export type Http = {
  readonly registryAddress: HostPort;
  readonly opsAddress: HostPort;
  /** Takes no more connections, lets requests under way finish within a bound, then closes. Again does nothing more. */
  readonly stop: () => Promise<void>;
};

/** How often Node looks for heads that are late. */
const HEADS_CHECKED_MS = 1_000;

type Opened = { readonly app: FastifyInstance; readonly reception: Reception; readonly address: HostPort };

/** @throws when an address cannot be listened on; then neither listener stays. */
export async function startHttp(deps: HttpDeps): Promise<Http> {
  let isStopping = false;
  let registryAddress = deps.listen.registry;
  const desk: Desk = {
    self: deps.self,
    operations: deps.operations,
    health: () => (isStopping ? stoppingHealth(deps.health()) : deps.health()),
    registryAddress: () => registryAddress,
    renderMetrics: deps.renderMetrics,
  };

  const ops = await open("ops", deps.listen.ops, desk, deps);
  const registry = await open("registry", deps.listen.registry, desk, deps).catch(async (cause: unknown) => {
    await ops.app.close();
    throw cause;
  });
  registryAddress = registry.address;

  const stopAll = async (): Promise<void> => {
    isStopping = true;
    await close(registry, deps);
    // The last to go: until then somebody may want to see how the node stops.
    await close(ops, deps);
  };
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    stopping ??= stopAll();
    await stopping;
  };
  return { registryAddress, opsAddress: ops.address, stop };
}

async function open(listener: Listener, { host, port }: HostPort, desk: Desk, deps: HttpDeps): Promise<Opened> {
  const table = new RouteTable(ROUTES.filter(({ listeners }) => listeners.includes(listener)));
  const { clock, timers, telemetry, idleMs } = deps;
  const reception = new Reception({ listener, table, desk, clock, timers, telemetry, idleMs });
  const app = createApp(deps, (error, socket) => answerMalformed(error, socket, { reception, timers, telemetry }));
  const take = (request: IncomingMessage, response: ServerResponse, isContinueExpected: boolean): void =>
    reception.receive({ request, response, rawTarget: request.url ?? "", isContinueExpected });
  // In the place of fastify's own listener: what it does for a request is done here, and would be paid for twice.
  app.server.removeAllListeners("request");
  app.server.on("request", (request: IncomingMessage, response: ServerResponse) => take(request, response, false));
  // A request with `Expect` is one like any other; only its body is not on its way before it is asked for.
  app.server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => take(request, response, true));
  app.server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) =>
    take(request, response, false),
  );
  app.server.on("connect", (_request: IncomingMessage, socket: Socket) => refuseConnect(socket, { reception, timers }));
  // Out of file handles, say: the connection is lost and the listener is not.
  app.server.on("error", (cause: Error) => telemetry.log("error", "a listener failed", { listener, cause }));
  watchConnections(app, listener, deps);

  // Fastify opens a second server for the other family behind this name; one is what the configuration says.
  await app.listen({ host: host === "localhost" ? "127.0.0.1" : host, port });
  return { app, reception, address: addressOf(app) };
}

function createApp(
  { headsMs = HEADERS_TIMEOUT_MS }: Pick<HttpDeps, "headsMs">,
  onMalformed: (error: { readonly code?: string }, socket: Socket) => void,
): FastifyInstance {
  return fastify({
    logger: false,
    // No route of fastify's has a schema: what compiles them stays on the disk, 8 MiB and a tenth of the start.
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
    requestTimeout: 0,
    connectionTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    trustProxy: false,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: headsMs,
      connectionsCheckingInterval: HEADS_CHECKED_MS,
      insecureHTTPParser: false,
      // Answered by `Reception`, in the words of this API.
      requireHostHeader: false,
    },
    clientErrorHandler: onMalformed,
  });
}

function noCompiler(): never {
  throw new Error("no schema is compiled here");
}

async function close({ app, reception }: Opened, { timers, stopGraceMs = STOP_GRACE_MS_MAX }: HttpDeps): Promise<void> {
  reception.close();
  const closing = app.close();
  if (!(await isDoneWithin(timers, stopGraceMs, closing))) {
    reception.abort();
    app.server.closeAllConnections();
  }
  await closing;
  // A write that has begun is finished although nobody waits for the answer: below this the store is closed next.
  await isDoneWithin(timers, stopGraceMs, reception.ended());
}

async function isDoneWithin(timers: Timers, limitMs: number, work: Promise<void>): Promise<boolean> {
  const done = new AbortController();
  const finished = work.finally(() => done.abort());
  await Promise.race([finished, timers.sleep(limitMs, done.signal).catch(() => undefined)]);
  return done.signal.aborted;
}

function stoppingHealth(health: Health): Health {
  return { ...health, checks: [...health.checks, { name: "stopping", isPassing: false, reason: "the node stops" }] };
}

/** Whoever watches the node must be let in however many clients there are. */
const NO_LIMITS: ConnectionLimits = {
  connections: Number.POSITIVE_INFINITY,
  connectionsPerClient: Number.POSITIVE_INFINITY,
};
const LIMITS_DEFAULT: ConnectionLimits = {
  connections: CONNECTIONS_MAX,
  connectionsPerClient: CONNECTIONS_PER_CLIENT_MAX,
};

function watchConnections(app: FastifyInstance, listener: Listener, deps: HttpDeps): void {
  const { telemetry, timers, limits = LIMITS_DEFAULT } = deps;
  const connections = new ClientConnections(listener === "registry" ? limits : NO_LIMITS);
  const show = (): void => telemetry.set("meridian_http_connections", { listener }, connections.open);
  // Before Node's own listener, so that a connection too many is never read from.
  app.server.prependListener("connection", (socket: Socket) => {
    const isAdmitted = connections.admit(socket);
    show();
    socket.once("close", show);
    if (!isAdmitted) refuseConnection(socket, { timers, telemetry });
  });
}

function addressOf(app: FastifyInstance): HostPort {
  const address = app.server.address();
  invariant(typeof address === "object" && address !== null, "a listener on a port has an address");
  return { host: address.address, port: address.port };
}
