/**
 * A registry just good enough for the workload, with one known fault or none: what the harness must catch before anybody
 * may believe that it found nothing. A blob, a manifest and a tag are each one file of their repository.
 *
 *   toy-store.ts FOLDER FAULT
 */
import { once } from "node:events";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import process from "node:process";
import { buffer } from "node:stream/consumers";

import { OCI_IMAGE_MANIFEST } from "../../../shared/media-types.ts";
import { digestOf } from "../oci-fixtures.ts";
import { isToyFault, type ToyFault } from "./toy-faults.ts";

type Answer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
};

const NOT_FOUND: Answer = { status: 404 };
const ROUTE = /^\/v2\/(?<repo>.+)\/(?<kind>blobs|manifests|tags)\/(?<rest>.+)$/;

class ToyStore {
  readonly #root: string;
  readonly #fault: ToyFault;
  readonly #uploads = new Map<string, Buffer>();
  #written = 0;

  constructor(root: string, fault: ToyFault) {
    this.#root = root;
    this.#fault = fault;
  }

  /** What is answered, and in a store that promises too early what is done only then. */
  async answer(
    request: IncomingMessage,
  ): Promise<{ readonly answer: Answer; readonly afterwards?: () => Promise<void> }> {
    const url = new URL(request.url ?? "/", "http://toy");
    const { repo, kind, rest } = ROUTE.exec(url.pathname)?.groups ?? {};
    const body = await buffer(request);
    if (repo === undefined || kind === undefined || rest === undefined) return { answer: NOT_FOUND };
    if (rest.startsWith("uploads/")) return await this.#upload(request.method ?? "", url, repo, body);
    if (kind === "tags") return { answer: await this.#tags(repo) };
    if (request.method === "PUT") return await this.#putManifest(repo, rest, body);
    if (request.method === "DELETE") return { answer: await this.#delete(repo, kind, rest) };
    return { answer: await this.#get(repo, kind, rest) };
  }

  async #upload(method: string, url: URL, repo: string, body: Buffer): ReturnType<ToyStore["answer"]> {
    const id = url.pathname.split("/uploads/")[1] ?? "";
    if (method === "POST") {
      const fresh = `${this.#uploads.size}-${process.pid}`;
      this.#uploads.set(fresh, Buffer.alloc(0));
      return { answer: { status: 202, headers: { Location: `${url.pathname}${fresh}` } } };
    }
    const known = this.#uploads.get(id);
    if (known === undefined) return { answer: NOT_FOUND };
    const bytes = Buffer.concat([known, body]);
    this.#uploads.set(id, bytes);
    if (method === "PATCH") return { answer: { status: 202, headers: { Location: url.pathname } } };
    const digest = url.searchParams.get("digest") ?? "";
    if (digestOf(bytes) !== digest) return { answer: { status: 400 } };
    return await this.#promise(async () => await this.#put(this.#path(repo, "blobs", digest), this.#worn(bytes)));
  }

  async #putManifest(repo: string, reference: string, bytes: Buffer): ReturnType<ToyStore["answer"]> {
    const digest = digestOf(bytes);
    return await this.#promise(async () => {
      await this.#put(this.#path(repo, "manifests", digest), bytes);
      if (!reference.startsWith("sha256:")) await this.#put(this.#path(repo, "tags", reference), Buffer.from(digest));
    });
  }

  async #promise(write: () => Promise<void>): ReturnType<ToyStore["answer"]> {
    if (this.#fault === "early-acknowledgement") return { answer: { status: 201 }, afterwards: write };
    await write();
    return { answer: { status: 201 } };
  }

  async #get(repo: string, kind: string, reference: string): Promise<Answer> {
    const isTag = kind === "manifests" && !reference.startsWith("sha256:");
    const digest = isTag ? (await read(this.#path(repo, "tags", reference)))?.toString() : reference;
    const body = digest === undefined ? undefined : await read(this.#path(repo, kind, digest));
    if (digest === undefined || body === undefined) return NOT_FOUND;
    const type = kind === "manifests" ? OCI_IMAGE_MANIFEST : "application/octet-stream";
    return { status: 200, headers: { "Docker-Content-Digest": digest, "Content-Type": type }, body };
  }

  async #tags(name: string): Promise<Answer> {
    const tags = await readdir(dirname(this.#path(name, "tags", "any"))).catch(() => []);
    const whole = tags.filter((tag) => !tag.includes(".new"));
    return { status: 200, body: Buffer.from(JSON.stringify({ name, tags: whole.toSorted() })) };
  }

  async #delete(repo: string, kind: string, reference: string): Promise<Answer> {
    const isTag = kind === "manifests" && !reference.startsWith("sha256:");
    const path = this.#path(repo, isTag ? "tags" : kind, reference);
    if ((await read(path)) === undefined) return NOT_FOUND;
    await rm(path);
    if (this.#fault !== "unsynced-delete") await this.#syncFolder(dirname(path));
    return { status: 202 };
  }

  /** Bytes durable, name in place, name durable: each unless that is the fault. */
  async #put(path: string, bytes: Uint8Array): Promise<void> {
    const isSynced = this.#fault !== "no-sync" && !(this.#fault === "unsynced-tag" && path.includes("/tags/"));
    await this.#makeFolder(dirname(path));
    this.#written += 1;
    const draft = `${path}.new${this.#written}`;
    const file = await open(draft, "w");
    await file.writeFile(bytes);
    if (isSynced) await file.sync();
    await file.close();
    await rename(draft, path);
    if (isSynced) await this.#syncFolder(dirname(path));
  }

  async #makeFolder(folder: string): Promise<void> {
    const made = await mkdir(folder, { recursive: true });
    if (made === undefined) return;
    for (let at = folder; at !== dirname(made); at = dirname(at)) await this.#syncFolder(dirname(at));
  }

  async #syncFolder(path: string): Promise<void> {
    if (this.#fault === "no-folder-sync" || this.#fault === "no-sync") return;
    const folder = await open(path, "r");
    await folder.sync();
    await folder.close();
  }

  #worn(bytes: Buffer): Buffer {
    const worn = Buffer.from(bytes);
    if (this.#fault === "flipped-byte") worn.writeUInt8(worn.readUInt8(worn.length >> 1) ^ 1, worn.length >> 1);
    return worn;
  }

  #path(repo: string, kind: string, name: string): string {
    return join(this.#root, repo.replaceAll("/", "+"), kind, name.replace(":", "-"));
  }
}

async function read(path: string): Promise<Buffer | undefined> {
  return await readFile(path).catch(() => undefined);
}

function send(response: ServerResponse, { status, headers = {}, body = Buffer.alloc(0) }: Answer): void {
  response.writeHead(status, { ...headers, "Content-Length": body.length }).end(body);
}

async function serve(root: string, fault: ToyFault): Promise<void> {
  const store = new ToyStore(root, fault);
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const { answer, afterwards } = await store.answer(request);
      send(response, answer);
      await afterwards?.();
    } catch (cause) {
      process.stderr.write(`${String(cause)}\n`);
      if (!response.headersSent) send(response, { status: 500 });
    }
  };
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server on a port has one");
  const registry = `127.0.0.1:${address.port}`;
  process.stderr.write(`${JSON.stringify({ event: "the node is ready", registry, peer: "", ops: "" })}\n`);
}

const [root = "", fault = ""] = process.argv.slice(2);
if (!isToyFault(fault)) throw new Error(`no such fault: ${fault}`);
await serve(root, fault);
