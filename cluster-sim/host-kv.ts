/**
 * The store of one machine as one life of its process has it. A process that is dead waits for ever for what it asked;
 * a store that is ill gives errors, or what lies under another key, or a bit that has turned over.
 *
 * A batch that fails may have been written all the same. That is what makes a second try so dangerous, and why a
 * process that has had one batch fail must never ask for another.
 */
import type { Kv, KvEntry, KvRange, KvWrite } from "../nodes/ports/kv.ts";
import { DurabilityError } from "../shared/disk-errors.ts";
import type { Ailment } from "./ailment.ts";
import type { Prng } from "./prng.ts";
import type { SimKv } from "./sim-kv.ts";

export type HostKvDeps = {
  readonly kv: SimKv;
  readonly prng: Prng;
  readonly isDead: () => boolean;
  readonly sleep: (ms: number) => Promise<void>;
  readonly commitMsMax: number;
  readonly ailment: () => Ailment | undefined;
  /** Makes the writes durable, and tells of them. */
  readonly commit: (writes: readonly KvWrite[]) => Promise<void>;
  /** A batch was asked for after one had failed. */
  readonly onWrongTry: () => void;
};

/** `underWay` is told of each batch that begins (1) and ends (-1). */
export function hostKv(deps: HostKvDeps, underWay: (more: 1 | -1) => void): Kv {
  const { kv, prng, isDead, sleep, commitMsMax, ailment } = deps;
  let hasFailed = false;

  const living = async <T>(call: () => Promise<T>): Promise<T> => {
    if (isDead()) return await forever();
    try {
      const result = await call();
      return isDead() ? await forever() : result;
    } catch (cause) {
      if (isDead()) return await forever();
      throw cause;
    }
  };

  const read = async (key: Uint8Array): Promise<Uint8Array | undefined> => {
    const ill = ailment();
    if (ill !== undefined && prng.chance(ill.kvReadErrors)) throw new Error("EIO: the store cannot be read");
    const value = await kv.get(key);
    if (ill === undefined || value === undefined || !prng.chance(ill.kvMisreads)) return value;
    return misread(kv, value, prng);
  };

  return {
    // It is answered within the moment in which it was asked: the process lives as long as that.
    get: (key) => {
      if (isDead()) return forever();
      return ailment() === undefined ? kv.get(key) : read(key);
    },
    getMany: async (keys) => await living(async () => await Promise.all(keys.map(async (key) => await read(key)))),
    entries: (range) => entriesOf(kv, range, living),
    commit: async (writes) => {
      if (hasFailed) deps.onWrongTry();
      underWay(1);
      const { syncMs = 0, kvWriteErrors = 0 } = ailment() ?? {};
      await living(async () => await sleep((commitMsMax + syncMs) * prng.fraction()));
      const isFailing = kvWriteErrors > 0 && prng.chance(kvWriteErrors);
      if (!isFailing || prng.chance(0.5)) await living(async () => await deps.commit(writes));
      // Durable already, and nobody knows: what a crash leaves here was never acknowledged and is not lost either.
      await living(async () => await sleep((commitMsMax / 4) * prng.fraction()));
      underWay(-1);
      if (!isFailing) return;
      hasFailed = true;
      throw new DurabilityError("EIO: the batch could not be synced");
    },
    close: async () => await living(async () => await kv.close()),
  };
}

/** Another value of the store, or the right one with one bit turned over. */
function misread(kv: SimKv, value: Uint8Array, prng: Prng): Uint8Array {
  if (prng.chance(0.5)) return Uint8Array.from(prng.pick(kv.image()).value);
  const twisted = Uint8Array.from(value);
  const at = prng.integer(0, twisted.length - 1);
  twisted[at] = (twisted[at] ?? 0) ^ (1 << prng.integer(0, 7));
  return twisted;
}

async function* entriesOf(
  kv: Kv,
  range: KvRange,
  living: <T>(call: () => Promise<T>) => Promise<T>,
): AsyncGenerator<KvEntry, void> {
  for await (const entry of kv.entries(range)) yield await living(async () => await Promise.resolve(entry));
}

async function forever(): Promise<never> {
  return await Promise.withResolvers<never>().promise;
}
