import type { Socket } from "node:net";

/** How many connections the registry's listener holds open, in all and from one client. */
export type ConnectionLimits = { readonly connections: number; readonly connectionsPerClient: number };

/**
 * Counts connections by who holds them, so that one client who opens more and more of them takes none from the others.
 * A client is an address; of IPv6 the first 64 bits, because whoever has one address of such a network has them all.
 */
export class ClientConnections {
  readonly #limits: ConnectionLimits;
  readonly #byClient = new Map<string, number>();
  #open = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get open(): number {
    return this.#open;
  }

  /** Whether the connection may stay. It counts until it closes, also when it may not. */
  admit(socket: Socket): boolean {
    const client = clientOf(socket.remoteAddress);
    const held = (this.#byClient.get(client) ?? 0) + 1;
    this.#byClient.set(client, held);
    this.#open += 1;
    socket.once("close", () => this.#closed(client));
    return this.#open <= this.#limits.connections && held <= this.#limits.connectionsPerClient;
  }

  #closed(client: string): void {
    this.#open -= 1;
    const left = (this.#byClient.get(client) ?? 1) - 1;
    if (left > 0) this.#byClient.set(client, left);
    else this.#byClient.delete(client);
  }
}

/** The name under which a client's share is counted. Connections that have just broken have no address. */
export function clientOf(remoteAddress: string | undefined): string {
  if (remoteAddress === undefined) return "";
  const mapped = /^::ffff:([0-9.]+)$/i.exec(remoteAddress)?.[1];
  if (mapped !== undefined) return mapped;
  if (!remoteAddress.includes(":")) return remoteAddress;
  const [left = "", right] = remoteAddress.split("%", 1)[0]?.split("::") ?? [];
  const leading = left === "" ? [] : left.split(":");
  const trailing = right === undefined || right === "" ? [] : right.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - leading.length - trailing.length) }, () => "0");
  return `${[...leading, ...zeros, ...trailing].slice(0, 4).join(":")}::/64`;
}
