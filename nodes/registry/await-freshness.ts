import { RegistryError } from "../../shared/errors.ts";
import { VERSION_RETRY_AFTER_SECONDS, VERSION_WAIT_MS_MAX } from "../../shared/limits.ts";
import type { ClusterView } from "../cluster/report.ts";
import type { Timers } from "../ports/timers.ts";

const MAX_STALENESS = /^(0|[1-9]\d{0,9})$/;
const LOOK_MS = 50;

export type AwaitFreshnessDeps = {
  readonly clusterView: Pick<ClusterView, "stalenessMs">;
  readonly timers: Timers;
};

/**
 * Holds a reader back who would rather have no answer than one that may be older than he says. Unlike a causal token,
 * which names what must be here, this asks that whoever may have written something has vouched lately that it is.
 */
export class AwaitFreshness {
  readonly #deps: AwaitFreshnessDeps;

  constructor(deps: AwaitFreshnessDeps) {
    this.#deps = deps;
  }

  /** @throws {RegistryError} `UNAVAILABLE` when nobody vouched in time; `UNSUPPORTED` (400) when `maxMs` is no number of milliseconds. */
  async run(maxMs: string, signal: AbortSignal): Promise<void> {
    if (!MAX_STALENESS.test(maxMs)) {
      const message = "Meridian-Max-Staleness-Ms must be a number of milliseconds";
      throw new RegistryError("UNSUPPORTED", undefined, { status: 400, message });
    }
    const { clusterView, timers } = this.#deps;
    for (let waitedMs = 0; clusterView.stalenessMs() > Number(maxMs); waitedMs += LOOK_MS) {
      if (waitedMs >= VERSION_WAIT_MS_MAX) {
        throw new RegistryError(
          "UNAVAILABLE",
          { stalenessMs: Math.round(clusterView.stalenessMs()) },
          {
            message: "this node may not have heard of everything within the time that the caller allows",
            retryAfterSeconds: VERSION_RETRY_AFTER_SECONDS,
          },
        );
      }
      await timers.sleep(LOOK_MS, signal);
    }
  }
}
