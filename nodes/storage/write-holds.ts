/**
 * Why this node makes no op of its own for now. A fence ends the right to write until a person has looked; a hold
 * passes by itself, when the node has learnt what it waits for. Only ops are held: bytes of blobs may come in, what
 * peers send is merged, and everything is read, because none of that takes a number or a timestamp of this node.
 */
import { RegistryError } from "../../shared/errors.ts";
import { UNAVAILABLE_RETRY_AFTER_SECONDS } from "../../shared/limits.ts";
import type { Telemetry } from "../ports/telemetry.ts";

export const HOLD_NAMES = ["identity", "clock", "leaving"] as const;
export type HoldName = (typeof HOLD_NAMES)[number];

export class WriteHolds {
  readonly #telemetry: Pick<Telemetry, "set" | "log">;
  readonly #reasons = new Map<HoldName, string>();

  constructor(telemetry: Pick<Telemetry, "set" | "log">) {
    this.#telemetry = telemetry;
  }

  /** Takes effect at once, also for turns that have begun and have not written. The latest reason is told. */
  hold(name: HoldName, reason: string): void {
    if (!this.#reasons.has(name)) this.#telemetry.log("warn", "this node takes no writes for now", { name, reason });
    this.#reasons.set(name, reason);
    this.#telemetry.set("meridian_writes_held", { reason: name }, 1);
  }

  lift(name: HoldName): void {
    if (!this.#reasons.delete(name)) return;
    this.#telemetry.set("meridian_writes_held", { reason: name }, 0);
    this.#telemetry.log("info", "this node takes writes again", { name });
  }

  /** Why the named hold is on; `undefined` when it is not. */
  reason(name: HoldName): string | undefined {
    return this.#reasons.get(name);
  }

  /** @throws {RegistryError} `UNAVAILABLE`, with when to try again, while there is any. */
  expectNone(): void {
    const [first] = this.#reasons.values();
    if (first === undefined) return;
    throw new RegistryError("UNAVAILABLE", undefined, {
      message: `this node takes no writes for now: ${first}`,
      retryAfterSeconds: UNAVAILABLE_RETRY_AFTER_SECONDS,
    });
  }
}
