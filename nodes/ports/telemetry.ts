import type { CounterName, GaugeName, HistogramName } from "../../shared/metrics.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Values are data, never interpolated into the message; no secret may be among them. */
export type LogFields = { readonly [name: string]: unknown };

/** Labels that are told again and again are made once and frozen: an implementation may know them by their identity. */
export type Labels = { readonly [label: string]: string };

/** What a node tells about itself. Nothing here can fail or wait. */
export type Telemetry = {
  /** `event` is a fixed sentence; what varies goes into `fields`, which are asked for only when the line is written. */
  readonly log: (level: LogLevel, event: string, fields?: LogFields | (() => LogFields)) => void;
  readonly count: (metric: CounterName, labels: Labels, amount?: number) => void;
  readonly set: (metric: GaugeName, labels: Labels, value: number) => void;
  readonly observe: (metric: HistogramName, labels: Labels, value: number) => void;
};
