/**
 * One regional node, put together. Production and the simulator both call `createNode`; they differ in the ports they
 * pass and in nothing else. Reading this function from top to bottom is reading the house from the ground floor up.
 */
import type { NodeConfig } from "../shared/config.ts";
import { PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN } from "../shared/limits.ts";
import { VERSION } from "../shared/version.ts";
import { AuditState } from "./cluster/audit-state.ts";
import { FetchBlob } from "./cluster/fetch-blob.ts";
import { FetchContent } from "./cluster/fetch-content.ts";
import { MendBlobs } from "./cluster/mend-blobs.ts";
import { PeerDirectory } from "./cluster/peer-directory.ts";
import { createPeerService } from "./cluster/peer-service.ts";
import { ProbeMiss } from "./cluster/probe-miss.ts";
import { Recollect } from "./cluster/recollect.ts";
import { Replicate, type ReplicateDeps } from "./cluster/replicate.ts";
import { ClusterView } from "./cluster/report.ts";
import { Roster } from "./cluster/roster.ts";
import { ScrubBlobs } from "./cluster/scrub-blobs.ts";
import { VerifyState } from "./cluster/verify-state.ts";
import { WatchClock } from "./cluster/watch-clock.ts";
import { WatchParked } from "./cluster/watch-parked.ts";
import type { Greeting, PeerService } from "./ports/peers.ts";
import type { Ports } from "./ports/ports.ts";
import { createOperations, type Operations } from "./registry/operations.ts";
import { Blobs } from "./storage/blobs.ts";
import { Metadata } from "./storage/metadata.ts";
import { Uploads } from "./storage/uploads.ts";
import { HOLD_NAMES } from "./storage/write-holds.ts";

export type HealthCheck = {
  /** A word or two, joined by hyphens. */
  readonly name: string;
  readonly isPassing: boolean;
  /** Why not. */
  readonly reason?: string | undefined;
};

export type Health = {
  /** Recovery is over. */
  readonly isStarted: boolean;
  /** All must pass for the node to be ready. */
  readonly checks: readonly HealthCheck[];
};

export type Node = {
  /** What it says of itself to others; its origin may change once, early: see `cluster/recollect.ts`. */
  readonly self: Greeting;
  readonly operations: Operations;
  /** What other nodes may ask of it. */
  readonly peerService: PeerService;
  readonly health: () => Health;
  /** Begins to look for the others. Requests may come before and after. */
  readonly start: () => void;
  /**
   * Ends everything the node does on its own, then its work with the disk and the store, and closes the store. Whoever
   * lets requests in has stopped that before. Uploads that are under way can be resumed after the next start.
   */
  readonly stop: () => Promise<void>;
};

/** Where others reach the node: `registry` as an URL, `peer` as `host:port`. */
export type Advertised = { readonly registry: string; readonly peer: string };

/** Sizes that production takes from `shared/limits.ts`; a simulation draws them, so that rare paths become common. */
export type Tunables = { readonly opLogOpsMax?: number };

const PROTOCOL = { min: PROTOCOL_VERSION_MIN, max: PROTOCOL_VERSION_MAX };

/**
 * Opens what the ports hold, and puts a node together on it.
 * @throws when the store cannot be opened or written.
 */
export async function createNode(
  config: NodeConfig,
  advertise: Advertised,
  ports: Ports,
  tunables: Tunables = {},
): Promise<Node> {
  const { clock, timers, random, kv, telemetry } = ports;
  const { join, forceSolo, labels, routes } = config;
  const { metadata, blobs, uploads } = await openStorage(config, ports, tunables);
  const self = (): Greeting => ({ ...metadata.self, protocol: PROTOCOL, advertise, version: VERSION });

  const fence = (cause: Error): void => metadata.fence(cause);
  const world = { clock, timers, random, telemetry };
  const directory = new PeerDirectory({ self: self(), join, peers: ports.peers(self()), fence, ...world });
  const onNewOrigin = (): void => {
    directory.introduce(self(), ports.peers(self()));
    roster.introduce();
    replicate.beginAgain();
  };
  const recollect = new Recollect({ metadata, directory, clock, timers, telemetry, onNewOrigin });
  const onContradicted: ReplicateDeps["onContradicted"] = (...evidence) => recollect.contradicted(...evidence);
  const roster = await Roster.open({ self, labels, routes, metadata, directory, ...world });
  // Before anything can be written. Of an origin that was minted just now nobody can remember anything.
  if ((join.length > 0 || roster.members().length > 1) && !metadata.isNewborn && !forceSolo) recollect.hold();
  const watchParked = new WatchParked({ metadata, ...world });
  const watchClock = new WatchClock({ holds: metadata.holds, roster, ...world });
  const replicate = new Replicate({ metadata, directory, roster, clock, timers, telemetry, onContradicted });
  const fetchContent = new FetchContent({ metadata, directory, clock, timers, random, telemetry });
  const audit = new AuditState({ metadata, directory, clock, timers, random, telemetry });
  const verifyState = new VerifyState({ metadata, directory, audit, clock, timers });
  const probeMiss = new ProbeMiss({ metadata, directory, clock, timers, telemetry });
  const fetchBlob = new FetchBlob({ metadata, blobs, cluster: directory, clock, timers, telemetry });
  const mendBlobs = new MendBlobs({ metadata, blobs, fetchBlob, directory, timers, telemetry });
  const scrubBlobs = new ScrubBlobs({ metadata, blobs, clock, timers, telemetry, ...config.storage });
  const clusterView = new ClusterView({ self, metadata, directory, roster, replicate, clock, timers });
  const report = (): ReturnType<ClusterView["report"]> => clusterView.report();

  const served = { metadata, blobs, uploads, fetchBlob, probeMiss };
  const told = { clusterView, verifyState, roster, clock, timers, telemetry };
  let isStarted = false;
  return {
    get self() {
      return self();
    },
    operations: createOperations({ ...served, ...told, cluster: directory }),
    peerService: createPeerService({ self, metadata, blobs, directory, roster, replicate, audit, report }),
    health: () => ({ isStarted, checks: [writeCheck(metadata), ...holdChecks(metadata), membershipCheck(roster)] }),
    start: () => {
      const watches = [recollect, watchClock, watchParked];
      const parts = [directory, roster, replicate, fetchContent, audit, ...watches, mendBlobs, scrubBlobs];
      for (const part of parts) part.start();
      isStarted = true;
    },
    stop: async () => {
      isStarted = false;
      const watches = [recollect, watchClock, watchParked];
      const parts = [mendBlobs, scrubBlobs, fetchBlob, fetchContent, replicate, audit, ...watches, roster];
      await Promise.all(parts.map(async (part) => await part.stop()));
      await directory.stop();
      await uploads.close();
      await kv.close();
    },
  };
}

/** The ground floor: what was acknowledged in earlier lives is known, and what is missing of it, when it resolves. */
async function openStorage(
  { node, region, cluster, limits }: NodeConfig,
  { clock, timers, random, disk, kv, telemetry }: Ports,
  tunables: Tunables,
): Promise<{ readonly metadata: Metadata; readonly blobs: Blobs; readonly uploads: Uploads }> {
  const metadata = await Metadata.open({ kv, clock, random, telemetry, ...tunables }, { cluster, node, region });
  const openedMs = clock.monotonicMs();
  const blobs = await Blobs.open({ disk, metadata, clock, random, telemetry });
  const tookMs = Math.round(clock.monotonicMs() - openedMs);
  telemetry.log("info", "blobs were compared with their names", { tookMs, lost: blobs.lost.size });
  const sessionsPerClientMax = limits.uploadsPerClient;
  const uploads = new Uploads({ blobs, disk, metadata, clock, timers, random, telemetry, sessionsPerClientMax });
  return { metadata, blobs, uploads };
}

/** A fenced node serves what it has and takes nothing, so it should not be sent new work. */
function writeCheck(metadata: Metadata): HealthCheck {
  const fence = metadata.isFenced();
  return fence === undefined
    ? { name: "writes", isPassing: true }
    : { name: "writes", isPassing: false, reason: `the node is fenced: ${fence.message}` };
}

/** Not ready while it holds its own writes; it says why, and passes again by itself. */
function holdChecks({ holds }: Metadata): readonly HealthCheck[] {
  return HOLD_NAMES.map((name) => ({ name, isPassing: holds.reason(name) === undefined, reason: holds.reason(name) }));
}

/** Nobody follows an evicted node, so what is pushed to it goes nowhere. */
function membershipCheck(roster: Roster): HealthCheck {
  const status = roster.members().find(({ isSelf }) => isSelf)?.status;
  const isMember = status !== "evicted" && status !== "left";
  return isMember
    ? { name: "membership", isPassing: true }
    : { name: "membership", isPassing: false, reason: `the node is ${status === "left" ? "leaving" : "evicted"}` };
}
