import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline } from "node:stream/promises";

import { RegistryError } from "../../shared/errors.ts";
import { BODY_IDLE_MS_MAX, UNAVAILABLE_RETRY_AFTER_SECONDS } from "../../shared/limits.ts";
import type { UploadPlace } from "../registry/locate-upload.ts";
import type { Call, Desk } from "./call.ts";
import { bytesReply, type Headers, type Reply } from "./reply.ts";

/** Says which node passed a request on. Whoever gets one answers it or refuses it, and passes on nothing. */
const FORWARDED_BY = "meridian-forwarded-by";
const REQUEST_HEADERS = [
  "content-type",
  "content-length",
  "content-range",
  "content-encoding",
  "authorization",
] as const;
const REPLY_HEADERS: readonly string[] = [
  "Content-Type",
  "Location",
  "Range",
  "Docker-Upload-UUID",
  "Docker-Content-Digest",
  "Retry-After",
  "WWW-Authenticate",
  "Meridian-Version",
];
/** An answer about an upload is empty or an error document. */
const REPLY_BYTES_MAX = 64 * 1024;
/** Longer than a client may be silent, whose pace the request has, and than a blob takes to be committed. */
const SILENCE_MS_MAX = 2 * BODY_IDLE_MS_MAX;

export function isForwarded({ headers }: Call): boolean {
  return headers[FORWARDED_BY] !== undefined;
}

/**
 * Has the node that holds an upload session answer a request, and answers the same.
 * @throws {RegistryError} `UNAVAILABLE` when it cannot be reached.
 */
export async function forwardUpload(
  call: Call,
  { node, registry }: UploadPlace & { readonly kind: "elsewhere" },
  { self }: Desk,
): Promise<Reply> {
  const url = new URL(registry);
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const onward = send(url, {
    method: call.method,
    // As it came, so that no second reading of it can differ from ours.
    path: call.target.raw,
    headers: { ...headersToSend(call), [FORWARDED_BY]: self.node },
    signal: call.signal,
  });
  // A cut line says nothing: without this the client would wait for ever.
  onward.setTimeout(SILENCE_MS_MAX, () => onward.destroy(new Error("the other node is silent")));
  try {
    const reply = await replyOf(await answerTo(onward, call));
    // What it has not read it does not want.
    if (!call.body.isComplete) onward.destroy();
    return reply;
  } catch (cause) {
    onward.destroy();
    call.signal.throwIfAborted();
    if (cause instanceof RegistryError) throw cause;
    throw new RegistryError(
      "UNAVAILABLE",
      { holders: [{ node }] },
      { retryAfterSeconds: UNAVAILABLE_RETRY_AFTER_SECONDS, cause },
    );
  }
}

function headersToSend({ headers }: Call): Record<string, string> {
  return Object.fromEntries(
    REQUEST_HEADERS.flatMap((name) => {
      const value = headers[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** The other node may answer before it has read everything; then that answer counts and the rest stays unsent. */
async function answerTo(onward: ClientRequest, call: Call): Promise<IncomingMessage> {
  const answered = Promise.withResolvers<IncomingMessage>();
  onward.once("response", answered.resolve);
  onward.once("error", answered.reject);
  const sending = pipeline(call.body.chunks(), onward).then(
    async () => await answered.promise,
    async (cause: unknown) => {
      if (cause instanceof RegistryError) throw cause;
      return await answered.promise;
    },
  );
  return await Promise.race([answered.promise, sending]);
}

async function replyOf(answer: IncomingMessage): Promise<Reply> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer) {
    if (!(part instanceof Uint8Array)) continue;
    bytes += part.length;
    if (bytes > REPLY_BYTES_MAX) throw new Error("the other node answered at too great length");
    parts.push(part);
  }
  return bytesReply(answer.statusCode ?? 502, headersToReturn(answer), Buffer.concat(parts));
}

function headersToReturn({ headers }: IncomingMessage): Headers {
  return Object.fromEntries(
    REPLY_HEADERS.flatMap((name) => {
      const value = headers[name.toLowerCase()];
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
}
