/**
 * Pushing a manifest. What it names must be there, here or at a peer that answers, before the manifest is: a pull of
 * what was acknowledged must not end at a layer that nobody ever had. Peers are asked first and once, outside the
 * writer's turn, because a turn must not wait for the world; what is here is judged inside the turn that writes, so
 * that no delete can come in between.
 */
import type { CausalToken } from "../../shared/causal-token.ts";
import type { Descriptor, SupportedDescriptor } from "../../shared/descriptor.ts";
import { algorithmOf, type Digest, digestOf } from "../../shared/digest.ts";
import { type Refusal, RegistryError } from "../../shared/errors.ts";
import { ERRORS_TOLD_MAX } from "../../shared/limits.ts";
import { type Manifest, parseManifest } from "../../shared/manifest.ts";
import type { Reference, RepositoryName, Tag } from "../../shared/reference.ts";
import type { ProbeMiss } from "../cluster/probe-miss.ts";
import type { Metadata } from "../storage/metadata.ts";
import type { MetadataReader } from "../storage/metadata-reader.ts";
import type { Turn } from "../storage/turn.ts";
import type { AskNearPeers, HeldElsewhere } from "./ask-near-peers.ts";
import { standingOf } from "./blob-standing.ts";

/** Digests of which one must, or none may, be what the reference names now; `any` stands for whatever exists. */
export type DigestSet = "any" | readonly string[];

export type Precondition = { readonly oneOf: DigestSet | undefined; readonly noneOf: DigestSet | undefined };

export type PushManifestRequest = {
  readonly repo: RepositoryName;
  readonly reference: Reference;
  /** Besides a tag that is the reference; all of them move, or none. */
  readonly tags: readonly Tag[];
  /** As the client declared it, with or without parameters; `undefined` leaves it to the document. */
  readonly contentType: string | undefined;
  readonly bytes: Uint8Array;
  readonly precondition: Precondition;
  readonly actor: string;
};

export type PushedManifest = {
  readonly digest: Digest;
  /** As the manifest spells it; it need not exist. */
  readonly subject: string | undefined;
  readonly token: CausalToken | undefined;
};

export type PushManifestDeps = {
  readonly metadata: Metadata;
  readonly askNearPeers: Pick<AskNearPeers, "run">;
  readonly probeMiss: Pick<ProbeMiss, "manifest">;
};

/** Children of one index that are asked for at the same time. */
const PROBES_AT_ONCE = 8;

type Elsewhere = ReadonlyMap<Digest, HeldElsewhere>;

export class PushManifest {
  readonly #deps: PushManifestDeps;

  constructor(deps: PushManifestDeps) {
    this.#deps = deps;
  }

  /**
   * Durable when it resolves.
   * @throws {RegistryError} `MANIFEST_INVALID`; `DIGEST_INVALID` when the bytes are not what the reference says;
   *   `MANIFEST_BLOB_UNKNOWN` for each part that nobody holds; `DENIED` (412) when the precondition fails.
   */
  async run(request: PushManifestRequest, signal: AbortSignal): Promise<PushedManifest> {
    const { repo, reference, bytes, actor } = request;
    const manifest = parseManifest(bytes, request.contentType);
    const digest = digestFor(reference, bytes);

    const elsewhere = await this.#askForMissing(repo, manifest, signal);
    const tags = reference.kind === "tag" ? [reference.tag, ...request.tags] : request.tags;
    const push = async (turn: Turn): Promise<void> => {
      await expectPrecondition(turn, request, digest);
      await expectParts(turn, { repo, digest, manifest }, elsewhere);

      const value = { kind: "manifest", mediaType: manifest.mediaType, size: bytes.length } as const;
      await turn.set({ kind: "manifest", repo, digest }, value, bytes);
      for (const tag of tags) await turn.set({ kind: "tag", repo, tag }, { kind: "tag", digest });
    };
    const written = [
      { kind: "manifest", repo, digest } as const,
      ...tags.map((tag) => ({ kind: "tag", repo, tag }) as const),
    ];
    const { token } = await this.#deps.metadata.record(actor, push, written);
    return { digest, subject: manifest.subject?.digest, token };
  }

  /** One question for all that is not here. Manifests that somebody has are brought here, because an index shows only with its children. */
  async #askForMissing(repo: RepositoryName, manifest: Manifest, signal: AbortSignal): Promise<Elsewhere> {
    const { metadata, askNearPeers, probeMiss } = this.#deps;
    const missing: Digest[] = [];
    for (const { digest } of manifest.blobs) {
      if (!(await isBlobHere(metadata.reader, repo, digest))) missing.push(digest);
    }
    for (const { digest } of [...manifest.children, ...manifest.others]) {
      if (!(await isPartHere(metadata.reader, repo, digest))) missing.push(digest);
    }
    const elsewhere = await askNearPeers.run(repo, missing, signal);

    const manifests = new Set<Digest>([...manifest.children, ...manifest.others].map(({ digest }) => digest));
    const wanted = [...elsewhere.keys()].filter((digest) => manifests.has(digest));
    for (let at = 0; at < wanted.length; at += PROBES_AT_ONCE) {
      const probes = wanted.slice(at, at + PROBES_AT_ONCE);
      await Promise.all(probes.map(async (digest) => await probeMiss.manifest(repo, { kind: "digest", digest })));
    }
    return elsewhere;
  }
}

/** A tag names bytes by sha256, a digest by whichever algorithm the client chose. */
function digestFor(reference: Reference, bytes: Uint8Array): Digest {
  if (reference.kind === "tag") return digestOf(bytes);
  const actual = digestOf(bytes, algorithmOf(reference.digest));
  if (actual === reference.digest) return actual;
  throw new RegistryError("DIGEST_INVALID", { claimed: reference.digest, actual });
}

async function expectPrecondition(
  turn: Turn,
  { repo, reference, precondition }: PushManifestRequest,
  digest: Digest,
): Promise<void> {
  const { oneOf, noneOf } = precondition;
  if (oneOf === undefined && noneOf === undefined) return;
  const current = await digestNow(turn, repo, reference);
  if ((oneOf === undefined || holds(oneOf, current)) && (noneOf === undefined || !holds(noneOf, current))) return;
  throw new RegistryError(
    "DENIED",
    { current, pushed: digest },
    { status: 412, message: "precondition failed: the reference names something else now" },
  );
}

async function digestNow(turn: Turn, repo: RepositoryName, reference: Reference): Promise<Digest | undefined> {
  if (reference.kind === "tag") return (await turn.tag(repo, reference.tag))?.digest;
  return (await turn.manifestLink(repo, reference.digest)) === undefined ? undefined : reference.digest;
}

function holds(digests: DigestSet, current: Digest | undefined): boolean {
  if (current === undefined) return false;
  return digests === "any" || digests.includes(current);
}

/** @throws {RegistryError} `MANIFEST_BLOB_UNKNOWN`, once for each part that is missing, up to a bound. */
async function expectParts(
  turn: Turn,
  { repo, digest, manifest }: { readonly repo: RepositoryName; readonly digest: Digest; readonly manifest: Manifest },
  elsewhere: Elsewhere,
): Promise<void> {
  // What the repository has already is pushed again to tag it: it was complete once, wherever its parts are now.
  const isKnown = (await turn.manifestLink(repo, digest)) !== undefined;
  const missing: Descriptor[] = [];
  const judge = async (part: SupportedDescriptor, isThere: (part: SupportedDescriptor) => Promise<boolean>) => {
    if (missing.length < ERRORS_TOLD_MAX && !(await isThere(part))) missing.push(part);
  };
  for (const part of manifest.blobs) {
    await judge(part, async () => await hasBlob(turn, repo, part.digest, { isKnown, elsewhere }));
  }
  for (const part of manifest.children) {
    await judge(part, async () => (await turn.manifestLink(repo, part.digest)) !== undefined);
  }
  for (const part of manifest.others) {
    await judge(
      part,
      async () =>
        (await turn.manifestLink(repo, part.digest)) !== undefined ||
        (await hasBlob(turn, repo, part.digest, { isKnown, elsewhere })),
    );
  }

  const [first, ...others] = missing.map(refusalFor);
  if (first !== undefined) throw new RegistryError(first.code, first.detail, { others });
}

function refusalFor({ digest, mediaType, size }: Descriptor): Refusal {
  return { code: "MANIFEST_BLOB_UNKNOWN", detail: { digest, mediaType, size } };
}

/** The repository has the blob, as far as anybody who answers knows, and its bytes can be had. */
async function hasBlob(
  turn: Turn,
  repo: RepositoryName,
  digest: Digest,
  { isKnown, elsewhere }: { readonly isKnown: boolean; readonly elsewhere: Elsewhere },
): Promise<boolean> {
  const standing = await standingOf(turn, repo, digest);
  const there = elsewhere.get(digest);
  switch (standing) {
    case "removed":
      return false;
    case "linked":
      return isKnown || there !== undefined || (await turn.blobSize(digest)) !== undefined;
    case "unknown":
      return there?.isLinked === true;
  }
}

async function isBlobHere(reader: MetadataReader, repo: RepositoryName, digest: Digest): Promise<boolean> {
  return (await reader.linksBlob(repo, digest)) && (await reader.blobSize(digest)) !== undefined;
}

async function isPartHere(reader: MetadataReader, repo: RepositoryName, digest: Digest): Promise<boolean> {
  return (await reader.manifest(repo, digest)) !== undefined || (await isBlobHere(reader, repo, digest));
}
