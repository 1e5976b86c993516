/**
 * A client of real nodes that remembers what it was told, and says so when it asks again: the history that checkers
 * judge afterwards. What a client may complain about at once is kept as findings: a node that runs and refuses a write
 * (I21), and bytes that are not those of their digest (I12).
 */
import type { Findings } from "../../cluster-sim/checkers/findings.ts";
import type { Answered } from "../../cluster-sim/checkers/history.ts";
import { encodeCausalToken, parseCausalToken } from "../../shared/causal-token.ts";
import { digestOf, parseDigest } from "../../shared/digest.ts";
import type { Origin } from "../../shared/identity.ts";
import { OCI_IMAGE_MANIFEST } from "../../shared/media-types.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import type { RegisterKey } from "../../shared/register.ts";

const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";
/** Longer than a node waits for anything before it answers. */
const PATIENCE_MS = 30_000;
/** How a refusal begins that passes by itself, after a start. */
const HELD = "this node takes no writes for now";

/** A node as a client has it. `isUp` tells whether it may be expected to answer. */
export type Target = { readonly name: string; readonly registry: string; readonly isUp: () => boolean };

type TagKey = RegisterKey & { readonly kind: "tag" };

export class RecordingClient {
  readonly name: string;
  readonly #history: Answered[];
  readonly #findings: Findings;
  readonly #seen = new Map<Origin, number>();

  /** Adds what it is told to `history`. */
  constructor(name: string, history: Answered[], findings: Findings) {
    this.name = name;
    this.#history = history;
    this.#findings = findings;
  }

  /** Pushes an image that holds `content`, under `tag`. @returns whether it was acknowledged. */
  async push(target: Target, repo: string, tag: string, content: string): Promise<boolean> {
    const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", content }));
    const layer = Buffer.from(`layer of ${content} `.repeat(20));
    const [described, layered] = [config, layer].map((bytes) => ({ digest: digestOf(bytes), size: bytes.length }));
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_IMAGE_MANIFEST,
        config: { mediaType: CONFIG, ...described },
        layers: [{ mediaType: LAYER, ...layered }],
      }),
    );
    for (const bytes of [config, layer]) if (!(await this.#pushBlob(target, repo, bytes))) return false;
    const headers = { "content-type": OCI_IMAGE_MANIFEST };
    const value = { kind: "tag", digest: digestOf(manifest) } as const;
    const path = `/v2/${repo}/manifests/${tag}`;
    return await this.#write(target, keyOf(repo, tag), value, { path, method: "PUT", headers, body: manifest });
  }

  async remove(target: Target, repo: string, tag: string): Promise<boolean> {
    const path = `/v2/${repo}/manifests/${tag}`;
    return await this.#write(target, keyOf(repo, tag), { kind: "removed" }, { path, method: "DELETE" });
  }

  /** Reads a tag, and when `isAfter` says what it has seen; then pulls what the tag names. */
  async read(target: Target, repo: string, tag: string, isAfter: boolean): Promise<void> {
    const headers: Record<string, string> = isAfter ? this.#minVersion() : {};
    const asked = { path: `/v2/${repo}/manifests/${tag}`, method: "GET", headers };
    const beganMs = performance.now();
    const answer = await this.#ask(target, asked);
    if (answer?.status !== 200) return;
    const endedMs = performance.now();
    const token = answer.headers.get("meridian-version");
    const bytes = Buffer.from(await answer.arrayBuffer());
    const digest = parseDigest(answer.headers.get("docker-content-digest") ?? "");
    this.#expectBytes(target, bytes, digest);
    if (token === null) return;
    this.#history.push({
      client: this.name,
      node: target.name,
      key: keyOf(repo, tag),
      beganMs,
      endedMs,
      token,
      kind: "read",
      isAfter,
    });
    this.#remember(token);
  }

  /** Pulls a blob to its end. @returns whether it was there. */
  async pull(target: Target, repo: string, digest: string): Promise<boolean> {
    const answer = await this.#ask(target, { path: `/v2/${repo}/blobs/${digest}`, method: "GET" });
    if (answer?.status !== 200) return false;
    const bytes = await answer.arrayBuffer().catch(() => undefined);
    // A body that breaks off is no clean end: nothing was promised.
    if (bytes !== undefined) this.#expectBytes(target, Buffer.from(bytes), digest);
    return bytes !== undefined;
  }

  async #write(
    target: Target,
    key: TagKey,
    value: (Answered & { readonly kind: "write" })["value"],
    asked: Asked,
  ): Promise<boolean> {
    const beganMs = performance.now();
    const answer = await this.#ask(target, asked);
    const endedMs = performance.now();
    if (answer === undefined) return false;
    const body = await answer.text();
    const token = answer.headers.get("meridian-version");
    if (!answer.ok) {
      const isFair = answer.status === 404 || body.includes(HELD) || !target.isUp();
      const what = (): string => `${target.name} refused ${asked.method} ${asked.path}: ${answer.status} ${body}`;
      this.#findings.expect(isFair, "I21 availability", what);
      return false;
    }
    if (token === null) return true;
    this.#history.push({ client: this.name, node: target.name, key, beganMs, endedMs, token, kind: "write", value });
    this.#remember(token);
    return true;
  }

  async #pushBlob(target: Target, repo: string, bytes: Uint8Array): Promise<boolean> {
    const headers = { "content-type": "application/octet-stream" };
    const path = `/v2/${repo}/blobs/uploads/?digest=${digestOf(bytes)}`;
    const answer = await this.#ask(target, { path, method: "POST", headers, body: Buffer.from(bytes) });
    await answer?.text();
    return answer?.status === 201;
  }

  /** `undefined` when the node is gone, which it may be. */
  async #ask({ registry, name, isUp }: Target, { path, ...request }: Asked): Promise<Response | undefined> {
    const wasUp = isUp();
    try {
      return await fetch(`http://${registry}${path}`, { ...request, signal: AbortSignal.timeout(PATIENCE_MS) });
    } catch (cause) {
      const isFair = !wasUp || !isUp();
      this.#findings.expect(isFair, "I21 availability", () => `${name} does not answer ${path}: ${String(cause)}`);
      return undefined;
    }
  }

  #expectBytes({ name }: Target, bytes: Uint8Array, digest: string): void {
    const what = (): string => `${name} gave other bytes for ${digest}`;
    this.#findings.expect(digestOf(bytes) === digest, "I12 blob integrity", what);
  }

  #minVersion(): Record<string, string> {
    if (this.#seen.size === 0) return {};
    const dots = [...this.#seen].map(([origin, seq]) => ({ origin, seq }));
    return { "meridian-min-version": encodeCausalToken(dots) };
  }

  #remember(token: string): void {
    for (const { origin, seq } of parseCausalToken(token)) {
      this.#seen.set(origin, Math.max(seq, this.#seen.get(origin) ?? 0));
    }
  }
}

type Asked = {
  readonly path: string;
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer<ArrayBuffer>;
};

function keyOf(repo: string, tag: string): TagKey {
  return { kind: "tag", repo: parseRepositoryName(repo), tag: parseTag(tag) };
}
