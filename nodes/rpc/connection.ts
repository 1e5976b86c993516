/**
 * One HTTP/2 connection to a peer, opened when a call needs it and opened anew when it was lost.
 *
 * grpc-js would do that by itself, but not the way a wide-area network needs it. It lets calls wait for as long as an
 * attempt lasts, and an attempt whose packets vanish lasts for two minutes. After a failure it refuses calls for a growing
 * pause, however soon the link heals. And closing a channel leaves a socket that is still connecting to itself. So
 * an attempt here has a deadline; the pause after a failed one is short and does not grow, because whoever calls
 * paces himself; and every socket is known to the connection that caused it, which destroys it when it closes.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import { Socket } from "node:net";
import { Client, type ClientOptions, connectivityState, credentials } from "@grpc/grpc-js";
import { PeerError } from "../../shared/peer-error.ts";
import type { PeerAddress } from "../ports/peers.ts";

/** Opening takes two round trips. Longer than the slowest honest link, shorter than a caller's patience. */
const OPEN_TIMEOUT_MS = 3_000;
/** How long a failed attempt answers for the calls that come after it. */
const RETRY_PAUSE_MS = 200;

/** Tells whose each new socket is. One for the process: it listens to all sockets for ever. */
export class SocketOwners {
  readonly #owner = new AsyncLocalStorage<Set<Socket>>();

  constructor() {
    subscribe("net.client.socket", (message) => {
      const sockets = this.#owner.getStore();
      const socket = socketIn(message);
      if (sockets === undefined || socket === undefined) return;
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
  }

  /** Whatever sockets `act` leads to, at once or later, are put into `sockets` until they close. */
  attribute<Result>(sockets: Set<Socket>, act: () => Result): Result {
    return this.#owner.run(sockets, act);
  }
}

function socketIn(message: unknown): Socket | undefined {
  if (typeof message !== "object" || message === null || !("socket" in message)) return undefined;
  return message.socket instanceof Socket ? message.socket : undefined;
}

export type ConnectionDeps = {
  readonly address: PeerAddress;
  readonly owners: SocketOwners;
  readonly options: ClientOptions;
};

export class Connection {
  readonly #deps: ConnectionDeps;
  #current: { readonly client: Client; readonly sockets: Set<Socket> } | undefined;
  #opening: Promise<Client> | undefined;
  #failed: { readonly error: PeerError; readonly untilMs: number } | undefined;
  #isClosed = false;

  constructor(deps: ConnectionDeps) {
    this.#deps = deps;
  }

  get address(): PeerAddress {
    return this.#deps.address;
  }

  /**
   * A client whose connection stands, as far as this side can know.
   * @throws {PeerError} `unreachable`
   */
  async ready(): Promise<Client> {
    if (this.#isClosed) throw closedError(this.#deps.address);
    if (this.#current !== undefined && stateOf(this.#current.client) === connectivityState.READY) {
      return this.#current.client;
    }
    if (this.#failed !== undefined && performance.now() < this.#failed.untilMs) throw this.#failed.error;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return await this.#opening;
  }

  /** Gives every socket back at once. Calls that still run end as broken. */
  close(): void {
    this.#isClosed = true;
    this.#abandon();
  }

  async #open(): Promise<Client> {
    const { address, owners, options } = this.#deps;
    // A client that was told to go away may still be finishing calls: those it keeps.
    this.#current?.client.close();
    const sockets = new Set<Socket>();
    const client = new Client(address, credentials.createInsecure(), options);
    this.#current = { client, sockets };
    try {
      await owners.attribute(sockets, async () => await connected(client));
    } catch (cause) {
      if (this.#isClosed) throw closedError(address);
      this.#abandon();
      const error = new PeerError("unreachable", `cannot connect to ${address}`, { cause });
      this.#failed = { error, untilMs: performance.now() + RETRY_PAUSE_MS };
      throw error;
    }
    if (this.#isClosed) throw closedError(address);
    return client;
  }

  #abandon(): void {
    if (this.#current === undefined) return;
    this.#current.client.close();
    for (const socket of this.#current.sockets) socket.destroy();
    this.#current = undefined;
  }
}

function closedError(address: PeerAddress): PeerError {
  return new PeerError("unreachable", `the link to ${address} is closed`);
}

function stateOf(client: Client): connectivityState {
  return client.getChannel().getConnectivityState(false);
}

/** Resolves when the first attempt of `client` succeeded, rejects when it failed, was given up, or took too long. */
async function connected(client: Client): Promise<void> {
  const deadlineMs = Date.now() + OPEN_TIMEOUT_MS;
  let state = client.getChannel().getConnectivityState(true);
  while (state === connectivityState.IDLE || state === connectivityState.CONNECTING) {
    const last = state;
    await changed(client, last, deadlineMs);
    state = stateOf(client);
    if (state === connectivityState.IDLE) break;
  }
  if (state !== connectivityState.READY) throw new Error(`the attempt ended in state ${connectivityState[state]}`);
}

async function changed(client: Client, from: connectivityState, deadlineMs: number): Promise<void> {
  const change = Promise.withResolvers<undefined>();
  client.getChannel().watchConnectivityState(from, deadlineMs, (error) => {
    if (error === undefined) change.resolve(undefined);
    else change.reject(error);
  });
  await change.promise;
}
