/**
 * A fault at every single call that a push makes to the disk, one after the other: the process killed there, the power
 * cut there, the call failing with EIO, and with ENOSPC.
 *
 * One recording says which calls there are. Then one node lives through all of its faults: each cell of the sweep starts
 * it on what the last cell left, compares that with the oracle, lets strace bring the fault in the middle of one more
 * push, and looks at the answers. So a sweep costs one start a cell, and its folder is one that has suffered before.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { noise } from "../oci-fixtures.ts";
import { type Answered, CanonicalPush, isClear } from "./canonical-push.ts";
import { glance, inspect } from "./inspection.ts";
import { type Fault, Oracle } from "./oracle.ts";
import type { PowerDisk } from "./power-disk.ts";
import { meridian, type StoreProcess } from "./store-process.ts";
import { DISK_CALLS, type DiskCall, filesOpenBelow, type ThreadName, Tracer, threadsOf } from "./tracing.ts";

export const SWEEP_FAULTS = ["kill", "power", "EIO", "ENOSPC"] as const;
export type SweepFault = (typeof SWEEP_FAULTS)[number];

/** One call of the push: the `index`th (from 1) of its kind in its thread. */
export type Call = { readonly call: DiskCall; readonly thread: ThreadName; readonly index: number };

/** What a cell came to that must not be. */
export type SweepFinding = { readonly cell: string; readonly what: string };

export type SweepReport = {
  readonly calls: Readonly<Record<string, number>>;
  readonly cells: number;
  /** Cells in which the fault was seen to happen. */
  readonly hits: number;
  readonly findings: readonly SweepFinding[];
};

const LINE = /^(?<thread>\d+) +(?<call>\w+)\((?<rest>.*)$/;
const LARGE_BYTES = 300_000;
const RESUMED = " resumed>";
const OLD_REGISTERS_SEEN = 20;

export type SweepOptions = {
  readonly disk: PowerDisk;
  /** Outside of the disk. */
  readonly place: string;
  readonly faults: readonly SweepFault[];
  /** One of `parts` sweeps that share the calls. */
  readonly part: number;
  readonly parts: number;
};

export async function sweep(options: SweepOptions): Promise<SweepReport> {
  return await new Sweep(options).run();
}

class Sweep {
  readonly #options: SweepOptions;
  readonly #oracle = new Oracle();
  readonly #findings: SweepFinding[] = [];
  readonly #start = meridian({ environment: { UV_THREADPOOL_SIZE: "1" } });
  #hits = 0;

  constructor(options: SweepOptions) {
    this.#options = options;
  }

  async run(): Promise<SweepReport> {
    const { faults, part, parts } = this.#options;
    const calls = await this.#record();
    const cells = faults.flatMap((fault) => calls.map((call) => ({ fault, call })));
    const mine = cells.filter((_, index) => index % parts === part);
    for (const { fault, call } of mine) await this.#cell(fault, call);
    const last = await this.#open("the end");
    await last.kill();
    return { calls: countsOf(calls), cells: mine.length, hits: this.#hits, findings: this.#findings };
  }

  async #record(): Promise<readonly Call[]> {
    const { disk, place } = this.#options;
    await mkdir(place, { recursive: true });
    const store = await this.#open("recording");
    await startThreads(store);
    const threads = await threadsOf(store.pid);
    const output = join(place, "calls");
    const names = DISK_CALLS.map((name) => `?${name}`).join(",");
    const tracer = await Tracer.attach(["-f", "-y", "-o", output, "-e", `trace=${names}`, "-p", `${store.pid}`]);
    const answers = await new CanonicalPush(store.client, this.#oracle, "recorded").run();
    await tracer.detach();
    await store.kill();
    for (const { request, status } of answers) {
      if (status >= 300 || status === 0) this.#find("recording", `${request} was answered with ${status}`);
    }
    return callsIn(await readFile(output, "utf8"), disk.path, threads);
  }

  async #cell(fault: SweepFault, call: Call): Promise<void> {
    const cell = `${fault} at ${call.call} ${call.index} of ${call.thread.name}`;
    const store = await this.#open(cell);
    await startThreads(store);
    const tracer = await this.#inject(store, fault, call);
    const answers = await new CanonicalPush(
      store.client,
      this.#oracle,
      cell.replaceAll(/\W+/g, "-").toLowerCase(),
    ).run();
    await tracer.detach();
    if (fault === "kill" || fault === "power") {
      if (answers.some(({ status }) => status === 0)) this.#hits += 1;
      await store.kill();
      if (fault === "power") await this.#cut();
      return;
    }
    await this.#judge(cell, store, fault, answers);
    await store.kill();
  }

  /** Starts the node on what there is, which must be what the oracle allows. */
  async #open(cell: string): Promise<StoreProcess> {
    const { disk } = this.#options;
    const store = await this.#start(disk.path);
    const old = this.#oracle.registers().slice(0, OLD_REGISTERS_SEEN);
    this.#take(cell, await inspect(store.client, this.#oracle, [...new Set([...this.#oracle.touched(), ...old])]));
    return store;
  }

  async #inject(store: StoreProcess, fault: SweepFault, { call, thread, index }: Call): Promise<Tracer> {
    const threads = await threadsOf(store.pid);
    const found = [...threads].find(([, { name, rank }]) => name === thread.name && rank === thread.rank);
    const what = fault === "EIO" || fault === "ENOSPC" ? `error=${fault}` : "signal=SIGKILL";
    const files = call === "write" ? await filesOpenBelow(this.#options.disk.path, store.pid) : [];
    // Sockets and pipes are written to by the same call.
    const paths = files.flatMap((path) => ["-P", path]);
    const whom = found === undefined ? ["-f", "-p", `${store.pid}`] : ["-p", `${found[0]}`];
    const injection = ["-e", `trace=${call}`, "-e", `inject=${call}:${what}:when=${index}`];
    return await Tracer.attach(["-o", "/dev/null", ...injection, ...paths, ...whom]);
  }

  /** After an error: refusals that say so, reads that go on, and a node that knows what it has become. */
  async #judge(
    cell: string,
    store: StoreProcess,
    fault: "EIO" | "ENOSPC",
    answers: readonly Answered[],
  ): Promise<void> {
    const statuses = answers.map(({ status }) => status);
    const odd = answers.filter((answered) => !isClear(answered));
    if (odd.length > 0) this.#find(cell, odd.map(({ request, status }) => `${request}: ${status}`).join(", "));
    if (!store.isRunning) this.#find(cell, "the process ended");
    if (statuses.some((status) => status >= 300)) this.#hits += 1;
    const ready = await fetch(`http://${store.addresses.ops}/readyz`);
    const text = await ready.text();
    const isFenced = ready.status === 503 && text.includes("fenced");
    if (fault === "EIO" && !isFenced) this.#find(cell, `not fenced: ${text.trim()}`);
    if (isFenced !== (statuses.at(-1) === 503)) this.#find(cell, "what /readyz says is not what writers hear");
    this.#take(cell, await glance(store.client, this.#oracle, this.#oracle.touched()));
  }

  async #cut(): Promise<void> {
    this.#options.disk.cut();
    await this.#options.disk.restore();
  }

  #take(cell: string, faults: readonly Fault[]): void {
    for (const { kind, what, detail } of faults) this.#find(cell, `${kind}: ${what}: ${detail}`);
  }

  #find(cell: string, what: string): void {
    this.#findings.push({ cell, what });
  }
}

/** The threads that write are started by the first large upload; to be traced by their place they have to be there. */
async function startThreads({ client }: StoreProcess): Promise<void> {
  await client.pushBlob("sweep/threads", noise(LARGE_BYTES, "threads"));
}

/** The calls that reach the disk, in a recording of strace. */
function callsIn(recording: string, disk: string, threads: ReadonlyMap<number, ThreadName>): readonly Call[] {
  const counts = new Map<string, number>();
  const calls: Call[] = [];
  for (const line of recording.split("\n")) {
    const { thread: number, call: name, rest = "" } = LINE.exec(line)?.groups ?? {};
    const call = DISK_CALLS.find((known) => known === name);
    if (call === undefined || number === undefined || line.includes(RESUMED)) continue;
    const isOnDisk = rest.includes(disk);
    // Writes to sockets are left out of the counting by the paths that strace is given; other calls are all counted.
    if (call === "write" && !isOnDisk) continue;
    const key = `${number} ${call}`;
    const index = (counts.get(key) ?? 0) + 1;
    counts.set(key, index);
    if (!isOnDisk || (call === "openat" && !rest.includes("O_CREAT"))) continue;
    calls.push({ call, index, thread: threads.get(Number(number)) ?? { name: "unknown", rank: 0 } });
  }
  return calls;
}

function countsOf(calls: readonly Call[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { call } of calls) counts[call] = (counts[call] ?? 0) + 1;
  return counts;
}
