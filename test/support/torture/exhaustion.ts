/**
 * Disks that run out. At each request of a push in turn everything that is left is taken away; the push goes on and is refused
 * clearly or taken; then the room returns, and the node has to go on by itself.
 */

import type { Ballast } from "./ballast.ts";
import { type Answered, CanonicalPush, isClear } from "./canonical-push.ts";
import { glance, inspect } from "./inspection.ts";
import { type Fault, Oracle } from "./oracle.ts";
import { meridian, type StoreProcess } from "./store-process.ts";

export type Finding = { readonly when: string; readonly what: string };

export type ExhaustionReport = {
  /** Requests of a push, and so many times the disk was full. */
  readonly steps: number;
  readonly refused: number;
  /** How often the node needed one to go on. */
  readonly restarts: number;
  readonly findings: readonly Finding[];
};

/** `folder` lies on a disk that `ballast` can fill. */
export async function exhaust(folder: string, ballast: Ballast): Promise<ExhaustionReport> {
  return await new Exhaustion(folder, ballast).run();
}

/** What a node says that has less room than it keeps free for itself. */
export type TooSmallReport = {
  readonly answers: readonly Answered[];
  readonly retryAfter: string;
  readonly ready: string;
};

export async function startTooSmall(folder: string): Promise<TooSmallReport> {
  const store = await meridian()(folder);
  const answers = await push(store, new Oracle(), "small");
  const refused = await store.client.post("/v2/sweep/small/blobs/uploads/");
  const { text } = await readiness(store);
  await store.kill();
  return { answers, retryAfter: refused.headers["retry-after"] ?? "", ready: text };
}

class Exhaustion {
  readonly #folder: string;
  readonly #ballast: Ballast;
  readonly #oracle = new Oracle();
  readonly #start = meridian();
  readonly #findings: Finding[] = [];
  #refused = 0;
  #restarts = 0;

  constructor(folder: string, ballast: Ballast) {
    this.#folder = folder;
    this.#ballast = ballast;
  }

  async run(): Promise<ExhaustionReport> {
    let store = await this.#start(this.#folder);
    const steps = (await push(store, this.#oracle, "calm")).length;
    for (let step = 0; step < steps; step += 1) {
      await this.#fillBefore(store, step);
      store = await this.#expectToGoOn(store, step);
    }
    await store.kill();
    const last = await this.#start(this.#folder);
    this.#report("after a restart", await inspect(last.client, this.#oracle, this.#oracle.registers()));
    await last.kill();
    return { steps, refused: this.#refused, restarts: this.#restarts, findings: this.#findings };
  }

  async #fillBefore(store: StoreProcess, step: number): Promise<void> {
    const when = `full before request ${step}`;
    const answers = await push(store, this.#oracle, `full-${step}`, async (asked) => {
      if (asked === step) await this.#ballast.fill(this.#folder);
    });
    this.#refused += answers.filter(({ status }) => status === 503).length;
    this.#expect(when, answers, isClear);
    this.#report(when, await glance(store.client, this.#oracle, this.#oracle.touched()));
    await this.#ballast.relieve(this.#folder);
  }

  /** By itself, or after a restart when it says that it needs one. */
  async #expectToGoOn(store: StoreProcess, step: number): Promise<StoreProcess> {
    const when = `with room again after request ${step}`;
    let running = store;
    if ((await readiness(store)).text.includes("fenced")) {
      this.#restarts += 1;
      await store.kill();
      running = await this.#start(this.#folder);
      this.#report(when, await inspect(running.client, this.#oracle, this.#oracle.touched()));
    }
    this.#expect(when, await push(running, this.#oracle, `after-${step}`), isTaken);
    const { status, text } = await readiness(running);
    if (status !== 200) this.#findings.push({ when, what: `not ready: ${text}` });
    return running;
  }

  #expect(when: string, answers: readonly Answered[], isRight: (answered: Answered) => boolean): void {
    for (const answered of answers) {
      if (!isRight(answered)) this.#findings.push({ when, what: `${answered.request}: ${answered.status}` });
    }
  }

  #report(when: string, faults: readonly Fault[]): void {
    for (const { kind, what, detail } of faults) this.#findings.push({ when, what: `${kind}: ${what}: ${detail}` });
  }
}

function isTaken({ status }: Answered): boolean {
  return status >= 200 && status < 300;
}

async function push(
  store: StoreProcess,
  oracle: Oracle,
  name: string,
  before?: (asked: number) => Promise<void>,
): Promise<readonly Answered[]> {
  return await new CanonicalPush(store.client, oracle, name).run(before);
}

export type Readiness = { readonly status: number; readonly text: string };

export async function readiness({ addresses }: StoreProcess): Promise<Readiness> {
  const reply = await fetch(`http://${addresses.ops}/readyz`).catch(() => undefined);
  return reply === undefined ? { status: 0, text: "" } : { status: reply.status, text: (await reply.text()).trim() };
}
