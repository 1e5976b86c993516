/**
 * The one door. Every metadata change, whoever made it, goes through the single writer in this file and comes out as
 * one atomic, synced batch that holds the log entry, the merged rows, their indexes and how far we are. A local push
 * stamps an op and goes in; a remote op arrives stamped and goes in. Replication is not a second path.
 *
 * Callers take turns. A turn reads what is there, decides and writes, with nothing in between, so that a check and
 * the write that relies on it cannot be separated. All turns that arrive while a batch is being synced share the next
 * one (group commit), and each caller hears of its own only when the batch is durable.
 *
 * A batch that fails ends the right to write: what the disk holds is unknown then, and trying again has lost data in
 * other stores. The node is *fenced*; it goes on reading.
 */
import { type CausalToken, encodeCausalToken } from "../../shared/causal-token.ts";
import { decodeKey, decodeRegister, encodeChange } from "../../shared/change.ts";
import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { type Hlc, hlcAt, hlcOf } from "../../shared/hlc.ts";
import {
  type ClusterId,
  type NodeId,
  type NodeIdentity,
  type Origin,
  parseOrigin,
  type Region,
} from "../../shared/identity.ts";
import {
  MANIFEST_INLINE_BYTES_MAX,
  OP_BATCH_BYTES_MAX,
  OP_LOG_OPS_MAX,
  TURNS_PER_COMMIT_MAX,
  UNAVAILABLE_RETRY_AFTER_SECONDS,
} from "../../shared/limits.ts";
import type { Reference, RepositoryName } from "../../shared/reference.ts";
import { type Author, EMPTY_REGISTER, type Register, type RegisterKey, winnerOf } from "../../shared/register.ts";
import { type VectorEntry, VersionVector } from "../../shared/version-vector.ts";
import type { Clock } from "../ports/clock.ts";
import type { Kv } from "../ports/kv.ts";
import type { OpBatch, PullFrame } from "../ports/peers.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Replacement } from "./audit-lanes.ts";
import * as keys from "./keys.ts";

import { type Arrived, MergeArrived } from "./merge-arrived.ts";

import { MergeChange, rowsReadFor } from "./merge-change.ts";
import { MetadataReader } from "./metadata-reader.ts";

import { batchesOf, chainAt, EquivocationError, OpLog, readBatch, readOrigin } from "./op-log.ts";
import { type Parked, readParked } from "./parking.ts";
import type { RowSource } from "./remembered.ts";
import { RowMemory } from "./row-memory.ts";
import {
  type CountersRow,
  decodeCounters,
  decodeHlc,
  decodeOrigin,
  decodeSelf,
  decodeTagRow,
  encodeSelf,
  NO_COUNTERS,
  type OriginRow,
} from "./rows.ts";
import { Turn } from "./turn.ts";
import { Overlay, type Row, StoredView, type Written } from "./view.ts";
import { WriteHolds } from "./write-holds.ts";

/** Of an origin and of a nonce. */
const RANDOM_BYTES = 8;

export type MetadataDeps = {
  readonly kv: Kv;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** How many ops of each origin stay at hand as ops; `OP_LOG_OPS_MAX` unless a simulation draws another. */
  readonly opLogOpsMax?: number;
};

export type NodeName = { readonly cluster: ClusterId; readonly node: NodeId; readonly region: Region };

export type Recorded<Result> = {
  readonly result: Result;
  /** Names what was written, for `Meridian-Version`; `undefined` when no register was. */
  readonly token: CausalToken | undefined;
};

export type RegisterRow = { readonly key: RegisterKey; readonly register: Register };

export type WantedContent = { readonly digest: Digest; readonly authors: readonly Author[] };

type Waiting = {
  readonly reads: readonly keys.Key[];
  readonly run: (rows: Overlay) => Promise<() => void>;
  readonly refuse: (cause: unknown) => void;
};

export class Metadata {
  /** Why this node makes no ops for now. */
  readonly holds: WriteHolds;
  /** Whether the origin was minted at this start: nobody can remember anything of it. */
  readonly isNewborn: boolean;
  /** Reads what is durable. */
  readonly reader: MetadataReader;

  readonly #kv: Kv;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #stored: RowMemory;
  readonly #opLogOpsMax: number;
  readonly #held: VersionVector;
  readonly #random: Random;
  readonly #listeners = new Set<(news: VersionVector) => void>();
  readonly #writeListeners = new Set<(rows: Written) => void>();
  readonly #touched = new Set<Origin>();
  readonly #auditors = new Set<(replacement: Replacement) => void>();
  #counters: CountersRow;
  readonly #waiting: Waiting[] = [];
  #isWriting = false;
  /** Settles when the writer pauses. */
  #writing = Promise.resolve();
  #lastHlc: Hlc;
  #promised: Hlc;
  #fence: Error | undefined;
  #parked: ReadonlyMap<Origin, Parked>;
  readonly #parkedListeners = new Set<() => void>();
  #isParkingWritten = false;
  #releases = 0;
  readonly #releasedAt = new Map<Origin, number>();
  #self: NodeIdentity;
  /** The highest number of an own op that was durable at the start. */
  readonly #headAtStart: number;

  private constructor(deps: MetadataDeps, self: NodeIdentity, { memory, held, counters, clock, parked }: StartState) {
    this.#kv = deps.kv;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#telemetry = deps.telemetry;
    this.#stored = memory;
    this.#opLogOpsMax = deps.opLogOpsMax ?? OP_LOG_OPS_MAX;
    this.#held = held;
    this.#counters = counters;
    this.#lastHlc = clock;
    this.#promised = clock;
    this.#self = self;
    this.#parked = new Map(parked.map((one) => [one.origin, one]));
    this.#headAtStart = held.upto(self.origin);
    this.isNewborn = self.boot === 1;
    this.holds = new WriteHolds(deps.telemetry);
    this.reader = new MetadataReader(this.#stored);
  }

  /**
   * Opens what `deps.kv` holds; in an empty store mints an origin. The boot counter is one higher than at the last
   * start, and durable together with the nonce of this start, when this resolves.
   *
   * Also a store that may have lost what was acknowledged gets a new origin: under the old one it could write an op a
   * second time, with other contents. What it has lost of the old one comes back from peers, like anybody's ops.
   */
  static async open(deps: MetadataDeps, name: NodeName): Promise<Metadata> {
    const stored = new StoredView(deps.kv);
    const row = await stored.get(keys.SELF);
    const last = row === undefined ? undefined : decodeSelf(row);
    const isSuspect = (await stored.get(keys.SUSPICION)) !== undefined;
    const origin = (isSuspect ? undefined : last?.origin) ?? newOrigin(deps.random);
    const nonce = randomHex(deps.random);
    const self: NodeIdentity = { ...name, origin, boot: (last?.boot ?? 0) + 1, nonce };

    const rows = new Overlay(stored);
    rows.put(keys.SELF, encodeSelf(self));
    if (isSuspect) rows.delete(keys.SUSPICION);
    await deps.kv.commit(rows.sealedWrites());

    return new Metadata(deps, self, await readStart(stored));
  }

  /** Who this node is; the origin changes when `beginAgain` does. */
  get self(): NodeIdentity {
    return this.#self;
  }

  /**
   * Seals `sealed`, the origin so far, and goes on under a new one: the ops of the sealed one are from now on a foreign
   * node's. Durable when it resolves.
   * @returns the new origin; `undefined` when this start has written an op under the sealed one already.
   */
  async beginAgain(sealed: Origin): Promise<Origin | undefined> {
    const origin = newOrigin(this.#random);
    const self: NodeIdentity = { ...this.#self, origin };
    const hasBegun = await this.#takeTurn(async (rows) => {
      if ((await readOrigin(rows, sealed)).upto !== this.#headAtStart) return false;
      rows.put(keys.SELF, encodeSelf(self));
      return true;
    });
    if (hasBegun) this.#self = self;
    return hasBegun ? origin : undefined;
  }

  /**
   * Gives `decide` a turn on behalf of `actor`. What it throws refuses this call alone and undoes its writes.
   * Resolves when everything that the turn wrote is durable. The rows behind `expected` are read before the turn,
   * together with those of all turns that share its batch.
   * @throws {RegistryError} `UNAVAILABLE` when the node is fenced.
   */
  async record<Result>(
    actor: string,
    decide: (turn: Turn) => Promise<Result>,
    expected: readonly RegisterKey[] = [],
  ): Promise<Recorded<Result>> {
    const reads = expected.flatMap((key) => rowsReadFor({ key, register: EMPTY_REGISTER, content: undefined }));
    return await this.#takeTurn(async (rows) => {
      const merge = new MergeChange(rows);
      const turn = new Turn({
        rows,
        merge,
        log: new OpLog(rows, this.#touched, this.#opLogOpsMax),
        self: this.self,
        actor,
        holds: this.holds,
        wallMs: this.#clock.wallMs(),
        clockFloor: this.#promised,
      });
      const result = await decide(turn);
      merge.finish();
      return { result, token: turn.dots.length === 0 ? undefined : encodeCausalToken(turn.dots) };
    }, reads);
  }

  /**
   * Merges what a peer sent. Repeats change nothing and ops behind a gap are left out, so any order and any number of
   * deliveries is safe. Resolves when it is durable: only then may it be acknowledged.
   * What an origin told that must not be believed for now is kept aside: see `parked`.
   * @throws {MalformedBytesError} when the peer's data is wrong, {OwnPastError} when it holds own
   * ops that are not here; nothing of it is kept.
   */
  async commit(arrived: Arrived): Promise<void> {
    try {
      await this.#takeTurn(async (rows) => await this.#arrivalsInto(rows).merge(arrived));
    } catch (cause) {
      if (!(cause instanceof EquivocationError) || arrived.kind !== "ops") throw cause;
      // The turn that found it was undone.
      await this.#takeTurn(async (rows) => await this.#arrivalsInto(rows).parkForked(cause, arrived.batch));
    }
    await this.#lookAtParked();
  }

  /** For answers that are kept until the rows they were made of change. */
  rowSource(): RowSource {
    return { view: this.#stored, onWritten: (listener) => void this.#writeListeners.add(listener) };
  }

  /** What is durable here, as a copy. */
  held(): VersionVector {
    return this.#held.clone();
  }

  /** Up to where what is durable here of one origin has no gap. */
  upto(origin: Origin): number {
    return this.#held.upto(origin);
  }

  /** Calls `listener` after each durable batch, with what is held of the origins that it moved. Returns how to stop that. */
  onCommitted(listener: (news: VersionVector) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The next ops of `origin` from `seq` on; `undefined` when there is none yet, or the ring here does not have them. */
  async opsFrom(origin: Origin, seq: number): Promise<OpBatch | undefined> {
    return await readBatch(this.#stored, origin, seq);
  }

  /**
   * Everything that is held here and not in `have`: ops where the ring still has them, else the live index, and the
   * end that lets the caller's heads move. All of it is as of one moment between two batches.
   */
  async *missing(have: VersionVector): AsyncGenerator<PullFrame> {
    const { rings, live, entries, chains } = await this.#takeReadingTurn(async () => await this.#scan(have));
    try {
      for (const { origin, from, base, log } of rings) {
        for await (const batch of batchesOf(log, { origin, from, base })) yield { kind: "ops", batch };
      }
      for (const rows of live) yield* this.#liveFrames(rows, have);
      yield { kind: "end", held: VersionVector.from(entries), chains };
    } finally {
      await letGo([...rings.map(({ log }) => log), ...live]);
    }
  }

  /** The registers behind a reference, with the manifest's bytes; for a peer that misses them. */
  async lookup(repo: RepositoryName, reference: Reference): Promise<readonly Uint8Array[]> {
    if (reference.kind === "digest") return await this.#lookupManifest(repo, reference.digest);
    const key: RegisterKey = { kind: "tag", repo, tag: reference.tag };
    const register = await this.reader.register(key);
    if (register.versions.length === 0) return [];
    const winner = winnerOf(register)?.value;
    const manifest = winner?.kind === "tag" ? await this.#lookupManifest(repo, winner.digest) : [];
    return [...manifest, encodeChange({ key, register, content: undefined })];
  }

  /** Manifests that are linked here while their bytes are still elsewhere, with who pushed them. */
  async wantedContents(): Promise<readonly WantedContent[]> {
    const wanted = new Map<Digest, Author[]>();
    for await (const { key } of this.#stored.rows(keys.allWaiters())) {
      const digest = keys.digestPart(key, 0);
      if ((await this.reader.contentRow(digest)) !== undefined) continue;
      const authors = wanted.get(digest) ?? [];
      wanted.set(digest, authors);
      const waiter = keys.waiterOf(key);
      if (waiter.kind === "repository") {
        const { versions } = await this.reader.register({ kind: "manifest", repo: waiter.repo, digest });
        authors.push(...versions.map(({ author }) => author));
      }
    }
    return [...wanted].map(([digest, authors]) => ({ digest, authors }));
  }

  /** 32 hex digits, equal on two nodes exactly when they hold the same registers. */
  stateHash(): string {
    return this.#counters.stateSum.toString(16).padStart(32, "0");
  }

  /** Every register, as of the moment at which `begun` is called: no batch is on its way then. */
  async registers(begun: () => void = () => {}): Promise<AsyncIterable<RegisterRow>> {
    return await this.#takeReadingTurn(async () => {
      begun();
      const scans = keys.allRegisters().map((span) => this.#stored.rows(span));
      return await Promise.resolve(registersIn(scans));
    });
  }

  /** A whole register as it travels, a manifest's with its bytes when they are small. */
  async changeOf({ key, register }: RegisterRow): Promise<Uint8Array> {
    const content = key.kind === "manifest" ? await this.reader.content(key.digest) : undefined;
    const isSmall = content !== undefined && content.length <= MANIFEST_INLINE_BYTES_MAX;
    return encodeChange({ key, register, content: isSmall ? content : undefined });
  }

  /** Calls `listener` with each register that a durable batch has changed, at the moment at which `held()` changes. */
  onReplaced(listener: (replacement: Replacement) => void): () => void {
    this.#auditors.add(listener);
    return () => this.#auditors.delete(listener);
  }

  counts(): { readonly repositories: number; readonly tags: number } {
    return { repositories: this.#counters.repositories, tags: this.#counters.tags };
  }

  /** A promise: no op of this node with this timestamp or an earlier one is still to come. Source: closed timestamps, protocol.md. */
  closedHlc(): Hlc {
    const now = hlcOf(hlcAt(this.#clock.wallMs()) - 1n);
    // While turns are under way their timestamps may lie anywhere after the last durable one.
    const closed = this.#isWriting || now < this.#lastHlc ? this.#lastHlc : now;
    if (closed > this.#promised) this.#promised = closed;
    return this.#promised;
  }

  /** Why this node may not write any more; `undefined` while it may. */
  isFenced(): Error | undefined {
    return this.#fence;
  }

  /** Ends the right to write, for good. The first reason stays. */
  fence(reason: Error): void {
    if (this.#fence !== undefined) return;
    this.#fence = reason;
    this.#telemetry.set("meridian_fenced", {}, 1);
    this.#telemetry.log("error", "fenced: this node writes nothing more until it is restarted", {
      reason: reason.message,
    });
  }

  /** Origins whose ops are kept aside, as of the last durable batch. */
  parked(): readonly Parked[] {
    return [...this.#parked.values()];
  }

  /** Counts every release. Whoever begins a catch-up session remembers it, and says it at the session's end. */
  get releases(): number {
    return this.#releases;
  }

  /** Calls `listener` when another set of origins is parked than before. Returns how to stop that. */
  onParked(listener: () => void): () => void {
    this.#parkedListeners.add(listener);
    return () => this.#parkedListeners.delete(listener);
  }

  async #lookAtParked(): Promise<void> {
    if (!this.#isParkingWritten) return;
    this.#isParkingWritten = false;
    const before = [...this.#parked.keys()].toSorted().join();
    this.#parked = new Map((await readParked(this.#stored)).map((one) => [one.origin, one]));
    if ([...this.#parked.keys()].toSorted().join() === before) return;
    for (const listener of this.#parkedListeners) listener();
  }

  /**
   * Merges what is parked of `origin`, whatever its timestamps are when a person asks for it, and lets it go. An origin of
   * two histories goes on with the one it tells now; what the audit finds to differ by then is settled by the merge.
   * Resolves when it is durable. @returns whether the origin was parked.
   */
  async release(origin: Origin, isForced: boolean): Promise<boolean> {
    const parked = this.#parked.get(origin);
    if (parked === undefined) return false;
    const releaseSome = async (rows: Overlay): Promise<boolean> => {
      this.#releases += 1;
      this.#releasedAt.set(origin, this.#releases);
      return await this.#arrivalsInto(rows).release(origin, isForced);
    };
    while (await this.#takeTurn(releaseSome));
    await this.#lookAtParked();
    return true;
  }

  #arrivalsInto(rows: Overlay): MergeArrived {
    return new MergeArrived({
      rows,
      log: new OpLog(rows, this.#touched, this.#opLogOpsMax),
      self: this.#self.origin,
      ownHead: this.#held.upto(this.#self.origin),
      wallMs: this.#clock.wallMs(),
      telemetry: this.#telemetry,
      isReleasedSince: (origin, releases) => (this.#releasedAt.get(origin) ?? 0) > releases,
      onParking: () => {
        this.#isParkingWritten = true;
      },
    });
  }

  async #lookupManifest(repo: RepositoryName, digest: Digest): Promise<readonly Uint8Array[]> {
    const key: RegisterKey = { kind: "manifest", repo, digest };
    const register = await this.reader.register(key);
    if (register.versions.length === 0) return [];
    return [encodeChange({ key, register, content: await this.reader.content(digest) })];
  }

  /**
   * Begins to read all that `have` lacks, inside a turn: no batch is on its way, so every scan sees the same rows. If
   * they did not, an op that supersedes another between two scans would be in neither, and the end would vouch for both.
   */
  async #scan(have: VersionVector): Promise<Scans> {
    const behind: { readonly origin: Origin; readonly row: OriginRow }[] = [];
    for await (const { key, value } of this.#stored.rows(keys.origins())) {
      const origin = keys.originPart(key, 0);
      const row = decodeOrigin(value);
      if (!have.covers(VersionVector.from([{ origin, ...row }]))) behind.push({ origin, row });
    }

    const rings: Ring[] = [];
    const live: AsyncIterable<Row>[] = [];
    for (const { origin, row } of behind) {
      const from = have.upto(origin) + 1;
      const isInRing = row.logFrom <= from && row.beyond.length === 0;
      if (isInRing) {
        const base = await chainAt(this.#stored, { origin, seq: from - 1 });
        rings.push({ origin, from, base, log: this.#stored.rows(keys.logFrom(origin, from)) });
      } else live.push(this.#stored.rows(keys.liveFrom(origin, from)));
    }
    return {
      rings,
      live,
      entries: behind.map(({ origin, row }) => ({ origin, upto: row.upto, beyond: row.beyond })),
      chains: new Map(behind.flatMap(({ origin, row }) => (row.chain.length === 0 ? [] : [[origin, row.chain]]))),
    };
  }

  async *#liveFrames(live: AsyncIterable<Row>, have: VersionVector): AsyncGenerator<PullFrame> {
    let changes: Uint8Array[] = [];
    let bytes = 0;
    for await (const { key, value } of live) {
      if (have.includes({ origin: keys.originPart(key.subarray(0, -8), 0), seq: keys.seqOf(key) })) continue;
      const written = decodeKey(value);
      const change = await this.changeOf({ key: written, register: await this.reader.register(written) });
      changes.push(change);
      bytes += change.length;
      if (bytes >= OP_BATCH_BYTES_MAX) {
        yield { kind: "live", changes };
        changes = [];
        bytes = 0;
      }
    }
    if (changes.length > 0) yield { kind: "live", changes };
  }

  async #takeTurn<Result>(
    decide: (rows: Overlay) => Promise<Result>,
    reads: readonly keys.Key[] = [],
  ): Promise<Result> {
    if (this.#fence !== undefined) throw writesEnded(this.#fence);
    return await new Promise<Result>((resolve, reject) => {
      const run = async (rows: Overlay): Promise<() => void> => {
        const result = await decide(rows);
        return () => resolve(result);
      };
      this.#waiting.push({ run, refuse: reject, reads });
      if (!this.#isWriting) this.#writing = this.#write();
    });
  }

  /** A turn of one who only reads: a node that may not write any more gives it as well. */
  async #takeReadingTurn<Result>(decide: () => Promise<Result>): Promise<Result> {
    if (this.#fence === undefined) return await this.#takeTurn(decide);
    await this.#writing;
    return await decide();
  }

  /** Commits whatever waits, batch after batch, until nothing does. Never rejects. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#waiting.length > 0) await this.#commitBatch(this.#waiting.splice(0, TURNS_PER_COMMIT_MAX));
    } catch (cause) {
      this.#endWriting(cause, this.#waiting.splice(0));
    }
    this.#isWriting = false;
  }

  async #commitBatch(turns: readonly Waiting[]): Promise<void> {
    const batch = new Overlay(this.#stored);
    const decided: { readonly turn: Waiting; readonly answer: () => void }[] = [];
    // What cannot be read fails again in the turn that asks for it, and that turn alone.
    await batch.fetch(turns.flatMap(({ reads }) => reads)).catch(() => undefined);
    for (const turn of turns) {
      const rows = new Overlay(batch);
      try {
        const answer = await turn.run(rows);
        batch.absorb(rows);
        decided.push({ turn, answer });
      } catch (cause) {
        turn.refuse(cause);
      }
    }

    let news = new VersionVector();
    try {
      // It may have been fenced by others while the turns were taken.
      if (this.#fence !== undefined) throw this.#fence;
      if (!batch.isEmpty) news = await this.#commitRows(batch);
    } catch (cause) {
      this.#endWriting(cause, [...decided.map(({ turn }) => turn), ...this.#waiting.splice(0)]);
      return;
    }
    for (const { answer } of decided) answer();
    if (!batch.isEmpty) for (const listener of this.#listeners) listener(news);
  }

  #endWriting(cause: unknown, refused: readonly Waiting[]): void {
    this.fence(asError(cause));
    for (const turn of refused) turn.refuse(writesEnded(cause));
  }

  /** @returns what is held now of the origins that the batch moved. */
  async #commitRows(batch: Overlay): Promise<VersionVector> {
    const startedMs = this.#clock.monotonicMs();
    await this.#kv.commit(batch.sealedWrites());
    this.#telemetry.observe("meridian_kv_commit_duration_seconds", {}, (this.#clock.monotonicMs() - startedMs) / 1000);
    // Before the turns are answered: nobody who was told of a write may be shown what was there before it.
    this.#stored.written(batch.written());
    for (const listener of this.#writeListeners) listener(batch.written());

    const progress: VectorEntry[] = [];
    for (const origin of this.#touched) progress.push({ origin, ...(await readOrigin(batch, origin)) });
    this.#touched.clear();
    const counters = await batch.get(keys.COUNTERS);
    if (counters !== undefined) this.#counters = decodeCounters(counters);
    const clock = await batch.get(keys.CLOCK);
    if (clock !== undefined) this.#lastHlc = decodeHlc(clock);

    // At one moment, or an audit would take what is on its way between the two for a difference.
    this.#held.merge(VersionVector.from(progress));
    for (const listener of this.#auditors) for (const replacement of batch.replacements()) listener(replacement);
    return VersionVector.from(progress.map(({ origin }) => this.#held.entry(origin)));
  }
}

function newOrigin(random: Random): Origin {
  return parseOrigin(randomHex(random));
}

function randomHex(random: Random): string {
  return Buffer.from(random.bytes(RANDOM_BYTES)).toString("hex");
}

type StartState = {
  readonly memory: RowMemory;
  readonly held: VersionVector;
  readonly counters: CountersRow;
  readonly clock: Hlc;
  readonly parked: readonly Parked[];
};

async function readStart(stored: StoredView): Promise<StartState> {
  const held = new VersionVector();
  for await (const { key, value } of stored.rows(keys.origins())) {
    held.merge(VersionVector.from([{ origin: keys.originPart(key, 0), ...decodeOrigin(value) }]));
  }
  const counters = await stored.get(keys.COUNTERS);
  const clock = await stored.get(keys.CLOCK);
  return {
    memory: await RowMemory.open(stored),
    held,
    counters: counters === undefined ? NO_COUNTERS : decodeCounters(counters),
    clock: clock === undefined ? hlcOf(0n) : decodeHlc(clock),
    parked: await readParked(stored),
  };
}

async function* registersIn(scans: readonly AsyncIterable<Row>[]): AsyncGenerator<RegisterRow> {
  try {
    for (const rows of scans) {
      for await (const { key: row, value } of rows) {
        const key = keys.registerOfRow(row);
        yield { key, register: key.kind === "tag" ? decodeTagRow(value).register : decodeRegister(value) };
      }
    }
  } finally {
    await letGo(scans);
  }
}

/** A scan that nobody has begun to read keeps its snapshot of the store: to begin and to leave gives it up. */
async function letGo(scans: readonly AsyncIterable<Row>[]): Promise<void> {
  for (const rows of scans) for await (const _ of rows) break;
}

type Ring = {
  readonly origin: Origin;
  readonly from: number;
  readonly base: Uint8Array;
  readonly log: AsyncIterable<Row>;
};

type Scans = {
  readonly rings: readonly Ring[];
  readonly live: readonly AsyncIterable<Row>[];
  readonly entries: readonly VectorEntry[];
  readonly chains: ReadonlyMap<Origin, Uint8Array>;
};

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause));
}

/** What a client is told of a write that a fenced node does not take. */
export function writesEnded(cause: unknown): RegistryError {
  return new RegistryError("UNAVAILABLE", undefined, {
    message: "this node has stopped taking writes; use another region",
    retryAfterSeconds: UNAVAILABLE_RETRY_AFTER_SECONDS,
    cause,
  });
}
