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
import type { PeerError } from "../shared/peer-error.ts";
import { mapped } from "./mapped.ts";
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
import { type LineQuality, SimLine } from "./sim-line.ts";
import {
  copyAudit,
  copyBytes,
  copyCompared,
  copyImageState,
  copyLane,
  copyNews,
  copyProbe,
  copyProbeAnswer,
  copyPublished,
  copyPulled,
  copyReport,
  copySubscribed,
} from "./sim-message.ts";
import type { World } from "./world.ts";

/** How long both ends believe in a call over a line that is cut. */
const BREAK_AFTER_MS = 15_000;

type Link = { readonly self: Greeting; readonly address: PeerAddress; isOpen: boolean };

/** A call that is under way. */
type Connection = {
  readonly link: Link;
  readonly listener: Listener;
  readonly break: (error: PeerError) => void;
  /** Breaks the call, unless the line heals before. */
  doom: Timer | undefined;
};

export class SimNetwork {
  readonly #world: World;
  readonly #listeners = new Map<PeerAddress, Listener>();
  readonly #lines = new Map<string, SimLine>();
  readonly #running = new Set<Connection>();
  readonly #links = new Set<Link>();
  /** What processes that were killed had said of themselves. */
  readonly #gone = new WeakSet<Greeting>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Answers at the address that `self` advertises. Returns what ends that, and everything that is under way there. */
  listen(self: Greeting, service: PeerService): () => void {
    const listener = { self, service };
    this.#listeners.set(self.advertise.peer, listener);
    return () => {
      if (this.#listeners.get(self.advertise.peer) === listener) this.#listeners.delete(self.advertise.peer);
      this.#breakAll((connection) => connection.listener === listener);
    };
  }

  /** What the node that says `self` has of the network. */
  readonly peers = (self: Greeting): Peers => ({ dial: (address) => this.#dial({ self, address, isOpen: true }) });

  /** The process is gone: its calls, and those to it, break. */
  kill(node: NodeId): void {
    for (const [address, { self }] of this.#listeners) if (self.node === node) this.#listeners.delete(address);
    // What is left of the process may still run for a moment, but reaches nobody.
    for (const link of this.#links) {
      if (link.self.node !== node) continue;
      this.#gone.add(link.self);
      this.#close(link);
    }
    this.#breakAll(({ link, listener }) => link.self.node === node || listener.self.node === node);
  }

  /** The way between two nodes, in both directions. */
  set(left: NodeId, right: NodeId, quality: Partial<LineQuality>): void {
    this.#line(left, right).set(quality);
    this.#line(right, left).set(quality);
  }

  cut(left: NodeId, right: NodeId): void {
    this.cutOneWay(left, right);
    this.cutOneWay(right, left);
  }

  /** Nothing arrives at `target` from `source`; the other direction still carries. */
  cutOneWay(source: NodeId, target: NodeId): void {
    this.#line(source, target).cut();
    for (const connection of this.#running) this.#watch(connection);
  }

  heal(left: NodeId, right: NodeId): void {
    this.healOneWay(left, right);
    this.healOneWay(right, left);
  }

  healOneWay(source: NodeId, target: NodeId): void {
    this.#line(source, target).heal();
    for (const connection of this.#running) this.#watch(connection);
  }

  #dial(link: Link): PeerLink {
    this.#links.add(link);
    const stream = <Sent, Answer>(
      ask: Ask<Sent, Answer>,
      signal: AbortSignal,
      sent: AsyncIterable<Sent> = nothing(),
    ): AsyncGenerator<Answer, void> => this.#call(link, ask, sent, signal);

    const ask = async <Answer>(question: Question<Answer>, signal: AbortSignal): Promise<Answer> =>
      await this.#ask(link, question, signal);

    return {
      greet: async (greeting, signal) =>
        await ask(async (calls, remote) => await calls.greet(greeting, remote), signal),
      probe: async (probe, signal) =>
        await ask(async (calls, remote) => copyProbeAnswer(await calls.probe(copyProbe(probe), remote)), signal),
      probeFor: async (request, signal) =>
        await ask(async (calls, remote) => await calls.probeFor({ ...request }, remote), signal),
      tellMembers: async (news, signal) =>
        await ask(async (calls, remote) => await calls.tellMembers(copyNews(news), remote), signal),
      compareMembers: async (compared, signal) =>
        await ask(async (calls, remote) => {
          const news = await calls.compareMembers(copyCompared(compared), remote);
          return news === undefined ? undefined : copyNews(news);
        }, signal),
      replicate: (acks, signal) =>
        stream(
          (calls, sent, remote) => mapped(calls.replicate(sent, remote), copyPublished),
          signal,
          mapped(acks, copySubscribed),
        ),
      pull: (have, signal) =>
        stream((calls, _, remote) => mapped(calls.pull(have.clone(), remote), copyPulled), signal),
      lookup: async (repo, reference, signal) =>
        await ask(async (calls, remote) => (await calls.lookup(repo, reference, remote)).map(copyBytes), signal),
      describeImage: async (repo, reference, signal) =>
        await ask(async (calls, remote) => copyImageState(await calls.describeImage(repo, reference, remote)), signal),
      report: async (signal) => await ask(async (calls, remote) => copyReport(await calls.report(remote)), signal),
      audit: async (question, signal) =>
        await ask(async (calls, remote) => copyAudit(await calls.audit(question, remote)), signal),
      auditLane: (lane, known, signal) =>
        stream((calls, _, remote) => mapped(calls.auditLane(lane, [...known], remote), copyLane), signal),
      have: async (repo, digests, signal) =>
        await ask(async (calls, remote) => [...(await calls.have(repo, [...digests], remote))], signal),
      readBlob: (digest, offset, signal) =>
        stream((calls, _, remote) => mapped(calls.readBlob(digest, offset, remote), copyBytes), signal),
      close: () => this.#close(link),
    };
  }

  #close(link: Link): void {
    link.isOpen = false;
    this.#links.delete(link);
    this.#breakAll((connection) => connection.link === link);
  }

  async *#call<Sent, Answer>(
    link: Link,
    ask: Ask<Sent, Answer>,
    sent: AsyncIterable<Sent>,
    signal: AbortSignal,
  ): AsyncGenerator<Answer, void> {
    const listener = this.#reach(link, signal);
    const call = new SimCall(link.self, listener, this.#ways(link, listener), ask);
    const connection = this.#begin(link, listener, (error) => call.break(error));
    try {
      yield* call.run(sent, signal);
    } finally {
      this.#end(connection);
    }
  }

  async #ask<Answer>(link: Link, ask: Question<Answer>, signal: AbortSignal): Promise<Answer> {
    const listener = this.#reach(link, signal);
    const question = new SimQuestion(link.self, listener, this.#ways(link, listener), ask);
    const connection = this.#begin(link, listener, (error) => question.break(error));
    try {
      return await question.run(signal);
    } finally {
      this.#end(connection);
    }
  }

  /** @throws {PeerError} when the call cannot even begin. */
  #reach(link: Link, signal: AbortSignal): Listener {
    if (signal.aborted) throw cancelled(signal);
    const listener = this.#listeners.get(link.address);
    if (listener === undefined || !link.isOpen || this.#gone.has(link.self)) throw unreachableError(link.address);
    return listener;
  }

  #ways({ self }: Link, listener: Listener): Ways {
    return {
      there: this.#line(self.node, listener.self.node).carrier(),
      back: this.#line(listener.self.node, self.node).carrier(),
    };
  }

  #begin(link: Link, listener: Listener, breakCall: (error: PeerError) => void): Connection {
    const connection: Connection = { link, listener, break: breakCall, doom: undefined };
    this.#running.add(connection);
    this.#watch(connection);
    return connection;
  }

  #end(connection: Connection): void {
    connection.doom?.cancel();
    this.#running.delete(connection);
  }

  /** Sets or lifts the doom of a call, as its line is. */
  #watch(connection: Connection): void {
    const [source, target] = [connection.link.self.node, connection.listener.self.node];
    if (!this.#line(source, target).isCut && !this.#line(target, source).isCut) {
      connection.doom?.cancel();
      connection.doom = undefined;
      return;
    }
    connection.doom ??= this.#world.after(BREAK_AFTER_MS, () =>
      connection.break(unreachableError(connection.link.address)),
    );
  }

  #breakAll(isBroken: (connection: Connection) => boolean): void {
    for (const connection of this.#running) {
      if (isBroken(connection)) connection.break(unreachableError(connection.link.address));
    }
  }

  #line(source: NodeId, target: NodeId): SimLine {
    const name = `${source} to ${target}`;
    const known = this.#lines.get(name);
    if (known !== undefined) return known;
    const line = new SimLine(this.#world, this.#world.chanceFor(`line ${name}`));
    this.#lines.set(name, line);
    return line;
  }
}

async function* nothing(): AsyncGenerator<never, void> {}
