/**
 * The journal's files in memory. A power cut within an append leaves any of its sectors and zeros for the others, up to
 * any length; within a change of names, the names before or after it.
 */
import type { JournalFile, JournalFileEntry, JournalFiles } from "../nodes/ports/journal-files.ts";
import { DiskFullError } from "../shared/disk-errors.ts";
import { Prng } from "./prng.ts";
import type { Pause } from "./sim-kv.ts";

const SECTOR_BYTES = 512;
const READ_BYTES = 1_000;
const AT_ONCE: Pause = async () => await Promise.resolve();

type Options = { readonly pause?: Pause; readonly prng?: Prng; readonly capacityBytes?: number };

export class SimJournalFiles implements JournalFiles {
  readonly #pause: Pause;
  readonly #prng: Prng;
  readonly #files = new Map<string, Buffer>();
  #capacityBytes: number;
  /** What is being changed now: a power cut may do it, or not. */
  #underWay: ((share: "none" | "part") => void) | undefined;
  #life = 1;

  constructor({ pause = AT_ONCE, prng = new Prng("journal"), capacityBytes = 2 ** 40 }: Options = {}) {
    this.#pause = pause;
    this.#prng = prng;
    this.#capacityBytes = capacityBytes;
  }

  readonly list = async (): Promise<readonly JournalFileEntry[]> => {
    await this.#pause();
    return [...this.#files]
      .map(([name, { length }]) => ({ name, size: length }))
      .toSorted((left, right) => (left.name < right.name ? -1 : 1));
  };

  readonly open = async (name: string): Promise<JournalFile> => {
    await this.#change(() => this.#files.set(name, this.#files.get(name) ?? Buffer.alloc(0)));
    const life = this.#life;
    let isOpen = true;
    return {
      append: async (bytes) => {
        this.#expectAlive(life);
        if (!isOpen) throw new Error("the file is closed");
        await this.#append(name, Buffer.from(bytes));
      },
      close: async () => {
        await this.#pause();
        isOpen = false;
      },
    };
  };

  readonly read = (name: string): AsyncIterable<Uint8Array> => this.#chunks(name);

  readonly truncate = async (name: string, size: number): Promise<void> => {
    await this.#change(() => this.#files.set(name, Buffer.from(this.#bytes(name).subarray(0, size))));
  };

  readonly rename = async (from: string, to: string): Promise<void> => {
    await this.#change(() => {
      this.#files.set(to, this.#bytes(from));
      this.#files.delete(from);
    });
  };

  readonly remove = async (name: string): Promise<void> => {
    await this.#change(() => this.#files.delete(name));
  };

  /** The files as the process that runs now has them: once it has died, what is left of it reaches nothing. */
  connect(): JournalFiles {
    const life = this.#life;
    const living = async <T>(call: () => Promise<T>): Promise<T> => {
      this.#expectAlive(life);
      return await call();
    };
    return {
      list: async () => await living(this.list),
      open: async (name) => await living(async () => await this.open(name)),
      read: this.read,
      truncate: async (name, size) => await living(async () => await this.truncate(name, size)),
      rename: async (from, to) => await living(async () => await this.rename(from, to)),
      remove: async (name) => await living(async () => await this.remove(name)),
    };
  }

  /** Names and bytes, for a test to look at. */
  get contents(): ReadonlyMap<string, Uint8Array> {
    return this.#files;
  }

  /** Room that is left for appends. */
  setCapacity(bytes: number): void {
    this.#capacityBytes = bytes;
  }

  /** The process dies: what was under way has happened, or has not. */
  crash(): void {
    this.#end("none");
  }

  /** The power goes. */
  cutPower(): void {
    this.#end("part");
  }

  /** Changes bytes that were written, as a failing disk would. */
  damage(name: string, change: (bytes: Uint8Array) => void): void {
    change(this.#bytes(name));
  }

  #end(share: "none" | "part"): void {
    this.#life += 1;
    this.#underWay?.(share);
    this.#underWay = undefined;
  }

  #bytes(name: string): Buffer {
    const bytes = this.#files.get(name);
    if (bytes === undefined) throw new Error(`there is no file ${name}`);
    return bytes;
  }

  async #append(name: string, bytes: Buffer): Promise<void> {
    const before = this.#bytes(name);
    const used = [...this.#files.values()].reduce((sum, { length }) => sum + length, 0);
    if (used + bytes.length > this.#capacityBytes) throw new DiskFullError("no room is left for the journal");
    await this.#change(
      () => this.#files.set(name, Buffer.concat([before, bytes])),
      () => this.#files.set(name, Buffer.concat([before, this.#torn(bytes)])),
    );
  }

  #torn(bytes: Buffer): Buffer {
    const torn = Buffer.from(bytes.subarray(0, this.#prng.integer(0, bytes.length)));
    for (let at = 0; at < torn.length; at += SECTOR_BYTES) {
      if (this.#prng.chance(1 / 3)) torn.subarray(at, at + SECTOR_BYTES).fill(0);
    }
    return torn;
  }

  async #change(whole: () => void, part = whole): Promise<void> {
    const life = this.#life;
    this.#underWay = (share) => {
      if (this.#prng.chance(1 / 2)) (share === "part" ? part : whole)();
    };
    await this.#pause();
    this.#expectAlive(life);
    this.#underWay = undefined;
    whole();
    await this.#pause();
    this.#expectAlive(life);
  }

  async *#chunks(name: string): AsyncGenerator<Uint8Array, void> {
    const bytes = this.#bytes(name);
    for (let at = 0; at < bytes.length; at += READ_BYTES) {
      await this.#pause();
      yield Buffer.from(bytes.subarray(at, at + READ_BYTES));
    }
  }

  #expectAlive(life: number): void {
    if (life !== this.#life) throw new Error("the process that made this call has died");
  }
}
