/**
 * The one place where a failure becomes an answer. A refusal says its code, its sentence and its detail, in the document
 * that distribution-spec ("Error Codes") describes. Anything else is a fault of ours or of the machine: the client
 * learns that it happened and may try again, the log learns why.
 *
 * The specification has no code for a fault. `UNAVAILABLE` is used, because clients repeat it, as they should, while
 * docker gives up at once on `UNSUPPORTED` and skopeo pushes another format on `MANIFEST_INVALID`.
 */
import { REGISTRY_ERRORS, type Refusal, RegistryError, type RegistryErrorCode } from "../../shared/errors.ts";
import { ERRORS_TOLD_MAX, UNAVAILABLE_RETRY_AFTER_SECONDS } from "../../shared/limits.ts";
import { DamagedRowError } from "../storage/envelope.ts";
import { jsonReply, type Reply } from "./reply.ts";

type Told = { readonly code: RegistryErrorCode; readonly message: string; readonly detail?: unknown };

export type ErrorDocument = { readonly errors: readonly Told[] };

export function replyToError(error: unknown): Reply {
  // It is known, and can't be said now; another node can.
  if (error instanceof DamagedRowError) return replyToError(cannotRead(error));
  if (!(error instanceof RegistryError)) {
    return jsonReply(500, { errors: [{ code: "UNAVAILABLE", message: "internal error" }] } satisfies ErrorDocument);
  }
  const headers =
    error.retryAfterSeconds === undefined ? {} : { "Retry-After": String(Math.ceil(error.retryAfterSeconds)) };
  return jsonReply(error.status, errorDocument(error), headers);
}

/** The first refusal and what is told besides, bounded: an answer must not amplify its request. */
export function errorDocument(error: RegistryError): ErrorDocument {
  const first = told({ code: error.code, detail: error.detail }, error.message);
  return { errors: [first, ...error.others.slice(0, ERRORS_TOLD_MAX - 1).map((other) => told(other))] };
}

function cannotRead(cause: DamagedRowError): RegistryError {
  const retryAfterSeconds = UNAVAILABLE_RETRY_AFTER_SECONDS;
  return new RegistryError("UNAVAILABLE", undefined, {
    message: "what this node has stored of it is damaged; use another region",
    retryAfterSeconds,
    cause,
  });
}

/** Whether the failure is ours to look into. */
export function isFault(error: unknown): boolean {
  return !(error instanceof RegistryError);
}

function told({ code, detail }: Refusal, message: string = REGISTRY_ERRORS[code].message): Told {
  return detail === undefined ? { code, message } : { code, message, detail };
}
