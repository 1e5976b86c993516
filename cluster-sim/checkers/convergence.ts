/**
 * Judges all nodes at the end of a run, when everything is healed. It holds I1 (all show the same, within a bounded
 * time), I2 and I3 by the oracle fold (what they show is what all durable ops come to, in whatever order each node met
 * them: an acknowledged op is there, or overwritten by one that had seen it, or listed as a sibling, and in the tag's history
 * where it was written), I7 (a tag that
 * was deleted and not written again is gone), I9 and I12 by pulling every image from every node, and I22 in that
 * nothing is pending for ever.
 *
 * Issue 4 completes it with the audit (I6), evicted and restored nodes; issues of placement and collection with what
 * of an image must be where.
 */
import type { Node } from "../../nodes/node.ts";
import { encodeRegister } from "../../shared/change.ts";
import { type Digest, digestOf } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { TAG_HISTORY_MOVES_MAX } from "../../shared/limits.ts";
import { type Manifest, parseManifest } from "../../shared/manifest.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { RegisterKey } from "../../shared/register.ts";
import type { NodeHost } from "../node-host.ts";
import { keyNameOf, nameOf, type Oracle } from "../oracle.ts";
import type { World } from "../world.ts";
import type { Findings } from "./findings.ts";
import { registerAt } from "./honesty.ts";

const EVERYTHING = { limit: 10_000 };
const LOOK_EVERY_MS = 250;
/** A client gives up later than this, and a run must not wait for ever. */
const PULL_MS_MAX = 60_000;
/** A refusal that passes by itself does so within these tries. */
const PULL_TRIES = 6;
const PULL_AGAIN_MS = 2_000;

export type ConvergenceDeps = {
  readonly world: World;
  readonly hosts: readonly NodeHost[];
  readonly oracle: Oracle;
  readonly findings: Findings;
  /** Whether the only disks that held the blob are gone. */
  readonly isLost: (digest: Digest) => boolean;
};

type TagKey = RegisterKey & { readonly kind: "tag" };

export class Convergence {
  readonly #deps: ConvergenceDeps;

  constructor(deps: ConvergenceDeps) {
    this.#deps = deps;
  }

  /** Waits until all nodes show what the oracle does. @returns when they did; `undefined` when it took too long. */
  async reached(withinMs: number): Promise<number | undefined> {
    const { world, hosts, findings } = this.#deps;
    const startedMs = world.nowMs;
    let differences: readonly string[] = [];
    while (world.nowMs - startedMs <= withinMs) {
      await this.#releaseParked();
      differences = await this.#differences();
      if (differences.length === 0) return world.nowMs;
      await world.delay(LOOK_EVERY_MS);
    }
    for (const difference of differences) findings.add("I1 convergence", difference);
    for (const { name, node } of hosts) {
      for (const lag of node === undefined ? [] : (await reportOf(node)).lag) {
        if (lag.pendingOps > 0) findings.add("I22 liveness", `${name} lacks ${lag.pendingOps} ops of ${lag.source}`);
      }
    }
    return undefined;
  }

  /** Compares every register, list and image. */
  async check(): Promise<void> {
    for (const { name, node } of this.#deps.hosts) {
      if (node === undefined) continue;
      await this.#checkRegisters(name, node);
      await this.#checkConflicts(name, node);
      await this.#checkHistories(name, node);
      await this.#checkImages(name, node);
    }
  }

  /** As somebody would who has seen the alarm. Ops of a clock that was far ahead would else be waited for beyond any run. */
  async #releaseParked(): Promise<void> {
    for (const { node } of this.#deps.hosts) {
      for (const { origin, reason } of node?.operations.releaseOrigin.list() ?? []) {
        if (reason === "clock") await node?.operations.releaseOrigin.run(origin);
      }
    }
  }

  async #differences(): Promise<readonly string[]> {
    const { hosts, oracle } = this.#deps;
    const expected = oracle.stateHash();
    const differences: string[] = [];
    for (const { name, node, isGone } of hosts) {
      if (isGone) continue;
      if (node === undefined) {
        differences.push(`${name} is down`);
        continue;
      }
      const { stateHash } = await reportOf(node);
      if (stateHash !== expected) differences.push(`${name} holds ${stateHash}, and all ops come to ${expected}`);
      differences.push(...(await this.#tagsThatDiffer(name, node)));
    }
    return differences;
  }

  async #tagsThatDiffer(name: string, node: Node): Promise<readonly string[]> {
    const { oracle } = this.#deps;
    const shown = new Map<string, string>();
    for (const repo of (await node.operations.listRepositories.run(EVERYTHING)).entries) {
      for (const { tag, version } of (await node.operations.listTagStates.run(repo, EVERYTHING)).entries) {
        shown.set(keyNameOf({ kind: "tag", repo, tag }), nameOf(version.dot));
      }
    }
    return this.#tagKeys().flatMap((key) => {
      const version = oracle.shown(key);
      const expected = version === undefined ? "nothing" : nameOf(version.dot);
      const found = shown.get(keyNameOf(key)) ?? "nothing";
      return found === expected ? [] : [`${name} shows ${found} for ${keyNameOf(key)}, and should show ${expected}`];
    });
  }

  async #checkRegisters(name: string, node: Node): Promise<void> {
    const { oracle, findings } = this.#deps;
    for (const key of oracle.keys()) {
      const register = await registerAt(node, key);
      if (register === undefined) continue;
      const isEqual = Buffer.compare(encodeRegister(register), encodeRegister(oracle.register(key))) === 0;
      findings.expect(isEqual, "I2 strong eventual consistency", () => `${name}: ${keyNameOf(key)} is another`);
    }
  }

  async #checkConflicts(name: string, node: Node): Promise<void> {
    const { oracle, findings } = this.#deps;
    const disputed = this.#tagKeys().filter((key) => {
      const values = oracle.register(key).versions.map(({ value }) => (value.kind === "tag" ? value.digest : ""));
      return new Set(values).size > 1;
    });
    const { entries } = await node.operations.listConflicts.run(EVERYTHING);
    const listed = entries.map(({ repo, tag }) => keyNameOf({ kind: "tag", repo, tag })).toSorted();
    const expected = disputed.map(keyNameOf).toSorted();
    findings.expect(
      listed.join() === expected.join(),
      "I3 no lost acknowledged op",
      () => `${name} lists the conflicts [${listed.join(", ")}], and there are [${expected.join(", ")}]`,
    );
  }

  /**
   * A tag's history holds what stands there now, and what was written through the node itself as far back as histories
   * go. Others' moves that were written over may have been left out of a catch-up.
   */
  async #checkHistories(name: string, node: Node): Promise<void> {
    const { oracle, findings } = this.#deps;
    for (const key of this.#tagKeys()) {
      const moves = await node.operations.listHistory.run(key.repo, key.tag);
      const told = new Set(moves.map(({ at }) => at));
      const oldest = moves.length < TAG_HISTORY_MOVES_MAX ? undefined : moves.at(-1)?.at;
      const standing = new Set(oracle.register(key).versions.map(({ dot }) => nameOf(dot)));
      for (const { version } of oracle.writesTo(key)) {
        const isOwn = version.dot.origin === node.self.origin || standing.has(nameOf(version.dot));
        if (!isOwn || (oldest !== undefined && version.hlc < oldest)) continue;
        const what = (): string => `${name}: the history of ${keyNameOf(key)} lacks ${nameOf(version.dot)}`;
        findings.expect(told.has(version.hlc), "I3 no lost acknowledged op", what);
      }
    }
  }

  /** Pulls all that is shown, to the last byte. */
  async #checkImages(name: string, node: Node): Promise<void> {
    for (const key of this.#tagKeys()) {
      const version = this.#deps.oracle.shown(key);
      if (version?.value.kind !== "tag") continue;
      await this.#pull(`${name} ${key.repo}:${key.tag}`, node, key.repo, version.value.digest);
    }
  }

  async #pull(what: string, node: Node, repo: RepositoryName, digest: Digest): Promise<void> {
    const { oracle, findings } = this.#deps;
    let manifest: Manifest;
    try {
      const pulled = await node.operations.pullManifest.run(repo, { kind: "digest", digest });
      manifest = parseManifest(pulled.bytes, pulled.mediaType);
    } catch (cause) {
      findings.add("I9 visibility closure", `${what}: ${digest} cannot be read: ${String(cause)}`);
      return;
    }
    for (const child of manifest.children) {
      if (oracle.isLinked(repo, child.digest)) await this.#pull(what, node, repo, child.digest);
    }
    for (const blob of manifest.blobs) {
      await this.#pullBlob(what, node, repo, blob.digest);
    }
  }

  async #pullBlob(what: string, node: Node, repo: RepositoryName, digest: Digest): Promise<void> {
    const { world, oracle, findings } = this.#deps;
    const isRemoved = oracle.winner({ kind: "blob", repo, digest })?.value.kind === "removed";
    const ending = new AbortController();
    const timer = world.after(PULL_MS_MAX, () => ending.abort(new Error("no end in time")));
    try {
      const bytes = await this.#pullPatiently(node, repo, digest, ending.signal);
      findings.expect(digestOf(bytes) === digest, "I12 blob integrity", () => `${what}: ${digest} has other bytes`);
      findings.expect(!isRemoved, "I7 no resurrection", () => `${what}: blob ${digest} was deleted, and can be pulled`);
    } catch (cause) {
      if (isRemoved && cause instanceof RegistryError && cause.code === "BLOB_UNKNOWN") return;
      if (this.#deps.isLost(digest)) return;
      const told = cause instanceof RegistryError ? cause.code : String(cause);
      findings.add("I9 visibility closure", `${what}: blob ${digest} cannot be pulled: ${told}`);
    } finally {
      timer.cancel();
    }
  }

  /** Tries again while the node says that it may come: the only holder may have started a moment ago. */
  async #pullPatiently(node: Node, repo: RepositoryName, digest: Digest, signal: AbortSignal): Promise<Uint8Array> {
    for (let triesLeft = PULL_TRIES; ; triesLeft -= 1) {
      try {
        return await pulledBlob(node, repo, digest, signal);
      } catch (cause) {
        const mayCome = cause instanceof RegistryError && cause.code === "UNAVAILABLE" && !this.#deps.isLost(digest);
        if (!mayCome || triesLeft <= 1 || signal.aborted) throw cause;
        await this.#deps.world.delay(PULL_AGAIN_MS);
      }
    }
  }

  #tagKeys(): readonly TagKey[] {
    return this.#deps.oracle.keys().filter((key): key is TagKey => key.kind === "tag");
  }
}

/** A blob as a client pulls it: all of it, copied. */
export async function pulledBlob(
  node: Node,
  repo: RepositoryName,
  digest: Digest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const blob = await node.operations.pullBlob.run(repo, digest, signal);
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of blob.read({ start: 0, end: blob.size }, signal)) chunks.push(Uint8Array.from(chunk));
    return Buffer.concat(chunks);
  } finally {
    await blob.close();
  }
}

async function reportOf(node: Node) {
  return await node.peerService(node.self).report(new AbortController().signal);
}
