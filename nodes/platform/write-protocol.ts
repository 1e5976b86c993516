/** What a disk says to the threads that hash and write for it, and what they answer. Slots are memory that both see. */
import type { DigestAlgorithm } from "../../shared/digest.ts";

export type Order =
  | { readonly kind: "slot"; readonly slot: number; readonly memory: SharedArrayBuffer }
  /** A file that holds what it holds; `lane` names it from here on. */
  | { readonly kind: "open"; readonly lane: number; readonly fd: number }
  | {
      readonly kind: "write";
      readonly lane: number;
      readonly slot: number;
      readonly bytes: number;
      readonly position: number;
    }
  /** What lies beyond `length` is gone; writes that failed are forgiven. */
  | { readonly kind: "rewind"; readonly lane: number; readonly length: number }
  | { readonly kind: "digest"; readonly lane: number; readonly algorithm: DigestAlgorithm; readonly length: number }
  | { readonly kind: "close"; readonly lane: number };

/** One for each write and each digest, in their order. `code` and `message` tell of a failure. */
export type Answer = {
  readonly lane: number;
  readonly hex?: string;
  readonly code?: string;
  readonly message?: string;
};

export function isAnswer(value: unknown): value is Answer {
  return typeof value === "object" && value !== null && "lane" in value && typeof value.lane === "number";
}

export function isOrder(value: unknown): value is Order {
  return typeof value === "object" && value !== null && "kind" in value && typeof value.kind === "string";
}
