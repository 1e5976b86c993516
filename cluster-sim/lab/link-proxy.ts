/**
 * A line between two nodes: one listens here in place of the other, and whatever is dialled travels through two
 * {@link LinkDirection}s, which may change while connections live.
 *
 * Besides the toxics of a direction a line has three faults of its own:
 * - `refuse` (toxiproxy's `down`): open connections are reset, new ones are reset at once;
 * - `silent` (half-open): the far end of open connections is gone and the near end is not told; new ones are accepted
 *   and nothing ever answers. Such connections stay dead after the line is well again, as after a firewall lost its state;
 * - `reset` (`reset_peer`), once: open connections are reset, new ones pass.
 *
 * A cut line still accepts, because the dialler's kernel cannot be kept from connecting to a listening port; to the
 * node it looks like a SYN that is never answered: the far end sees nothing until the line is whole.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { invariant } from "../../shared/invariant.ts";
import type { LinkDirection } from "./link-direction.ts";
import { Pipe } from "./pipe.ts";

export type LinkMode = "pass" | "refuse" | "silent";

export type LinkEnds = {
  readonly target: { readonly host: string; readonly port: number };
  /** Bytes from the dialler to the target. */
  readonly upstream: LinkDirection;
  /** Bytes from the target to the dialler. */
  readonly downstream: LinkDirection;
};

const LOOPBACK = "127.0.0.1";
const CONNECTIONS_MAX = 1_000;

export class LinkProxy {
  readonly #ends: LinkEnds;
  readonly #server: Server;
  readonly #connections = new Set<LinkConnection>();
  #mode: LinkMode = "pass";

  private constructor(ends: LinkEnds, server: Server) {
    this.#ends = ends;
    this.#server = server;
  }

  /** Listens on a free port of the loopback address. */
  static async listen(ends: LinkEnds): Promise<LinkProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.maxConnections = CONNECTIONS_MAX;
    const proxy = new LinkProxy(ends, server);
    server.on("connection", (near) => proxy.#accept(near));
    server.listen(0, LOOPBACK);
    await once(server, "listening");
    return proxy;
  }

  /** `host:port` to dial instead of the target. */
  get address(): string {
    const address = this.#server.address();
    invariant(isAddressInfo(address), "a listening line has a port");
    return `${LOOPBACK}:${address.port}`;
  }

  get mode(): LinkMode {
    return this.#mode;
  }

  /** Connections that have not ended. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  setMode(mode: LinkMode): void {
    this.#mode = mode;
    if (mode === "refuse") this.reset();
    if (mode === "silent") for (const connection of this.#connections) connection.forgetFarEnd();
  }

  /** Resets every open connection, at both ends and at once. */
  reset(): void {
    for (const connection of this.#connections) connection.reset();
  }

  /** Ends every connection and frees the port. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.reset();
    await closed;
  }

  #accept(near: Socket): void {
    // A socket's failure reaches the pipe that reads it; without a listener Node would end the process instead.
    near.on("error", () => undefined);
    if (this.#mode === "refuse") {
      near.resetAndDestroy();
      return;
    }
    const connection = new LinkConnection(near, this.#ends);
    this.#connections.add(connection);
    near.once("close", () => this.#connections.delete(connection));
    if (this.#mode === "silent") connection.forgetFarEnd();
    else connection.start();
  }
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === "object" && address !== null;
}

class LinkConnection {
  readonly #near: Socket;
  readonly #ends: LinkEnds;
  readonly #over = new AbortController();
  #far: Socket | undefined;

  constructor(near: Socket, ends: LinkEnds) {
    this.#near = near;
    this.#ends = ends;
  }

  start(): void {
    this.#run().catch(() => {
      if (!this.#over.signal.aborted) this.reset();
    });
  }

  reset(): void {
    this.#over.abort();
    this.#near.resetAndDestroy();
    this.#far?.resetAndDestroy();
  }

  /** The far end is told that all is over; the near end hears nothing, and what it says is lost. */
  forgetFarEnd(): void {
    this.#over.abort();
    this.#far?.resetAndDestroy();
    this.#near.once("end", () => this.#near.destroy());
    this.#near.resume();
  }

  async #run(): Promise<void> {
    const { upstream, downstream } = this.#ends;
    const { signal } = this.#over;
    const up = new Pipe(this.#near, upstream, signal);
    const taken = [up.takeIn()];

    const isHeldBack = upstream.isCut || downstream.isCut;
    await this.#shakeHands();
    // Who gave up while the line was cut never reaches the far end: its SYN would not be sent again.
    if (isHeldBack && up.hasSourceEnded) {
      this.reset();
      return;
    }

    const far = await this.#dial();
    const down = new Pipe(far, downstream, signal);
    taken.push(down.takeIn());
    const endings = await Promise.allSettled([this.#carry(up, far), this.#carry(down, this.#near)]);
    const isBroken = endings.some(({ status }) => status === "rejected");
    if (isBroken && !signal.aborted) this.reset();
    this.#over.abort();
    await Promise.all(taken);
  }

  /** SYN there, SYN-ACK back: a connection takes a round trip, over a line that is whole both ways. */
  async #shakeHands(): Promise<void> {
    const { upstream, downstream } = this.#ends;
    const { signal } = this.#over;
    await upstream.whole(signal);
    await sleep(upstream.travelMs() + downstream.travelMs(), undefined, { signal });
    await upstream.whole(signal);
    await downstream.whole(signal);
  }

  /** @throws when the target does not listen. */
  async #dial(): Promise<Socket> {
    const far = connect({ ...this.#ends.target, allowHalfOpen: true, noDelay: true });
    far.on("error", () => undefined);
    this.#far = far;
    await once(far, "connect", { signal: this.#over.signal });
    return far;
  }

  async #carry(pipe: Pipe, target: Socket): Promise<void> {
    if ((await pipe.deliverTo(target)) === "reset") this.reset();
  }
}
