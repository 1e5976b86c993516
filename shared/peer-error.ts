/**
 * How a call to another node ended without its answer. The four kinds are what a caller can tell apart and act upon;
 * which of them a transport's own errors are is decided where the transport lives.
 */
import type { RegistryErrorCode } from "./errors.ts";

export type PeerErrorKind =
  /** No connection, or it broke: another node may answer, and this one later. */
  | "unreachable"
  /** The peer understood and said no: asking it the same again is in vain. */
  | "refused"
  /** The caller's own signal aborted. `cause` is the signal's reason. */
  | "cancelled"
  /** The peer failed at it, or broke the protocol. */
  | "failed";

export type PeerErrorOptions = {
  /** What a `refused` call was refused for, when the registry has a code for it. */
  readonly code?: RegistryErrorCode | undefined;
  readonly cause?: unknown;
};

export class PeerError extends Error {
  override readonly name = "PeerError";
  readonly kind: PeerErrorKind;
  readonly code: RegistryErrorCode | undefined;

  constructor(kind: PeerErrorKind, message: string, { code, cause }: PeerErrorOptions = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.kind = kind;
    this.code = code;
  }
}
