/**
 * The peer listener: answers what other nodes ask, with limits on everything a peer can spend. Connections have no
 * maximal age, which would tear long subscriptions and transfers for nothing; pings find the dead ones.
 *
 * The sockets are accepted here and handed to grpc-js. Its own listener would keep them to itself, and its forced
 * shutdown only half-closes them: a stop would then last until the other side's next ping.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server as Listener, type Socket } from "node:net";
import { logVerbosity, Server, ServerCredentials, type ServerOptions, setLogVerbosity } from "@grpc/grpc-js";
import { formatHostPort, parseHostPort } from "../../shared/host-port.ts";
import { invariant } from "../../shared/invariant.ts";
import { PEERS_MAX, RPC_MESSAGE_BYTES_MAX } from "../../shared/limits.ts";
import type { Greeting, PeerAddress, PeerService } from "../ports/peers.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { Answers } from "./answers.ts";
import { blobService } from "./blob-service.ts";
import { controlService } from "./control-service.ts";
import { Health } from "./health-service.ts";
import { loadProto } from "./load-proto.ts";
import { metadataService } from "./metadata-service.ts";

export type PeerServerDeps = {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: PeerAddress;
  readonly self: Greeting;
  readonly service: PeerService;
  readonly telemetry: Telemetry;
};

export type PeerServer = {
  /** Where it listens, with the port it got. */
  readonly address: PeerAddress;
  /** Takes no new call, ends subscriptions at once and everything else after `graceMs`. Resolves when the port is free. */
  readonly stop: (graceMs: number) => Promise<void>;
};

/** Calls that one connection may have open. */
const STREAMS_PER_CONNECTION_MAX = 64;
/** Three of each peer, twice while it opens new ones, and some room for probes. */
const CONNECTIONS_MAX = 2 * 3 * PEERS_MAX + 64;

const OPTIONS: ServerOptions = {
  "grpc.max_receive_message_length": RPC_MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": RPC_MESSAGE_BYTES_MAX,
  "grpc.max_concurrent_streams": STREAMS_PER_CONNECTION_MAX,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.enable_channelz": 0,
};

/** @throws when the address cannot be listened on. */
export async function startPeerServer({ listen, self, service, telemetry }: PeerServerDeps): Promise<PeerServer> {
  // What grpc-js would print is also thrown, and a line that is not JSON breaks whoever reads the log.
  setLogVerbosity(logVerbosity.NONE);
  const proto = loadProto();
  const readGreeting = proto.control.Greet.requestType.deserialize;
  const answers = new Answers({ self, service, telemetry, readGreeting });
  const health = new Health(["meridian.v1.Control", "meridian.v1.Metadata", "meridian.v1.Blobs"]);

  const server = new Server(OPTIONS);
  server.addService(proto.control, controlService(answers));
  server.addService(proto.metadata, metadataService(answers));
  server.addService(proto.blobs, blobService(answers));
  server.addService(proto.health, health.handlers());
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());

  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    injector.injectConnection(socket);
  });
  listener.maxConnections = CONNECTIONS_MAX;
  const address = await listening(listener, listen);

  const stop = async (graceMs: number): Promise<void> => {
    const closed = once(listener, "close");
    listener.close();
    health.stop();
    answers.endAll();
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    // Tells every peer to go away; those that still have calls finish them first.
    injector.drain(graceMs);
    await closed;
    clearTimeout(timer);
  };
  let stopped: Promise<void> | undefined;
  return {
    address,
    stop: async (graceMs) => {
      stopped ??= stop(graceMs);
      await stopped;
    },
  };
}

async function listening(listener: Listener, listen: PeerAddress): Promise<PeerAddress> {
  const wanted = parseHostPort(listen);
  invariant(wanted !== undefined, "a listener's address is a host and a port");
  listener.listen(wanted.port, wanted.host);
  try {
    await once(listener, "listening");
  } catch (cause) {
    throw new Error(`cannot listen on ${listen} for peers`, { cause });
  }
  const bound = listener.address();
  invariant(isAddressInfo(bound), "a listening socket has a port");
  return formatHostPort({ host: wanted.host, port: bound.port });
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === "object" && address !== null;
}
