/**
 * A small load on a lab that keeps an account: every push that was acknowledged must become visible on every node.
 * What has not arrived although the network has been whole and every node up for long enough is *lost*, the one number that
 * must stay 0 whatever is cut or killed.
 */
import { setTimeout as sleep } from "node:timers/promises";

import type { Lab, LabNode } from "./lab.ts";

/** How images get in and are looked for; the lab itself speaks no registry. Both throw when the node cannot be asked. */
export type LoadClient = {
  /** Pushes an image that exists nowhere yet; resolves with its digest when it is acknowledged. */
  readonly push: (registry: string, tag: string, signal: AbortSignal) => Promise<string>;
  /** The digest that the tag shows there; `undefined` when it is not known. */
  readonly digestOf: (registry: string, tag: string, signal: AbortSignal) => Promise<string | undefined>;
};

export type LoadCounters = {
  /** Answered with success. */
  readonly acknowledged: number;
  /** Of those, seen on every node. */
  readonly everywhere: number;
  /** Of those, neither seen everywhere nor given up. */
  readonly pending: number;
  readonly lost: number;
  /** Not acknowledged: nothing was promised. */
  readonly failed: number;
};

const PUSHES_AT_ONCE_MAX = 16;
const CHECKS_AT_ONCE_MAX = 64;
const CHECK_PERIOD_MS = 250;
const PUSH_TIMEOUT_MS = 20_000;
const LOOK_TIMEOUT_MS = 2_000;
const LOST_AFTER_MS = 30_000;

export type LoadOptions = {
  /** After so long in a whole lab, what is not there will not come. */
  readonly lostAfterMs?: number;
};

type Promised = { readonly tag: string; readonly digest: string; readonly acknowledgedMs: number };

export class Load {
  readonly #lab: Pick<Lab, "nodes" | "isWhole">;
  readonly #client: LoadClient;
  readonly #lostAfterMs: number;
  readonly #over = new AbortController();
  readonly #pushes = new Set<Promise<void>>();
  /** Tags of two labs over one data directory must not meet. */
  readonly #prefix = `${Date.now().toString(36)}-`;
  /** The one that was looked for longest ago comes first. */
  readonly #pending = new Set<Promised>();
  #perSecond = 0;
  #started = 0;
  #acknowledged = 0;
  #everywhere = 0;
  #failed = 0;
  #lost = 0;
  #wholeSinceMs = performance.now();
  #running: Promise<unknown> | undefined;

  constructor(
    lab: Pick<Lab, "nodes" | "isWhole">,
    client: LoadClient,
    { lostAfterMs = LOST_AFTER_MS }: LoadOptions = {},
  ) {
    this.#lab = lab;
    this.#client = client;
    this.#lostAfterMs = lostAfterMs;
  }

  /** Pushes a second; 0 pauses the pushing and goes on watching. */
  setRate(perSecond: number): void {
    this.#perSecond = perSecond;
    this.#running ??= Promise.all([this.#push(), this.#watch()]);
  }

  get isPushing(): boolean {
    return this.#perSecond > 0;
  }

  counters(): LoadCounters {
    return {
      acknowledged: this.#acknowledged,
      everywhere: this.#everywhere,
      pending: this.#pending.size,
      lost: this.#lost,
      failed: this.#failed,
    };
  }

  told(): string {
    const { acknowledged, everywhere, pending, lost, failed } = this.counters();
    return `load ${this.#perSecond}/s: acknowledged ${acknowledged}, everywhere ${everywhere}, on their way ${pending}, lost ${lost}, not acknowledged ${failed}`;
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#running;
    await Promise.all(this.#pushes);
  }

  async #push(): Promise<void> {
    while (!this.#over.signal.aborted) {
      const isDue = this.#perSecond > 0 && this.#pushes.size < PUSHES_AT_ONCE_MAX;
      if (isDue) this.#startPush();
      await this.#rest(1000 / Math.max(1, this.#perSecond));
    }
  }

  #startPush(): void {
    const running = this.#lab.nodes.filter(({ pid }) => pid() !== undefined);
    const node = running[Math.floor(Math.random() * running.length)];
    if (node === undefined) return;
    const tag = `${this.#prefix}${this.#started}`;
    this.#started += 1;
    const push = this.#pushOne(node, tag).finally(() => this.#pushes.delete(push));
    this.#pushes.add(push);
  }

  async #pushOne({ registry }: LabNode, tag: string): Promise<void> {
    const limit = AbortSignal.any([this.#over.signal, AbortSignal.timeout(PUSH_TIMEOUT_MS)]);
    try {
      const digest = await this.#client.push(registry, tag, limit);
      this.#acknowledged += 1;
      this.#pending.add({ tag, digest, acknowledgedMs: performance.now() });
    } catch {
      // No acknowledgement, no promise: the node was cut off in the middle, or is gone.
      this.#failed += 1;
    }
  }

  async #watch(): Promise<void> {
    while (!this.#over.signal.aborted) {
      if (!this.#lab.isWhole()) this.#wholeSinceMs = performance.now();
      const looked = [...this.#pending].slice(0, CHECKS_AT_ONCE_MAX);
      await Promise.all(looked.map(async (promised) => await this.#look(promised)));
      await this.#rest(CHECK_PERIOD_MS);
    }
  }

  async #look(promised: Promised): Promise<void> {
    const seen = await Promise.all(this.#lab.nodes.map(async (node) => await this.#isSeen(node, promised)));
    this.#pending.delete(promised);
    const waitedMs = performance.now() - Math.max(promised.acknowledgedMs, this.#wholeSinceMs);
    if (seen.every(Boolean)) this.#everywhere += 1;
    else if (waitedMs > this.#lostAfterMs) this.#lost += 1;
    else this.#pending.add(promised);
  }

  async #isSeen({ registry, pid }: LabNode, { tag, digest }: Promised): Promise<boolean> {
    if (pid() === undefined) return false;
    const limit = AbortSignal.any([this.#over.signal, AbortSignal.timeout(LOOK_TIMEOUT_MS)]);
    try {
      return (await this.#client.digestOf(registry, tag, limit)) === digest;
    } catch {
      return false;
    }
  }

  async #rest(delayMs: number): Promise<void> {
    await sleep(delayMs, undefined, { signal: this.#over.signal }).catch(() => undefined);
  }
}
