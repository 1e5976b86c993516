/** Errors to gRPC statuses on the side that answers, statuses to errors on the side that asked. */
import { Metadata, status } from "@grpc/grpc-js";
import { MalformedBytesError } from "../../shared/bytes.ts";
import { REGISTRY_ERRORS, RegistryError, type RegistryErrorCode } from "../../shared/errors.ts";
import { unreachable } from "../../shared/invariant.ts";
import { PeerError, type PeerErrorKind } from "../../shared/peer-error.ts";
import { MalformedMessageError } from "./convert.ts";

/** The trailer that carries the registry's code of a refusal. */
const ERROR_TRAILER = "meridian-error";

const STATUS_OF_REFUSAL = {
  BLOB_UNKNOWN: status.NOT_FOUND,
  BLOB_UPLOAD_INVALID: status.INVALID_ARGUMENT,
  BLOB_UPLOAD_UNKNOWN: status.NOT_FOUND,
  DIGEST_INVALID: status.INVALID_ARGUMENT,
  MANIFEST_BLOB_UNKNOWN: status.FAILED_PRECONDITION,
  MANIFEST_INVALID: status.INVALID_ARGUMENT,
  MANIFEST_UNKNOWN: status.NOT_FOUND,
  NAME_INVALID: status.INVALID_ARGUMENT,
  NAME_UNKNOWN: status.NOT_FOUND,
  SIZE_INVALID: status.INVALID_ARGUMENT,
  UNAUTHORIZED: status.UNAUTHENTICATED,
  DENIED: status.PERMISSION_DENIED,
  UNSUPPORTED: status.UNIMPLEMENTED,
  TOOMANYREQUESTS: status.RESOURCE_EXHAUSTED,
  UNAVAILABLE: status.UNAVAILABLE,
} as const satisfies Readonly<Record<RegistryErrorCode, status>>;

/** Statuses by which a peer says no. What it says by another is its failure, or the connection's. */
const REFUSALS: ReadonlySet<status> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED,
]);

/** An answer of this side's own making, such as a refusal of a stranger. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

/** What grpc-js takes as the failure of an answer. */
export type Failure = { readonly code: status; readonly details: string; readonly metadata: Metadata };

/** `undefined` for what nobody foresaw: the caller learns no more than that it happened. */
export function failureOf(error: unknown): Failure | undefined {
  const metadata = new Metadata();
  if (error instanceof StatusError) return { code: error.code, details: error.message, metadata };
  if (isMalformed(error)) {
    return { code: status.INVALID_ARGUMENT, details: error.message, metadata };
  }
  if (error instanceof RegistryError) {
    metadata.set(ERROR_TRAILER, error.code);
    return { code: STATUS_OF_REFUSAL[error.code], details: error.message, metadata };
  }
  return undefined;
}

/** `signal` is the one that the caller of this node gave. */
export function peerErrorOf(error: unknown, signal: AbortSignal): PeerError {
  if (signal.aborted) return new PeerError("cancelled", "the call was cancelled", { cause: signal.reason });
  if (error instanceof PeerError) return error;
  if (isMalformed(error)) return new PeerError("failed", "the peer's answer is malformed", { cause: error });
  const failure = statusIn(error);
  if (failure === undefined) return new PeerError("failed", "the call could not be made", { cause: error });
  const code = registryCodeIn(failure.metadata);
  return new PeerError(code === undefined ? kindOf(failure.code) : "refused", failure.message, { code, cause: error });
}

export function isMalformed(error: unknown): error is MalformedMessageError | MalformedBytesError {
  return error instanceof MalformedMessageError || error instanceof MalformedBytesError;
}

function kindOf(code: status): PeerErrorKind {
  // A call that was cancelled by nobody here went down with its connection.
  if (code === status.UNAVAILABLE || code === status.CANCELLED) return "unreachable";
  return REFUSALS.has(code) ? "refused" : "failed";
}

type ReceivedStatus = { readonly code: status; readonly message: string; readonly metadata: Metadata };

function statusIn(error: unknown): ReceivedStatus | undefined {
  if (!(error instanceof Error && "code" in error && "metadata" in error)) return undefined;
  const { code, message, metadata } = error;
  if (!isStatus(code) || !(metadata instanceof Metadata)) return undefined;
  return { code, message, metadata };
}

function isStatus(code: unknown): code is status {
  return typeof code === "number" && status[code] !== undefined;
}

function registryCodeIn(metadata: Metadata): RegistryErrorCode | undefined {
  const [said] = metadata.get(ERROR_TRAILER);
  return typeof said === "string" && isRegistryErrorCode(said) ? said : undefined;
}

function isRegistryErrorCode(text: string): text is RegistryErrorCode {
  return Object.hasOwn(REGISTRY_ERRORS, text);
}

/** The status to count a failed call under. */
export function statusOf(error: PeerError): status {
  const received = statusIn(error.cause);
  if (error.kind !== "cancelled" && received !== undefined) return received.code;
  switch (error.kind) {
    case "cancelled":
      return status.CANCELLED;
    case "unreachable":
      return status.UNAVAILABLE;
    case "refused":
      return status.FAILED_PRECONDITION;
    case "failed":
      return status.INTERNAL;
    default:
      return unreachable(error.kind);
  }
}

/** `/meridian.v1.Control/Greet` as `Control/Greet`. */
export function methodName(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}
