/** One region as its users see it, over HTTP only. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const IMAGE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

export type Refusal = { readonly status: number; readonly retryAfter: string; readonly body: string };

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export class RegionClient {
  /** `host:port` */
  readonly registry: string;
  readonly #ops: string;

  constructor({ registry, ops }: { readonly registry: string; readonly ops: string }) {
    this.registry = registry;
    this.#ops = ops;
  }

  /** Pushes an image of `layers` under each of `tags`. @returns its digest, once the last tag is acknowledged. */
  async pushImage(repo: string, tags: readonly string[], layers: readonly Uint8Array[]): Promise<string> {
    const config = Buffer.from(
      JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: layers.map(sha256) } }),
    );
    for (const blob of [config, ...layers]) await this.#pushBlob(repo, blob);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: IMAGE,
        config: { mediaType: CONFIG, digest: sha256(config), size: config.length },
        layers: layers.map((layer) => ({ mediaType: LAYER, digest: sha256(layer), size: layer.length })),
      }),
    );
    for (const tag of tags) {
      const headers = { "Content-Type": IMAGE };
      await this.#expect(201, `/v2/${repo}/manifests/${tag}`, { method: "PUT", headers, body: manifest });
    }
    return sha256(manifest);
  }

  /** What the tag shows here; `undefined` while it is not known, or the region does not answer. */
  async digestOf(repo: string, tag: string): Promise<string | undefined> {
    const response = await fetch(this.#url(`/v2/${repo}/manifests/${tag}`), { method: "HEAD" }).catch(() => undefined);
    return response?.ok === true ? (response.headers.get("docker-content-digest") ?? undefined) : undefined;
  }

  /** Reads a blob to its end. @throws when the response is a refusal, or breaks off. */
  async pullBlob(
    repo: string,
    digest: string,
  ): Promise<{ readonly source: string | null; readonly isIntact: boolean }> {
    const response = await this.#expect(200, `/v2/${repo}/blobs/${digest}`, {});
    const hash = createHash("sha256");
    if (response.body !== null) await pipeline(Readable.fromWeb(response.body), hash);
    return {
      source: response.headers.get("meridian-source"),
      isIntact: `sha256:${hash.digest("hex")}` === digest,
    };
  }

  /** `undefined` when the blob is served. */
  async refusalOfBlob(repo: string, digest: string): Promise<Refusal | undefined> {
    const response = await fetch(this.#url(`/v2/${repo}/blobs/${digest}`));
    if (response.ok) {
      await response.body?.cancel();
      return undefined;
    }
    const retryAfter = response.headers.get("retry-after") ?? "";
    return { status: response.status, retryAfter, body: await response.text() };
  }

  async stateHash(): Promise<string> {
    const [self] = listAt(await this.#json("/api/v1/cluster"), "members");
    return stringAt(self, "stateHash");
  }

  /** Digests that lost the tag and are still listed. */
  async conflictLosers(repo: string, tag: string): Promise<readonly string[]> {
    const conflicts = listAt(await this.#json("/api/v1/conflicts?n=1000"), "conflicts");
    const here = conflicts.filter((each) => stringAt(each, "name") === repo && stringAt(each, "tag") === tag);
    return here.flatMap((each) => listAt(each, "losers").map((loser) => stringAt(loser, "digest")));
  }

  /** Digests that the tag has had. */
  async historyOf(repo: string, tag: string): Promise<readonly string[]> {
    const moves = listAt(await this.#json(`/api/v1/repositories/${repo}/tags/${tag}/history`), "moves");
    return moves.map((move) => stringAt(move, "to"));
  }

  /** The sum of a metric over all series that have `labels`. */
  async metric(name: string, labels: Readonly<Record<string, string>>): Promise<number> {
    const page = await (await fetch(`http://${this.#ops}/metrics`)).text();
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    return page
      .split("\n")
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => wanted.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  async #pushBlob(repo: string, bytes: Uint8Array): Promise<void> {
    const started = await this.#expect(202, `/v2/${repo}/blobs/uploads/`, { method: "POST" });
    const location = started.headers.get("location") ?? "";
    const headers = { "Content-Type": "application/octet-stream" };
    await this.#expect(201, `${location}?digest=${sha256(bytes)}`, {
      method: "PUT",
      headers,
      body: Buffer.from(bytes),
    });
  }

  async #json(path: string): Promise<unknown> {
    const body: unknown = await (await this.#expect(200, path, {})).json();
    return body;
  }

  async #expect(status: number, path: string, request: RequestInit): Promise<Response> {
    const response = await fetch(this.#url(path), request);
    if (response.status === status) return response;
    throw new Error(`${request.method ?? "GET"} ${path}: ${response.status} ${await response.text()}`);
  }

  #url(path: string): string {
    return `http://${this.registry}${path}`;
  }
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) throw new Error(`no object with ${name}: ${JSON.stringify(value)}`);
  return new Map<string, unknown>(Object.entries(value)).get(name);
}

function stringAt(value: unknown, name: string): string {
  const field = fieldOf(value, name);
  if (typeof field !== "string") throw new Error(`${name} is no text in ${JSON.stringify(value)}`);
  return field;
}

function listAt(value: unknown, name: string): readonly unknown[] {
  const field = fieldOf(value, name);
  if (!Array.isArray(field)) throw new Error(`${name} is no list in ${JSON.stringify(value)}`);
  return field;
}
