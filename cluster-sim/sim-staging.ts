import type { ByteSpan, Staging, StagingName } from "../nodes/ports/disk.ts";
import type { Digest, DigestAlgorithm } from "../shared/digest.ts";
import { DiskFullError, DurabilityError } from "../shared/disk-errors.ts";
import { invariant } from "../shared/invariant.ts";
import { OneAtATime } from "../shared/one-at-a-time.ts";
import type { SimFile } from "./sim-file.ts";

export type DiskOperation =
  | "stage"
  | "resume"
  | "append"
  | "truncate"
  | "digest"
  | "read"
  | "commit"
  | "open"
  | "remove";

/** The disk, as one life of the process has it. */
export type Platter = {
  readonly blobs: Map<Digest, SimFile>;
  readonly staged: Map<StagingName, SimFile>;
  /** Names that have a writer. */
  readonly written: Set<StagingName>;
  /** Runs `task` after a while, unless the process has died or a fault says otherwise; answers after another while. */
  readonly call: <T>(operation: DiskOperation, task: () => T) => Promise<T>;
  readonly freeBytes: () => number;
};

/** `broken`: syncing failed, and nothing but giving up is left. */
type State = "open" | "broken" | "ended";

export class SimStaging implements Staging {
  readonly name: StagingName;
  readonly #file: SimFile;
  readonly #platter: Platter;
  readonly #turns = new OneAtATime();
  #state: State = "open";

  constructor(name: StagingName, file: SimFile, platter: Platter) {
    this.name = name;
    this.#file = file;
    this.#platter = platter;
    platter.written.add(name);
  }

  size(): number {
    return this.#file.size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#turn("append", () => {
      if (bytes.length > this.#platter.freeBytes()) throw new DiskFullError("no room is left for the bytes");
      this.#file.append(bytes);
    });
  }

  /** Here a byte that was appended has arrived. */
  async settle(): Promise<void> {
    await this.#turn("append", () => undefined);
  }

  async truncate(size: number): Promise<void> {
    await this.#turn("truncate", () => {
      invariant(size >= 0 && size <= this.#file.size, "bytes are cut back to what there is");
      this.#file.truncate(size);
    });
  }

  async digest(algorithm: DigestAlgorithm): Promise<Digest> {
    return await this.#turn("digest", () => this.#file.digest(algorithm));
  }

  async *read(span: ByteSpan): AsyncGenerator<Uint8Array, void> {
    this.#expectOpen();
    invariant(span.end <= this.#file.size, "what is read has been written");
    yield* this.#file.read(span, async () => await this.#platter.call("read", () => undefined));
  }

  async commit(digest: Digest): Promise<void> {
    const { blobs, staged } = this.#platter;
    try {
      await this.#turn("commit", () => {
        staged.delete(this.name);
        blobs.set(digest, this.#file);
        this.#end();
      });
    } catch (cause) {
      if (cause instanceof DurabilityError) this.#state = "broken";
      throw cause;
    }
  }

  async discard(): Promise<void> {
    await this.#turns.run(async () => {
      if (this.#state === "ended") return;
      await this.#platter.call("remove", () => this.#platter.staged.delete(this.name));
      this.#end();
    });
  }

  async close(): Promise<void> {
    await this.#turns.run(async () => {
      if (this.#state === "ended") return;
      await this.#platter.call("open", () => this.#end());
    });
  }

  async #turn<T>(operation: DiskOperation, task: () => T): Promise<T> {
    return await this.#turns.run(async () => {
      this.#expectOpen();
      return await this.#platter.call(operation, task);
    });
  }

  #expectOpen(): void {
    if (this.#state !== "open") throw new Error(`the staging ${this.name} is ${this.#state}`);
  }

  #end(): void {
    this.#state = "ended";
    this.#platter.written.delete(this.name);
  }
}
