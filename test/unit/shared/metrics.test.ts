import { describe, expect, test } from "vitest";

import { METRICS, type Metric } from "../../../shared/metrics.ts";

const ENTRIES: readonly (readonly [string, Metric])[] = Object.entries(METRICS);

/** What dashboards and scripts outside rely on, with the labels they select by. */
const PROMISED = {
  meridian_http_requests_total: ["method", "route", "code"],
  meridian_replication_lag_seconds: ["source", "target"],
  meridian_replication_pending_items: ["target"],
  meridian_replication_pending_bytes: ["target"],
  meridian_blob_source_total: ["source"],
  meridian_wan_bytes_total: ["source", "target", "kind"],
  meridian_conflicts_total: [],
  meridian_audit_repairs_total: [],
  meridian_members: ["status"],
  meridian_clock_offset_seconds: ["peer"],
  meridian_event_loop_lag_seconds: [],
  meridian_fenced: [],
} as const;

test.each(Object.entries(PROMISED))("%s is published with the labels that were promised", (name, labels) => {
  expect(new Map(ENTRIES).get(name)?.labels).toEqual(labels);
});

test("the duration of a request is published", () => {
  expect(new Map(ENTRIES).get("meridian_http_request_duration_seconds")?.type).toBe("histogram");
});

describe.each(ENTRIES)("%s", (name, metric) => {
  test("follows Prometheus' rules for names", () => {
    expect(name).toMatch(/^meridian_[a-z0-9]+(_[a-z0-9]+)*$/);
    expect(name.endsWith("_total")).toBe(metric.type === "counter");
    for (const label of metric.labels) expect(label).toMatch(/^[a-z][a-z_]*$/);
    expect(new Set(metric.labels).size).toBe(metric.labels.length);
  });

  test("says what it is in a sentence", () => {
    expect(metric.help).toMatch(/^[A-Z0-9].*\.$/);
  });

  test("carries no label that clients choose", () => {
    expect(
      metric.labels.filter((label) => ["repo", "repository", "tag", "digest", "actor", "path"].includes(label)),
    ).toEqual([]);
  });

  test("has rising buckets, if any", () => {
    const buckets = metric.type === "histogram" ? metric.buckets : [];

    expect(buckets).toEqual([...new Set(buckets)].toSorted((left, right) => left - right));
    expect(buckets.length > 0).toBe(metric.type === "histogram");
  });
});
