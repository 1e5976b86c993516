/**
 * What clients do to a registry until it breaks: blobs in one piece and in chunks, manifests, tags that are new and tags that
 * move, and all three kinds of delete. Each operation ends in one request whose answer is the acknowledgement; what it
 * needs beforehand (a blob for a manifest, something to delete) it brings itself. Most of it happens in a repository of
 * the client's own, some in one that all share, where tags are fought over.
 */
import type { Prng } from "../../../cluster-sim/prng.ts";
import { type Content, config, digestOf, image, layer, noise } from "../oci-fixtures.ts";
import { expectStatus, locationOf, type RegistryClient, type Reply } from "../registry-client.ts";
import type { Attempt, Oracle, Value } from "./oracle.ts";

export const OPERATIONS = [
  "push-blob",
  "push-blob-in-chunks",
  "push-manifest",
  "push-tag",
  "move-tag",
  "delete-tag",
  "delete-manifest",
  "delete-blob",
] as const;
export type Operation = (typeof OPERATIONS)[number];

const SHARED = "torture/shared";
const TAGS = 6;
const BLOB_BYTES_MAX = 48 * 1024;
const CHUNKS = 3;
/** One layer in so many is the same for all, as base images are. */
const BASE_LAYER_CHANCE = 0.2;
const SHARED_CHANCE = 0.25;

/** What was written and is still wanted. */
export const PRESENT = "present";

export const register = {
  blob: (repo: string, digest: string): string => `blob ${repo} ${digest}`,
  manifest: (repo: string, digest: string): string => `manifest ${repo} ${digest}`,
  tag: (repo: string, tag: string): string => `tag ${repo} ${tag}`,
} as const;

export type LoadOptions = {
  readonly name: string;
  readonly oracle: Oracle;
  readonly prng: Prng;
  /** Whether an answer counts. One that arrives after the cut may come from a system that is only playing dead. */
  readonly isPowered: () => boolean;
  /** Told of refusals that no client has deserved. */
  readonly onRefused: (what: string, reply: Reply) => void;
};

/** A client that survives the registry: it goes on with the next life of it. */
export class LoadClient {
  readonly #name: string;
  readonly #oracle: Oracle;
  readonly #prng: Prng;
  readonly #isPowered: LoadOptions["isPowered"];
  readonly #onRefused: LoadOptions["onRefused"];
  readonly #deletable = new Map<"blob" | "manifest", { readonly repo: string; readonly digest: string }[]>([
    ["blob", []],
    ["manifest", []],
  ]);
  #made = 0;

  constructor({ name, oracle, prng, isPowered, onRefused }: LoadOptions) {
    this.#name = name;
    this.#oracle = oracle;
    this.#prng = prng;
    this.#isPowered = isPowered;
    this.#onRefused = onRefused;
  }

  /**
   * Does one operation. `onAcknowledged` is called in the same turn in which the last answer arrived, and never when
   * that was none. @throws when the registry does not answer.
   */
  async run(operation: Operation, client: RegistryClient, onAcknowledged: () => void = () => undefined): Promise<void> {
    const repo = this.#prng.chance(SHARED_CHANCE) ? SHARED : `torture/${this.#name}`;
    const done = { client, repo, onAcknowledged };
    switch (operation) {
      case "push-blob":
        return await this.#pushLooseBlob(done, false);
      case "push-blob-in-chunks":
        return await this.#pushLooseBlob(done, true);
      case "push-manifest":
        return await this.#pushManifest(done);
      case "push-tag":
        return await this.#pushTag(done, `${this.#name}-${this.#next()}`);
      case "move-tag":
        return await this.#pushTag(done, `t${this.#prng.integer(0, TAGS - 1)}`);
      case "delete-tag":
        return await this.#deleteTag(done);
      case "delete-manifest":
        return await this.#delete("manifest", done);
      case "delete-blob":
        return await this.#delete("blob", done);
    }
  }

  async #pushLooseBlob(done: Done, isInChunks: boolean): Promise<void> {
    const bytes = this.#bytes();
    const isTaken = await this.#pushBlob(done, bytes, isInChunks);
    if (isTaken) this.#deletable.get("blob")?.push({ repo: done.repo, digest: digestOf(bytes) });
  }

  async #pushBlob({ client, repo, onAcknowledged }: Done, bytes: Buffer, isInChunks = false): Promise<boolean> {
    const digest = digestOf(bytes);
    let location = await client.startUpload(repo);
    let rest = bytes;
    if (isInChunks) {
      const size = Math.ceil(bytes.length / CHUNKS);
      for (let at = 0; at + size < bytes.length; at += size) {
        location = locationOf(expectStatus(await client.sendChunk(location, at, bytes.subarray(at, at + size)), 202));
        rest = bytes.subarray(at + size);
      }
    }
    const attempt = this.#oracle.begin(register.blob(repo, digest), PRESENT);
    const reply = await client.finishUpload(location, digest, { body: rest });
    return this.#settle([attempt], reply, onAcknowledged);
  }

  /** One that no tag will ever name, so that deleting it takes nothing else away. */
  async #pushManifest(done: Done): Promise<void> {
    const manifest = await this.#image(done);
    const attempt = this.#oracle.begin(register.manifest(done.repo, manifest.digest), PRESENT);
    const reply = await done.client.putManifest(done.repo, manifest.digest, manifest);
    const isTaken = this.#settle([attempt], reply, done.onAcknowledged);
    if (isTaken) this.#deletable.get("manifest")?.push({ repo: done.repo, digest: manifest.digest });
  }

  async #pushTag(done: Done, tag: string): Promise<void> {
    const manifest = await this.#image(done);
    const attempts = [
      this.#oracle.begin(register.manifest(done.repo, manifest.digest), PRESENT),
      this.#oracle.begin(register.tag(done.repo, tag), manifest.digest),
    ];
    this.#settle(attempts, await done.client.putManifest(done.repo, tag, manifest), done.onAcknowledged);
  }

  /** A manifest whose parts the repository has. */
  async #image(done: Done): Promise<Content> {
    const quietly = { ...done, onAcknowledged: () => undefined };
    const isBase = this.#prng.chance(BASE_LAYER_CHANCE);
    const parts = [
      config(`${this.#name}-${this.#next()}`),
      isBase ? layer("base", BLOB_BYTES_MAX) : layer(`${this.#name}-${this.#next()}`),
    ];
    for (const { bytes } of parts) await this.#pushBlob(quietly, bytes);
    return image({ layers: parts.slice(1), ...(parts[0] === undefined ? {} : { config: parts[0] }) });
  }

  async #deleteTag(done: Done): Promise<void> {
    const tag = `t${this.#prng.integer(0, TAGS - 1)}`;
    const isThere = this.#oracle.certain(register.tag(done.repo, tag)) !== undefined;
    if (!isThere) await this.#pushTag({ ...done, onAcknowledged: () => undefined }, tag);
    const attempt = this.#oracle.begin(register.tag(done.repo, tag), undefined);
    const reply = await done.client.delete(`/v2/${done.repo}/manifests/${tag}`);
    // In the shared repository another client may have been faster.
    if (reply.status === 404 && done.repo === SHARED && this.#isPowered()) this.#oracle.refuse(attempt);
    else this.#settle([attempt], reply, done.onAcknowledged);
  }

  async #delete(kind: "blob" | "manifest", done: Done): Promise<void> {
    const quietly = { ...done, onAcknowledged: () => undefined };
    const found = this.#takeDeletable(kind) ?? (await this.#bringDeletable(kind, quietly));
    if (found === undefined) return;
    const { repo, digest } = found;
    const attempt = this.#oracle.begin(register[kind](repo, digest), undefined);
    const reply = await done.client.delete(`/v2/${repo}/${kind}s/${digest}`);
    this.#settle([attempt], reply, done.onAcknowledged);
  }

  async #bringDeletable(kind: "blob" | "manifest", done: Done): Promise<Deletable | undefined> {
    if (kind === "blob") await this.#pushLooseBlob(done, false);
    else await this.#pushManifest(done);
    return this.#takeDeletable(kind);
  }

  /** What an earlier life may have lost or not is left alone. */
  #takeDeletable(kind: "blob" | "manifest"): Deletable | undefined {
    const known = this.#deletable.get(kind) ?? [];
    while (known.length > 0) {
      const last = known.pop();
      if (last === undefined) break;
      if (this.#oracle.certain(register[kind](last.repo, last.digest)) === PRESENT) return last;
    }
    return undefined;
  }

  /** Whether the registry has promised it. Without an answer, or with a 5xx, it may have happened or not. */
  #settle(attempts: readonly Attempt[], reply: Reply, onAcknowledged: () => void): boolean {
    if (!this.#isPowered()) return false;
    const isTaken = reply.status >= 200 && reply.status < 300;
    if (isTaken) {
      for (const attempt of attempts) this.#oracle.acknowledge(attempt);
      onAcknowledged();
    } else if (reply.status < 500) {
      for (const attempt of attempts) this.#oracle.refuse(attempt);
      this.#onRefused(attempts.map((attempt) => wanted(attempt)).join(", "), reply);
    }
    return isTaken;
  }

  #bytes(): Buffer {
    return noise(this.#prng.integer(1, BLOB_BYTES_MAX), `${this.#name}-${this.#next()}`);
  }

  #next(): string {
    this.#made += 1;
    return `${this.#made}`;
  }
}

type Deletable = { readonly repo: string; readonly digest: string };

/** Where an operation happens, and who waits for it. */
type Done = { readonly client: RegistryClient; readonly repo: string; readonly onAcknowledged: () => void };

function wanted({ register: name, value }: { readonly register: string; readonly value: Value }): string {
  return `${name} = ${value ?? "nothing"}`;
}
