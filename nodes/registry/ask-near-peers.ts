/**
 * What near peers say they hold. Metadata of manifests reaches every node by itself; a blob that was just uploaded to
 * another node, and is named by no manifest yet, is known there alone. One question, to few, in one round trip: a
 * client that pushes through several nodes finds its layers, and a miss stays cheap.
 */
import type { Digest } from "../../shared/digest.ts";
import type { Region } from "../../shared/identity.ts";
import { DIGESTS_ASKED_MAX, MISS_PROBE_PEERS, MISS_PROBE_TIMEOUT_MS } from "../../shared/limits.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import { within } from "../cluster/deadline.ts";
import type { PeerDirectory, ReachableMember } from "../cluster/peer-directory.ts";
import type { BlobFound } from "../ports/peers.ts";
import type { Timers } from "../ports/timers.ts";
import type { MetadataReader } from "../storage/metadata-reader.ts";

/** Content that a peer holds. */
export type HeldElsewhere = {
  readonly size: number;
  /** Of the nearest holder. */
  readonly region: Region;
  /** Whether a peer that holds it says that the repository has it. */
  readonly isLinked: boolean;
};

export type AskNearPeersDeps = {
  readonly cluster: Pick<PeerDirectory, "reachable">;
  readonly reader: Pick<MetadataReader, "blobAuthors">;
  readonly timers: Timers;
};

export class AskNearPeers {
  readonly #deps: AskNearPeersDeps;

  constructor(deps: AskNearPeersDeps) {
    this.#deps = deps;
  }

  /** What of `digests` somebody else holds; what nobody holds, or could say in time, is absent. Never rejects. */
  async run(
    repo: RepositoryName,
    digests: readonly Digest[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<Digest, HeldElsewhere>> {
    const peers = await this.#choose(repo, digests);
    if (digests.length === 0 || peers.length === 0) return new Map();

    const answers = await within(
      this.#deps.timers,
      MISS_PROBE_TIMEOUT_MS,
      async (limit) => await Promise.all(peers.map(async (peer) => await ask(peer, repo, digests, limit))),
      signal,
    );
    return joined(peers, answers);
  }

  /** The nearest, and of a single blob also those who pushed what names it: they have held it once. */
  async #choose(repo: RepositoryName, digests: readonly Digest[]): Promise<readonly ReachableMember[]> {
    const reachable = this.#deps.cluster.reachable();
    const [only, ...others] = digests;
    const authors = only === undefined || others.length > 0 ? [] : await this.#deps.reader.blobAuthors(repo, only);
    const likely = new Set<string>(authors.slice(0, MISS_PROBE_PEERS).map(({ node }) => node));
    return reachable.filter(({ greeting }, index) => index < MISS_PROBE_PEERS || likely.has(greeting.node));
  }
}

async function ask(
  { link }: ReachableMember,
  repo: RepositoryName,
  digests: readonly Digest[],
  signal: AbortSignal,
): Promise<readonly BlobFound[]> {
  const found: BlobFound[] = [];
  try {
    for (let at = 0; at < digests.length; at += DIGESTS_ASKED_MAX) {
      found.push(...(await link.have(repo, digests.slice(at, at + DIGESTS_ASKED_MAX), signal)));
    }
  } catch {
    // Whoever cannot answer now holds nothing more that could be had now.
  }
  return found;
}

function joined(
  peers: readonly ReachableMember[],
  answers: readonly (readonly BlobFound[])[],
): ReadonlyMap<Digest, HeldElsewhere> {
  const held = new Map<Digest, HeldElsewhere>();
  for (const [index, peer] of peers.entries()) {
    for (const { digest, size, isLinked } of answers[index] ?? []) {
      const known = held.get(digest);
      if (known === undefined) held.set(digest, { size, region: peer.greeting.region, isLinked });
      else if (isLinked && !known.isLinked) held.set(digest, { ...known, isLinked });
    }
  }
  return held;
}
