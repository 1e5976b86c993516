/**
 * Every number that a node publishes. The table is the only place where a metric is named: the telemetry port takes its
 * names from here, the `/metrics` page registers them from here, and the test that reads dashboards, alerts and
 * documents compares them with it. Base units, `_total` on counters; no label carries a repository, a tag or a digest,
 * because clients choose those and a time series is for ever.
 */

/** Seconds. From a read out of the cache to a push on a slow line. */
const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;
/** Seconds. One synced write: from a fast disk to one that is about to fail. */
const SYNC_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const;
/** Seconds. From one hop between neighbours to a healed partition. */
const REPLICATION_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200] as const;
/** Things that shared one batch. */
const BATCH_ITEMS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const;

export type MetricType = "counter" | "gauge" | "histogram";

type Described = { readonly help: string; readonly labels: readonly string[] };
export type Metric =
  | (Described & { readonly type: "counter" | "gauge" })
  | (Described & { readonly type: "histogram"; readonly buckets: readonly number[] });

export const METRICS = {
  meridian_build_info: {
    type: "gauge",
    help: "1, labelled by what runs here.",
    labels: ["version", "runtime", "node", "region"],
  },
  meridian_fenced: { type: "gauge", help: "1 when a failed write has taken this node's right to write.", labels: [] },
  meridian_writes_held: {
    type: "gauge",
    help: "1 while this node takes no writes for a reason that passes: identity or clock.",
    labels: ["reason"],
  },
  meridian_parked_origins: {
    type: "gauge",
    help: "Origins whose changes are kept aside: from too far ahead (clock), or of two histories (equivocation).",
    labels: ["reason"],
  },
  meridian_origins_sealed_total: {
    type: "counter",
    help: "Times that the data directory turned out to be older than what peers know of it.",
    labels: [],
  },
  meridian_event_loop_lag_seconds: {
    type: "gauge",
    help: "How late the event loop ran, 99th percentile of the last interval.",
    labels: [],
  },

  meridian_http_requests_total: {
    type: "counter",
    help: "Requests answered.",
    labels: ["method", "route", "code"],
  },
  meridian_http_request_duration_seconds: {
    type: "histogram",
    help: "From a request's head to the last byte of its answer.",
    labels: ["method", "route"],
    buckets: REQUEST_SECONDS,
  },
  meridian_http_in_flight_requests: { type: "gauge", help: "Requests being answered.", labels: [] },
  meridian_http_connections: { type: "gauge", help: "Open client connections.", labels: ["listener"] },
  meridian_http_received_bytes_total: { type: "counter", help: "Bytes of request bodies.", labels: ["route"] },
  meridian_http_sent_bytes_total: { type: "counter", help: "Bytes of response bodies.", labels: ["route"] },
  meridian_http_rejected_total: {
    type: "counter",
    help: "Requests refused before any route saw them.",
    labels: ["reason"],
  },

  meridian_uploads_in_progress: { type: "gauge", help: "Upload sessions that are open.", labels: [] },
  meridian_uploads_total: {
    type: "counter",
    help: "Upload sessions that ended: finished, refused, cancelled or expired.",
    labels: ["result"],
  },

  meridian_blob_source_total: {
    type: "counter",
    help: "Blob reads by where the bytes came from: local, or peer:REGION.",
    labels: ["source"],
  },
  meridian_blob_fetches_total: {
    type: "counter",
    help: "Transfers of a blob from other nodes: fetched, unavailable, mismatched, failed or aborted.",
    labels: ["result"],
  },
  meridian_blob_fetches_in_progress: {
    type: "gauge",
    help: "Transfers of blobs from other nodes under way.",
    labels: [],
  },
  meridian_blob_fetches_joined_total: {
    type: "counter",
    help: "Reads that joined a transfer which was already under way.",
    labels: [],
  },
  meridian_blob_fetch_duration_seconds: {
    type: "histogram",
    help: "From the first reader's request to the durable blob.",
    labels: [],
    buckets: REQUEST_SECONDS,
  },
  meridian_blob_mismatches_total: {
    type: "counter",
    help: "Transfers whose bytes were not those of their digest, by the region that sent them.",
    labels: ["source"],
  },
  meridian_miss_probes_total: {
    type: "counter",
    help: "Misses asked of peers: found, unknown or unreachable.",
    labels: ["kind", "result"],
  },
  meridian_wan_bytes_total: {
    type: "counter",
    help: "Bytes received from another region, by kind of content.",
    labels: ["source", "target", "kind"],
  },

  meridian_replication_lag_seconds: {
    type: "gauge",
    help: "Age of the oldest change of the source's region that is missing at the target; 0 when none is known to be.",
    labels: ["source", "target"],
  },
  meridian_replication_pending_items: {
    type: "gauge",
    help: "Own changes that the target has not acknowledged.",
    labels: ["target"],
  },
  meridian_replication_pending_bytes: {
    type: "gauge",
    help: "Bytes of own changes that the target has not acknowledged.",
    labels: ["target"],
  },
  meridian_replication_delay_seconds: {
    type: "histogram",
    help: "From the moment a change was written in the source's region to the moment it was durable here.",
    labels: ["source"],
    buckets: REPLICATION_SECONDS,
  },
  meridian_replication_ops_total: {
    type: "counter",
    help: "Changes committed here, by the region that wrote them.",
    labels: ["source"],
  },
  meridian_replication_pulls_total: {
    type: "counter",
    help: "Catch-up sessions asked of a peer: complete, failed or aborted.",
    labels: ["source", "result"],
  },
  meridian_replication_refused_total: {
    type: "counter",
    help: "What a peer sent and this node refused: malformed, version, chain or clock.",
    labels: ["reason"],
  },
  meridian_replication_streams: {
    type: "gauge",
    help: "Open streams of changes: publishing or subscribing.",
    labels: ["direction"],
  },
  meridian_conflicts_total: {
    type: "counter",
    help: "Tags that came to have one more concurrent value.",
    labels: [],
  },
  meridian_audits_total: {
    type: "counter",
    help: "Comparisons of all registers with a peer: equal, different (most often because something is on its way) or failed.",
    labels: ["result"],
  },
  meridian_audit_repairs_total: {
    type: "counter",
    help: "Registers repaired by the audit. Anything but 0 is a defect.",
    labels: [],
  },

  meridian_members: {
    type: "gauge",
    help: "Other nodes, by what the cluster holds of them: alive, suspect, dead, left or evicted.",
    labels: ["status"],
  },
  meridian_peers: {
    type: "gauge",
    help: "Addresses of other nodes, by whether this node reaches them: connecting, reachable or unreachable.",
    labels: ["reachability"],
  },
  meridian_membership_doubt: {
    type: "gauge",
    help: "How much this node doubts what it sees of others, because it is slow itself: 0 not at all, 8 most.",
    labels: [],
  },
  meridian_peer_round_trip_seconds: { type: "gauge", help: "Smoothed round trip to a peer.", labels: ["peer"] },
  meridian_clock_offset_seconds: {
    type: "gauge",
    help: "The peer's clock less this node's; positive when the peer is ahead.",
    labels: ["peer"],
  },
  meridian_rpc_calls_total: {
    type: "counter",
    help: "Calls between nodes that ended, by side (client or server) and status.",
    labels: ["method", "side", "code"],
  },

  meridian_kv_commit_duration_seconds: {
    type: "histogram",
    help: "One synced batch of the metadata store.",
    labels: [],
    buckets: SYNC_SECONDS,
  },
  meridian_kv_commit_turns: {
    type: "histogram",
    help: "Turns of the writer that shared one synced batch.",
    labels: [],
    buckets: BATCH_ITEMS,
  },
  meridian_blobs_lost: {
    type: "gauge",
    help: "Blobs that were found missing or rotten here, and are being fetched from other nodes.",
    labels: [],
  },
  meridian_blobs_mended_total: {
    type: "counter",
    help: "Lost blobs that were fetched from other nodes.",
    labels: [],
  },
  meridian_scrubbed_blobs_total: {
    type: "counter",
    help: "Blobs that were hashed on the disk, by what they were: sound or rotten.",
    labels: ["result"],
  },
  meridian_scrubbed_bytes_total: { type: "counter", help: "Bytes of blobs that were hashed on the disk.", labels: [] },
  meridian_scrub_round_start_seconds: {
    type: "gauge",
    help: "When the scrubber's present or last round began, in seconds since 1970; 0 when there was none.",
    labels: [],
  },
  meridian_journal_checkpoints_total: {
    type: "counter",
    help: "Times the journal was shortened to the rows there are.",
    labels: [],
  },
  meridian_disk_sync_duration_seconds: {
    type: "histogram",
    help: "From asking for a blob's commit to its name being durable.",
    labels: [],
    buckets: SYNC_SECONDS,
  },
  meridian_storage_bytes: {
    type: "gauge",
    help: "Bytes stored, by kind: blobs, uploads or metadata.",
    labels: ["kind"],
  },
  meridian_storage_free_bytes: { type: "gauge", help: "Bytes that may still be written.", labels: [] },
  meridian_storage_errors_total: {
    type: "counter",
    help: "Operations that the disk or the metadata store failed.",
    labels: ["operation"],
  },
  meridian_repositories: { type: "gauge", help: "Repositories known here.", labels: [] },
  meridian_tags: { type: "gauge", help: "Tags known here.", labels: [] },
} as const satisfies Readonly<Record<`meridian_${string}`, Metric>>;

export type MetricName = keyof typeof METRICS;

type NameOf<Type extends MetricType> = {
  [Name in MetricName]: (typeof METRICS)[Name]["type"] extends Type ? Name : never;
}[MetricName];

export type CounterName = NameOf<"counter">;
export type GaugeName = NameOf<"gauge">;
export type HistogramName = NameOf<"histogram">;
