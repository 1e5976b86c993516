/**
 * The power-cut loop: start, compare with the oracle, load, cut, and again.
 *
 * Random cuts under load hardly find a missing sync of a folder, since on ext4 any client's fsync commits everybody's
 * earlier renames and unlinks. So half of the cuts are *sharp*: all but one client are still, that one does an operation
 * of each kind in turn, and the power goes in the very turn in which its acknowledgement arrives.
 *
 * In a *kill* run the same happens with the process only. It finds what a crash of the process shows, and, against the
 * toy stores, how much that misses.
 */
import { setTimeout as delay } from "node:timers/promises";

import { Prng } from "../../../cluster-sim/prng.ts";
import { inspect } from "./inspection.ts";
import { type Fault, Oracle } from "./oracle.ts";
import type { PowerDisk } from "./power-disk.ts";
import { DidNotStartError, type StartStore, type StoreProcess } from "./store-process.ts";
import { LoadClient, OPERATIONS, type Operation } from "./workload.ts";

const CLIENTS = 8;
const LOAD_MS_MIN = 10;
const LOAD_MS_MAX = 150;
const WARM_UP_OPERATIONS = 2;
/** Registers that nobody has written lately and are looked at all the same. */
const OLD_REGISTERS_SEEN = 30;
/** How long a store that has lost its disk lives on, half of the times: it must not do harm then either. */
const LINGER_MS = 30;

export type CutOptions = {
  readonly start: StartStore;
  readonly disk: PowerDisk;
  readonly seed: string;
  /** Whether another cycle is wanted, after so many and with these faults found. */
  readonly isWanted: (cycles: number, faults: readonly Fault[]) => boolean;
  /** `kill` ends the process and leaves the disk alone. */
  readonly disaster: "power" | "kill";
};

export type CutReport = {
  readonly seed: string;
  readonly cycles: number;
  /** How many sharp cuts met each kind of operation. */
  readonly sharp: Readonly<Record<Operation, number>>;
  readonly acknowledged: number;
  readonly faults: readonly Fault[];
};

export async function cutPower(options: CutOptions): Promise<CutReport> {
  return await new CutRun(options).run();
}

class CutRun {
  readonly #options: CutOptions;
  readonly #prng: Prng;
  readonly #oracle = new Oracle();
  readonly #faults: Fault[] = [];
  readonly #clients: readonly LoadClient[];
  readonly #sharp: Record<Operation, number>;
  /**
   * With the power answers end as well: what is refused then is nobody's fault, and what is acknowledged no promise. The
   * journal of ext4, shut down in the middle of a commit, lets a sync succeed that came a moment too late to be part of
   * it; a machine without power would have answered nobody.
   */
  #isPowered = true;

  constructor(options: CutOptions) {
    this.#options = options;
    this.#prng = new Prng(options.seed);
    this.#sharp = {
      "push-blob": 0,
      "push-blob-in-chunks": 0,
      "push-manifest": 0,
      "push-tag": 0,
      "move-tag": 0,
      "delete-tag": 0,
      "delete-manifest": 0,
      "delete-blob": 0,
    };
    this.#clients = Array.from({ length: CLIENTS }, (_, index) => {
      const name = `client-${index}`;
      return new LoadClient({
        name,
        oracle: this.#oracle,
        prng: this.#prng.branch(name),
        isPowered: () => this.#isPowered,
        onRefused: (what, { status, body }) => {
          this.#faults.push({ kind: "refused", what, detail: `${status} ${body.toString().slice(0, 200)}` });
        },
      });
    });
  }

  async run(): Promise<CutReport> {
    let cycles = 0;
    try {
      for (; this.#options.isWanted(cycles, this.#faults); cycles += 1) await this.#cycle(cycles);
      const last = await this.#open(this.#oracle.registers());
      await last.kill();
    } catch (cause) {
      if (!(cause instanceof DidNotStartError)) throw cause;
      this.#faults.push({ kind: "not open", what: `after cycle ${cycles}`, detail: cause.message });
    }
    const { seed } = this.#options;
    return { seed, cycles, sharp: this.#sharp, acknowledged: this.#oracle.acknowledged, faults: this.#faults };
  }

  async #cycle(cycle: number): Promise<void> {
    const old = this.#oracle.registers();
    const seen = old.length === 0 ? [] : Array.from({ length: OLD_REGISTERS_SEEN }, () => this.#prng.pick(old));
    const store = await this.#open([...new Set([...this.#oracle.touched(), ...seen])]);
    this.#isPowered = true;
    const operation = OPERATIONS[(cycle >> 1) % OPERATIONS.length];
    if (cycle % 2 === 0 && operation !== undefined) await this.#sharpCut(store, operation);
    else await this.#randomCut(store);
    await store.kill();
    if (this.#options.disaster === "power") await this.#options.disk.restore();
  }

  async #open(registers: readonly string[]): Promise<StoreProcess> {
    const store = await this.#options.start(this.#options.disk.path);
    this.#faults.push(...(await inspect(store.client, this.#oracle, registers)));
    return store;
  }

  async #sharpCut({ client }: StoreProcess, operation: Operation): Promise<void> {
    await Promise.all(
      this.#clients.map(async (each) => {
        for (let done = 0; done < WARM_UP_OPERATIONS; done += 1) await each.run(this.#prng.pick(OPERATIONS), client);
      }),
    );
    const cut = (): void => {
      this.#cut();
      this.#sharp[operation] += 1;
    };
    await this.#prng.pick(this.#clients).run(operation, client, cut);
  }

  async #randomCut(store: StoreProcess): Promise<void> {
    const isLingering = this.#prng.chance(0.5);
    const loads = this.#clients.map(async (client) => await this.#loadUntilCut(client, store));
    await delay(this.#prng.integer(LOAD_MS_MIN, LOAD_MS_MAX));
    this.#cut();
    if (isLingering) await delay(LINGER_MS);
    await store.kill();
    await Promise.all(loads);
  }

  async #loadUntilCut(client: LoadClient, store: StoreProcess): Promise<void> {
    const operations = this.#prng.branch(`${this.#prng.uint32()}`);
    try {
      while (store.isRunning) await client.run(operations.pick(OPERATIONS), store.client);
    } catch (cause) {
      // Without power, or without the process, a request ends as it may.
      if (this.#isPowered) this.#faults.push({ kind: "refused", what: "a request", detail: String(cause) });
    }
  }

  #cut(): void {
    this.#isPowered = false;
    if (this.#options.disaster === "power") this.#options.disk.cut();
  }
}
