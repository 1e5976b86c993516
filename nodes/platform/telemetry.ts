import type { Telemetry } from "../ports/telemetry.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/**
 * The telemetry port, from the two things it is made of. It promises not to fail, and metrics can: over a label that
 * is missing, or a number that is none. That is a mistake of ours, and no reason to fail a push; it is told instead.
 */
export function telemetryOf(log: Log, metrics: Metrics): Telemetry {
  const told = (metric: string, tell: () => void): void => {
    try {
      tell();
    } catch (error) {
      log.log("error", "a metric was not told as its table says", { metric, error });
    }
  };
  return {
    log: log.log,
    count: (metric, labels, amount) => told(metric, () => metrics.count(metric, labels, amount)),
    set: (metric, labels, value) => told(metric, () => metrics.set(metric, labels, value)),
    observe: (metric, labels, value) => told(metric, () => metrics.observe(metric, labels, value)),
  };
}
