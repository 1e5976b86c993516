import { expect, test } from "vitest";

import { SimTelemetry } from "../../cluster-sim/sim-telemetry.ts";
import { createLog } from "../../nodes/platform/log.ts";
import { Metrics } from "../../nodes/platform/metrics.ts";
import { SystemTimers } from "../../nodes/platform/system-timers.ts";
import { telemetryOf } from "../../nodes/platform/telemetry.ts";
import { METRICS } from "../../shared/metrics.ts";
import { type TelemetryUnderTest, telemetryContract } from "./telemetry-contract.ts";

function makeReal(): TelemetryUnderTest {
  const lines: string[] = [];
  const metrics = new Metrics();
  return {
    telemetry: telemetryOf(createLog({ level: "debug", write: (line) => lines.push(line) }), metrics),
    read: async (metric, labels) => valueIn((await metrics.render()).body, metric, labels),
    events: () => lines.map(eventIn),
    dispose: () => metrics.close(),
  };
}

function makeSimulated(): TelemetryUnderTest {
  const telemetry = new SimTelemetry();
  return {
    telemetry,
    read: async (metric, labels) => await Promise.resolve(telemetry.read(metric, labels)),
    events: () => telemetry.told.map(({ event }) => event),
    dispose: () => undefined,
  };
}

telemetryContract("the log and the metrics page", makeReal);
telemetryContract("the simulated telemetry", makeSimulated);

test("a metric that is told wrongly is no reason to fail: it is told in the log", () => {
  const { telemetry, events, dispose } = makeReal();

  telemetry.count("meridian_blob_source_total", { sauce: "local" });
  telemetry.observe("meridian_kv_commit_duration_seconds", {}, Number.NaN);

  expect(events()).toEqual(["a metric was not told as its table says", "a metric was not told as its table says"]);
  dispose();
});

test("the simulated telemetry insists on the labels of the table", () => {
  const telemetry = new SimTelemetry();

  expect(() => telemetry.count("meridian_blob_source_total", {})).toThrow("has the labels [source]");
  expect(() => telemetry.set("meridian_fenced", { node: "eu-1" }, 1)).toThrow("and not [node]");
});

test("the metrics page describes every metric of the table, and what Node tells of its process", async () => {
  const metrics = new Metrics();

  const { contentType, body } = await metrics.render();

  expect(contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
  for (const [name, { type, help }] of Object.entries(METRICS)) {
    expect(body).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
  }
  for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "nodejs_gc_duration_seconds"]) {
    expect(body).toContain(`# TYPE ${name} `);
  }
  metrics.close();
});

test("the lag of the event loop is what a pause cost, and is forgotten once it was read", async () => {
  const metrics = new Metrics();
  const metric = "meridian_event_loop_lag_seconds";
  await turnsOfTheLoop(30);
  pauseFor(120);
  await turnsOfTheLoop(30);

  const during = valueIn((await metrics.render()).body, metric, {});
  await turnsOfTheLoop(30);
  const after = valueIn((await metrics.render()).body, metric, {});

  expect(during).toBeGreaterThan(0.08);
  expect(after).toBeLessThan(during);
  metrics.close();
});

/** Long enough for the event loop to be sampled. */
async function turnsOfTheLoop(durationMs: number): Promise<void> {
  await new SystemTimers().sleep(durationMs);
}

function pauseFor(durationMs: number): void {
  const end = performance.now() + durationMs;
  while (performance.now() < end);
}

function eventIn(line: string): string {
  const value: unknown = JSON.parse(line);
  return typeof value === "object" && value !== null && "event" in value ? String(value.event) : "";
}

/** Of a page in the text format; of a histogram its count. */
function valueIn(page: string, metric: string, labels: { readonly [label: string]: string }): number {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const series = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
  const isHistogram = page.includes(`# TYPE ${metric} histogram`);
  const line = page
    .split("\n")
    .find((candidate) => candidate.startsWith(`${metric}${isHistogram ? "_count" : ""}${series} `));
  return Number(line?.split(" ").at(-1) ?? "0");
}
