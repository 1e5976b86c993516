/**
 * A registry's client with no opinion: it sends exactly the path, the headers and the body it is told, follows nothing,
 * retries nothing, decodes nothing, and gives the whole answer back.
 */
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";

import { type Algorithm, type Content, digestOf } from "./oci-fixtures.ts";

export type Reply = {
  readonly status: number;
  /** By lower-case name; repeated ones joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

export type RequestOptions = {
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Bytes go with their `Content-Length`; chunks go as `Transfer-Encoding: chunked`. */
  readonly body?: Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
};

/** A refusal: the status, and the codes of its error document. */
export type Refused = { readonly status: number; readonly codes: readonly unknown[] };

const OCTET_STREAM = "application/octet-stream";
const CONNECTIONS_MAX = 64;

export class RegistryClient {
  /** `host:port` of the registry listener. */
  readonly host: string;
  readonly port: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });

  constructor(host: string, port: number) {
    this.host = host;
    this.port = port;
  }

  async send(method: string, path: string, { headers = {}, body }: RequestOptions = {}): Promise<Reply> {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const length: Record<string, string> = bytes instanceof Uint8Array ? { "Content-Length": `${bytes.length}` } : {};
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = httpRequest(
      {
        host: this.host,
        port: this.port,
        method,
        path,
        agent: this.#agent,
        headers: { ...length, ...mutable(headers) },
      },
      resolve,
    );
    // An answer may come before the body has gone out; what then happens to the body is not of interest.
    request.on("error", reject);
    if (bytes === undefined || bytes instanceof Uint8Array) request.end(bytes);
    else Readable.from(bytes).pipe(request);
    const response = await promise;
    return { status: response.statusCode ?? 0, headers: flat(response), body: await buffer(response) };
  }

  async get(path: string, headers: RequestOptions["headers"] = {}): Promise<Reply> {
    return await this.send("GET", path, { headers });
  }

  async head(path: string, headers: RequestOptions["headers"] = {}): Promise<Reply> {
    return await this.send("HEAD", path, { headers });
  }

  async post(path: string, options: RequestOptions = {}): Promise<Reply> {
    return await this.send("POST", path, options);
  }

  async put(path: string, options: RequestOptions = {}): Promise<Reply> {
    return await this.send("PUT", path, options);
  }

  async patch(path: string, options: RequestOptions = {}): Promise<Reply> {
    return await this.send("PATCH", path, options);
  }

  async delete(path: string, headers: RequestOptions["headers"] = {}): Promise<Reply> {
    return await this.send("DELETE", path, { headers });
  }

  /** Begins an upload and gives its `Location`. `query` starts with `?`. */
  async startUpload(repo: string, query = ""): Promise<string> {
    return locationOf(expectStatus(await this.post(`/v2/${repo}/blobs/uploads/${query}`), 202));
  }

  /** The end of an upload: a PUT to `location` with `digest` and perhaps the last bytes. */
  async finishUpload(location: string, digest: string, options: RequestOptions = {}): Promise<Reply> {
    return await this.put(withParameter(location, "digest", digest), {
      ...options,
      headers: { "Content-Type": OCTET_STREAM, ...options.headers },
    });
  }

  /** One chunk as clients send it, with the inclusive range of its bytes. */
  async sendChunk(location: string, start: number, bytes: Uint8Array): Promise<Reply> {
    return await this.patch(location, {
      headers: { "Content-Type": OCTET_STREAM, "Content-Range": `${start}-${start + bytes.length - 1}` },
      body: bytes,
    });
  }

  /** Uploads `bytes` by POST and PUT and gives their digest. @throws unless the registry takes them. */
  async pushBlob(repo: string, bytes: Uint8Array | string, algorithm: Algorithm = "sha256"): Promise<string> {
    const digest = digestOf(bytes, algorithm);
    expectStatus(await this.finishUpload(await this.startUpload(repo), digest, { body: bytes }), 201);
    return digest;
  }

  async putManifest(repo: string, reference: string, { mediaType, bytes }: Content): Promise<Reply> {
    return await this.put(`/v2/${repo}/manifests/${reference}`, {
      headers: { "Content-Type": mediaType },
      body: bytes,
    });
  }

  /** Pushes `parts` as blobs and then the manifest that names them. @throws unless the registry takes it. */
  async pushManifest(
    repo: string,
    reference: string,
    manifest: Content,
    parts: readonly Content[] = [],
  ): Promise<Reply> {
    for (const part of parts) await this.pushBlob(repo, part.bytes);
    return expectStatus(await this.putManifest(repo, reference, manifest), 201);
  }

  async getManifest(repo: string, reference: string): Promise<Reply> {
    return await this.get(`/v2/${repo}/manifests/${reference}`);
  }

  async getBlob(repo: string, digest: string, headers: RequestOptions["headers"] = {}): Promise<Reply> {
    return await this.get(`/v2/${repo}/blobs/${digest}`, headers);
  }

  close(): void {
    this.#agent.destroy();
  }
}

export function jsonOf(reply: Reply): unknown {
  return JSON.parse(reply.body.toString("utf8"));
}

export function refusalOf(reply: Reply): Refused {
  return { status: reply.status, codes: errorsOf(reply).map(({ code }) => code) };
}

/** The `detail` of the first error. */
export function detailOf(reply: Reply): unknown {
  return errorsOf(reply)[0]?.detail;
}

/** The entries of an error document. @throws when the body is not one, or is not said to be JSON. */
export function errorsOf(reply: Reply): readonly { readonly code: unknown; readonly detail: unknown }[] {
  const type = reply.headers["content-type"];
  if (type !== "application/json") throw new Error(`${reply.status} of type ${type}: ${reply.body.toString()}`);
  const document = jsonOf(reply);
  if (!isRecord(document) || !Array.isArray(document["errors"])) throw new Error("not an error document");
  const errors: readonly unknown[] = document["errors"];
  return errors.map((error) => {
    if (!isRecord(error) || typeof error["message"] !== "string") throw new Error("an error without a message");
    return { code: error["code"], detail: error["detail"] };
  });
}

/** How many replies have each status. */
export function tally(replies: readonly Reply[]): Readonly<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** What `names` are in the reply's headers; `undefined` for those that are not there. */
export function headersOf(reply: Reply, ...names: readonly string[]): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(names.map((name) => [name, reply.headers[name]]));
}

/** The target of `Link: <…>; rel="next"`; `undefined` on the last page. @throws on a link of another form. */
export function nextPageOf(reply: Reply): string | undefined {
  const { link } = reply.headers;
  if (link === undefined) return undefined;
  const target = /^<([^>]+)>; rel="next"$/.exec(link)?.[1];
  if (target === undefined) throw new Error(`not a link to the next page: ${link}`);
  return target;
}

/** @throws unless the reply says where. */
export function locationOf(reply: Reply): string {
  const { location } = reply.headers;
  if (location === undefined) throw new Error(`no Location: ${reply.status} ${reply.body.toString()}`);
  return location;
}

/** `location` with one more parameter, appended as clients do. */
export function withParameter(location: string, name: string, value: string): string {
  return `${location}${location.includes("?") ? "&" : "?"}${name}=${value}`;
}

export function expectStatus(reply: Reply, status: number): Reply {
  if (reply.status === status) return reply;
  throw new Error(`expected ${status}, got ${reply.status}: ${reply.body.toString("utf8").slice(0, 500)}`);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function flat({ rawHeaders }: IncomingMessage): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? "").toLowerCase();
    const value = rawHeaders[at + 1] ?? "";
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return headers;
}

function mutable(headers: NonNullable<RequestOptions["headers"]>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
  );
}
