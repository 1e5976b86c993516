/** The telemetry port as a memory of what was told. Unlike production, which must not fail over a metric, it insists on the labels of the table. */

import type { Labels, LogFields, LogLevel, Telemetry } from "../nodes/ports/telemetry.ts";
import { invariant } from "../shared/invariant.ts";
import { type CounterName, type GaugeName, type HistogramName, METRICS, type MetricName } from "../shared/metrics.ts";

export type Told = { readonly level: LogLevel; readonly event: string; readonly fields: LogFields };

/** Hears of what is told, as it is. */
export type TelemetryWatch = {
  readonly logged: (event: string) => void;
  readonly counted: (metric: CounterName, labels: readonly string[]) => void;
};

export class SimTelemetry implements Telemetry {
  readonly #watch: TelemetryWatch | undefined;
  readonly #told: Told[] = [];
  readonly #values = new Map<string, number>();
  readonly #observed = new Map<string, number[]>();

  constructor(watch?: TelemetryWatch) {
    this.#watch = watch;
  }

  /** What was logged, in order. */
  get told(): readonly Told[] {
    return this.#told;
  }

  readonly log = (level: LogLevel, event: string, fields: LogFields | (() => LogFields) = {}): void => {
    this.#told.push({ level, event, fields: typeof fields === "function" ? fields() : fields });
    this.#watch?.logged(event);
  };

  readonly count = (metric: CounterName, labels: Labels, amount = 1): void => {
    invariant(amount >= 0, "a counter only rises");
    const series = seriesOf(metric, labels);
    this.#values.set(series, (this.#values.get(series) ?? 0) + amount);
    this.#watch?.counted(metric, Object.values(labels));
  };

  readonly set = (metric: GaugeName, labels: Labels, value: number): void => {
    this.#values.set(seriesOf(metric, labels), value);
  };

  readonly observe = (metric: HistogramName, labels: Labels, value: number): void => {
    const series = seriesOf(metric, labels);
    const observed = this.#observed.get(series);
    if (observed === undefined) this.#observed.set(series, [value]);
    else observed.push(value);
  };

  /** The present value of a counter or gauge, or how often a histogram was told; 0 when it never was. */
  read(metric: MetricName, labels: Labels = {}): number {
    const series = seriesOf(metric, labels);
    return this.#values.get(series) ?? this.#observed.get(series)?.length ?? 0;
  }

  /** What a histogram was told, in order. */
  observed(metric: HistogramName, labels: Labels = {}): readonly number[] {
    return this.#observed.get(seriesOf(metric, labels)) ?? [];
  }
}

function seriesOf(metric: MetricName, labels: Labels): string {
  const { labels: named }: { readonly labels: readonly string[] } = METRICS[metric];
  const given = Object.keys(labels);
  const isComplete = given.length === named.length && named.every((label) => Object.hasOwn(labels, label));
  invariant(isComplete, `${metric} has the labels [${named.join(", ")}], and not [${given.join(", ")}]`);
  return `${metric} ${named.map((label) => labels[label]).join("\0")}`;
}
