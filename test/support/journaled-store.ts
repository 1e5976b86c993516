/** A journal and a row store on a simulated disk, and what was acknowledged, kept outside of both. */
import { Prng } from "../../cluster-sim/prng.ts";
import { SimJournalFiles } from "../../cluster-sim/sim-journal-files.ts";
import { SimRowStore } from "../../cluster-sim/sim-row-store.ts";
import { SimTelemetry } from "../../cluster-sim/sim-telemetry.ts";
import { World } from "../../cluster-sim/world.ts";
import type { KvWrite } from "../../nodes/ports/kv.ts";
import { seal, unseal } from "../../nodes/storage/envelope.ts";
import { JournaledKv } from "../../nodes/storage/journaled-kv.ts";

const ALL = { from: new Uint8Array(), to: Uint8Array.of(0xff, 0xff) };
const SUSPICION = "S";

export type JournaledStoreOptions = {
  readonly seed?: number;
  /** How long every operation takes, twice. */
  readonly pauseMs?: number;
  readonly segmentBytes?: number;
  readonly checkpointBytesMin?: number;
};

export class JournaledStore {
  readonly world: World;
  readonly prng: Prng;
  readonly files: SimJournalFiles;
  readonly rows: SimRowStore;
  readonly telemetry = new SimTelemetry();
  readonly #sizes: { readonly segmentBytes: number; readonly checkpointBytesMin: number };
  #kv: JournaledKv | undefined;
  readonly #seed: number;
  #lives = 0;

  constructor({ seed = 1, pauseMs = 0, segmentBytes = 400, checkpointBytesMin = 1_200 }: JournaledStoreOptions = {}) {
    this.#seed = seed;
    this.world = new World(seed);
    this.prng = new Prng(`workload ${seed}`);
    const pause = async (): Promise<void> => {
      if (pauseMs > 0) await this.world.delay(pauseMs * this.prng.fraction());
    };
    this.files = new SimJournalFiles({ pause, prng: new Prng(`files ${seed}`) });
    this.rows = new SimRowStore({ pause, prng: new Prng(`rows ${seed}`) });
    this.#sizes = { segmentBytes, checkpointBytesMin };
  }

  get kv(): JournaledKv {
    if (this.#kv === undefined) throw new Error("the store is not open");
    return this.#kv;
  }

  async open(): Promise<void> {
    this.#lives += 1;
    const { rows: place, telemetry } = this;
    const files = this.files.connect();
    const random = new Prng(`random ${this.#seed} ${this.#lives}`);
    this.#kv = await this.world.run(JournaledKv.open({ files, place, random, telemetry, ...this.#sizes }));
  }

  async put(pairs: Readonly<Record<string, string>>): Promise<void> {
    await this.kv.commit(Object.entries(pairs).map(([key, value]) => putOf(key, value)));
  }

  async close(): Promise<void> {
    await this.world.run(this.kv.close());
    this.#kv = undefined;
  }

  /** The process dies, or the whole machine loses power. What was under way is left to fail. */
  async end(how: "crash" | "power"): Promise<void> {
    this.#kv = undefined;
    if (how === "crash") {
      this.files.crash();
      this.rows.crash();
    } else {
      this.files.cutPower();
      await this.rows.cutPower();
    }
  }

  /** Every row but a suspicion. @throws when one is not what was written. */
  async contents(): Promise<Readonly<Record<string, string>>> {
    const found: Record<string, string> = {};
    await this.world.run(
      (async () => {
        for await (const { key, value } of this.kv.entries(ALL)) {
          const name = Buffer.from(key).toString();
          if (name !== SUSPICION) found[name] = Buffer.from(unseal(key, value)).toString();
        }
      })(),
    );
    return found;
  }

  /** Names of the journal's files, segments or checkpoints. */
  filesOf(kind: "segment" | "checkpoint"): readonly string[] {
    return [...this.files.contents.keys()].filter((name) => name.startsWith(kind)).toSorted();
  }
}

export function putOf(name: string, value: string): KvWrite {
  const key = Buffer.from(name);
  return { kind: "put", key, value: seal(key, Buffer.from(value)) };
}
