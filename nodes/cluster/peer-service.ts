import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { DIGESTS_ASKED_MAX } from "../../shared/limits.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { BlobFound, Greeting, NodeReport, PeerCalls, PeerService } from "../ports/peers.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { Metadata } from "../storage/metadata.ts";
import type { AuditState } from "./audit-state.ts";
import { describeImage } from "./describe-image.ts";
import type { PeerDirectory } from "./peer-directory.ts";
import type { Replicate } from "./replicate.ts";
import type { Roster } from "./roster.ts";

export type PeerServiceDeps = {
  /** What this node says of itself. */
  readonly self: () => Greeting;
  readonly metadata: Metadata;
  readonly blobs: Pick<Blobs, "open">;
  readonly directory: PeerDirectory;
  readonly roster: Roster;
  readonly replicate: Replicate;
  readonly audit: Pick<AuditState, "answer" | "answerLane">;
  /** This node's account of itself. */
  readonly report: () => NodeReport;
};

/** Answers other nodes. Reads only: what a peer says never changes anything here except through a stream this node follows. */
export function createPeerService(deps: PeerServiceDeps): PeerService {
  const { metadata, replicate, roster } = deps;
  return (caller: Greeting): PeerCalls => ({
    greet: async (greeting) => {
      deps.directory.reportHeard(greeting);
      return await Promise.resolve(deps.self());
    },
    probe: async (probe) => await roster.answerProbe(caller.node, probe),
    probeFor: async (request, signal) => await roster.probeFor(request, signal),
    tellMembers: async (news) => await Promise.resolve(roster.hear(caller.node, news)),
    compareMembers: async (compared) => await Promise.resolve(roster.compare(caller.node, compared)),
    replicate: (acks, signal) => replicate.publish(caller, acks, signal),
    pull: (have, signal) => replicate.missing(have, signal),
    lookup: async (repo, reference) => await metadata.lookup(repo, reference),
    describeImage: async (repo, reference) => await describeImage(metadata, repo, reference),
    report: async () => await Promise.resolve(deps.report()),
    audit: async (question) => await Promise.resolve(deps.audit.answer(question)),
    auditLane: (lane, known, signal) => deps.audit.answerLane(lane, known, signal),
    have: async (repo, digests) => await held(metadata, repo, digests),
    readBlob: (digest, offset, signal) => readBlob(deps, digest, offset, signal),
  });
}

async function held(
  { reader }: Pick<Metadata, "reader">,
  repo: RepositoryName | undefined,
  digests: readonly Digest[],
): Promise<readonly BlobFound[]> {
  const found: BlobFound[] = [];
  for (const digest of digests.slice(0, DIGESTS_ASKED_MAX)) {
    const blobSize = await reader.blobSize(digest);
    const size = blobSize ?? (await reader.content(digest))?.length;
    if (size === undefined) continue;
    const isLinked =
      repo !== undefined &&
      ((await reader.linksBlob(repo, digest)) || (await reader.manifestLink(repo, digest)) !== undefined);
    found.push({ digest, size, isLinked });
  }
  return found;
}

/** @throws {RegistryError} `BLOB_UNKNOWN` when neither a blob nor a manifest of that digest is here, or it is shorter than `offset`. */
async function* readBlob(
  { metadata, blobs }: Pick<PeerServiceDeps, "metadata" | "blobs">,
  digest: Digest,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const blob = await blobs.open(digest);
  if (blob === undefined) {
    const bytes = await metadata.reader.content(digest);
    if (bytes === undefined || offset > bytes.length) throw new RegistryError("BLOB_UNKNOWN", { digest });
    if (offset < bytes.length) yield bytes.subarray(offset);
    return;
  }
  try {
    if (offset > blob.size) throw new RegistryError("BLOB_UNKNOWN", { digest, offset });
    for await (const chunk of blob.read({ start: offset, end: blob.size })) {
      if (signal.aborted) return;
      yield chunk;
    }
  } finally {
    await blob.close();
  }
}
