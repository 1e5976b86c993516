/**
 * One transfer of one blob from other nodes into one staging file, from the first question to the durable blob. What
 * to do is decided by `protocol/blob-fetch`; this file does it. Whoever reads, reads the `GrowingBlob`.
 *
 * There is one chunk in memory at any time: the next is asked for when the last is in the file. Work on the file is
 * done in the order in which the machine asked for it.
 */
import type PQueue from "p-queue";

import { algorithmOf, type Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import type { NodeId, NodeIdentity, Region } from "../../shared/identity.ts";
import { invariant, unreachable } from "../../shared/invariant.ts";
import { HOLDERS_TOLD_MAX, UNAVAILABLE_RETRY_AFTER_SECONDS } from "../../shared/limits.ts";
import { OneAtATime } from "../../shared/one-at-a-time.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { Clock } from "../ports/clock.ts";
import type { Staging } from "../ports/disk.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import { BlobFetch, type BlobFetchEffect, type BlobFetchInput } from "../protocol/blob-fetch.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { MetadataReader } from "../storage/metadata-reader.ts";
import { Alarm, Driver, Tasks } from "./driver.ts";
import { findHolders, type HolderFound } from "./find-holders.ts";
import { GrowingBlob } from "./growing-blob.ts";
import type { HolderSpeeds } from "./holder-speeds.ts";
import type { PeerDirectory, ReachableMember } from "./peer-directory.ts";

export type BlobTransferDeps = {
  readonly self: Pick<NodeIdentity, "node" | "region">;
  readonly blobs: Pick<Blobs, "open" | "stage" | "commit" | "refusalOf">;
  readonly cluster: Pick<PeerDirectory, "reachable" | "member">;
  readonly reader: Pick<MetadataReader, "blobAuthors">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
  /** Bounds how many transfers stream at once. */
  readonly queue: PQueue;
  readonly speeds: HolderSpeeds;
};

/** Each is called once. */
export type TransferListener = {
  /** From now on nobody may join. */
  readonly onOver: () => void;
  /** Nothing of the transfer runs any more. */
  readonly onCleared: () => void;
};

/** The labels of `meridian_blob_fetches_total`. */
type Result = "fetched" | "unavailable" | "mismatched" | "failed" | "aborted";

type Read = BlobFetchEffect & { readonly kind: "read" };

/** A blob that somebody waits for is streamed before one whose readers have all gone. */
const PRIORITY_WAITED_FOR = 1;
const PRIORITY_ABANDONED = 0;

export class BlobTransfer {
  readonly #deps: BlobTransferDeps;
  /** Whose reader asked first. */
  readonly #repo: RepositoryName;
  readonly #digest: Digest;
  readonly #listener: TransferListener;
  readonly #startedMs: number;

  readonly #driver: Driver<BlobFetchInput, BlobFetchEffect>;
  readonly #alarm: Alarm;
  readonly #tasks = new Tasks();
  readonly #disk = new OneAtATime();
  readonly #ending = new AbortController();
  readonly #opened = Promise.withResolvers<GrowingBlob>();

  readonly #members = new Map<NodeId, ReachableMember>();
  #reading = new AbortController();
  #arrived: Uint8Array = new Uint8Array();
  #staging: Staging | undefined;
  #blob: GrowingBlob | undefined;
  #source: Region | undefined;
  #readers = 0;
  #isQueued = false;
  #isOver = false;
  #cleared = Promise.resolve();

  constructor(
    deps: BlobTransferDeps,
    blob: { readonly repo: RepositoryName; readonly digest: Digest },
    listener: TransferListener,
  ) {
    this.#deps = deps;
    this.#repo = blob.repo;
    this.#digest = blob.digest;
    this.#listener = listener;
    this.#startedMs = deps.clock.monotonicMs();
    this.#driver = new Driver(new BlobFetch(), (effect) => this.#perform(effect));
    this.#alarm = new Alarm(deps, () => this.#give({ kind: "woke" }));
  }

  begin(): void {
    this.#give({ kind: "begun" });
  }

  /** The blob, as soon as one holder is known. @throws {RegistryError} `UNAVAILABLE` when there is none. */
  get opened(): Promise<GrowingBlob> {
    return this.#opened.promise;
  }

  /** The region that the bytes come from: of the holder that is, or was last, read from. */
  get source(): Region {
    return this.#source ?? this.#deps.self.region;
  }

  addReader(): void {
    this.#readers += 1;
    this.#prioritize();
  }

  /** The transfer goes on without readers: what was asked for once will be asked for again. */
  removeReader(): void {
    this.#readers -= 1;
    this.#prioritize();
  }

  /** Ends the transfer and its readers. Resolves when nothing of it runs and nothing is left on the disk. */
  async stop(): Promise<void> {
    this.#end("aborted", new RegistryError("UNAVAILABLE", undefined, { message: "the node stops" }));
    await this.#cleared;
  }

  #give(event: WithoutTime<BlobFetchInput>): void {
    if (!this.#isOver) this.#driver.give({ ...event, nowMs: this.#deps.clock.monotonicMs() });
  }

  #perform(effect: BlobFetchEffect): void {
    switch (effect.kind) {
      case "search":
        return this.#tasks.begin(async () => await this.#search());
      case "read":
        return this.#beginReading(effect);
      case "keep":
        return this.#keep(this.#arrived);
      case "leave":
        return this.#reading.abort(new Error("this holder is left"));
      case "restart":
        return this.#onDisk(async (blob) => await blob.restart());
      case "blame":
        return this.#blame(effect);
      case "hash":
        return this.#onDisk(async () => await this.#hash());
      case "commit":
        return this.#onDisk(async (blob) => await this.#commit(blob));
      case "give-up":
        return this.#tasks.begin(async () => await this.#giveUp(effect.reason));
      case "wake":
        return this.#alarm.setTo(effect.atMs);
      default:
        return unreachable(effect);
    }
  }

  async #search(): Promise<void> {
    const { cluster, timers } = this.#deps;
    const question = {
      repo: this.#repo,
      digest: this.#digest,
      peers: cluster.reachable(),
      onFound: (found: HolderFound) => this.#found(found),
    };
    await findHolders(question, timers, this.#ending.signal);
    this.#give({ kind: "searched" });
  }

  #found({ member, blob }: HolderFound): void {
    const { node, region } = member.greeting;
    this.#members.set(node, member);
    const holder = {
      node,
      isNear: region === this.#deps.self.region,
      size: blob.size,
      roundTripMs: member.roundTripMs,
      bytesPerMs: this.#deps.speeds.bytesPerMs(node),
    };
    this.#give({ kind: "found", holder });
  }

  #beginReading(read: Read): void {
    const member = this.#members.get(read.node);
    invariant(member !== undefined, "a machine reads from whom it was told of");
    this.#source = member.greeting.region;
    this.#blob?.expect(read.size);
    const reading = new AbortController();
    this.#reading = reading;
    this.#tasks.begin(async () => {
      await this.#stage(read.size);
      if (this.#isOver) return;
      await this.#queued(async () => {
        if (!reading.signal.aborted) await this.#read(read, member, reading.signal);
      });
    });
  }

  /** Opens the file of the transfer, once. */
  async #stage(size: number): Promise<void> {
    await this.#attempt(async () => {
      if (this.#staging !== undefined || this.#isOver) return;
      const staging = await this.#deps.blobs.stage(size);
      this.#staging = staging;
      this.#blob = new GrowingBlob(staging, size, async () => await this.#deps.blobs.open(this.#digest));
      this.#opened.resolve(this.#blob);
    });
  }

  async #queued(task: () => Promise<void>): Promise<void> {
    this.#isQueued = true;
    await this.#deps.queue.add(
      async () => {
        this.#isQueued = false;
        await task();
      },
      { id: this.#digest, priority: this.#priority() },
    );
  }

  #priority(): number {
    return this.#readers > 0 ? PRIORITY_WAITED_FOR : PRIORITY_ABANDONED;
  }

  #prioritize(): void {
    if (this.#isQueued) this.#deps.queue.setPriority(this.#digest, this.#priority());
  }

  async #read({ read, node, offset }: Read, { link, greeting }: ReachableMember, signal: AbortSignal): Promise<void> {
    const startedMs = this.#deps.clock.monotonicMs();
    let bytes = 0;
    try {
      this.#give({ kind: "asked", read });
      for await (const chunk of link.readBlob(this.#digest, offset, signal)) {
        // An empty chunk is no byte: the holder still owes some.
        if (chunk.length === 0) continue;
        bytes += chunk.length;
        this.#countBytes(greeting.region, chunk.length);
        await this.#receive(read, chunk);
        if (signal.aborted) return;
        this.#give({ kind: "asked", read });
      }
      this.#give({ kind: "ended", read });
    } catch (cause) {
      if (signal.aborted) return;
      this.#deps.telemetry.log("warn", "a holder broke off while a blob was read", {
        digest: this.#digest,
        node,
        cause,
      });
      this.#give({ kind: "broke", read });
    } finally {
      this.#deps.speeds.note(node, bytes, this.#deps.clock.monotonicMs() - startedMs);
    }
  }

  #keep(chunk: Uint8Array): void {
    this.#onDisk(async (blob) => await blob.append(chunk));
  }

  /** Resolves when the chunk may be forgotten. */
  async #receive(read: number, chunk: Uint8Array): Promise<void> {
    this.#arrived = chunk;
    this.#give({ kind: "received", read, bytes: chunk.length });
    await this.#disk.run(async () => {});
  }

  async #hash(): Promise<void> {
    const actual = await this.#staging?.digest(algorithmOf(this.#digest));
    this.#give({ kind: "hashed", isRight: actual === this.#digest });
  }

  async #commit(blob: GrowingBlob): Promise<void> {
    const { blobs, clock, telemetry } = this.#deps;
    invariant(this.#staging !== undefined, "what is committed was staged");
    blob.seal();
    // Without the repository: it links the blob through a manifest or on another node. A link written here would
    // bring back what somebody has deleted while the bytes were on their way.
    await blobs.commit(this.#staging, this.#digest);
    telemetry.observe("meridian_blob_fetch_duration_seconds", {}, (clock.monotonicMs() - this.#startedMs) / 1000);
    this.#end("fetched");
  }

  async #giveUp(reason: "absent" | "unreachable" | "wrong"): Promise<void> {
    await this.#attempt(async () => {
      const error = await this.#unavailable();
      this.#end(reason === "wrong" ? "mismatched" : "unavailable", error);
    });
  }

  async #unavailable(): Promise<RegistryError> {
    const { self, cluster, reader } = this.#deps;
    const authors = await reader.blobAuthors(this.#repo, this.#digest);
    const holders = authors
      .filter(({ node }) => node !== self.node)
      .slice(0, HOLDERS_TOLD_MAX)
      .map(({ node, region }) => ({ node, region, reachable: cluster.member(node)?.reachability === "reachable" }));
    const detail = { digest: this.#digest, holders };
    return new RegistryError("UNAVAILABLE", detail, { retryAfterSeconds: UNAVAILABLE_RETRY_AFTER_SECONDS });
  }

  /** Work on the file, in the order in which it was asked for. */
  #onDisk(work: (blob: GrowingBlob) => Promise<void>): void {
    const blob = this.#blob;
    invariant(blob !== undefined, "a file is opened before anything is read");
    this.#tasks.begin(
      async () =>
        await this.#disk.run(async () => {
          await this.#attempt(async () => {
            if (!this.#isOver) await work(blob);
          });
        }),
    );
  }

  /** What the own disk refuses ends the transfer: no other holder could help. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      this.#end("failed", this.#deps.blobs.refusalOf(cause));
    }
  }

  /** From here on nothing happens any more but clearing up. */
  #end(result: Result, error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onOver();
    if (result === "fetched") this.#blob?.complete();
    else this.#blob?.fail(error);
    this.#opened.reject(error);
    this.#alarm.cancel();
    this.#ending.abort(new Error("the transfer is over"));
    this.#reading.abort(new Error("the transfer is over"));

    const { telemetry } = this.#deps;
    telemetry.count("meridian_blob_fetches_total", { result });
    if (result !== "fetched") {
      telemetry.log("warn", "a blob was not fetched", { digest: this.#digest, repo: this.#repo, result, cause: error });
    }
    this.#cleared = this.#clear();
  }

  async #clear(): Promise<void> {
    await this.#tasks.ended();
    try {
      await this.#staging?.discard();
    } catch (cause) {
      // The next start of the node sweeps what was staged.
      this.#deps.telemetry.log("warn", "the bytes of an ended transfer could not be removed", {
        digest: this.#digest,
        cause,
      });
    }
    this.#listener.onCleared();
  }

  #blame({ nodes, fault }: BlobFetchEffect & { readonly kind: "blame" }): void {
    const { telemetry } = this.#deps;
    telemetry.log("error", "a copy of a blob was wrong and is dropped", { digest: this.#digest, nodes, fault });
    for (const node of nodes) {
      const source = this.#members.get(node)?.greeting.region ?? "unknown";
      telemetry.count("meridian_blob_mismatches_total", { source });
    }
  }

  #countBytes(source: Region, bytes: number): void {
    const target = this.#deps.self.region;
    if (source === target) return;
    this.#deps.telemetry.count("meridian_wan_bytes_total", { source, target, kind: "blob" }, bytes);
  }
}

type WithoutTime<Input> = Input extends unknown ? Omit<Input, "nowMs"> : never;
