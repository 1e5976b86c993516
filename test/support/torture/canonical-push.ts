/**
 * One push with everything that a client does to a disk: a blob in one piece, one in chunks, one
 * that is there already, an upload that is given up, a manifest with a tag, the tag
 * moved, and the three deletes. Always the same calls in the same order; only names and bytes differ with `name`.
 */
import { config, digestOf, image, layer, noise } from "../oci-fixtures.ts";
import { locationOf, type RegistryClient, type Reply } from "../registry-client.ts";
import type { Attempt, Oracle } from "./oracle.ts";
import { PRESENT, register } from "./workload.ts";

/** More than the node gathers in memory: these go through the threads that write. */
const CHUNK_BYTES = 120_000;
const CHUNKS = 3;

/** What a request was answered; 0 is no answer. */
export type Answered = { readonly request: string; readonly status: number };

/** Taken, or refused as what cannot be done now; and a manifest whose blobs were refused lacks them. */
export function isClear({ request, status }: Answered): boolean {
  if (request === "put-manifest" && status === 400) return true;
  return (status >= 200 && status < 300) || status === 503;
}

export class CanonicalPush {
  readonly #client: RegistryClient;
  readonly #oracle: Oracle;
  readonly #name: string;
  readonly #repo: string;
  readonly #answers: Answered[] = [];
  #before: (asked: number) => Promise<void> = async () => undefined;

  constructor(client: RegistryClient, oracle: Oracle, name: string) {
    this.#client = client;
    this.#oracle = oracle;
    this.#name = name;
    this.#repo = `sweep/${name}`;
  }

  /** Goes on to the end, whatever is answered. `before` is called before each request, with how many there have been. */
  async run(before: (asked: number) => Promise<void> = async () => undefined): Promise<readonly Answered[]> {
    this.#before = before;
    const parts = { config: config(this.#name), layer: layer(this.#name, CHUNK_BYTES * CHUNKS) };
    const loose = noise(100, `${this.#name}-loose`);
    const first = image({ config: parts.config, layers: [parts.layer] });
    const second = image({ config: parts.config, layers: [parts.layer], fields: { annotations: { second: "yes" } } });

    await this.#pushBlob(parts.config.bytes);
    await this.#pushInChunks(parts.layer.bytes);
    await this.#pushBlob(loose);
    // Once more: the name is there already.
    await this.#pushBlob(parts.config.bytes);
    await this.#cancelUpload(loose);
    for (const manifest of [first, second]) {
      const { digest } = manifest;
      await this.#write(
        "put-manifest",
        [
          this.#begin(register.manifest(this.#repo, digest), PRESENT),
          this.#begin(register.tag(this.#repo, "v1"), digest),
        ],
        async () => await this.#client.putManifest(this.#repo, "v1", manifest),
      );
    }
    await this.#delete("manifests", first.digest, register.manifest(this.#repo, first.digest));
    await this.#delete("blobs", digestOf(loose), register.blob(this.#repo, digestOf(loose)));
    await this.#delete("manifests", "v1", register.tag(this.#repo, "v1"));
    return this.#answers;
  }

  async #pushBlob(bytes: Buffer): Promise<void> {
    const location = await this.#startUpload();
    if (location !== undefined) await this.#finish(location, bytes, bytes);
  }

  async #pushInChunks(bytes: Buffer): Promise<void> {
    let location = await this.#startUpload();
    for (let at = 0; location !== undefined && at < bytes.length - CHUNK_BYTES; at += CHUNK_BYTES) {
      const to = location;
      const chunk = bytes.subarray(at, at + CHUNK_BYTES);
      const reply = await this.#ask("patch-upload", async () => await this.#client.sendChunk(to, at, chunk));
      location = reply?.status === 202 ? locationOf(reply) : undefined;
    }
    if (location !== undefined) await this.#finish(location, bytes, bytes.subarray(-CHUNK_BYTES));
  }

  async #startUpload(): Promise<string | undefined> {
    const path = `/v2/${this.#repo}/blobs/uploads/`;
    const reply = await this.#ask("start-upload", async () => await this.#client.post(path));
    return reply?.status === 202 ? locationOf(reply) : undefined;
  }

  /** The bytes that have come are unlinked. */
  async #cancelUpload(bytes: Buffer): Promise<void> {
    const location = await this.#startUpload();
    if (location === undefined) return;
    const patched = await this.#ask("patch-upload", async () => await this.#client.sendChunk(location, 0, bytes));
    if (patched?.status !== 202) return;
    await this.#ask("cancel-upload", async () => await this.#client.delete(locationOf(patched)));
  }

  async #finish(location: string, bytes: Buffer, rest: Buffer): Promise<void> {
    const digest = digestOf(bytes);
    const attempt = this.#begin(register.blob(this.#repo, digest), PRESENT);
    await this.#write("finish-upload", [attempt], async () => {
      return await this.#client.finishUpload(location, digest, { body: rest });
    });
  }

  async #delete(kind: "manifests" | "blobs", reference: string, name: string): Promise<void> {
    if (this.#oracle.certain(name) === undefined) return;
    await this.#write(`delete-${kind}`, [this.#begin(name, undefined)], async () => {
      return await this.#client.delete(`/v2/${this.#repo}/${kind}/${reference}`);
    });
  }

  #begin(name: string, value: string | undefined): Attempt {
    return this.#oracle.begin(name, value);
  }

  async #write(request: string, attempts: readonly Attempt[], send: () => Promise<Reply>): Promise<void> {
    const reply = await this.#ask(request, send);
    if (reply === undefined || reply.status >= 500) return;
    for (const attempt of attempts) {
      if (reply.status < 300) this.#oracle.acknowledge(attempt);
      else this.#oracle.refuse(attempt);
    }
  }

  async #ask(request: string, send: () => Promise<Reply>): Promise<Reply | undefined> {
    await this.#before(this.#answers.length);
    try {
      const reply = await send();
      this.#answers.push({ request, status: reply.status });
      return reply;
    } catch {
      // The process is dead, or as good as that.
      this.#answers.push({ request, status: 0 });
      return undefined;
    }
  }
}
