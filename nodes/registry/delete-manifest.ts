import type { CausalToken } from "../../shared/causal-token.ts";
import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import type { Reference, RepositoryName, Tag } from "../../shared/reference.ts";
import type { ProbeMiss } from "../cluster/probe-miss.ts";
import type { Metadata } from "../storage/metadata.ts";
import type { Turn } from "../storage/turn.ts";

export type DeleteManifestRequest = {
  readonly repo: RepositoryName;
  readonly reference: Reference;
  readonly actor: string;
};

export type DeleteManifestDeps = { readonly metadata: Metadata; readonly probeMiss: Pick<ProbeMiss, "manifest"> };

/**
 * Deletes a tag and leaves the manifest, or deletes a manifest and every tag that names it. Nothing is refused because an
 * index or a referrer still points there: clients that clean up delete in any order.
 * Source: distribution-spec, "Deleting tags", "Deleting Manifests".
 */
export class DeleteManifest {
  readonly #deps: DeleteManifestDeps;

  constructor(deps: DeleteManifestDeps) {
    this.#deps = deps;
  }

  /** Durable when it resolves. @throws {RegistryError} `MANIFEST_UNKNOWN` */
  async run(request: DeleteManifestRequest): Promise<CausalToken | undefined> {
    const { metadata, probeMiss } = this.#deps;
    const { repo, reference } = request;
    if (!(await isThere(metadata.reader, repo, reference))) await probeMiss.manifest(repo, reference);

    const { token } = await metadata.record(request.actor, async (turn) => {
      if (!(await isThere(turn, repo, reference))) throw new RegistryError("MANIFEST_UNKNOWN");
      if (reference.kind === "tag") await removeTag(turn, repo, reference.tag);
      else await removeManifest(turn, repo, reference.digest);
    });
    return token;
  }
}

async function isThere(
  reader: Pick<Turn, "tag" | "manifestLink">,
  repo: RepositoryName,
  reference: Reference,
): Promise<boolean> {
  const found =
    reference.kind === "tag"
      ? await reader.tag(repo, reference.tag)
      : await reader.manifestLink(repo, reference.digest);
  return found !== undefined;
}

async function removeTag(turn: Turn, repo: RepositoryName, tag: Tag): Promise<void> {
  await turn.set({ kind: "tag", repo, tag }, { kind: "removed" });
}

async function removeManifest(turn: Turn, repo: RepositoryName, digest: Digest): Promise<void> {
  for (const tag of await turn.tagsAt(repo, digest)) await removeTag(turn, repo, tag);
  await turn.set({ kind: "manifest", repo, digest }, { kind: "removed" });
}
