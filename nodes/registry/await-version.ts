import { isSeen, parseCausalToken } from "../../shared/causal-token.ts";
import { RegistryError } from "../../shared/errors.ts";
import { VERSION_RETRY_AFTER_SECONDS, VERSION_WAIT_MS_MAX } from "../../shared/limits.ts";
import { within } from "../cluster/deadline.ts";
import type { Timers } from "../ports/timers.ts";
import type { Metadata } from "../storage/metadata.ts";

export type AwaitVersionDeps = { readonly metadata: Pick<Metadata, "held" | "onCommitted">; readonly timers: Timers };

/** Holds a reader back until this node knows at least what the reader has seen elsewhere: nobody reads backwards. */
export class AwaitVersion {
  readonly #deps: AwaitVersionDeps;

  constructor(deps: AwaitVersionDeps) {
    this.#deps = deps;
  }

  /** @throws {RegistryError} `UNAVAILABLE` when it has not come in time; `UNSUPPORTED` (400) when `token` is none. */
  async run(token: string, signal: AbortSignal): Promise<void> {
    const { metadata, timers } = this.#deps;
    const dots = parseCausalToken(token);
    const isHere = (): boolean => isSeen(dots, metadata.held());
    if (isHere()) return;

    const came = Promise.withResolvers<boolean>();
    const stopListening = metadata.onCommitted(() => {
      if (isHere()) came.resolve(true);
    });
    try {
      const wait = async (limit: AbortSignal): Promise<boolean> => {
        limit.addEventListener("abort", () => came.resolve(false), { once: true });
        // It may have come between the first look and the first listening.
        return isHere() || (await came.promise);
      };
      if (await within(timers, VERSION_WAIT_MS_MAX, wait, signal)) return;
    } finally {
      stopListening();
    }
    throw new RegistryError("UNAVAILABLE", undefined, {
      message: "this node has not yet heard of what the caller has seen",
      retryAfterSeconds: VERSION_RETRY_AFTER_SECONDS,
    });
  }
}
