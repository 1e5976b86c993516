import { type CausalToken, encodeCausalToken } from "../../shared/causal-token.ts";
import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { MANIFEST_MEMORY_BYTES_MAX, UNAVAILABLE_RETRY_AFTER_SECONDS } from "../../shared/limits.ts";
import type { Reference, RepositoryName } from "../../shared/reference.ts";
import { type Version, winnerOf } from "../../shared/register.ts";
import type { ProbeMiss } from "../cluster/probe-miss.ts";
import type { MetadataReader } from "../storage/metadata-reader.ts";
import { Remembered, type RowSource } from "../storage/remembered.ts";

export type PulledManifest = {
  readonly digest: Digest;
  /** To be served as it is, without parameters. */
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** Of the tag that was asked for. */
  readonly token: CausalToken | undefined;
};

export type PullManifestDeps = {
  readonly reader: MetadataReader;
  readonly rows: RowSource;
  readonly probeMiss: Pick<ProbeMiss, "manifest">;
};

/** Reads a manifest. What is not here is asked of near peers once: perhaps it was pushed there a moment ago. */
export class PullManifest {
  readonly #deps: PullManifestDeps;

  readonly #pulled: Remembered<PulledManifest>;

  constructor(deps: PullManifestDeps) {
    this.#deps = deps;
    const options = { bytesMax: MANIFEST_MEMORY_BYTES_MAX, bytesOf: ({ bytes }: PulledManifest) => bytes.length };
    this.#pulled = new Remembered(deps.rows, options);
  }

  /** The manifest, when it takes no waiting: the same value each time, as long as nothing about it changes. */
  atHand(repo: RepositoryName, reference: Reference): PulledManifest | undefined {
    return this.#pulled.peek(nameOf(repo, reference));
  }

  /** @throws {RegistryError} `MANIFEST_UNKNOWN`, or `UNAVAILABLE` when it is known and its bytes cannot be had now. */
  async run(repo: RepositoryName, reference: Reference): Promise<PulledManifest> {
    const here = await this.#read(repo, reference);
    if (here !== undefined) return here;

    await this.#deps.probeMiss.manifest(repo, reference);
    const found = await this.#read(repo, reference);
    if (found !== undefined) return found;
    throw await this.#refusal(repo, reference);
  }

  async #read(repo: RepositoryName, reference: Reference): Promise<PulledManifest | undefined> {
    return await this.#pulled.get(nameOf(repo, reference), async (reader) => await readFrom(reader, repo, reference));
  }

  async #refusal(repo: RepositoryName, reference: Reference): Promise<RegistryError> {
    const version = await this.#versionOf(repo, reference);
    if (version === undefined) return new RegistryError("MANIFEST_UNKNOWN", toldOf(reference));
    const { node, region } = version.author;
    const detail = { ...toldOf(reference), holders: [{ node, region }] };
    return new RegistryError("UNAVAILABLE", detail, { retryAfterSeconds: UNAVAILABLE_RETRY_AFTER_SECONDS });
  }

  /** The write behind a manifest that is linked here while its bytes are elsewhere. */
  async #versionOf(repo: RepositoryName, reference: Reference): Promise<Version | undefined> {
    const { reader } = this.#deps;
    if (reference.kind === "digest") return (await reader.manifestLink(repo, reference.digest))?.version;
    const winner = winnerOf(await reader.register({ kind: "tag", repo, tag: reference.tag }));
    return winner?.value.kind === "tag" ? winner : undefined;
  }
}

async function readFrom(
  reader: MetadataReader,
  repo: RepositoryName,
  reference: Reference,
): Promise<PulledManifest | undefined> {
  if (reference.kind === "digest") {
    const record = await reader.manifest(repo, reference.digest);
    return record === undefined ? undefined : { ...record, token: undefined };
  }
  const tag = await reader.tag(repo, reference.tag);
  const record = tag === undefined ? undefined : await reader.manifest(repo, tag.digest);
  if (tag === undefined || record === undefined) return undefined;
  return { ...record, token: encodeCausalToken([tag.version.dot]) };
}

/** No tag holds the colon that every digest holds, and no repository a space. */
function nameOf(repo: RepositoryName, reference: Reference): string {
  return `${repo} ${reference.kind === "tag" ? reference.tag : reference.digest}`;
}

function toldOf(reference: Reference): { readonly tag?: string; readonly digest?: Digest } {
  return reference.kind === "tag" ? { tag: reference.tag } : { digest: reference.digest };
}
