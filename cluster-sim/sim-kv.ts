/**
 * The key-value port in memory: one sorted array, which a commit replaces and never changes, so that an iteration
 * keeps the array it began with and has its snapshot for nothing.
 *
 * A crash ends every call that is under way with an error. A commit among them has happened, or has not; whoever made
 * it can't know.
 */
import type { Kv, KvEntry, KvRange, KvWrite } from "../nodes/ports/kv.ts";

/** What every call waits for, twice: on its way to the store and on its way back. */
export type Pause = () => Promise<void>;

/** Everything that a store holds; never changed. */
export type KvImage = readonly Entry[];

type Entry = KvEntry & {
  /** The key's bytes as Latin-1 text, whose order is theirs. */
  readonly name: string;
};

export class SimKv implements Kv {
  readonly #pause: Pause | undefined;
  #entries: readonly Entry[] = [];
  readonly #values = new Map<string, Uint8Array>();
  #isOpen = true;
  /** Counts the lives of the process that uses the store. */
  #life = 1;

  /** Without a pause everything is done at once, and its caller hears of it after that. */
  constructor(pause?: Pause) {
    this.#pause = pause;
  }

  static from(image: KvImage, pause?: Pause): SimKv {
    const kv = new SimKv(pause);
    kv.restore(image);
    return kv;
  }

  /** What a backup made now would hold. */
  image(): KvImage {
    return this.#entries;
  }

  /** Puts back what a backup held; of no process that is alive. */
  restore(image: KvImage): void {
    this.#entries = image;
    this.#values.clear();
    for (const { name, value } of image) this.#values.set(name, value);
  }

  readonly get = async (key: Uint8Array): Promise<Uint8Array | undefined> => {
    if (this.#pause !== undefined) return await this.#call(() => this.#find(key));
    this.#expectOpen();
    return this.#find(key);
  };

  readonly getMany = async (keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> =>
    await this.#call(() => keys.map((key) => this.#find(key)));

  readonly entries = (range: KvRange): AsyncIterable<KvEntry> => {
    this.#expectOpen();
    return this.#iterate(select(this.#entries, range));
  };

  readonly commit = async (writes: readonly KvWrite[]): Promise<void> => {
    await this.#call(() => {
      const entries = [...this.#entries];
      for (const write of writes) {
        const name = nameOf(write.key);
        const value = write.kind === "put" ? Buffer.from(write.value) : undefined;
        if (value === undefined) this.#values.delete(name);
        else this.#values.set(name, value);
        replace(entries, name, value);
      }
      this.#entries = entries;
    });
  };

  readonly close = async (): Promise<void> => {
    await this.#pause?.();
    this.#isOpen = false;
  };

  /** The process dies, and another one opens the store. */
  crash(): void {
    this.#life += 1;
    this.#isOpen = true;
  }

  /** Another store with the same entries. */
  copy(pause: Pause): SimKv {
    const other = new SimKv(pause);
    other.#entries = this.#entries;
    for (const [name, value] of this.#values) other.#values.set(name, value);
    return other;
  }

  /** Opens the store again after `close`. */
  reopen(): void {
    this.#isOpen = true;
  }

  async #call<T>(task: () => T): Promise<T> {
    const life = this.#life;
    await this.#pause?.();
    this.#expectAlive(life);
    const result = task();
    await this.#pause?.();
    this.#expectAlive(life);
    return result;
  }

  async *#iterate(entries: readonly Entry[]): AsyncGenerator<KvEntry, void> {
    const life = this.#life;
    for (const { key, value } of entries) {
      if (this.#pause !== undefined) await this.#pause();
      this.#expectAlive(life);
      yield { key: Buffer.from(key), value: Buffer.from(value) };
    }
  }

  #find(key: Uint8Array): Uint8Array | undefined {
    const value = this.#values.get(nameOf(key));
    return value === undefined ? undefined : Buffer.from(value);
  }

  #expectAlive(life: number): void {
    if (life !== this.#life) throw new Error("the process that made this call has died");
    this.#expectOpen();
  }

  #expectOpen(): void {
    if (!this.#isOpen) throw new Error("the store is closed");
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

/** The first entry of that name or after it. */
function placeOf(entries: readonly Entry[], name: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry !== undefined && entry.name < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

function replace(entries: Entry[], name: string, value: Uint8Array | undefined): void {
  const place = placeOf(entries, name);
  const replaced = entries[place]?.name === name ? 1 : 0;
  if (value === undefined) entries.splice(place, replaced);
  else entries.splice(place, replaced, { name, key: Buffer.from(name, "latin1"), value });
}

function select(entries: readonly Entry[], range: KvRange): readonly Entry[] {
  const within = entries.slice(placeOf(entries, nameOf(range.from)), placeOf(entries, nameOf(range.to)));
  const ordered = range.reverse === true ? within.toReversed() : within;
  return range.limit === undefined ? ordered : ordered.slice(0, range.limit);
}
