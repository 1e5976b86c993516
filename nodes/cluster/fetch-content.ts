import { algorithmOf, type Digest, digestOf } from "../../shared/digest.ts";
import { InvariantError } from "../../shared/invariant.ts";
import { MANIFEST_BYTES_MAX } from "../../shared/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import type { Metadata, WantedContent } from "../storage/metadata.ts";
import { Bell } from "./bell.ts";
import { within } from "./deadline.ts";
import { Tasks } from "./driver.ts";
import type { PeerDirectory, ReachableMember } from "./peer-directory.ts";
import { Silence } from "./silence.ts";

export type FetchContentDeps = {
  readonly metadata: Metadata;
  readonly directory: PeerDirectory;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly telemetry: Telemetry;
};

const FETCHES_MAX = 4;
const HAVE_TIMEOUT_MS = 2_000;
/** 4 MiB at 1 Mbit/s. */
const READ_TIMEOUT_MS = 35_000;
/** A link that was cut says nothing; another holder may be near. */
const READ_SILENCE_MS_MAX = 3_000;
const HOLDERS_ASKED_MAX = 8;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 15_000;
/** Between two looks at what is wanted, so that a storm of commits is not a storm of scans. */
const LOOK_PAUSE_MS = 20;

type Attempt = { readonly failures: number; readonly retryAtMs: number };

/**
 * Brings here the manifests that are too large to travel inside their op. A tag that names one keeps showing what it
 * showed before until the bytes are here, so nothing has a higher priority. Whoever pushed it is asked first.
 */
export class FetchContent {
  readonly #deps: FetchContentDeps;
  readonly #tasks = new Tasks();
  readonly #bell = new Bell();
  readonly #stopping = new AbortController();
  readonly #underWay = new Set<Digest>();
  readonly #attempts = new Map<Digest, Attempt>();
  #stopListening: readonly (() => void)[] = [];

  constructor(deps: FetchContentDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { metadata, directory } = this.#deps;
    this.#stopListening = [
      metadata.onCommitted(() => this.#bell.ring()),
      directory.onChanged(() => this.#peersChanged()),
    ];
    this.#tasks.begin(async () => await this.#keepLooking());
  }

  /** Resolves when no transfer is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the node stops"));
    for (const stopListening of this.#stopListening) stopListening();
    await this.#tasks.ended();
  }

  /** Somebody may be there now who was not: whatever was put off is tried at once. */
  #peersChanged(): void {
    this.#attempts.clear();
    this.#bell.ring();
  }

  async #keepLooking(): Promise<void> {
    const { signal } = this.#stopping;
    const { timers } = this.#deps;
    while (!signal.aborted) {
      const dueInMs = await this.#look();
      if (dueInMs === undefined) await this.#bell.rung(signal);
      else await this.#bell.rungWithin(timers, dueInMs, signal);
      // Rings within the pause wait for its end.
      await new Bell().rungWithin(timers, LOOK_PAUSE_MS, signal);
    }
  }

  /** Begins what is due. Returns in how many ms something else will be. */
  async #look(): Promise<number | undefined> {
    const wanted = await this.#wanted();
    if (wanted === undefined) return RETRY_MS_MAX;
    const names = new Set(wanted.map(({ digest }) => digest));
    for (const digest of this.#attempts.keys()) if (!names.has(digest)) this.#attempts.delete(digest);

    const nowMs = this.#deps.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const content of wanted) {
      if (this.#underWay.has(content.digest)) continue;
      const dueInMs = (this.#attempts.get(content.digest)?.retryAtMs ?? nowMs) - nowMs;
      if (dueInMs > 0) nextMs = Math.min(nextMs, dueInMs);
      else if (this.#underWay.size < FETCHES_MAX) this.#begin(content);
    }
    return Number.isFinite(nextMs) ? nextMs : undefined;
  }

  async #wanted(): Promise<readonly WantedContent[] | undefined> {
    try {
      return await this.#deps.metadata.wantedContents();
    } catch (cause) {
      if (cause instanceof InvariantError) throw cause;
      this.#deps.telemetry.log("error", "could not read which manifests are missing", { problem: String(cause) });
      return undefined;
    }
  }

  #begin(content: WantedContent): void {
    const { digest } = content;
    this.#underWay.add(digest);
    this.#tasks.begin(async () => {
      const isFetched = await this.#fetch(content);
      this.#underWay.delete(digest);
      if (isFetched) this.#attempts.delete(digest);
      else this.#attempts.set(digest, this.#putOff(digest));
      this.#bell.ring();
    });
  }

  #putOff(digest: Digest): Attempt {
    const { clock, random } = this.#deps;
    const failures = this.#attempts.get(digest)?.failures ?? 0;
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures, 16)) * (0.75 + random.fraction() / 4);
    return { failures: failures + 1, retryAtMs: clock.monotonicMs() + delayMs };
  }

  async #fetch({ digest, authors }: WantedContent): Promise<boolean> {
    const names = new Set<string>(authors.map(({ node }) => node));
    const reachable = this.#deps.directory.reachable();
    for (const member of reachable.filter(({ greeting }) => names.has(greeting.node))) {
      if (await this.#fetchFrom(member, digest)) return true;
    }
    const others = reachable.filter(({ greeting }) => !names.has(greeting.node)).slice(0, HOLDERS_ASKED_MAX);
    const holders = await Promise.all(others.map(async (member) => await this.#holds(member, digest)));
    for (const [index, member] of others.entries()) {
      if (holders[index] === true && (await this.#fetchFrom(member, digest))) return true;
    }
    return false;
  }

  async #holds({ link }: ReachableMember, digest: Digest): Promise<boolean> {
    const ask = async (signal: AbortSignal): Promise<boolean> => {
      const found = await link.have(undefined, [digest], signal);
      return found.some((blob) => blob.digest === digest);
    };
    try {
      return await within(this.#deps.timers, HAVE_TIMEOUT_MS, ask, this.#stopping.signal);
    } catch {
      // Whoever can't say is no holder now.
      return false;
    }
  }

  async #fetchFrom(member: ReachableMember, digest: Digest): Promise<boolean> {
    if (this.#stopping.signal.aborted) return false;
    const { timers, metadata, telemetry } = this.#deps;
    const read = async (signal: AbortSignal): Promise<Uint8Array | undefined> =>
      await this.#read(member, digest, signal);
    try {
      const bytes = await within(timers, READ_TIMEOUT_MS, read, this.#stopping.signal);
      if (bytes === undefined) return false;
      if (digestOf(bytes, algorithmOf(digest)) !== digest) {
        telemetry.count("meridian_blob_mismatches_total", { source: member.greeting.region });
        return false;
      }
      await metadata.commit({ kind: "content", digest, bytes });
      return true;
    } catch (cause) {
      if (cause instanceof InvariantError) throw cause;
      // The peer went away or the disk failed: the attempt has failed, and another follows.
      telemetry.log("debug", "could not fetch a manifest", {
        peer: member.greeting.node,
        digest,
        problem: String(cause),
      });
      return false;
    }
  }

  /** The whole content; `undefined` when it is larger than any manifest may be. */
  async #read({ link }: ReachableMember, digest: Digest, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const ending = new AbortController();
    const silence = new Silence(this.#deps, READ_SILENCE_MS_MAX, () => ending.abort(new Error("fell silent")));
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const chunk of link.readBlob(digest, 0, AbortSignal.any([signal, ending.signal]))) {
        silence.heard();
        size += chunk.length;
        if (size > MANIFEST_BYTES_MAX) return undefined;
        // A chunk is only valid until the next is asked for.
        chunks.push(Uint8Array.from(chunk));
      }
      return Buffer.concat(chunks);
    } finally {
      silence.cancel();
    }
  }
}
