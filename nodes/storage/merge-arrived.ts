/**
 * What came from a peer, inside one turn: ops of one origin, whole registers of a catch-up session, the session's end.
 * Nothing of it may be this node's own past. Ops are kept aside when their origin is parked, and park it when their time
 * is further ahead than any honest clock is.
 */
import { type Change, decodeChange, type Op } from "../../shared/change.ts";
import type { Digest } from "../../shared/digest.ts";
import { absorbHlc, hlcOf, wallMsOf } from "../../shared/hlc.ts";
import type { Origin } from "../../shared/identity.ts";
import { CLOCK_AHEAD_MS_MAX, CLOCK_PARKED_MS } from "../../shared/limits.ts";
import type { Version } from "../../shared/register.ts";
import type { Dot, VersionVector } from "../../shared/version-vector.ts";
import type { OpBatch } from "../ports/peers.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import * as keys from "./keys.ts";
import { MergeChange, rowsReadFor } from "./merge-change.ts";
import { type EquivocationError, type OpLog, readOrigin } from "./op-log.ts";
import { type ParkedRow, Parking } from "./parking.ts";
import { decodeHlc, encodeHlc } from "./rows.ts";
import type { Overlay } from "./view.ts";

/** What came from a peer. */
export type Arrived =
  | { readonly kind: "ops"; readonly batch: OpBatch }
  | { readonly kind: "live"; readonly changes: readonly Uint8Array[] }
  | {
      readonly kind: "end";
      readonly held: VersionVector;
      readonly chains: ReadonlyMap<Origin, Uint8Array>;
      /** `Metadata.releases` when the session began; left out by one that began just now. */
      readonly begunAt?: number;
    }
  /** A manifest too large to travel inside its op. */
  | { readonly kind: "content"; readonly digest: Digest; readonly bytes: Uint8Array };

/** What came from a peer holds ops of this node's origin that this node does not have: its directory was put back. */
export class OwnPastError extends Error {
  override readonly name = "OwnPastError";
}

export type MergeArrivedDeps = {
  readonly rows: Overlay;
  readonly log: OpLog;
  /** The own origin, and its last op that is durable here. */
  readonly self: Origin;
  readonly ownHead: number;
  readonly wallMs: number;
  readonly telemetry: Pick<Telemetry, "count">;
  /** Whether the origin was let go after so many releases: a session that began before may have left out some of it. */
  readonly isReleasedSince: (origin: Origin, releases: number) => boolean;
  /** What is parked is another than before, if the turn's batch becomes durable. */
  readonly onParking: () => void;
};

export class MergeArrived {
  readonly #deps: MergeArrivedDeps;
  readonly #merge: MergeChange;
  readonly #parking: Parking;

  constructor(deps: MergeArrivedDeps) {
    this.#deps = deps;
    this.#merge = new MergeChange(deps.rows);
    this.#parking = new Parking(deps.rows, deps.onParking);
  }

  /** @throws as `Metadata.commit` does, and {EquivocationError}. */
  async merge(arrived: Arrived): Promise<void> {
    await this.#mergeByKind(arrived);
    this.#merge.finish();
  }

  async #mergeByKind(arrived: Arrived): Promise<void> {
    switch (arrived.kind) {
      case "ops":
        return await this.#mergeOps(arrived.batch);
      case "live":
        return await this.#mergeLive(arrived.changes);
      case "end":
        return await this.#endSession(arrived);
      case "content":
        return await this.#merge.storeContent(arrived.digest, arrived.bytes);
    }
  }

  /** The origin has told two histories: neither is believed beyond what is held here. */
  async parkForked({ origin, proof }: EquivocationError, batch: OpBatch): Promise<void> {
    const isParked = (await this.#parking.get(origin)) !== undefined;
    if (isParked) return await this.#parking.keep(batch);
    const { upto } = await readOrigin(this.#deps.rows, origin);
    const row = { reason: "equivocation", sinceMs: this.#deps.wallMs, untilMs: 0, proof } as const;
    this.#parking.put(origin, { ...row, at: upto + 1, upto });
    await this.#parking.keep(batch);
  }

  /**
   * Merges some of what is parked of `origin` and lets it go when nothing is left. A person may force what its time or
   * its history holds back.
   * @returns whether there may be more.
   */
  async release(origin: Origin, isForced: boolean): Promise<boolean> {
    const { rows, log } = this.#deps;
    const parked = await this.#parking.get(origin);
    const isWaiting = parked?.reason === "equivocation" && !isForced;
    if (parked === undefined || isWaiting) return false;
    if (parked.reason === "equivocation") await log.forgetChain(origin);
    const batch = await this.#parking.next(origin);
    if (batch === undefined) {
      await this.#parking.letGo(origin, isForced);
      return false;
    }

    const early = await this.#mergeUntilEarly(batch, isForced);
    this.#merge.finish();
    const { upto } = await readOrigin(rows, origin);
    await this.#parking.mergedUpto(origin, Math.max(upto, parked.at - 1));
    if (early === undefined) return true;
    this.#parking.put(origin, { ...parked, at: upto + 1, untilMs: this.#parkedForClock(early).untilMs });
    return false;
  }

  async #mergeOps(batch: OpBatch): Promise<void> {
    const { origin, from, ops } = batch;
    // An origin is the only source of its own ops: what comes back of them is an echo.
    if (origin === this.#deps.self) return this.#expectEcho(from + ops.length - 1);
    if ((await this.#parking.get(origin)) !== undefined) return await this.#parking.keep(batch);

    const isPardoned = await this.#parking.isPardoned(origin, this.#deps.wallMs);
    const early = await this.#mergeUntilEarly(batch, isPardoned);
    if (early === undefined) return;
    this.#parking.put(origin, this.#parkedForClock(early));
    await this.#parking.keep(batch);
  }

  /** @returns the first op that comes too early to be merged. */
  async #mergeUntilEarly(batch: OpBatch, isBelieved: boolean): Promise<Version | undefined> {
    const early: Version[] = [];
    const isTaken = ({ register: { versions } }: Op): boolean => {
      if (!isBelieved) early.push(...versions.filter((version) => this.#isTooEarly(version)));
      return early.length === 0;
    };
    await this.#mergeAll(await this.#deps.log.take(batch, isTaken));
    return early[0];
  }

  /**
   * Registers are merged whole, whoever wrote to them: their contexts are those of all writes together, and without one
   * of these would cover what only that one had seen. The peer has merged it before; the origin's vector stays.
   */
  async #mergeLive(changes: readonly Uint8Array[]): Promise<void> {
    const decoded = changes.map((bytes) => decodeChange(bytes));
    await this.#mergeAll(decoded);
    const dots: readonly Dot[] = decoded.flatMap(({ register }) => register.versions.map(({ dot }) => dot));
    for (const { origin, seq } of dots) if (origin === this.#deps.self) this.#expectEcho(seq);
    await this.#deps.log.addDots(dots.filter(({ origin }) => origin !== this.#deps.self));
  }

  async #endSession({ held, chains, begunAt }: Arrived & { readonly kind: "end" }): Promise<void> {
    for (const entry of held.entries()) {
      const { origin } = entry;
      if (origin === this.#deps.self) {
        this.#expectEcho(entry.beyond.at(-1)?.to ?? entry.upto);
        continue;
      }
      // The session vouches for what it has sent, and of this origin not all of that was merged.
      const isReleased = begunAt !== undefined && this.#deps.isReleasedSince(origin, begunAt);
      if (isReleased || (await this.#parking.get(origin)) !== undefined) continue;
      await this.#deps.log.advance(entry, chains.get(origin));
    }
  }

  async #mergeAll(changes: readonly Change[]): Promise<void> {
    const { rows, telemetry } = this.#deps;
    await rows.fetch([keys.CLOCK, keys.COUNTERS, ...changes.flatMap((change) => rowsReadFor(change))]);
    await this.#absorbClock(changes);
    for (const change of changes) {
      const { isNewConflict } = await this.#merge.run(change);
      if (isNewConflict) telemetry.count("meridian_conflicts_total", {});
    }
  }

  /** Whether it claims to be from further ahead than any honest clock is. */
  #isTooEarly({ hlc }: Version): boolean {
    return wallMsOf(hlc) > this.#deps.wallMs + CLOCK_PARKED_MS;
  }

  #parkedForClock({ dot: { seq: at }, hlc }: Version): ParkedRow {
    const untilMs = wallMsOf(hlc) - CLOCK_PARKED_MS;
    return { reason: "clock", sinceMs: this.#deps.wallMs, at, upto: at - 1, untilMs, proof: undefined };
  }

  /** A session that brings own ops from beyond what is here must not end as if they had been kept: it is for the node's next origin. */
  #expectEcho(seq: number): void {
    if (seq <= this.#deps.ownHead) return;
    throw new OwnPastError(`a peer holds the own op ${seq}, which is not here`);
  }

  async #absorbClock(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    const { rows, wallMs } = this.#deps;
    const row = await rows.get(keys.CLOCK);
    let hlc = row === undefined ? hlcOf(0n) : decodeHlc(row);
    for (const { register } of changes) {
      for (const version of register.versions) hlc = absorbHlc(hlc, version.hlc, wallMs, CLOCK_AHEAD_MS_MAX);
    }
    rows.put(keys.CLOCK, encodeHlc(hlc));
  }
}
