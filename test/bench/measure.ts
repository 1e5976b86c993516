/** One cell on one contestant, once. */

import type { Cell } from "./cells.ts";
import type { Contestant } from "./contestants.ts";
import { type Address, Exchange } from "./exchange.ts";
import { load, loadBeside } from "./load.ts";
import { cpuSeconds } from "./processes.ts";
import { type Blob, pushAll, pushBlob, pushManifest, REPOSITORY, uniqueBlob, uniqueManifest } from "./pushes.ts";

export type Sample = {
  /** The larger the better: bytes or requests a second. */
  readonly rate: number;
  readonly unit: "MiB/s" | "requests/s";
  /** Of the server: seconds per GiB, or milliseconds per request. */
  readonly cpu: number;
  readonly cpuUnit: "s/GiB" | "ms/request";
  /** Milliseconds a request takes; of pushes the mean alone. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** From the first question to the first byte of the blob. */
  readonly firstByteMs?: number;
};

/** What the reading cells read, on one contestant. */
export type Stock = {
  readonly blobs: ReadonlyMap<number, Blob>;
  readonly tag: string;
  readonly parts: readonly Blob[];
};

export type Run = { readonly contestant: Contestant; readonly stock: Stock; readonly durationMs: number };

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const PART_BYTES = 2_048;
/** From here on a cell is about bytes, and below it about requests. */
const BULK_BYTES = MIB;

/** Pushes what the chosen cells will read. */
export async function stockUp(address: Address, cells: readonly Cell[]): Promise<Stock> {
  const parts = [uniqueBlob(PART_BYTES), uniqueBlob(PART_BYTES)] as const;
  const sizes = new Set(cells.flatMap((cell) => (cell.kind === "blob" || cell.kind === "mixed" ? [cell.size] : [])));
  const blobs = new Map([...sizes].map((size) => [size, uniqueBlob(size)]));
  const image = uniqueManifest(...parts);
  const exchange = new Exchange(address);
  try {
    for (const blob of [...parts, ...blobs.values()]) await pushBlob(exchange, blob);
    await pushManifest(exchange, image);
  } finally {
    exchange.close();
  }
  return { blobs, tag: image.tag, parts };
}

export async function measure(cell: Exclude<Cell, { readonly kind: "cold-pull" }>, run: Run): Promise<Sample> {
  const { pid } = run.contestant;
  const prepared = prepare(cell, run);
  const before = await cpuSeconds(pid);
  const work = await prepared();
  const cpu = (await cpuSeconds(pid)) - before;
  const { requests, bytes, elapsedMs } = work;
  if (requests === 0 && bytes === 0) throw new Error(`${cell.name}: nothing was measured`);
  const isBulk = "size" in cell && cell.size >= BULK_BYTES && cell.kind !== "mixed";
  const latencies = { p50Ms: work.p50Ms, p99Ms: work.p99Ms };
  if (isBulk) {
    const rate = (bytes / MIB / elapsedMs) * 1000;
    return { rate, unit: "MiB/s", cpu: cpu / (bytes / GIB), cpuUnit: "s/GiB", ...latencies };
  }
  return {
    rate: (requests / elapsedMs) * 1000,
    unit: "requests/s",
    cpu: (cpu * 1000) / requests,
    cpuUnit: "ms/request",
    ...latencies,
  };
}

type Work = {
  readonly requests: number;
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

/** Everything that the clock must not see happens here; what is returned is the work itself. */
function prepare(cell: Exclude<Cell, { readonly kind: "cold-pull" }>, run: Run): () => Promise<Work> {
  const { stock, durationMs } = run;
  const { address } = run.contestant;
  const manifest = { address, method: "GET", target: `/v2/${REPOSITORY}/manifests/${stock.tag}`, durationMs } as const;
  switch (cell.kind) {
    case "manifest":
      return async () => await load({ ...manifest, method: cell.method, connections: cell.connections });
    case "blob": {
      const target = blobTarget(stock, cell.size);
      return async () => await load({ address, method: "GET", target, connections: cell.connections, durationMs });
    }
    case "mixed": {
      const target = blobTarget(stock, cell.size);
      return async () => {
        const [reading] = await Promise.all([
          loadBeside({ ...manifest, connections: cell.readers }),
          loadBeside({ address, method: "GET", target, connections: cell.streams, durationMs: durationMs + 100 }),
        ]);
        return reading;
      };
    }
    case "push": {
      const blobs = Array.from({ length: cell.pushes }, () => uniqueBlob(cell.size));
      const jobs = blobs.map((blob) => async (exchange: Exchange) => await pushBlob(exchange, blob));
      const limitMs = cell.size >= BULK_BYTES ? Number.POSITIVE_INFINITY : durationMs;
      return async () => await pushed(address, cell.connections, jobs, { limitMs, size: cell.size });
    }
    case "manifest-push": {
      const [config, layer] = stock.parts;
      if (config === undefined || layer === undefined) throw new Error("an image has two parts");
      const manifests = Array.from({ length: cell.pushes }, () => uniqueManifest(config, layer));
      const jobs = manifests.map((image) => async (exchange: Exchange) => await pushManifest(exchange, image));
      return async () => await pushed(address, cell.connections, jobs, { limitMs: durationMs, size: 0 });
    }
  }
}

async function pushed(
  address: Address,
  connections: number,
  jobs: readonly ((exchange: Exchange) => Promise<void>)[],
  { limitMs, size }: { readonly limitMs: number; readonly size: number },
): Promise<Work> {
  const { pushes, elapsedMs } = await pushAll(address, connections, jobs, limitMs);
  const eachMs = (elapsedMs * connections) / pushes;
  return { requests: pushes, bytes: pushes * size, elapsedMs, p50Ms: eachMs, p99Ms: Number.NaN };
}

function blobTarget({ blobs }: Stock, size: number): string {
  return `/v2/${REPOSITORY}/blobs/${blobs.get(size)?.digest ?? ""}`;
}
