/**
 * Rare things that must happen sometimes. A simulator that finds nothing may have looked at nothing: each probe names a
 * situation that the checkers exist for, and a list of seeds that never comes into one of them fails as a test does.
 * Source: "sometimes assertions" of Antithesis, the coverage marks of TigerBeetle.
 *
 * Probes read what a run shows anyway, the plan of its faults, what nodes log and count, what crosses the wire. So
 * production carries nothing for them, and a sentence that is no longer logged shows up as a probe that is never hit.
 */
import type { PeerService, PullFrame } from "../nodes/ports/peers.ts";
import { mapped } from "./mapped.ts";

/** By the sentence that a node logs. */
const LOGGED = {
  "this node takes no writes for now": "writes held back",
  "the data directory was put back: this node goes on under a new origin": "a restored directory noticed",
  "fenced: this node writes nothing more until it is restarted": "a fence",
  "a copy of a blob was wrong and is dropped": "a wrong copy dropped",
  "a blob was not fetched": "a blob not to be had",
  "this node's clock is off": "a wrong clock refused",
} as const satisfies Readonly<Record<string, string>>;

/** By the counter that a node raises, and one of its labels' values where that matters. */
const COUNTED = {
  "meridian_replication_pulls_total complete": "a gap pulled",
  "meridian_replication_pulls_total failed": "a catch-up broken off",
  meridian_blob_fetches_joined_total: "a fetch joined",
  "meridian_blob_fetches_total unavailable": "a fetch without a holder",
  "meridian_miss_probes_total found": "a miss found at a peer",
  "meridian_miss_probes_total unreachable": "a miss with nobody to ask",
  meridian_conflicts_total: "a conflict",
} as const satisfies Readonly<Record<string, string>>;

const SEEN = [
  "ops served from the ring",
  "the ring too short, and the live index served",
  "a crash during a catch-up",
  "a crash with a batch under way",
  "three siblings of one tag",
  "a read held back by a token",
] as const;

export type Probe =
  | (typeof SEEN)[number]
  | (typeof LOGGED)[keyof typeof LOGGED]
  | (typeof COUNTED)[keyof typeof COUNTED];

/** Seen too rarely for a list of hundreds of seeds to rely on, and told when they are: a session is over in milliseconds. */
const RARE: ReadonlySet<Probe> = new Set<Probe>(["a crash during a catch-up"]);

/** What some seed of a long list must come into. */
export const PROBES: readonly Probe[] = [...SEEN, ...Object.values(LOGGED), ...Object.values(COUNTED)].filter(
  (probe) => !RARE.has(probe),
);

/** How often each happened; kinds of faults among them, as `fault …`. */
export type ProbeCounts = { readonly [probe: string]: number };

const LOGGED_PROBES: ReadonlyMap<string, Probe> = new Map(Object.entries(LOGGED));
const COUNTED_PROBES: ReadonlyMap<string, Probe> = new Map(Object.entries(COUNTED));

export class Probes {
  readonly #counts = new Map<string, number>();
  readonly #sessions = new Map<string, number>();

  get counts(): ProbeCounts {
    return Object.fromEntries(this.#counts);
  }

  hit(probe: Probe): void {
    this.#add(probe);
  }

  /** A fault of that kind, and shape where it has one, has struck. */
  struck(kind: string): void {
    this.#add(`fault ${kind}`);
  }

  readonly logged = (event: string): void => {
    const probe = LOGGED_PROBES.get(event);
    if (probe !== undefined) this.#add(probe);
  };

  readonly counted = (metric: string, labels: readonly string[]): void => {
    for (const name of [metric, ...labels.map((label) => `${metric} ${label}`)]) {
      const probe = COUNTED_PROBES.get(name);
      if (probe !== undefined) this.#add(probe);
    }
  };

  /** The process of `node` ends without having been asked to. */
  crashed(node: string, hasBatchUnderWay: boolean): void {
    if (hasBatchUnderWay) this.hit("a crash with a batch under way");
    if ((this.#sessions.get(node) ?? 0) > 0) this.hit("a crash during a catch-up");
  }

  /** The same service, watched. */
  watching(service: PeerService, holder: string): PeerService {
    return (caller) => {
      const calls = service(caller);
      const pull = (have: Parameters<typeof calls.pull>[0], signal: AbortSignal): AsyncIterable<PullFrame> =>
        this.#watched(
          mapped(calls.pull(have, signal), (frame) => this.#framed(frame)),
          [caller.node, holder],
        );
      return { ...calls, pull };
    };
  }

  #framed(frame: PullFrame): PullFrame {
    if (frame.kind === "ops") this.hit("ops served from the ring");
    if (frame.kind === "live") this.hit("the ring too short, and the live index served");
    return frame;
  }

  async *#watched(frames: AsyncIterable<PullFrame>, nodes: readonly string[]): AsyncGenerator<PullFrame, void> {
    for (const node of nodes) this.#sessions.set(node, (this.#sessions.get(node) ?? 0) + 1);
    try {
      yield* frames;
    } finally {
      for (const node of nodes) this.#sessions.set(node, (this.#sessions.get(node) ?? 1) - 1);
    }
  }

  #add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}
