/**
 * The peers port between the nodes of one world: calls that take time, lines that can be cut one way or both, nodes
 * that can die. Errors come as they do from gRPC, by the four kinds of `PeerError`.
 *
 * A call over a line that is cut hangs, as it would over a real one: nobody tells either end. When the line heals
 * soon, everything arrives late; when it stays cut, the keep-alives of both ends give up and the call breaks.
 */

import type { Greeting, PeerAddress, PeerLink, PeerService, Peers } from "../nodes/ports/peers.ts";
import type { Timer } from "../nodes/ports/timers.ts";
import type { NodeId } from "../shared/identity.ts";
import type { Message } from "./chronicle.ts";
import {
  type Ask,
  cancelled,
  type Listener,
  type Question,
  SimCall,
  SimQuestion,
  unreachableError,
  type Ways,
} from "./sim-call.ts";
import { type Carry, type LineQuality, SimLine } from "./sim-line.ts";
import { linkOver, PLANES, type Plane } from "./sim-link.ts";
import { COPYING, type Wire } from "./sim-message.ts";
import type { World } from "./world.ts";

/** How long both ends believe in a call over a line that is cut, and a caller in a host that says nothing. */
const BREAK_AFTER_MS = 15_000;

type Link = { readonly self: Greeting; readonly address: PeerAddress; isOpen: boolean };

type Dialled = { readonly link: Link; readonly plane: Plane; readonly signal: AbortSignal };

/** A call that is under way. */
type Connection = {
  readonly link: Link;
  readonly listener: Listener;
  readonly plane: Plane;
  readonly call: Pick<SimQuestion<unknown>, "break" | "lose" | "sever">;
  /** Breaks the call, unless the line heals before. */
  doom: Timer | undefined;
  /** One end has learned that it is lost. The other learns it with `doom`, whatever the line does. */
  isHalfOpen: boolean;
};

export type NetworkOptions = {
  readonly wire?: Wire | undefined;
  readonly witness?: ((message: Message) => void) | undefined;
};

export class SimNetwork {
  readonly #world: World;
  readonly #wire: Wire;
  readonly #listeners = new Map<PeerAddress, Listener>();
  readonly #lines = new Map<string, SimLine>();
  readonly #running = new Set<Connection>();
  readonly #links = new Set<Link>();
  /** What processes that were killed had said of themselves. */
  readonly #gone = new WeakSet<Greeting>();
  /** Addresses of hosts without power: nobody is there even to refuse, and who calls waits. */
  readonly #silent = new Map<PeerAddress, Set<() => void>>();

  /** Told of each message as it arrives, when somebody wants a picture. */
  readonly #witness: ((message: Message) => void) | undefined;

  constructor(world: World, { wire = COPYING, witness }: NetworkOptions = {}) {
    this.#world = world;
    this.#wire = wire;
    this.#witness = witness;
  }

  /** Answers at the address that `self` advertises. Returns what ends that, and everything that is under way there. */
  listen(self: Greeting, service: PeerService): () => void {
    const listener = { self, service };
    const isOf = ({ node }: Greeting): boolean => node === self.node;
    this.#listeners.set(self.advertise.peer, listener);
    for (const giveUp of this.#silent.get(self.advertise.peer) ?? []) giveUp();
    this.#silent.delete(self.advertise.peer);
    // A host that is back knows nothing of the connections it had, and says so to whoever still uses one.
    this.#breakAll(({ link, listener: other, isHalfOpen }) => isHalfOpen && (isOf(link.self) || isOf(other.self)));
    return () => {
      if (this.#listeners.get(self.advertise.peer) === listener) this.#listeners.delete(self.advertise.peer);
      this.#breakAll((connection) => connection.listener === listener);
    };
  }

  /** What the node that says `self` has of the network. */
  readonly peers = (self: Greeting): Peers => ({ dial: (address) => this.#dial({ self, address, isOpen: true }) });

  /** The process is gone: its calls, and those to it, break. */
  kill(node: NodeId): void {
    for (const link of this.#depart(node)) this.#close(link);
    this.#breakAll(({ link, listener }) => link.self.node === node || listener.self.node === node);
  }

  /** The power of the host is gone: nobody says so, and who has a connection to it believes in it for a while. */
  silence(node: NodeId): void {
    for (const [address, { self }] of this.#listeners) if (self.node === node) this.#silent.set(address, new Set());
    for (const link of this.#depart(node)) link.isOpen = false;
    for (const connection of this.#running) {
      const { link, listener, call } = connection;
      const error = unreachableError(link.address);
      if (link.self.node !== node && listener.self.node !== node) continue;
      this.#halve(connection);
      if (link.self.node === node) call.lose(error);
      if (listener.self.node === node) call.sever(error);
    }
  }

  /** Breaks whatever runs between two nodes; what is on its way is lost. New calls may follow at once. */
  reset(left: NodeId, right: NodeId, isOneSided: boolean): void {
    for (const connection of this.#running) {
      const { link, listener, call, isHalfOpen } = connection;
      const ends = [link.self.node, listener.self.node];
      if (isHalfOpen || !ends.includes(left) || !ends.includes(right)) continue;
      const error = unreachableError(link.address);
      if (!isOneSided) call.break(error);
      else {
        this.#halve(connection);
        call.lose(error);
      }
    }
  }

  /** The way between two nodes, in both directions. */
  set(left: NodeId, right: NodeId, quality: Partial<LineQuality>): void {
    for (const line of this.#linesOf(left, right)) line.set(quality);
    for (const line of this.#linesOf(right, left)) line.set(quality);
  }

  /** Lays weather on the way to `target`. Returns what lifts it. */
  lay(source: NodeId, target: NodeId, quality: Partial<LineQuality>): () => void {
    const lifts = this.#linesOf(source, target).map((line) => line.lay(quality));
    return () => {
      for (const lift of lifts) lift();
    };
  }

  /** For `forMs` nothing arrives at `target` from `source`, and nobody gives up: then all of it does. */
  stall(source: NodeId, target: NodeId, forMs: number): void {
    for (const line of this.#linesOf(source, target)) line.stall(forMs);
  }

  cut(left: NodeId, right: NodeId): void {
    this.cutOneWay(left, right);
    this.cutOneWay(right, left);
  }

  /** Nothing of `planes` arrives at `target` from `source`; the other direction still carries. */
  cutOneWay(source: NodeId, target: NodeId, planes: readonly Plane[] = PLANES): void {
    for (const plane of planes) this.#line(source, target, plane).cut();
    for (const connection of this.#running) this.#watch(connection);
  }

  heal(left: NodeId, right: NodeId): void {
    this.healOneWay(left, right);
    this.healOneWay(right, left);
  }

  healOneWay(source: NodeId, target: NodeId, planes: readonly Plane[] = PLANES): void {
    for (const plane of planes) this.#line(source, target, plane).heal();
    for (const connection of this.#running) this.#watch(connection);
  }

  #dial(link: Link): PeerLink {
    this.#links.add(link);
    return linkOver(
      {
        ask: async (plane, question, signal) => await this.#ask({ link, plane, signal }, question),
        stream: (plane, ask, signal, sent) => this.#call({ link, plane, signal }, ask, sent),
        close: () => this.#close(link),
      },
      this.#wire,
    );
  }

  #close(link: Link): void {
    link.isOpen = false;
    this.#links.delete(link);
    this.#breakAll((connection) => connection.link === link);
  }

  async *#call<Sent, Answer>(
    dialled: Dialled,
    ask: Ask<Sent, Answer>,
    sent: AsyncIterable<Sent>,
  ): AsyncGenerator<Answer, void> {
    const listener = this.#listenerAt(dialled) ?? (await this.#waitInVain(dialled));
    const call = new SimCall(dialled.link.self, listener, this.#ways(dialled, listener), ask);
    const connection = this.#begin(dialled, listener, call);
    try {
      yield* call.run(sent, dialled.signal);
    } finally {
      this.#end(connection);
    }
  }

  async #ask<Answer>(dialled: Dialled, ask: Question<Answer>): Promise<Answer> {
    const listener = this.#listenerAt(dialled) ?? (await this.#waitInVain(dialled));
    const { link, plane, signal } = dialled;
    const question = new SimQuestion(link.self, listener, this.#ways(dialled, listener), ask);
    const connection = this.#begin(dialled, listener, question);
    try {
      return await question.run(signal, this.#line(link.self.node, listener.self.node, plane).repeats());
    } finally {
      this.#end(connection);
    }
  }

  /** `undefined` where a host without power is. @throws {PeerError} when the call cannot even begin. */
  #listenerAt({ link, signal }: Dialled): Listener | undefined {
    if (signal.aborted) throw cancelled(signal);
    if (!link.isOpen || this.#gone.has(link.self)) throw unreachableError(link.address);
    const listener = this.#listeners.get(link.address);
    if (listener === undefined && !this.#silent.has(link.address)) throw unreachableError(link.address);
    return listener;
  }

  /** Nobody answers. @throws {PeerError} when the caller gives up, or the host is back and knows of nothing. */
  async #waitInVain({ link, signal }: Dialled): Promise<never> {
    const waiting = this.#silent.get(link.address);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const giveUp = (): void => resolve(undefined);
    const timer = this.#world.after(BREAK_AFTER_MS, giveUp);
    waiting?.add(giveUp);
    signal.addEventListener("abort", giveUp, { once: true });
    await promise;
    timer.cancel();
    waiting?.delete(giveUp);
    signal.removeEventListener("abort", giveUp);
    throw signal.aborted ? cancelled(signal) : unreachableError(link.address);
  }

  #ways({ link: { self }, plane }: Dialled, listener: Listener): Ways {
    return {
      there: this.#carrier(self.node, listener.self.node, plane),
      back: this.#carrier(listener.self.node, self.node, plane),
    };
  }

  #carrier(source: NodeId, target: NodeId, plane: Plane): Carry {
    const carry = this.#line(source, target, plane).carrier();
    const witness = this.#witness;
    if (witness === undefined) return carry;
    return (deliver, bytes) => {
      const sentMs = this.#world.nowMs;
      const arrive = (): void => {
        witness({ source, target, plane, sentMs, arrivedMs: this.#world.nowMs });
        deliver();
      };
      carry(arrive, bytes);
    };
  }

  #begin({ link, plane }: Dialled, listener: Listener, call: Connection["call"]): Connection {
    const connection: Connection = { link, listener, plane, call, doom: undefined, isHalfOpen: false };
    this.#running.add(connection);
    this.#watch(connection);
    return connection;
  }

  /** The caller has its end of it. Of a connection that is half open the other end is still there. */
  #end(connection: Connection): void {
    if (connection.isHalfOpen) return;
    connection.doom?.cancel();
    this.#running.delete(connection);
  }

  #halve(connection: Connection): void {
    connection.isHalfOpen = true;
    connection.doom ??= this.#world.after(BREAK_AFTER_MS, () => this.#break(connection));
  }

  /** Sets or lifts the doom of a call, as its line is. */
  #watch(connection: Connection): void {
    const { link, listener, plane, isHalfOpen } = connection;
    if (isHalfOpen) return;
    const [source, target] = [link.self.node, listener.self.node];
    if (!this.#line(source, target, plane).isCut && !this.#line(target, source, plane).isCut) {
      connection.doom?.cancel();
      connection.doom = undefined;
      return;
    }
    connection.doom ??= this.#world.after(BREAK_AFTER_MS, () => this.#break(connection));
  }

  #break(connection: Connection): void {
    connection.call.break(unreachableError(connection.link.address));
    if (!connection.isHalfOpen) return;
    connection.doom?.cancel();
    this.#running.delete(connection);
  }

  #breakAll(isBroken: (connection: Connection) => boolean): void {
    for (const connection of this.#running) if (isBroken(connection)) this.#break(connection);
  }

  /** The node reaches nobody any more, and nobody reaches it. @returns the links that it had. */
  #depart(node: NodeId): readonly Link[] {
    for (const [address, { self }] of this.#listeners) if (self.node === node) this.#listeners.delete(address);
    // What is left of the process may still run for a moment.
    const links = [...this.#links].filter(({ self }) => self.node === node);
    for (const link of links) {
      this.#gone.add(link.self);
      this.#links.delete(link);
    }
    return links;
  }

  #linesOf(source: NodeId, target: NodeId): readonly SimLine[] {
    return PLANES.map((plane) => this.#line(source, target, plane));
  }

  #line(source: NodeId, target: NodeId, plane: Plane): SimLine {
    const name = `${source} to ${target} ${plane}`;
    const known = this.#lines.get(name);
    if (known !== undefined) return known;
    const line = new SimLine(this.#world, this.#world.chanceFor(`line ${name}`));
    this.#lines.set(name, line);
    return line;
  }
}
