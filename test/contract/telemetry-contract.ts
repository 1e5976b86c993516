import { describe, expect, test } from "vitest";

import type { Telemetry } from "../../nodes/ports/telemetry.ts";
import {
  type CounterName,
  type GaugeName,
  type HistogramName,
  METRICS,
  type MetricName,
} from "../../shared/metrics.ts";

export type TelemetryUnderTest = {
  readonly telemetry: Telemetry;
  /** The value of a series of a counter or gauge, or how often a histogram was told. */
  readonly read: (metric: MetricName, labels: { readonly [label: string]: string }) => Promise<number>;
  /** The events logged, in order. */
  readonly events: () => readonly string[];
  readonly dispose: () => void;
};

export function telemetryContract(title: string, make: () => TelemetryUnderTest): void {
  describe(title, () => {
    test("adds up a counter, and each of its series for itself", async () => {
      const { telemetry, read, dispose } = make();

      telemetry.count("meridian_blob_source_total", { source: "local" });
      telemetry.count("meridian_blob_source_total", { source: "peer:eu" }, 5);
      telemetry.count("meridian_blob_source_total", { source: "peer:eu" });

      expect(await read("meridian_blob_source_total", { source: "local" })).toBe(1);
      expect(await read("meridian_blob_source_total", { source: "peer:eu" })).toBe(6);
      dispose();
    });

    test("shows of a gauge what it was set to last", async () => {
      const { telemetry, read, dispose } = make();

      telemetry.set("meridian_fenced", {}, 1);
      telemetry.set("meridian_fenced", {}, 0);
      telemetry.set("meridian_tags", {}, 12);

      expect(await read("meridian_fenced", {})).toBe(0);
      expect(await read("meridian_tags", {})).toBe(12);
      dispose();
    });

    test("counts what a histogram observes", async () => {
      const { telemetry, read, dispose } = make();

      for (const seconds of [0.0001, 0.3, 1_000]) telemetry.observe("meridian_kv_commit_duration_seconds", {}, seconds);

      expect(await read("meridian_kv_commit_duration_seconds", {})).toBe(3);
      dispose();
    });

    test("takes every metric of the table with the labels of the table", async () => {
      const { telemetry, read, dispose } = make();

      for (const name of Object.keys(METRICS).filter(isToldThroughThePort)) {
        const metric = METRICS[name];
        const labels = Object.fromEntries(metric.labels.map((label) => [label, "x"]));
        if (isCounter(name)) telemetry.count(name, labels);
        else if (isGauge(name)) telemetry.set(name, labels, 1);
        else if (isHistogram(name)) telemetry.observe(name, labels, 1);
        expect([name, await read(name, labels)]).toEqual([name, 1]);
      }
      dispose();
    });

    test("logs anything without failing", () => {
      const { telemetry, events, dispose } = make();
      const circular: { self?: unknown } = {};
      circular.self = circular;
      const hostile = {
        get broken(): string {
          throw new Error("a getter that throws");
        },
      };

      for (const value of [
        circular,
        hostile,
        10n ** 30n,
        Symbol("s"),
        undefined,
        null,
        new Error("outer", { cause: circular }),
      ]) {
        telemetry.log("info", "something happened", { value });
      }
      telemetry.log("warn", "something without fields happened");

      expect(events()).toEqual([
        ...Array.from({ length: 7 }, () => "something happened"),
        "something without fields happened",
      ]);
      dispose();
    });
  });
}

/** The lag of the event loop is measured on the other side of the port, and only read there. */
function isToldThroughThePort(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name) && name !== "meridian_event_loop_lag_seconds";
}

function isCounter(name: MetricName): name is CounterName {
  return METRICS[name].type === "counter";
}

function isGauge(name: MetricName): name is GaugeName {
  return METRICS[name].type === "gauge";
}

function isHistogram(name: MetricName): name is HistogramName {
  return METRICS[name].type === "histogram";
}
