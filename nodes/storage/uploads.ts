/**
 * Upload sessions: a client opens one, sends bytes in one or more requests, and names them by their digest.
 *
 * All requests of one session stand in one queue, and each looks at the session anew when its turn comes. Registries
 * in which a late PATCH could still write while a PUT was being committed have served other bytes than they had
 * acknowledged. Here the bytes are frozen when they are hashed for the last time, because nobody else has a turn; of
 * two PUTs one ends the session and the other finds none.
 *
 * A request is all or nothing: when its body breaks off, is longer or shorter than it said, or does not match the
 * digest, the session has the offset it had before, and goes on.
 *
 * A session survives the process. Its row is durable before the client hears of it; its bytes lie in the staging area
 * and are not synced before they are committed, so after a crash the offset is what the disk has kept, and after a
 * power cut some of that may be wrong. The digest, over all of it, decides in the end. A session has no file before
 * its first byte: most of them are permission checks and never get one.
 */
import { algorithmOf, type Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { isNodeId, type NodeId } from "../../shared/identity.ts";
import {
  DISK_RESERVE_BYTES,
  UPLOAD_EMPTY_IDLE_MS_MAX,
  UPLOAD_IDLE_MS_MAX,
  UPLOAD_RETRY_AFTER_SECONDS,
  UPLOAD_ROOM_CHECK_BYTES,
  UPLOAD_SESSIONS_MAX,
  UPLOAD_SESSIONS_PER_CLIENT_MAX,
  UPLOAD_SWEEP_MS,
  UPLOAD_TOUCH_MS,
  UPLOAD_WAITERS_MAX,
} from "../../shared/limits.ts";
import { OneAtATime } from "../../shared/one-at-a-time.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk, Staging } from "../ports/disk.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timer, Timers } from "../ports/timers.ts";
import { type Blobs, diskFull } from "./blobs.ts";
import type { Metadata } from "./metadata.ts";
import type { UploadRow } from "./rows.ts";
import { isAbandoned, uploadName } from "./staging-names.ts";

const KEY_BYTES = 16;
const ID = /^([0-9a-f]{32})\.(.+)$/;

export type UploadsDeps = {
  readonly blobs: Blobs;
  readonly disk: Disk;
  readonly metadata: Metadata;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Sessions that one client may have open; `UPLOAD_SESSIONS_PER_CLIENT_MAX` unless the operator says another. */
  readonly sessionsPerClientMax?: number;
};

/** `offset` bytes have been taken; what comes next continues there. */
export type UploadStatus = { readonly id: string; readonly offset: number };

/** Where the bytes of a request belong, both ends inclusive, as `Content-Range` says. */
export type UploadRange = { readonly start: number; readonly end: number };

export type AppendRequest = {
  readonly repo: RepositoryName;
  readonly id: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** `undefined` when the request does not say: the bytes follow what is there. */
  readonly range: UploadRange | undefined;
  readonly signal: AbortSignal;
};

export type FinishRequest = AppendRequest & { readonly digest: Digest; readonly actor: string };

type Ending = "finished" | "cancelled" | "expired";

type Session = {
  readonly turns: OneAtATime;
  row: UploadRow;
  offset: number;
  /** By the monotonic clock, so that a correction of the time expires nothing. */
  idleSinceMs: number;
  staging: Staging | undefined;
  isEnded: boolean;
  /** Whose share of the sessions it counts to; nobody's after a restart. */
  readonly client: string | undefined;
};

/** The node that has the session, so that any other can tell where to ask. `undefined` when `id` is none of ours. */
export function nodeOfUpload(id: string): NodeId | undefined {
  const node = ID.exec(id)?.[2] ?? "";
  return isNodeId(node) ? node : undefined;
}

export class Uploads {
  readonly #deps: UploadsDeps;
  readonly #sessions = new Map<string, Session>();
  /** Sessions that are open, by who opened them. */
  readonly #shares = new Map<string, number>();
  #loading: Promise<void> | undefined;
  #isClosed = false;
  #sweeping: Promise<void> = Promise.resolve();
  #nextSweep: Timer;

  constructor(deps: UploadsDeps) {
    this.#deps = deps;
    this.#nextSweep = this.#sweepAfter(0);
  }

  /**
   * Opens a session, durably. `client` is whoever else's sessions count to the same share.
   * @throws {RegistryError} `TOOMANYREQUESTS` when there are too many, `UNAVAILABLE` when the disk is nearly full.
   */
  async start(repo: RepositoryName, actor: string, client?: string): Promise<UploadStatus> {
    await this.#load();
    await this.#expectRoom();
    this.#expectFewSessions(client);

    const { clock, metadata, random } = this.#deps;
    const id = `${Buffer.from(random.bytes(KEY_BYTES)).toString("hex")}.${metadata.self.node}`;
    const nowMs = clock.wallMs();
    const row = { id, repo, startedMs: nowMs, touchedMs: nowMs };
    this.#remember(row, 0, clock.monotonicMs(), client);
    try {
      await metadata.record(actor, async (turn) => turn.putUpload(row));
    } catch (cause) {
      this.#forget(id);
      throw cause;
    }
    return { id, offset: 0 };
  }

  /** Answers at once, also while a request is sending bytes: those count when all of them are there. */
  async status(repo: RepositoryName, id: string): Promise<UploadStatus> {
    const { offset } = await this.#find(repo, id);
    return { id, offset };
  }

  /**
   * Takes all of the body, or nothing.
   * @throws {RegistryError} `BLOB_UPLOAD_INVALID` with the offset when the range is not the next, or the body not as
   *   long as it says; `BLOB_UPLOAD_UNKNOWN`; `TOOMANYREQUESTS` when too many wait for the session; `UNAVAILABLE` when
   *   the disk is full. What the body or the signal throws passes through.
   */
  async append(request: AppendRequest): Promise<UploadStatus> {
    return await this.#turn(request, async (session) => {
      const staging = await this.#receive(session, request);
      // What is acknowledged outlives the process.
      await staging.settle();
      await this.#touch(session);
      session.offset = staging.size();
      return { id: request.id, offset: session.offset };
    });
  }

  /**
   * Takes the last of the bytes, which may be none, and makes all of them the blob `digest` of the repository, durably.
   * @throws {RegistryError} as `append` does, and `DIGEST_INVALID` when the bytes are not those of the digest: then the
   *   session is as it was before.
   */
  async finish(request: FinishRequest): Promise<Digest> {
    const { repo, id, digest, actor } = request;
    return await this.#turn(request, async (session) => {
      const staging = await this.#receive(session, request);
      const actual = await staging.digest(algorithmOf(digest));
      if (actual !== digest) throw new RegistryError("DIGEST_INVALID", { claimed: digest, actual });

      // From here on the bytes are no longer the session's: a commit that fails leaves none of them.
      session.staging = undefined;
      try {
        await this.#deps.blobs.commitWith(staging, digest, actor, async (turn) => {
          await turn.linkBlob(repo, digest);
          turn.dropUpload(id);
        });
      } catch (cause) {
        session.offset = 0;
        await this.#undo(async () => await staging.discard());
        throw cause;
      }
      this.#end(session, "finished");
      return digest;
    });
  }

  /** @throws {RegistryError} `BLOB_UPLOAD_UNKNOWN` */
  async cancel(repo: RepositoryName, id: string): Promise<void> {
    const session = await this.#find(repo, id);
    await this.#queue(session, async () => {
      try {
        await this.#drop(session, "cancelled");
      } catch (cause) {
        throw this.#deps.blobs.refusalOf(cause);
      }
    });
  }

  /** Ends the sessions that nobody has used for too long, and frees what no session needs. Returns how many ended. */
  async sweep(): Promise<number> {
    await this.#load();
    let ended = 0;
    for (const session of this.#sessions.values()) {
      // A request that is under way will have used the session when it ends; one that comes now finds it ended.
      if (session.turns.pending > 0 || !this.#isIdle(session)) continue;
      await session.turns.run(async () => await this.#drop(session, "expired"));
      ended += 1;
    }
    await this.#freeAbandoned();
    return ended;
  }

  /** Lets go of all files, once the requests that are under way have ended. Sessions go on after the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#nextSweep.cancel();
    await this.#sweeping;
    for (const session of this.#sessions.values()) {
      await session.turns.run(async () => await session.staging?.close());
    }
  }

  /** What earlier lives of the node have left, once; whoever comes after a failure tries again. */
  async #load(): Promise<void> {
    this.#loading ??= this.#loadRows().catch((cause: unknown) => {
      this.#loading = undefined;
      throw cause;
    });
    await this.#loading;
  }

  async #loadRows(): Promise<void> {
    const { clock, disk, metadata, telemetry } = this.#deps;
    const sizes = new Map((await disk.staged()).map(({ name, size }) => [name, size]));
    const [nowMs, wallMs] = [clock.monotonicMs(), clock.wallMs()];
    const onDamaged = (error: Error): void => {
      telemetry.count("meridian_storage_errors_total", { operation: "read-upload" });
      telemetry.log("error", "an upload's record is damaged: the upload is lost", { error });
    };
    for await (const row of metadata.reader.uploads(onDamaged)) {
      this.#remember(row, sizes.get(nameOf(row.id)) ?? 0, nowMs - Math.max(0, wallMs - row.touchedMs));
    }
  }

  async #expectRoom(): Promise<void> {
    const freeBytes = await this.#deps.disk.freeBytes();
    if (freeBytes < DISK_RESERVE_BYTES) throw diskFull(freeBytes);
  }

  #expectFewSessions(client: string | undefined): void {
    if (this.#sessions.size >= UPLOAD_SESSIONS_MAX) throw tooMany({ sessionsMax: UPLOAD_SESSIONS_MAX });
    const { sessionsPerClientMax = UPLOAD_SESSIONS_PER_CLIENT_MAX } = this.#deps;
    const share = client === undefined ? 0 : (this.#shares.get(client) ?? 0);
    if (share >= sessionsPerClientMax) throw tooMany({ sessionsPerClientMax });
  }

  async #find(repo: RepositoryName, id: string): Promise<Session> {
    await this.#load();
    const session = this.#sessions.get(id);
    if (session === undefined || session.row.repo !== repo) throw unknown(id);
    return session;
  }

  /** A request's turn at its session, which is as it was before when the request fails. */
  async #turn<T>({ repo, id, signal }: AppendRequest, task: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#find(repo, id);
    return await this.#queue(session, async () => {
      signal.throwIfAborted();
      try {
        return await task(session);
      } catch (cause) {
        const refusal = this.#deps.blobs.refusalOf(cause);
        await this.#undo(async () => await cutBack(session));
        throw refusal;
      }
    });
  }

  /** Clears up after a failure, which is the one that is told: a failing disk may not even take back what it took. */
  async #undo(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#deps.blobs.refusalOf(error);
      this.#deps.telemetry.log("warn", "what a failed upload has left could not be removed", { error });
    }
  }

  async #queue<T>(session: Session, task: () => Promise<T>): Promise<T> {
    if (session.turns.pending > UPLOAD_WAITERS_MAX) throw tooMany({ waitersMax: UPLOAD_WAITERS_MAX });
    return await session.turns.run(async () => {
      if (session.isEnded) throw unknown(session.row.id);
      try {
        return await task();
      } finally {
        session.idleSinceMs = this.#deps.clock.monotonicMs();
      }
    });
  }

  /** Puts the body behind what is there. */
  async #receive(session: Session, { body, range, signal }: AppendRequest): Promise<Staging> {
    const staging = await this.#stagingOf(session);
    const { offset } = session;
    if (range !== undefined && range.start !== offset) throw outOfOrder(offset);
    const end = range === undefined ? undefined : range.end + 1;
    let roomSeenAt = offset;
    for await (const bytes of body) {
      signal.throwIfAborted();
      if (staging.size() - roomSeenAt >= UPLOAD_ROOM_CHECK_BYTES) {
        await this.#expectRoom();
        roomSeenAt = staging.size();
      }
      if (end !== undefined && staging.size() + bytes.length > end) throw outOfOrder(offset);
      await staging.append(bytes);
    }
    if (end !== undefined && staging.size() !== end) throw outOfOrder(offset);
    return staging;
  }

  async #stagingOf(session: Session): Promise<Staging> {
    if (session.staging === undefined) {
      const { disk } = this.#deps;
      const name = nameOf(session.row.id);
      session.staging = (await disk.resume(name)) ?? (await disk.stage(name));
      session.offset = session.staging.size();
    }
    await cutBack(session);
    return session.staging;
  }

  /** Keeps the session's row from looking old, without a synced write for every request. */
  async #touch(session: Session): Promise<void> {
    const { clock, metadata } = this.#deps;
    const touchedMs = clock.wallMs();
    if (Math.abs(touchedMs - session.row.touchedMs) < UPLOAD_TOUCH_MS) return;
    session.row = { ...session.row, touchedMs };
    await metadata.record(metadata.self.node, async (turn) => turn.putUpload(session.row));
  }

  async #drop(session: Session, ending: Ending): Promise<void> {
    const { disk, metadata } = this.#deps;
    const { id } = session.row;
    await metadata.record(metadata.self.node, async (turn) => turn.dropUpload(id));
    const staging = session.staging ?? (await disk.resume(nameOf(id)));
    await staging?.discard();
    this.#end(session, ending);
  }

  #isIdle({ offset, idleSinceMs }: Session): boolean {
    const idleMsMax = offset === 0 ? UPLOAD_EMPTY_IDLE_MS_MAX : UPLOAD_IDLE_MS_MAX;
    return this.#deps.clock.monotonicMs() - idleSinceMs > idleMsMax;
  }

  async #freeAbandoned(): Promise<void> {
    const { disk, metadata, telemetry } = this.#deps;
    const entries = await disk.staged();
    const wanted = new Set([...this.#sessions.keys()].map(nameOf));
    for (const { name, size } of entries) {
      if (!isAbandoned(name, metadata.self.boot, wanted)) continue;
      const staging = await disk.resume(name);
      await staging?.discard();
      telemetry.log("info", "freed what was staged and is not wanted any more", { name, size });
    }
  }

  #sweepAfter(delayMs: number): Timer {
    return this.#deps.timers.after(delayMs, () => {
      this.#sweeping = this.#sweepAgain();
    });
  }

  /** Never rejects: a sweep that fails is told, and the next may go better. */
  async #sweepAgain(): Promise<void> {
    try {
      await this.sweep();
    } catch (error) {
      this.#deps.telemetry.log("error", "sweeping the uploads failed", { error });
    }
    if (!this.#isClosed) this.#nextSweep = this.#sweepAfter(UPLOAD_SWEEP_MS);
  }

  #remember(row: UploadRow, offset: number, idleSinceMs: number, client?: string): void {
    const turns = new OneAtATime();
    this.#sessions.set(row.id, { turns, row, offset, idleSinceMs, staging: undefined, isEnded: false, client });
    if (client !== undefined) this.#shares.set(client, (this.#shares.get(client) ?? 0) + 1);
    this.#deps.telemetry.set("meridian_uploads_in_progress", {}, this.#sessions.size);
  }

  #forget(id: string): void {
    const client = this.#sessions.get(id)?.client;
    this.#sessions.delete(id);
    if (client !== undefined) {
      const left = (this.#shares.get(client) ?? 1) - 1;
      if (left > 0) this.#shares.set(client, left);
      else this.#shares.delete(client);
    }
    this.#deps.telemetry.set("meridian_uploads_in_progress", {}, this.#sessions.size);
  }

  #end(session: Session, result: Ending): void {
    session.isEnded = true;
    this.#forget(session.row.id);
    this.#deps.telemetry.count("meridian_uploads_total", { result });
  }
}

function nameOf(id: string): string {
  return uploadName(id.slice(0, 2 * KEY_BYTES));
}

/** What a request that failed has left behind goes. */
async function cutBack({ staging, offset }: Session): Promise<void> {
  if (staging !== undefined && staging.size() > offset) await staging.truncate(offset);
}

function unknown(id: string): RegistryError {
  return new RegistryError("BLOB_UPLOAD_UNKNOWN", { id: id.slice(0, 128) });
}

function outOfOrder(offset: number): RegistryError {
  return new RegistryError("BLOB_UPLOAD_INVALID", { offset }, { message: "the bytes are not the next of this upload" });
}

function tooMany(detail: { readonly [limit: string]: number }): RegistryError {
  return new RegistryError("TOOMANYREQUESTS", detail, { retryAfterSeconds: UPLOAD_RETRY_AFTER_SECONDS });
}
