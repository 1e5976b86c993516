/** Reading load: some connections that ask one thing again and again for a while. Runs in a thread of its own where another load runs beside it. */
import { parentPort, Worker, workerData } from "node:worker_threads";

import { type Address, type Answer, Exchange, requestHead } from "./exchange.ts";

export type Load = {
  readonly address: Address;
  readonly method: "GET" | "HEAD";
  readonly target: string;
  readonly connections: number;
  readonly durationMs: number;
};

export type Loaded = {
  readonly requests: number;
  /** Of bodies, also of those that were not read to their end. */
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

const ACCEPT = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** @throws when an answer is no 200, or a connection breaks. */
export async function load({ address, method, target, connections, durationMs }: Load): Promise<Loaded> {
  const request = [requestHead(method, target, { Accept: ACCEPT })];
  const latenciesMs: number[] = [];
  let bytes = 0;
  const startedMs = performance.now();
  const untilMs = startedMs + durationMs;
  const done = Promise.withResolvers<number>();
  const exchanges = Array.from({ length: connections }, () => new Exchange(address, count));

  function count(more: number): void {
    bytes += more;
    // A large body may take longer than the run: what counts is what came.
    if (more > 0 && performance.now() >= untilMs) done.resolve(performance.now());
  }

  function again(exchange: Exchange): void {
    const askedMs = performance.now();
    const onAnswer = (answer: Answer): void => {
      const nowMs = performance.now();
      if (answer.status !== 200) return done.reject(new Error(`answered ${answer.status}: ${answer.head}`));
      latenciesMs.push(nowMs - askedMs);
      if (nowMs < untilMs) again(exchange);
      else done.resolve(nowMs);
    };
    exchange.send(request, {
      isHead: method === "HEAD",
      onAnswer,
      onFailed: (cause) => done.reject(cause),
      onFirstByte: undefined,
    });
  }

  for (const exchange of exchanges) again(exchange);
  try {
    const elapsedMs = (await done.promise) - startedMs;
    const sorted = latenciesMs.toSorted((left, right) => left - right);
    return { requests: sorted.length, bytes, elapsedMs, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) };
  } finally {
    for (const exchange of exchanges) exchange.close();
  }
}

/** `load` in another thread. */
export async function loadBeside(task: Load): Promise<Loaded> {
  const worker = new Worker(new URL(import.meta.url), { workerData: task });
  const { promise, resolve, reject } = Promise.withResolvers<Loaded>();
  worker.once("message", resolve);
  worker.once("error", reject);
  return await promise;
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

function isLoad(value: unknown): value is Load {
  return typeof value === "object" && value !== null && "target" in value && "durationMs" in value;
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- Node's message ports know no origin
if (isLoad(workerData)) parentPort?.postMessage(await load(workerData));
