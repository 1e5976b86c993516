/**
 * Down which ways ops reach everybody. Ops are pulled: whoever wants them follows a peer and names the origins whose
 * ops the peer shall pass on. So the question is, for each origin, which one peer to ask.
 *
 * Up to `MESH_NODES_MAX` nodes each asks the origin itself, and an op is known everywhere after one hop. Beyond, that
 * would cost each origin a stream to everybody and each region the same bytes as often as it has nodes. There an
 * op crosses the sea twice for each region: two *relays* of every other region ask the origin, and the others there ask a
 * relay. In a region of more than `FLAT_REGION_NODES_MAX` nodes a few *branches* ask the relays, or in the
 * origin's own region the origin, and the others ask a branch: two levels, each as wide as the other.
 *
 * Who is a relay for what is drawn by rendezvous hashing over the nodes that are alive: no message agrees on it, every
 * origin has other relays so that the load is even, and a node that comes or goes changes its own share only. Two nodes
 * that see different members may draw differently. Then somebody asks a peer that is no relay, and gets what that one
 * has; or two ask each other and get nothing. Neither loses anything, because heads tell what is missing and it is pulled.
 *
 * Random gossip was the alternative: eight to twelve copies of each op and several times the latency. So was an epidemic
 * broadcast tree, which finds by duplicates what is known here from the list of members.
 *
 * Sources: Thaler and Ravishankar, "Using name-based mappings" (1998), for rendezvous; the protocol's evidence, 3.2.
 */
import { hash } from "node:crypto";
import type { Origin } from "../../shared/identity.ts";

/** Names a peer for as long as this process lives. */
export type PeerKey = string;

/** A node that is alive. */
export type SpreadNode = { readonly node: string; readonly region: string; readonly origin: Origin };

export type SpreadPeer = SpreadNode & {
  readonly key: PeerKey;
  /** From here, now. */
  readonly isReachable: boolean;
};

/** For each peer to follow, the origins whose ops it shall pass on. */
export type SpreadPlan = ReadonlyMap<PeerKey, readonly Origin[]>;

export const MESH_NODES_MAX = 12;
export const FLAT_REGION_NODES_MAX = 32;
export const RELAYS_PER_REGION = 2;

export function planSpread(self: SpreadNode, peers: readonly SpreadPeer[]): SpreadPlan {
  const plan = new Map<PeerKey, Origin[]>();
  const isMesh = peers.length + 1 <= MESH_NODES_MAX;
  const neighbours = peers.filter(({ region }) => region === self.region);
  const names = [self, ...neighbours].map((one) => ({ key: keyOf(one), name: numberOf(one.node) }));
  const byKey = new Map(neighbours.map((peer) => [peer.key, peer]));
  for (const source of peers) {
    const asked = isMesh ? [source.key] : askedFor(source, self, names);
    const parent = asked.find((key) => (key === source.key ? source : byKey.get(key))?.isReachable === true);
    if (parent === undefined) continue;
    const origins = plan.get(parent);
    if (origins === undefined) plan.set(parent, [source.origin]);
    else origins.push(source.origin);
  }
  return plan;
}

type Named = { readonly key: PeerKey | undefined; readonly name: number };

/** Whom to ask for the ops of `source`, the best first; the source itself is the last resort. */
function askedFor(source: SpreadPeer, self: SpreadNode, names: readonly Named[]): readonly PeerKey[] {
  const isOwnRegion = source.region === self.region;
  const ranked = rankedFor(source, names);
  const place = ranked.indexOf(undefined);
  // In its own region the origin stands where the relays stand elsewhere.
  const relays = isOwnRegion ? [source.key] : ranked.slice(0, RELAYS_PER_REGION);
  const others = isOwnRegion ? ranked : ranked.slice(RELAYS_PER_REGION);
  const index = others.indexOf(undefined);
  if (!isOwnRegion && place < RELAYS_PER_REGION) return [source.key, ...relays].filter((key) => key !== undefined);

  const branches = others.length < FLAT_REGION_NODES_MAX ? 0 : Math.ceil(Math.sqrt(others.length));
  const isLeaf = index >= branches;
  const nearer = isLeaf && branches > 0 ? turned(others.slice(0, branches), index) : [];
  return [...nearer, ...turned(relays, index), source.key].filter((key) => key !== undefined);
}

/** Keys of the region's nodes but the source, by rendezvous; `undefined` stands for this node. */
function rankedFor(source: SpreadPeer, names: readonly Named[]): readonly (PeerKey | undefined)[] {
  const origin = numberOf(source.origin);
  return names
    .filter(({ key }) => key !== source.key)
    .map(({ key, name }) => ({ key, score: mixed(origin ^ name) }))
    .toSorted((left, right) => left.score - right.score)
    .map(({ key }) => key);
}

/** Begins at another item for each index, so that not everybody asks the same one first. */
function turned<Item>(items: readonly Item[], index: number): readonly Item[] {
  const start = items.length === 0 ? 0 : index % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

function keyOf(one: SpreadNode | SpreadPeer): PeerKey | undefined {
  return "key" in one ? one.key : undefined;
}

function numberOf(name: string): number {
  return hash("sha256", name, "buffer").readUInt32BE(0);
}

/** A permutation of the unsigned 32-bit integers that leaves no pattern. Source: Mueller's `hash32`, the constants of "prospector". */
function mixed(value: number): number {
  let mix = value >>> 0;
  mix = Math.imul(mix ^ (mix >>> 16), 0x21f0aaad);
  mix = Math.imul(mix ^ (mix >>> 15), 0x735a2d97);
  return (mix ^ (mix >>> 15)) >>> 0;
}
