/**
 * A node as a process: its ports made of what this machine has, its two listeners and the peers' one, and the order in which
 * they come and go. Requests are let in after recovery and shut out before anything is taken apart; the lock of the
 * data directory is the last thing to be given back.
 */
import { once } from "node:events";
import { createServer } from "node:net";

import { advertisedBy, type NodeConfig } from "../../shared/config.ts";
import { formatHostPort, type HostPort } from "../../shared/host-port.ts";
import { invariant } from "../../shared/invariant.ts";
import { startHttp } from "../http/server.ts";
import { createNode, type Node } from "../node.ts";
import { type DataDirectory, DataDirectoryError, openDataDirectory } from "../platform/data-directory.ts";
import type { Log } from "../platform/log.ts";
import { Metrics } from "../platform/metrics.ts";
import { systemClock } from "../platform/system-clock.ts";
import { codeOf } from "../platform/system-error.ts";
import { systemRandom } from "../platform/system-random.ts";
import { SystemTimers } from "../platform/system-timers.ts";
import { telemetryOf } from "../platform/telemetry.ts";
import type { Ports } from "../ports/ports.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { createGrpcPeers } from "../rpc/peers.ts";
import { startPeerServer } from "../rpc/server.ts";
import { CliError, EXIT } from "./terminal/cli-error.ts";

/** Peers reconnect elsewhere at once; only a layer that is being read deserves to be finished. */
const PEER_GRACE_MS = 5_000;

export type RunningNode = {
  readonly self: Node["self"];
  readonly addresses: { readonly registry: string; readonly peer: string; readonly ops: string };
  /** Lets requests under way finish, then ends everything. Everything acknowledged is on the disk already. */
  readonly stop: () => Promise<void>;
};

/** A free port may be taken by another before this node listens on it. That is bad luck, and so often in a row it is not. */
const FREE_PORT_TRIES_MAX = 5;

/** Resolves when the node answers on all its listeners. @throws {CliError} when it cannot start; then nothing of it stays. */
export async function runNode(written: NodeConfig, log: Log): Promise<RunningNode> {
  for (let triesLeft = FREE_PORT_TRIES_MAX - 1; ; triesLeft -= 1) {
    try {
      return await tryToRun(await withPorts(written), log);
    } catch (cause) {
      if (triesLeft === 0 || !hasLostPort(written, cause)) throw cause;
    }
  }
}

async function tryToRun(config: NodeConfig, log: Log): Promise<RunningNode> {
  const undo: (() => Promise<void>)[] = [];
  try {
    return await start(config, log, undo);
  } catch (cause) {
    for (const step of undo.toReversed()) await step();
    throw cause;
  }
}

function hasLostPort({ listen }: NodeConfig, cause: unknown): boolean {
  return Object.values(listen).some(({ port }) => port === 0) && codeOf(innermost(cause)) === "EADDRINUSE";
}

/** `undo` collects what must be taken back, in reverse order, if a later step fails. */
async function start(config: NodeConfig, log: Log, undo: (() => Promise<void>)[]): Promise<RunningNode> {
  const metrics = new Metrics();
  const telemetry = telemetryOf(log, metrics);
  const data = await openData(config.data, telemetry);
  undo.push(data.close);
  const timers = new SystemTimers();
  const ports: Ports = {
    clock: systemClock,
    timers,
    random: systemRandom,
    disk: data.disk,
    kv: data.kv,
    peers: createGrpcPeers({ telemetry }),
    telemetry,
  };

  const node = await createNode(config, advertisedBy(config, config.listen), ports);
  undo.push(node.stop);
  const { self, operations, peerService, health } = node;
  const renderMetrics = async (): Promise<{ contentType: string; text: string }> => {
    const { contentType, body } = await metrics.render();
    return { contentType, text: body };
  };
  const { listen, limits } = config;
  const http = await listenOr(
    `${formatHostPort(listen.registry)} or ${formatHostPort(listen.ops)}`,
    startHttp({ listen, self, operations, health, renderMetrics, clock: systemClock, timers, telemetry, limits }),
  );
  undo.push(http.stop);
  const peer = formatHostPort(listen.peer);
  const peers = await listenOr(peer, startPeerServer({ listen: peer, self, service: peerService, telemetry }));
  node.start();

  return {
    self,
    addresses: {
      registry: formatHostPort(http.registryAddress),
      peer: peers.address,
      ops: formatHostPort(http.opsAddress),
    },
    stop: async () => {
      await Promise.all([http.stop(), peers.stop(PEER_GRACE_MS)]);
      await node.stop();
      await data.close();
      metrics.close();
    },
  };
}

async function openData(path: string, telemetry: Telemetry): Promise<DataDirectory> {
  try {
    return await openDataDirectory(path, telemetry);
  } catch (cause) {
    if (!(cause instanceof DataDirectoryError)) throw cause;
    const [what = cause.message, hint = "name another folder with `data:`"] = cause.message.split("; ");
    throw new CliError({ exitCode: EXIT.conflict, what, where: path, hint, cause });
  }
}

async function listenOr<Listening>(address: string, listening: Promise<Listening>): Promise<Listening> {
  try {
    return await listening;
  } catch (cause) {
    throw new CliError({
      exitCode: EXIT.conflict,
      what: `cannot listen on ${address}: ${whyNot(cause)}`,
      where: address,
      hint: "stop what listens there, or give this node other addresses with `listen:` (port 0 takes a free one)",
      cause,
    });
  }
}

/** What wraps the first reason only repeats the address. */
function innermost(cause: unknown): unknown {
  return cause instanceof Error && cause.cause !== undefined ? innermost(cause.cause) : cause;
}

function whyNot(wrapped: unknown): string {
  const cause = innermost(wrapped);
  switch (codeOf(cause)) {
    case "EADDRINUSE":
      return "the port is in use";
    case "EACCES":
      return "not allowed to use the port";
    case "EADDRNOTAVAIL":
      return "this machine has no such address";
    default:
      return cause instanceof Error ? cause.message : String(cause);
  }
}

/** What a node tells the others must be known before it listens: a port of 0 becomes a free one here. */
async function withPorts(config: NodeConfig): Promise<NodeConfig> {
  const { registry, peer, ops } = config.listen;
  return {
    ...config,
    listen: { registry: await withPort(registry), peer: await withPort(peer), ops: await withPort(ops) },
  };
}

async function withPort(address: HostPort): Promise<HostPort> {
  if (address.port !== 0) return address;
  const server = createServer();
  server.listen({ host: address.host, port: 0 });
  await once(server, "listening");
  const bound = server.address();
  invariant(typeof bound === "object" && bound !== null, "a listening server has a port");
  server.close();
  await once(server, "close");
  return { host: address.host, port: bound.port };
}
