/** Two ends of a real gRPC connection on loopback, with a service that says what a test tells it to. */

import type { Greeting, PeerCalls, PeerLink, PeerService, PublisherFrame, PullFrame } from "../../nodes/ports/peers.ts";
import type { Telemetry } from "../../nodes/ports/telemetry.ts";
import { createGrpcPeers } from "../../nodes/rpc/peers.ts";
import { type PeerServer, startPeerServer } from "../../nodes/rpc/server.ts";
import { type Digest, digestOf } from "../../shared/digest.ts";
import { hlcOf } from "../../shared/hlc.ts";
import { parseClusterId, parseNodeId, parseOrigin, parseRegion } from "../../shared/identity.ts";
import { PeerError } from "../../shared/peer-error.ts";
import { type Dot, VersionVector } from "../../shared/version-vector.ts";

export const EU_ORIGIN = parseOrigin("00000000000000e1");
export const US_ORIGIN = parseOrigin("00000000000000a2");
export const LAYER: Digest = digestOf(new Uint8Array([1, 2, 3]));
export const NEVER: AbortSignal = new AbortController().signal;

export function greeting(node: string, changes: Partial<Greeting> = {}): Greeting {
  return {
    cluster: parseClusterId("meridian"),
    node: parseNodeId(node),
    region: parseRegion(node.slice(0, 2)),
    origin: node.startsWith("eu") ? EU_ORIGIN : US_ORIGIN,
    boot: 3,
    nonce: "00000000000000f0",
    protocol: { min: 1, max: 2 },
    advertise: { registry: `http://${node}.example:5000`, peer: `${node}.example:7000` },
    version: "0.1.0",
    ...changes,
  };
}

export function held(...dots: readonly Dot[]): VersionVector {
  const vector = new VersionVector();
  for (const dot of dots) vector.add(dot);
  return vector;
}

export const BATCH = {
  origin: EU_ORIGIN,
  from: 7,
  ops: [new Uint8Array([1, 2]), new Uint8Array(), new Uint8Array(300).fill(9)],
  chain: new Uint8Array(16).fill(5),
  base: new Uint8Array(16).fill(4),
};

export const PUBLISHED: readonly PublisherFrame[] = [
  { kind: "heads", held: held({ origin: EU_ORIGIN, seq: 1 }), closed: hlcOf((1n << 64n) - 1n), wallMs: 1234.5 },
  { kind: "ops", batch: BATCH },
];

/** From a node that caught up without ops: it can't know the origin's hash chain. */
const UNCHAINED_BATCH = { ...BATCH, chain: new Uint8Array(), base: new Uint8Array() };

export const PULLED: readonly PullFrame[] = [
  { kind: "ops", batch: BATCH },
  { kind: "ops", batch: UNCHAINED_BATCH },
  { kind: "live", changes: [new Uint8Array([8]), new Uint8Array([9, 9])] },
  {
    kind: "end",
    held: held({ origin: EU_ORIGIN, seq: 1 }, { origin: US_ORIGIN, seq: 5 }),
    chains: new Map([
      [EU_ORIGIN, new Uint8Array(16).fill(1)],
      [US_ORIGIN, new Uint8Array(16).fill(2)],
    ]),
  },
];

async function* all<Item>(items: readonly Item[]): AsyncGenerator<Item, void> {
  yield* items;
}

/** Answers plainly; a test replaces the calls that it is about. */
export function calls(changes: Partial<PeerCalls> = {}): PeerCalls {
  return {
    greet: async () => greeting("eu-1"),
    replicate: () => all(PUBLISHED),
    pull: () => all(PULLED),
    lookup: async () => [new Uint8Array([1]), new Uint8Array([2, 3])],
    describeImage: async () => ({
      digest: LAYER,
      isKnown: true,
      blobsTotal: 3,
      blobsHeld: 1,
      bytesTotal: 2 ** 40,
      bytesHeld: 7,
      missing: [{ digest: LAYER, size: 2 ** 39 }],
    }),
    report: async () => ({
      greeting: greeting("eu-1"),
      held: held({ origin: EU_ORIGIN, seq: 4 }),
      uptimeMs: 12.25,
      repositories: 2,
      tags: 3,
      stateHash: "00ff",
      lag: [{ source: "us-1", region: "us", isReachable: false, pendingOps: 4, lagMs: 1500.5 }],
    }),
    probe: async ({ sentWallMs, news }) => ({
      receivedWallMs: sentWallMs + 0.5,
      answeredWallMs: sentWallMs + 1.5,
      news,
    }),
    probeFor: async ({ target }) => target === "us-1",
    tellMembers: async () => undefined,
    compareMembers: async ({ news }) => news,
    audit: async (question) => ({
      isReady: true,
      held: held({ origin: EU_ORIGIN, seq: 4 }),
      sums: question.kind === "groups" ? [question.root, 2n ** 128n - 1n] : question.groups.map(BigInt),
    }),
    auditLane: (lane, known) =>
      all([
        { kind: "changes", changes: [new Uint8Array([lane])] },
        { kind: "unknown", fingerprints: known },
      ]),
    have: async (_repo, digests) => digests.map((digest) => ({ digest, size: 3, isLinked: true })),
    readBlob: () => all([new Uint8Array([1, 2]), new Uint8Array([3])]),
    ...changes,
  };
}

/** What a call that must not succeed ended with. */
export async function failureOf(call: Promise<unknown>): Promise<PeerError> {
  const outcome = await call.then(
    () => new Error("the call succeeded"),
    (error: unknown) => error,
  );
  if (outcome instanceof PeerError) return outcome;
  throw new Error("expected the call to end in a PeerError", { cause: outcome });
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  return await Array.fromAsync(items);
}

/** What was counted, as `method side code` with how often. */
export class Counted implements Telemetry {
  readonly #counts = new Map<string, number>();
  readonly logged: string[] = [];

  count(_metric: string, { method, side, code }: { readonly [label: string]: string }): void {
    const key = `${method} ${side} ${code}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }
  log(_level: string, event: string): void {
    this.logged.push(event);
  }
  set(): void {}
  observe(): void {}

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}

/** What a test opens; everything is closed by `await using`. */
export class Rpc implements AsyncDisposable {
  readonly server = new Counted();
  readonly client = new Counted();
  readonly #peers = createGrpcPeers({ telemetry: this.client });
  readonly #opened: (() => Promise<void> | void)[] = [];

  async serve(service: PeerService | PeerCalls, listen = "127.0.0.1:0"): Promise<PeerServer> {
    const server = await startPeerServer({
      listen,
      self: greeting("eu-1"),
      service: typeof service === "function" ? service : () => service,
      telemetry: this.server,
    });
    this.#opened.push(async () => await server.stop(0));
    return server;
  }

  dial(address: string, self: Greeting = greeting("us-1")): PeerLink {
    const link = this.#peers(self).dial(address);
    this.#opened.push(() => link.close());
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#opened.toReversed()) await close();
  }
}
