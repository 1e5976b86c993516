/**
 * The door of prom-client: every metric of `shared/metrics.ts`, and what Node tells of its process, on a registry of
 * our own, so that two nodes in one process do not count into each other.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

import { invariant, unreachable } from "../../shared/invariant.ts";
import { type CounterName, type GaugeName, type HistogramName, METRICS, type Metric } from "../../shared/metrics.ts";
import type { Labels, Telemetry } from "../ports/telemetry.ts";

export type Page = { readonly contentType: string; readonly body: string };

const EVENT_LOOP_RESOLUTION_MS = 10;
const NANOSECONDS_PER_MS = 1e6;

export class Metrics implements Omit<Telemetry, "log"> {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #sums = new Map<CounterName, Map<Labels, number>>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #histograms = new Map<string, Histogram>();
  readonly #eventLoop = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });

  constructor() {
    for (const [name, metric] of Object.entries(METRICS)) this.#register(name, metric);
    collectDefaultMetrics({ register: this.#registry });
    this.#eventLoop.enable();
  }

  /** Labels that are frozen are summed up here and told to the registry when somebody reads it: looking a series up by its labels costs ten times as much. */
  readonly count = (metric: CounterName, labels: Labels, amount = 1): void => {
    const counter = known(this.#counters.get(metric), metric);
    if (!Object.isFrozen(labels) || amount < 0) return counter.inc(labels, amount);
    const sums = this.#sums.get(metric) ?? new Map<Labels, number>();
    const before = sums.get(labels);
    // A first time is told at once, for it may be wrong, and whoever told it should hear.
    if (before === undefined) counter.inc(labels, amount);
    sums.set(labels, before === undefined ? 0 : before + amount);
    this.#sums.set(metric, sums);
  };

  readonly set = (metric: GaugeName, labels: Labels, value: number): void => {
    known(this.#gauges.get(metric), metric).set(labels, value);
  };

  readonly observe = (metric: HistogramName, labels: Labels, value: number): void => {
    known(this.#histograms.get(metric), metric).observe(labels, value);
  };

  /** The page that Prometheus reads, in its text format. */
  async render(): Promise<Page> {
    this.set("meridian_event_loop_lag_seconds", {}, this.#eventLoopLagSeconds());
    this.#tellSums();
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }

  /** Stops measuring. */
  close(): void {
    this.#eventLoop.disable();
    this.#registry.clear();
  }

  #tellSums(): void {
    for (const [metric, sums] of this.#sums) {
      const counter = known(this.#counters.get(metric), metric);
      for (const [labels, amount] of sums) {
        if (amount > 0) counter.inc(labels, amount);
        sums.set(labels, 0);
      }
    }
  }

  /** Since it was last asked. */
  #eventLoopLagSeconds(): number {
    // What is sampled is the time between two runs of a timer, which is its interval when nothing is late.
    const intervalMs = this.#eventLoop.count === 0 ? 0 : this.#eventLoop.percentile(99) / NANOSECONDS_PER_MS;
    this.#eventLoop.reset();
    return Math.max(0, intervalMs - EVENT_LOOP_RESOLUTION_MS) / 1000;
  }

  #register(name: string, metric: Metric): void {
    const options = { name, help: metric.help, labelNames: metric.labels, registers: [this.#registry] };
    switch (metric.type) {
      case "counter":
        this.#counters.set(name, new Counter(options));
        return;
      case "gauge":
        this.#gauges.set(name, new Gauge(options));
        return;
      case "histogram":
        this.#histograms.set(name, new Histogram({ ...options, buckets: [...metric.buckets] }));
        return;
      default:
        unreachable(metric);
    }
  }
}

function known<T>(metric: T | undefined, name: string): T {
  invariant(metric !== undefined, `${name} is in the table of metrics`);
  return metric;
}
