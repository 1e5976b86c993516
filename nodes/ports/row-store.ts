/**
 * What a journal stands in front of: an ordered store that is fast because it does not sync. It is `Kv` but for when a
 * write is safe.
 *
 * Order law: what `write` has resolved for is whole and is read at once, but a power cut may take any of the batches
 * that were written since the last `flush` began, also one and not the next.
 */
import type { Kv, KvWrite } from "./kv.ts";

export type RowStore = Pick<Kv, "get" | "getMany" | "entries" | "close"> & {
  /** All of `writes` or none, in order. A rejection leaves it unknown which; the caller must not go on writing. */
  readonly write: (writes: readonly KvWrite[]) => Promise<void>;
  /** Everything that was written before the call is durable when it resolves. Writes may go on meanwhile. */
  readonly flush: () => Promise<void>;
};

/** Where the store lies. */
export type RowStorePlace = {
  /** The store as it is, empty when there was none; `undefined` when it cannot be opened because it is damaged. */
  readonly open: () => Promise<RowStore | undefined>;
  /** Puts the store aside, whole, for a person to look at, and gives an empty one in its place. The old one is closed before. */
  readonly replace: () => Promise<RowStore>;
};
