/**
 * Clients who push, move, delete and pull as their plan says, and who remember what they were told. Each asks one node
 * at a time, and gives up only on a node that is gone.
 *
 * What a client is refused for is judged as well: a node that lives takes writes, whatever is cut (I21), and every
 * request ends (I22).
 */
import type { Node } from "../nodes/node.ts";
import { type Digest, digestOf } from "../shared/digest.ts";
import { RegistryError, type RegistryErrorCode } from "../shared/errors.ts";
import { unreachable } from "../shared/invariant.ts";
import { parseManifest } from "../shared/manifest.ts";
import { parseTag, type RepositoryName, type Tag } from "../shared/reference.ts";
import type { RegisterKey, RegisterValue } from "../shared/register.ts";
import { pulledBlob } from "./checkers/convergence.ts";
import type { Durability } from "./checkers/durability.ts";
import type { Findings } from "./checkers/findings.ts";
import type { Sessions } from "./checkers/sessions.ts";
import { type Image, imageOf, indexOf } from "./images.ts";
import { type NodeHost, ProcessGoneError } from "./node-host.ts";
import type { Written } from "./oracle.ts";
import type { Probes } from "./probes.ts";
import type { Settings, WorkKind } from "./settings.ts";
import type { WorkStep } from "./work-plan.ts";
import type { World } from "./world.ts";

const NO_CONDITION = { oneOf: undefined, noneOf: undefined };
/** After this a client gives up, and soon after that everything done for it must have ended. */
const PATIENCE_MS = 90_000;
const END_MS_MAX = 30_000;

/** Codes that a request may be refused with in a cluster in which others delete and lines are cut. */
const FAIR: Readonly<Record<WorkKind, readonly RegistryErrorCode[]>> = {
  "push-image": ["MANIFEST_BLOB_UNKNOWN"],
  "push-index": ["MANIFEST_BLOB_UNKNOWN"],
  "push-large": ["MANIFEST_BLOB_UNKNOWN"],
  "move-tag": ["MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "UNAVAILABLE"],
  "delete-tag": ["MANIFEST_UNKNOWN"],
  "delete-manifest": ["MANIFEST_UNKNOWN"],
  "delete-blob": ["BLOB_UNKNOWN"],
  "read-tag": ["MANIFEST_UNKNOWN", "UNAVAILABLE"],
  "read-after": ["MANIFEST_UNKNOWN", "UNAVAILABLE"],
  pull: ["MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "UNAVAILABLE"],
};

/** How a refusal begins that passes by itself. */
const HELD = "this node takes no writes for now";

export type WorkloadDeps = {
  readonly world: World;
  readonly hosts: readonly NodeHost[];
  readonly settings: Settings;
  readonly note: (subject: string, event: string) => void;
  readonly durability: Durability;
  readonly sessions: Sessions;
  readonly findings: Findings;
  /** Judges what a node shows now. */
  readonly look: (host: NodeHost) => Promise<void>;
  readonly probes: Probes;
};

/** How many requests ended how. */
export type WorkloadCounts = { readonly [outcome: string]: number };

type Target = Pick<WorkStep, "client" | "repo" | "tag" | "number" | "shows"> & { readonly host: NodeHost };

export class Workload {
  readonly #deps: WorkloadDeps;
  readonly #counts = new Map<string, number>();
  #isOver = false;

  constructor(deps: WorkloadDeps) {
    this.#deps = deps;
  }

  /** Resolves when all clients have left: each after its last step, or after the one it was at when `end` was called. */
  async run(plan: readonly WorkStep[]): Promise<void> {
    const startedMs = this.#deps.world.nowMs;
    const clients = Map.groupBy(plan, ({ client }) => client).values();
    await Promise.all([...clients].map(async (steps) => await this.#client(steps, startedMs)));
  }

  end(): void {
    this.#isOver = true;
  }

  get counts(): WorkloadCounts {
    return Object.fromEntries([...this.#counts].toSorted(([left], [right]) => (left < right ? -1 : 1)));
  }

  async #client(steps: readonly WorkStep[], startedMs: number): Promise<void> {
    const { world } = this.#deps;
    for (const step of steps) {
      await world.delay(startedMs + step.atMs - world.nowMs);
      if (this.#isOver) return;
      await this.#perform(step);
    }
  }

  async #perform(step: WorkStep): Promise<void> {
    const { client, kind, node, repo, tag, number, ends } = step;
    const { hosts, note, findings, look, probes } = this.#deps;
    const host = hosts.find(({ name }) => name === node);
    if (host === undefined) return;
    if (kind === "look") return await look(host);
    const outcome = await this.#request(kind, { ...step, host }, step.skipsKnown);
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    if (kind === "read-after" && outcome === "UNAVAILABLE") probes.hit("a read held back by a token");
    note(client, `${kind} ${repo}:${tag} ${number} at ${node}: ${outcome}`);
    const isAsTold = ends === undefined || ends === outcome;
    findings.expect(isAsTold, "as the story says", () => `${kind} at ${node} ended with ${outcome}, not ${ends}`);
  }

  /** Never rejects. @returns `ok`, `gone` or the code of the refusal. */
  async #request(kind: WorkKind, target: Target, skipsKnown: boolean): Promise<string> {
    const { world, findings } = this.#deps;
    const ending = new AbortController();
    const what = `${kind} of ${target.repo}:${target.tag} at ${target.host.name}`;
    const patience = world.after(PATIENCE_MS, () => ending.abort(new Error("the client has lost patience")));
    const end = world.after(PATIENCE_MS + END_MS_MAX, () => findings.add("I22 liveness", `${what} does not end`));
    try {
      await target.host.ask(
        async (node) => await this.#work(kind, target, { node, skipsKnown, signal: ending.signal }),
      );
      return "ok";
    } catch (cause) {
      if (cause instanceof ProcessGoneError || target.host.node === undefined) return "gone";
      if (target.host.isIll) return "ill";
      if (cause instanceof RegistryError) {
        const isFenced = cause.code === "UNAVAILABLE" && target.host.isCopied;
        // How long a node may hold its writes is judged elsewhere: see `checkers/honesty.ts`.
        const isFair = FAIR[kind].includes(cause.code) || cause.message.startsWith(HELD) || isFenced;
        findings.expect(isFair, "I21 availability", () => `${what}: ${cause.code} ${cause.message}`);
        return cause.code;
      }
      findings.add("no mistake of ours", `${what}: ${String(cause)}`);
      return "failed";
    } finally {
      patience.cancel();
      end.cancel();
    }
  }

  async #work(kind: WorkKind, target: Target, request: Request): Promise<void> {
    const { number } = target;
    switch (kind) {
      case "push-image":
        await this.#push(target, imageOf(number, "small"), request);
        return;
      case "push-large":
        await this.#push(target, imageOf(number, "large"), request);
        return;
      case "push-index":
        await this.#pushIndex(target, request);
        return;
      case "move-tag":
        await this.#moveTag(target, request);
        return;
      case "delete-tag":
        await this.#delete(target, request, { kind: "tag", tag: target.tag });
        return;
      case "delete-manifest":
        await this.#delete(target, request, { kind: "digest", digest: imageOf(number, "small").digest });
        return;
      case "delete-blob":
        await this.#deleteBlob(target, request);
        return;
      case "read-tag":
        await this.#readTag(target, request);
        return;
      case "read-after":
        await this.#readAfter(target, request);
        return;
      case "pull":
        await this.#pull(target, request);
        return;
      default:
        unreachable(kind);
    }
  }

  async #push(target: Target, image: Image, request: Request): Promise<void> {
    for (const bytes of image.blobs) await pushBlob(target, bytes, request);
    await this.#pushManifest(target, image.bytes, target.tag, request);
  }

  async #pushIndex(target: Target, request: Request): Promise<void> {
    const index = indexOf(target.number, this.#deps.settings.images);
    for (const child of index.children) {
      for (const bytes of child.blobs) await pushBlob(target, bytes, request);
      await this.#pushManifest(target, child.bytes, undefined, request);
    }
    await this.#pushManifest(target, index.bytes, target.tag, request);
  }

  async #pushManifest(
    { client, host, repo }: Target,
    bytes: Uint8Array,
    tag: Tag | undefined,
    { node, signal }: Request,
  ): Promise<void> {
    const digest = digestOf(bytes);
    const reference = tag === undefined ? ({ kind: "digest", digest } as const) : ({ kind: "tag", tag } as const);
    const request = { repo, reference, tags: [], contentType: undefined, bytes, precondition: NO_CONDITION };
    const before = tag === undefined ? [] : this.#deps.sessions.before(host.name, { kind: "tag", repo, tag });
    const { token } = await node.operations.pushManifest.run({ ...request, actor: "client" }, signal);
    const size = bytes.length;
    const mediaType = parseManifest(bytes, undefined).mediaType;
    const told = { client, host, token };
    this.#told(told, { kind: "manifest", repo, digest }, { kind: "manifest", mediaType, size }, []);
    if (tag !== undefined) this.#told(told, { kind: "tag", repo, tag }, { kind: "tag", digest }, before);
  }

  /** Puts the manifest of one tag under the next. */
  async #moveTag(target: Target, request: Request): Promise<void> {
    const { repo, number } = target;
    const from = parseTag(`v${(number % this.#deps.settings.tags) + 1}`);
    const { bytes } = await request.node.operations.pullManifest.run(repo, { kind: "tag", tag: from });
    await this.#pushManifest(target, bytes, target.tag, request);
  }

  async #delete({ client, host, repo }: Target, { node }: Request, reference: TagOrDigest): Promise<void> {
    const key: RegisterKey =
      reference.kind === "tag"
        ? { kind: "tag", repo, tag: reference.tag }
        : { kind: "manifest", repo, digest: reference.digest };
    const before = key.kind === "tag" ? this.#deps.sessions.before(host.name, key) : [];
    const token = await node.operations.deleteManifest.run({ repo, reference, actor: "client" });
    this.#told({ client, host, token }, key, { kind: "removed" }, before);
  }

  async #deleteBlob({ client, host, repo, number }: Target, { node, signal }: Request): Promise<void> {
    const [bytes] = imageOf(number, "small").blobs;
    if (bytes === undefined) return;
    const digest = digestOf(bytes);
    const token = await node.operations.deleteBlob.run({ repo, digest, actor: "client" }, signal);
    this.#told({ client, host, token }, { kind: "blob", repo, digest }, { kind: "removed" }, []);
  }

  async #readTag({ client, host, repo, tag, shows }: Target, { node }: Request): Promise<void> {
    const { sessions, findings } = this.#deps;
    const key: RegisterKey = { kind: "tag", repo, tag };
    const before = sessions.before(host.name, key);
    const { digest, bytes, token } = await node.operations.pullManifest.run(repo, { kind: "tag", tag });
    findings.expect(
      digestOf(bytes) === digest,
      "I12 blob integrity",
      () => `${host.name}: ${repo}:${tag} is ${digest}`,
    );
    const written = token === undefined ? undefined : sessions.read(host.name, key, token, before);
    if (written !== undefined) sessions.told(client, key, written);
    if (shows === undefined) return;
    const isAsTold = digest === imageOf(shows, "small").digest;
    findings.expect(isAsTold, "as the story says", () => `${host.name} shows ${digest} for ${tag}, and not ${shows}`);
  }

  /** A read that says what the client has seen anywhere, so that no node may answer with less. */
  async #readAfter(target: Target, request: Request): Promise<void> {
    const { sessions } = this.#deps;
    const { client, repo, tag } = target;
    const key: RegisterKey = { kind: "tag", repo, tag };
    const before = sessions.before(client, key);
    const seen = sessions.seenBy(client);
    const { awaitVersion, pullManifest } = request.node.operations;
    if (seen !== undefined) await awaitVersion.run({ token: seen, tag: { repo, tag } }, request.signal);
    const { token } = await pullManifest.run(repo, { kind: "tag", tag });
    if (token !== undefined) sessions.read(client, key, token, before);
  }

  async #pull(target: Target, { node, signal }: Request): Promise<void> {
    const { host, repo, tag } = target;
    const { bytes, mediaType } = await node.operations.pullManifest.run(repo, { kind: "tag", tag });
    for (const { digest } of parseManifest(bytes, mediaType).blobs) {
      const blob = await pulledBlob(node, repo, digest, signal);
      const isWhole = digestOf(blob) === digest;
      this.#deps.findings.expect(isWhole, "I12 blob integrity", () => `${host.name} gave other bytes for ${digest}`);
    }
  }

  /** A client has its acknowledgement. `before` is what the node had shown of a tag when it was asked. */
  #told({ client, host, token }: Told, key: RegisterKey, value: RegisterValue, before: readonly Written[]): void {
    const { durability, sessions } = this.#deps;
    const written = durability.acknowledged({ host, key, value, token });
    if (written === undefined || key.kind !== "tag") return;
    sessions.wrote(host.name, key, written, before);
    sessions.told(client, key, written);
  }
}

type Told = { readonly client: string; readonly host: NodeHost; readonly token: string | undefined };
type Request = { readonly node: Node; readonly skipsKnown: boolean; readonly signal: AbortSignal };
type TagOrDigest = { readonly kind: "tag"; readonly tag: Tag } | { readonly kind: "digest"; readonly digest: Digest };

/** As docker does: asks first, and sends what the registry does not have. */
async function pushBlob({ repo }: Target, bytes: Uint8Array, { node, skipsKnown, signal }: Request): Promise<void> {
  const digest = digestOf(bytes);
  if (skipsKnown && (await hasBlob(node, repo, digest, signal))) return;
  await node.operations.pushBlob.run({ repo, digest, body: once(bytes), actor: "client" }, signal);
}

async function hasBlob(node: Node, repo: RepositoryName, digest: Digest, signal: AbortSignal): Promise<boolean> {
  try {
    await node.operations.headBlob.run(repo, digest, signal);
    return true;
  } catch (cause) {
    if (cause instanceof RegistryError && cause.code === "BLOB_UNKNOWN") return false;
    throw cause;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
