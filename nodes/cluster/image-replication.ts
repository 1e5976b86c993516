import type { Digest } from "../../shared/digest.ts";
import type { NodeId, Origin, Region } from "../../shared/identity.ts";
import type { ImageState, NodeReport } from "../ports/peers.ts";

/** From nothing to everything: each level includes those before it. The words are those of the architecture. */
export const REPLICATION_LEVELS = ["unknown", "known", "pullable", "resident"] as const;
export type ReplicationLevel = (typeof REPLICATION_LEVELS)[number];
export type WaitedLevel = Exclude<ReplicationLevel, "unknown">;

export type RegionReplication = {
  readonly region: Region;
  readonly level: ReplicationLevel;
  /** Manifests and blobs that no node of the region holds. */
  readonly partsMissing: number;
  readonly bytesMissing: number;
  /** 0 while the image is not known in the region. */
  readonly bytesTotal: number;
  /** Why the level is not `resident`, as a sentence for a person. */
  readonly why: string | undefined;
};

export type ImageReplication = {
  /** What the reference means; `undefined` when no node that can be reached knows it. */
  readonly digest: Digest | undefined;
  readonly regions: readonly RegionReplication[];
  /** Addresses at which nobody has ever answered: their regions are not known. */
  readonly unheard: readonly string[];
};

/** What one node said of itself and of the image. */
export type Account = {
  readonly node: NodeId;
  readonly region: Region;
  readonly origin: Origin;
  /** `undefined` when the node could not be asked. */
  readonly report: NodeReport | undefined;
  readonly image: ImageState | undefined;
};

type Knowing = Account & { readonly image: ImageState };

/**
 * Judges the accounts. The first one that knows the image decides which digest the reference means: a region whose tag
 * still names another one does not know the image yet.
 */
export function replicationOf(accounts: readonly Account[]): Omit<ImageReplication, "unheard"> {
  const digest = accounts.find(({ image }) => image?.isKnown === true)?.image?.digest;
  const regions = [...new Set(accounts.map(({ region }) => region))];
  return { digest, regions: regions.map((region) => judgeRegion(region, digest, accounts)) };
}

/** Whether each of `regions` is at `level` or beyond. "All" cannot be reached while some address has never answered. */
export function hasReached(
  { regions: states, unheard }: ImageReplication,
  regions: readonly Region[] | "all",
  level: WaitedLevel,
): boolean {
  if (regions === "all" && unheard.length > 0) return false;
  const wanted = regions === "all" ? states.map(({ region }) => region) : regions;
  return wanted.every((region) => {
    const state = states.find((candidate) => candidate.region === region);
    return state !== undefined && REPLICATION_LEVELS.indexOf(state.level) >= REPLICATION_LEVELS.indexOf(level);
  });
}

function judgeRegion(region: Region, digest: Digest | undefined, accounts: readonly Account[]): RegionReplication {
  const here = accounts.filter((account) => account.region === region);
  const knowing = here.filter((account) => knows(account, digest));
  const [first] = knowing;
  if (first === undefined) {
    return { region, level: "unknown", partsMissing: 0, bytesMissing: 0, bytesTotal: 0, why: whyUnknown(here, digest) };
  }

  const missing = missingFromAll(knowing);
  const { blobsTotal, bytesTotal } = first.image;
  const about = { region, partsMissing: missing.parts, bytesMissing: missing.bytes, bytesTotal };
  if (missing.parts === 0) return { ...about, level: "resident", why: undefined };

  const knowers = accounts.filter((account) => knows(account, digest));
  const holders = knowers.filter((account) => canBeReached(account, here));
  const lost = missing.listed.filter((part) => !holders.some(({ image }) => !isMissing(image, part)));
  if (lost.length > 0) {
    const why = `${lost.length} of ${blobsTotal} parts are at no holder that the region can reach`;
    return { ...about, level: "known", why };
  }
  return { ...about, level: "pullable", why: `${missing.parts} of ${blobsTotal} parts are not in the region yet` };
}

function knows(account: Account, digest: Digest | undefined): account is Knowing {
  return account.image?.isKnown === true && digest !== undefined && account.image.digest === digest;
}

function whyUnknown(here: readonly Account[], digest: Digest | undefined): string {
  const asked = here.filter(({ image }) => image !== undefined);
  if (asked.length === 0) return "no node of the region can be reached";
  if (digest === undefined) return "no node that can be reached knows it";
  const other = asked.find(({ image }) => image?.isKnown === true)?.image?.digest;
  return other === undefined ? "it has not arrived yet" : `it still names ${other}`;
}

/** What none of the nodes of one region holds. */
function missingFromAll(nodes: readonly Knowing[]): {
  readonly parts: number;
  readonly bytes: number;
  readonly listed: readonly Digest[];
} {
  const [first, ...others] = nodes;
  if (first === undefined) return { parts: 0, bytes: 0, listed: [] };
  const { image } = first;
  const listed = image.missing.filter((part) => others.every((other) => isMissing(other.image, part.digest)));
  if (others.length === 0) {
    // A long list is cut short; the counts are not.
    const parts = image.blobsTotal - image.blobsHeld;
    return { parts, bytes: image.bytesTotal - image.bytesHeld, listed: listed.map(({ digest }) => digest) };
  }
  const bytes = listed.reduce((sum, { size }) => sum + size, 0);
  return { parts: listed.length, bytes, listed: listed.map(({ digest }) => digest) };
}

function isMissing({ missing }: ImageState, part: Digest): boolean {
  return missing.some(({ digest }) => digest === part);
}

function canBeReached(holder: Account, from: readonly Account[]): boolean {
  return from.some((account) => {
    const links = account.report?.lag ?? [];
    return account === holder || links.some(({ source, isReachable }) => source === holder.node && isReachable);
  });
}
