/**
 * An ordered key-value store. Keys and values are bytes; the order is that of the bytes, unsigned.
 * Damage is not this port's concern: `nodes/storage/envelope.ts` puts a checksum around every value.
 */
export type KvWrite =
  | { readonly kind: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly key: Uint8Array };

/** `from` inclusive, `to` exclusive. */
export type KvRange = {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
};

export type KvEntry = { readonly key: Uint8Array; readonly value: Uint8Array };

export type Kv = {
  readonly get: (key: Uint8Array) => Promise<Uint8Array | undefined>;
  /** In the order of `keys`. */
  readonly getMany: (keys: readonly Uint8Array[]) => Promise<readonly (Uint8Array | undefined)[]>;
  /** The entries of the range as they were when the call was made; later writes do not show. */
  readonly entries: (range: KvRange) => AsyncIterable<KvEntry>;
  /**
   * All of `writes` or none, in order, and durable (synced to the disk) when it resolves.
   * A rejection leaves it unknown which of the two happened: the caller must not go on writing.
   */
  readonly commit: (writes: readonly KvWrite[]) => Promise<void>;
  readonly close: () => Promise<void>;
};
