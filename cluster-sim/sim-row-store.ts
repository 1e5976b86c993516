/**
 * The row store in memory. A crash of the process alone loses nothing; a power cut takes any of the batches that were
 * not flushed, each whole, the first and not the second as it pleases: more than LevelDB would, and as much as it may.
 */
import type { KvWrite } from "../nodes/ports/kv.ts";
import type { RowStore, RowStorePlace } from "../nodes/ports/row-store.ts";
import { Prng } from "./prng.ts";
import { type Pause, SimKv } from "./sim-kv.ts";

const AT_ONCE: Pause = async () => await Promise.resolve();

export class SimRowStore implements RowStorePlace {
  readonly #pause: Pause;
  readonly #prng: Prng;
  #rows: SimKv;
  #flushed = new SimKv();
  /** In the order they were written. */
  #unflushed: readonly (readonly KvWrite[])[] = [];
  #isDamaged = false;
  #replaced = 0;
  /** Counts the lives of the process that uses the store. */
  #life = 1;

  constructor({ pause = AT_ONCE, prng = new Prng("rows") }: { readonly pause?: Pause; readonly prng?: Prng } = {}) {
    this.#pause = pause;
    this.#prng = prng;
    this.#rows = new SimKv(pause);
  }

  readonly open = async (): Promise<RowStore | undefined> => {
    await this.#call(this.#life, async () => await Promise.resolve());
    this.#rows.reopen();
    return this.#isDamaged ? undefined : this.#handle();
  };

  readonly replace = async (): Promise<RowStore> => {
    await this.#call(this.#life, async () => await Promise.resolve());
    this.#replaced += 1;
    this.#isDamaged = false;
    this.#rows = new SimKv(this.#pause);
    this.#flushed = new SimKv();
    this.#unflushed = [];
    return this.#handle();
  };

  /** How often a store was put aside. */
  get replaced(): number {
    return this.#replaced;
  }

  /** The process dies. What it had written is still on its way to the disk. */
  crash(): void {
    this.#life += 1;
    this.#rows.crash();
  }

  /** The power goes. */
  async cutPower(): Promise<void> {
    this.crash();
    const batches = this.#unflushed.filter(() => this.#prng.chance(1 / 2));
    this.#unflushed = [];
    for (const batch of batches) await this.#flushed.commit(batch);
    this.#rows = this.#flushed.copy(this.#pause);
  }

  /** One row rots. */
  async spoil(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.#rows.commit([{ kind: "put", key, value }]);
  }

  /** It can't be opened any more. */
  damage(): void {
    this.#isDamaged = true;
  }

  /** The store as the present life of the process has it. */
  #handle(): RowStore {
    const life = this.#life;
    const rows = this.#rows;
    return {
      get: rows.get,
      getMany: rows.getMany,
      entries: rows.entries,
      close: rows.close,
      write: async (writes) => {
        // Its caller may use the bytes again; what a power cut brings back must be what was written.
        const batch = writes.map(ownedBy);
        await this.#call(life, async () => {
          this.#unflushed = [...this.#unflushed, batch];
          await rows.commit(batch);
        });
      },
      flush: async () => {
        const batches = this.#unflushed;
        await this.#call(life, async () => {
          for (const batch of batches) await this.#flushed.commit(batch);
          this.#unflushed = this.#unflushed.filter((batch) => !batches.includes(batch));
        });
      },
    };
  }

  async #call(life: number, task: () => Promise<void>): Promise<void> {
    await this.#pause();
    if (life !== this.#life) throw new Error("the process that made this call has died");
    await task();
  }
}

function ownedBy(write: KvWrite): KvWrite {
  const key = Buffer.from(write.key);
  return write.kind === "put" ? { kind: "put", key, value: Buffer.from(write.value) } : { kind: "delete", key };
}
