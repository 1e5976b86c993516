/**
 * What a client can be refused for. The fourteen codes are those of distribution-spec, "Error Codes"; `UNAVAILABLE`
 * (known here, reachable nowhere) is the fifteenth, in the spelling of the CNCF registry, because the specification
 * has no word for a content that exists but cannot be had right now.
 */
export const REGISTRY_ERRORS = {
  BLOB_UNKNOWN: { status: 404, message: "blob unknown to registry" },
  BLOB_UPLOAD_INVALID: { status: 416, message: "blob upload invalid" },
  BLOB_UPLOAD_UNKNOWN: { status: 404, message: "blob upload unknown to registry" },
  DIGEST_INVALID: { status: 400, message: "provided digest did not match uploaded content" },
  MANIFEST_BLOB_UNKNOWN: { status: 400, message: "manifest references a manifest or blob unknown to registry" },
  MANIFEST_INVALID: { status: 400, message: "manifest invalid" },
  MANIFEST_UNKNOWN: { status: 404, message: "manifest unknown to registry" },
  NAME_INVALID: { status: 400, message: "invalid repository name" },
  NAME_UNKNOWN: { status: 404, message: "repository name not known to registry" },
  SIZE_INVALID: { status: 400, message: "provided length did not match content length" },
  UNAUTHORIZED: { status: 401, message: "authentication required" },
  DENIED: { status: 403, message: "requested access to the resource is denied" },
  UNSUPPORTED: { status: 405, message: "the operation is unsupported" },
  TOOMANYREQUESTS: { status: 429, message: "too many requests" },
  UNAVAILABLE: { status: 503, message: "known, but no holder can be reached now" },
} as const satisfies Record<string, { readonly status: number; readonly message: string }>;

export type RegistryErrorCode = keyof typeof REGISTRY_ERRORS;

/** One refusal inside a larger one, such as each blob that a manifest names and nobody holds. */
export type Refusal = { readonly code: RegistryErrorCode; readonly detail?: unknown };

export type RegistryErrorOptions = {
  /** Where the table's status is too coarse: 413 for a manifest over the limit, 412 for a failed `If-Match`. */
  readonly status?: number;
  readonly message?: string;
  /** Seconds after which trying again makes sense; rendered as `Retry-After`. */
  readonly retryAfterSeconds?: number;
  /** Told besides the first, in order. */
  readonly others?: readonly Refusal[];
  readonly cause?: unknown;
};

/** A refusal: the client can act on it. Rendered as an OCI error document in one place, `nodes/http/reply-error.ts`. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly code: RegistryErrorCode;
  readonly status: number;
  readonly detail: unknown;
  readonly retryAfterSeconds: number | undefined;
  readonly others: readonly Refusal[];

  constructor(code: RegistryErrorCode, detail?: unknown, options: RegistryErrorOptions = {}) {
    super(
      options.message ?? REGISTRY_ERRORS[code].message,
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.code = code;
    this.status = options.status ?? REGISTRY_ERRORS[code].status;
    this.detail = detail;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.others = options.others ?? [];
  }
}
