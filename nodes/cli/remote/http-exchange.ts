/**
 * One HTTP request and its answer, with what every caller wants: keep-alive, redirects of reads, patience with a server
 * that says when to come back, and no patience with one that says nothing.
 *
 * Time is bounded by progress, not in total: a layer may take an hour, but not a minute without a byte.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

import { invariant } from "../../../shared/invariant.ts";
import { formatDuration } from "../../../shared/units.ts";
import { codeOf } from "../../platform/system-error.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";

export type Body =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** Opened anew for each attempt. */
  | { readonly kind: "stream"; readonly length: number; readonly open: () => AsyncIterable<Uint8Array> };

export type Request = {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body;
};

/** The body must be read to its end or discarded, or the connection stays taken. */
export type Answer = {
  /** After redirects. */
  readonly url: URL;
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body. @throws {CliError} when it is longer than `bytesMax`. */
  readonly bytes: (bytesMax: number) => Promise<Uint8Array>;
  readonly discard: () => void;
};

export type ExchangeOptions = {
  /** Longest time without a byte, in ms. */
  readonly idleMs: number;
  /** Told before each wait. */
  readonly onWait: (line: string) => void;
};

const ATTEMPTS_MAX = 5;
const REDIRECTS_MAX = 5;
const WAIT_MS_MAX = 10_000;
const WAIT_MS_FIRST = 500;
/** Not found elsewhere, not refused: asking again later makes sense. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([429, 503]);
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export class HttpExchange {
  readonly #options: ExchangeOptions;
  readonly #http = new HttpAgent({ keepAlive: true });
  readonly #https = new HttpsAgent({ keepAlive: true });

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** Resolves with any status, once 429 and 503 have been tried again. @throws {CliError} when the server cannot be reached or falls silent. */
  async send(request: Request, signal: AbortSignal): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#follow(request, signal);
      if (!PASSING_STATUSES.has(answer.status) || attempt === ATTEMPTS_MAX) return answer;
      const waitMs = waitBefore(attempt, answer.header("retry-after"));
      answer.discard();
      const { host } = request.url;
      this.#options.onWait(`${host} answers ${answer.status}; trying again in ${formatDuration(waitMs)}`);
      await sleep(waitMs, undefined, { signal });
    }
  }

  async #follow(request: Request, signal: AbortSignal): Promise<Answer> {
    let { url } = request;
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
      const answer = await this.#sendOnce({ ...request, url }, signal);
      const location = answer.header("location");
      const isRead = request.method === "GET" || request.method === "HEAD";
      if (!isRead || !REDIRECT_STATUSES.has(answer.status) || location === undefined) return answer;
      answer.discard();
      url = new URL(location, url);
    }
    throw failed(request, `more than ${REDIRECTS_MAX} redirects`, "ask whoever runs the registry");
  }

  /** Once more when a kept-alive connection had been closed in the meantime: the request was never read. */
  async #sendOnce(request: Request, signal: AbortSignal): Promise<Answer> {
    try {
      return await this.#attempt(request, signal);
    } catch (cause) {
      if (!(cause instanceof StaleConnectionError)) throw cause;
      return await this.#attempt(request, signal);
    }
  }

  async #attempt(request: Request, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const { url, method, headers, body } = request;
    const isSecure = url.protocol === "https:";
    const agent = isSecure ? this.#https : this.#http;
    const outgoing = (isSecure ? httpsRequest : httpRequest)(url, {
      method,
      agent,
      signal,
      headers: { ...headers, ...lengthOf(body) },
    });
    const answered = Promise.withResolvers<IncomingMessage>();
    let whatIsAwaited: Outgoing | IncomingMessage = outgoing;
    outgoing.once("response", (incoming) => {
      whatIsAwaited = incoming;
      answered.resolve(incoming);
    });
    outgoing.setTimeout(this.#options.idleMs, () => whatIsAwaited.destroy(silence(request, this.#options.idleMs)));
    // Stays: a request that was answered early may still break while its body is being sent.
    outgoing.on("error", answered.reject);
    // What breaks on the way is told by the request; what breaks the body's source only here.
    sendBody(outgoing, body, answered.reject).catch(ignore);
    try {
      const incoming = await answered.promise;
      incoming.once("end", () => {
        if (!outgoing.writableFinished) outgoing.destroy();
      });
      return answerOf(incoming, request);
    } catch (cause) {
      outgoing.destroy();
      if (signal.aborted) throw signal.reason;
      if (outgoing.reusedSocket && codeOf(cause) === "ECONNRESET") throw new StaleConnectionError();
      throw unreachableBy(request, cause);
    }
  }
}

class StaleConnectionError extends Error {
  override readonly name = "StaleConnectionError";
}

type Outgoing = ReturnType<typeof httpRequest>;

function ignore(): void {}

function lengthOf(body: Body | undefined): Readonly<Record<string, string>> {
  if (body === undefined) return {};
  return { "content-length": String(body.kind === "bytes" ? body.bytes.length : body.length) };
}

async function sendBody(
  outgoing: Outgoing,
  body: Body | undefined,
  onSourceFailure: (cause: unknown) => void,
): Promise<void> {
  if (body === undefined) outgoing.end();
  else if (body.kind === "bytes") outgoing.end(body.bytes);
  else await pipeline(watched(body.open(), onSourceFailure), outgoing);
}

async function* watched(
  source: AsyncIterable<Uint8Array>,
  onFailure: (cause: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (cause) {
    onFailure(cause);
    throw cause;
  }
}

function answerOf(incoming: IncomingMessage, request: Request): Answer {
  incoming.once("error", ignore);
  const body = chunksOf(incoming, request);
  return {
    url: request.url,
    status: incoming.statusCode ?? 0,
    header: (name) => headerOf(incoming, name),
    body,
    bytes: async (bytesMax) => await collect(body, bytesMax, request),
    discard: () => void incoming.resume(),
  };
}

function headerOf(incoming: IncomingMessage, name: string): string | undefined {
  const value = incoming.headers[name.toLowerCase()];
  return typeof value === "string" ? value : value?.join(", ");
}

async function* chunksOf(incoming: IncomingMessage, request: Request): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterable<unknown> = incoming;
  try {
    for await (const chunk of chunks) {
      invariant(chunk instanceof Uint8Array, "a body without an encoding gives bytes");
      yield chunk;
    }
  } catch (cause) {
    throw unreachableBy(request, cause);
  }
}

async function collect(body: AsyncIterable<Uint8Array>, bytesMax: number, request: Request): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > bytesMax) throw failed(request, `an answer of more than ${bytesMax} bytes`, "is this a registry?");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What the server asks for, else doubling; never more than {@link WAIT_MS_MAX}. */
function waitBefore(attempt: number, retryAfter: string | undefined): number {
  const asked = retryAfter !== undefined && /^[0-9]+$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined;
  return Math.min(WAIT_MS_MAX, asked ?? WAIT_MS_FIRST * 2 ** (attempt - 1));
}

function silence(request: Request, idleMs: number): CliError {
  return new CliError({
    exitCode: EXIT.timedOut,
    what: `nothing was heard from ${request.url.host} for ${formatDuration(idleMs)}`,
    where: `${request.method} ${request.url.href}`,
    hint: "try again, or allow more with --timeout",
  });
}

function failed(request: Request, what: string, hint: string): CliError {
  return new CliError({ exitCode: EXIT.failed, what, where: `${request.method} ${request.url.href}`, hint });
}

/** Turns what the system said of a socket into what a person can act on; what the body's source threw passes as it is. */
function unreachableBy(request: Request, cause: unknown): unknown {
  if (codeOf(cause) === undefined) return cause;
  const { host } = request.url;
  const { what, hint } = describe(cause, request.url);
  return new CliError({ exitCode: EXIT.unreachable, what: `${host} ${what}`, where: request.url.href, hint, cause });
}

function describe(cause: unknown, url: URL): { readonly what: string; readonly hint: string } {
  switch (codeOf(cause)) {
    case "ECONNREFUSED":
      return {
        what: "refuses connections",
        hint: "is a node running there? `meridian serve` or `make demo` starts one",
      };
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return { what: "has no address", hint: "check the spelling of the host name" };
    case "ECONNRESET":
    case "EPIPE":
      return { what: "closed the connection", hint: "try again; the node may be restarting" };
    case "EPROTO":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return { what: "does not speak TLS", hint: "if it is meant to be plain HTTP, say --plain-http" };
    case "HPE_INVALID_CONSTANT":
      return { what: "does not speak HTTP", hint: `is ${url.host} the registry's port, not the peer's?` };
    default:
      return {
        what: `cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
        hint: "check the address and the network",
      };
  }
}
