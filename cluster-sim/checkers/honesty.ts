/**
 * Judges one node by itself at any moment of a run, faults or not, as of a moment when nothing is on its way to its
 * store. It holds I5 (what a node's vector says it holds has had its effect there, and what has an effect is in the
 * vector, or nobody could ask for it), I9 (a tag that is shown has its
 * manifest here, and an index its children), I21 in part (nothing here ever takes a node's right to write) and that
 * the counters agree with the rows.
 *
 * Issue 4 completes I5 with blob marks before the end of a run, I20 with bounds of memory. The issue of garbage
 * collection adds I13.
 */
import type { Node } from "../../nodes/node.ts";
import { decodeChange } from "../../shared/change.ts";
import type { Digest } from "../../shared/digest.ts";
import { type Manifest, parseManifest } from "../../shared/manifest.ts";
import { isCovered, type Register, type RegisterKey } from "../../shared/register.ts";
import type { VersionVector } from "../../shared/version-vector.ts";
import type { NodeHost } from "../node-host.ts";
import { keyNameOf, nameOf, type Oracle } from "../oracle.ts";
import type { Findings } from "./findings.ts";

const EVERYTHING = { limit: 10_000 };

export class Honesty {
  readonly #oracle: Oracle;
  readonly #findings: Findings;

  constructor(oracle: Oracle, findings: Findings) {
    this.#oracle = oracle;
    this.#findings = findings;
  }

  /** `isHealed`: nothing is wrong any more, so nothing may keep a node from writing. */
  async check(host: NodeHost, { isHealed }: { readonly isHealed: boolean }): Promise<void> {
    const { node } = host;
    if (node === undefined || !host.isQuiet || host.isPaused || host.isIll) return;
    const fault = node
      .health()
      .checks.find(({ name, isPassing }) => !isPassing && (name === "writes" || (isHealed && name !== "clock")));
    if (!host.isCopied && fault !== undefined) {
      this.#findings.add("I21 availability", `${host.name}: ${fault.reason ?? fault.name}`);
    }
    const { held } = await this.#reportOf(node);
    for (const key of this.#oracle.keys()) await this.#checkEffects(host, node, key, held);
    await this.#checkShown(host, node);
  }

  async #reportOf(node: Node) {
    return await node.peerService(node.self).report(new AbortController().signal);
  }

  async #checkEffects(host: NodeHost, node: Node, key: RegisterKey, held: VersionVector): Promise<void> {
    const register = await registerAt(node, key);
    if (register === undefined) return;
    for (const { dot } of register.versions) {
      const what = (): string => `${host.name} shows ${nameOf(dot)} in ${keyNameOf(key)}, and says it does not hold it`;
      this.#findings.expect(held.includes(dot), "I5 vector honesty", what);
    }
    for (const { version } of this.#oracle.writesTo(key)) {
      if (!held.includes(version.dot) || isCovered(version.dot, register.context)) continue;
      const what = `${host.name} says it holds ${nameOf(version.dot)}, and ${keyNameOf(key)} has not heard of it`;
      this.#findings.add("I5 vector honesty", what);
    }
  }

  async #checkShown(host: NodeHost, node: Node): Promise<void> {
    const { operations } = node;
    const { entries: repos } = await operations.listRepositories.run(EVERYTHING);
    let tags = 0;
    for (const repo of repos) {
      for (const { tag, digest } of (await operations.listTagStates.run(repo, EVERYTHING)).entries) {
        tags += 1;
        const missing = await missingBelow(node, digest);
        for (const lacking of missing) {
          this.#findings.add("I9 visibility closure", `${host.name} shows ${repo}:${tag} without ${lacking}`);
        }
      }
    }
    const report = await this.#reportOf(node);
    this.#findings.expect(
      report.tags === tags && report.repositories === repos.length,
      "counters agree",
      () => `${host.name} counts ${report.repositories}/${report.tags}, and lists ${repos.length}/${tags}`,
    );
  }
}

/** A register as the node holds it; `undefined` for a kind that cannot be asked for alone. */
export async function registerAt(node: Node, key: RegisterKey): Promise<Register | undefined> {
  if (key.kind === "blob") return undefined;
  const reference =
    key.kind === "tag" ? ({ kind: "tag", tag: key.tag } as const) : ({ kind: "digest", digest: key.digest } as const);
  const changes = await node.peerService(node.self).lookup(key.repo, reference, new AbortController().signal);
  const decoded = changes.map((bytes) => decodeChange(bytes)).find((change) => change.key.kind === key.kind);
  return decoded?.register ?? { versions: [], context: new Map() };
}

/** Manifests at or below `digest` whose bytes are not on the node. */
async function missingBelow(node: Node, digest: Digest): Promise<readonly Digest[]> {
  const manifest = await manifestAt(node, digest);
  if (manifest === undefined) return [digest];
  const missing: Digest[] = [];
  for (const child of manifest.children) missing.push(...(await missingBelow(node, child.digest)));
  return missing;
}

async function manifestAt(node: Node, digest: Digest): Promise<Manifest | undefined> {
  const signal = new AbortController().signal;
  const calls = node.peerService(node.self);
  if ((await calls.have(undefined, [digest], signal)).length === 0) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of calls.readBlob(digest, 0, signal)) chunks.push(Uint8Array.from(chunk));
  return parseManifest(Buffer.concat(chunks), undefined);
}
