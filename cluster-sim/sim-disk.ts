/**
 * The disk port in memory, under the same order law: what `commit` has resolved for survives every crash; what is
 * staged survives one by luck, whole, cut short, or not at all. It is stricter than the real one where callers could
 * get by: a chunk that was read is overwritten as soon as the next is asked for.
 */

import type { Disk, StagedEntry, Staging, StagingName, StoredBlob } from "../nodes/ports/disk.ts";
import { algorithmOf, type Digest } from "../shared/digest.ts";
import { invariant } from "../shared/invariant.ts";
import { Prng } from "./prng.ts";
import { SimFile } from "./sim-file.ts";
import type { Pause } from "./sim-kv.ts";
import { type DiskOperation, type Platter, SimStaging } from "./sim-staging.ts";

export type SimDiskOptions = {
  /** Waited for after every operation, and before each that writes. */
  readonly pause?: Pause;
  /** Decides what a crash leaves of what was staged. */
  readonly prng?: Prng;
  readonly capacityBytes?: number;
  /** Whether others have filled the disk for now. */
  readonly isFull?: () => boolean;
  /** Asked before every operation: the error it is to fail with, if any. */
  readonly fault?: (operation: DiskOperation) => Error | undefined;
};

const STAGING_NAME = /^[a-z0-9-]{1,64}$/;
const READING: ReadonlySet<DiskOperation> = new Set(["open", "read", "digest"]);
const TERABYTE = 2 ** 40;
const AT_ONCE: Pause = async () => await Promise.resolve();

/** The blobs that a disk holds. */
export type DiskImage = ReadonlyMap<Digest, SimFile>;

export class SimDisk implements Disk {
  readonly #options: Required<SimDiskOptions>;
  readonly #blobs = new Map<Digest, SimFile>();
  readonly #quarantined = new Map<Digest, SimFile>();
  readonly #stamps = new WeakMap<SimFile, string>();
  #nextStamp = 1;
  readonly #staged = new Map<StagingName, SimFile>();
  #platter: Platter;
  /** Counts the lives of the process that uses the disk. */
  #life = 1;

  constructor({
    pause = AT_ONCE,
    prng = new Prng("disk"),
    capacityBytes = TERABYTE,
    isFull,
    fault,
  }: SimDiskOptions = {}) {
    this.#options = {
      pause,
      prng,
      capacityBytes,
      isFull: isFull ?? (() => false),
      fault: fault ?? (() => undefined),
    };
    this.#platter = this.#platterOf(this.#life);
  }

  readonly stage = async (name: StagingName): Promise<Staging> => {
    invariant(STAGING_NAME.test(name), "a staging name is 1 to 64 lower-case letters, digits and hyphens");
    return await this.#platter.call("stage", () => {
      if (this.#staged.has(name)) throw new Error(`the staging name ${name} is taken`);
      const file = new SimFile();
      this.#staged.set(name, file);
      return new SimStaging(name, file, this.#platter);
    });
  };

  readonly resume = async (name: StagingName): Promise<Staging | undefined> => {
    invariant(!this.#platter.written.has(name), "what is being staged has one writer");
    return await this.#platter.call("resume", () => {
      const file = this.#staged.get(name);
      return file === undefined ? undefined : new SimStaging(name, file, this.#platter);
    });
  };

  readonly staged = async (): Promise<readonly StagedEntry[]> =>
    await this.#platter.call("open", () =>
      [...this.#staged]
        .map(([name, { size }]) => ({ name, size }))
        .toSorted((left, right) => (left.name < right.name ? -1 : 1)),
    );

  readonly open = async (digest: Digest): Promise<StoredBlob | undefined> =>
    await this.#platter.call("open", () => {
      const file = this.#blobs.get(digest);
      return file === undefined ? undefined : blobOf(file, this.#stampOf(file), this.#platter);
    });

  readonly stat = async (digest: Digest): Promise<number | undefined> =>
    await this.#platter.call("open", () => this.#blobs.get(digest)?.size);

  readonly stamp = async (digest: Digest): Promise<string | undefined> =>
    await this.#platter.call("open", () => {
      const file = this.#blobs.get(digest);
      return file === undefined ? undefined : this.#stampOf(file);
    });

  readonly blobs = (): AsyncIterable<Digest> => this.#eachBlob();

  readonly quarantine = async (digest: Digest): Promise<void> => {
    await this.#platter.call("remove", () => {
      const file = this.#blobs.get(digest);
      if (file === undefined) return;
      this.#blobs.delete(digest);
      this.#quarantined.set(digest, file);
    });
  };

  readonly release = async (digest: Digest): Promise<void> => {
    await this.#platter.call("remove", () => this.#quarantined.delete(digest));
  };

  readonly remove = async (digest: Digest): Promise<void> => {
    await this.#platter.call("remove", () => this.#blobs.delete(digest));
  };

  readonly freeBytes = async (): Promise<number> => await this.#platter.call("open", () => this.#freeBytes());

  /** The process ends, or is killed. Nothing it had open works any more; what it had written stays. */
  exit(): void {
    this.#life += 1;
    this.#platter = this.#platterOf(this.#life);
  }

  /** The power goes. Of what was staged and not committed, as much stays as luck will have it. */
  crash(): void {
    const { prng } = this.#options;
    this.exit();
    for (const [name, file] of this.#staged) {
      if (prng.chance(1 / 3)) this.#staged.delete(name);
      else if (prng.chance(1 / 2)) file.truncate(prng.integer(0, file.size));
    }
  }

  /** What a backup made now would hold: what is whole. */
  image(): DiskImage {
    return new Map(this.#blobs);
  }

  /** Puts back what a backup held; of no process that is alive. */
  restore(image: DiskImage): void {
    this.exit();
    this.#staged.clear();
    this.#blobs.clear();
    for (const [digest, file] of image) this.#blobs.set(digest, file);
  }

  /** The digest of the bytes that lie under the name `digest`; `undefined` when none do. */
  digestKept(digest: Digest): Digest | undefined {
    return this.#blobs.get(digest)?.digest(algorithmOf(digest));
  }

  /** Whether the blob is durable. */
  has(digest: Digest): boolean {
    return this.#blobs.has(digest);
  }

  /** What was put aside under `digest`. */
  quarantined(digest: Digest): number | undefined {
    return this.#quarantined.get(digest)?.size;
  }

  /** Whether its bytes are what its name says. */
  isWhole(digest: Digest): boolean {
    return this.#blobs.get(digest)?.digest(algorithmOf(digest)) === digest;
  }

  /** One bit turns over in every blob for which `isRotten` says so. Returns in how many. */
  rot(isRotten: (digest: Digest) => boolean): number {
    const rotten = [...this.#blobs.keys()].filter(isRotten);
    for (const digest of rotten) this.#blobs.set(digest, this.#blobs.get(digest)?.twisted() ?? new SimFile());
    return rotten.length;
  }

  /** Puts other bytes where those of `digest` were, as a failing disk or a careless hand would. */
  damage(digest: Digest, bytes: Uint8Array): void {
    this.#blobs.set(digest, new SimFile(bytes));
  }

  #platterOf(life: number): Platter {
    const { pause, fault } = this.#options;
    const expectAlive = (): void => {
      if (life !== this.#life) throw new Error("the process that made this call has died");
    };
    const call = async <T>(operation: DiskOperation, task: () => T): Promise<T> => {
      // What changes nothing may as well have happened at once: only its answer takes time.
      if (!READING.has(operation)) await pause();
      expectAlive();
      const error = fault(operation);
      if (error !== undefined) throw error;
      const result = task();
      await pause();
      expectAlive();
      return result;
    };
    const freeBytes = (): number => this.#freeBytes();
    return { blobs: this.#blobs, staged: this.#staged, written: new Set(), call, freeBytes };
  }

  async *#eachBlob(): AsyncGenerator<Digest, void> {
    for (const digest of await this.#platter.call("open", () => [...this.#blobs.keys()].toSorted())) yield digest;
  }

  #stampOf(file: SimFile): string {
    const known = this.#stamps.get(file);
    if (known !== undefined) return known;
    const stamp = String(this.#nextStamp);
    this.#nextStamp += 1;
    this.#stamps.set(file, stamp);
    return stamp;
  }

  #freeBytes(): number {
    if (this.#options.isFull()) return 0;
    const files = [...this.#blobs.values(), ...this.#staged.values(), ...this.#quarantined.values()];
    return files.reduce((left, { size }) => left - size, this.#options.capacityBytes);
  }
}

function blobOf(file: SimFile, stamp: string, platter: Platter): StoredBlob {
  let isOpen = true;
  return {
    size: file.size,
    stamp,
    async *read(span) {
      if (!isOpen) throw new Error("the blob is closed");
      yield* file.read(span, async () => await platter.call("read", () => undefined));
    },
    close: async () => {
      isOpen = false;
      await Promise.resolve();
    },
  };
}
