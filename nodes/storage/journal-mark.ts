/**
 * What the store knows of the journal, in a row of its own that every batch writes along: up to where batches have been
 * written to the store, and up to where a power cut can't take them any more. The row is itself not synced. When a cut
 * takes it, an older one stands there, and more batches are written anew than had to be.
 */
import { ByteReader, ByteWriter } from "../../shared/bytes.ts";
import type { KvWrite } from "../ports/kv.ts";
import type { RowStore } from "../ports/row-store.ts";
import { DamagedRowError, seal, unseal } from "./envelope.ts";
import { JOURNAL_MARK } from "./keys.ts";

export type JournalMark = {
  readonly id: Uint8Array;
  /** The last batch written here. */
  readonly applied: number;
  /** The last batch that is durable here, with all before it. */
  readonly flushed: number;
};

export function markWrite({ id, applied, flushed }: JournalMark): KvWrite {
  const value = new ByteWriter().writeBytes(id).writeVarint(applied).writeVarint(flushed).finish();
  return { kind: "put", key: JOURNAL_MARK, value: seal(JOURNAL_MARK, value) };
}

/** `undefined` when the store has none that can be believed. */
export async function readMark(store: RowStore): Promise<JournalMark | undefined> {
  const sealed = await store.get(JOURNAL_MARK);
  if (sealed === undefined) return undefined;
  try {
    const reader = new ByteReader(unseal(JOURNAL_MARK, sealed));
    return { id: reader.readBytes(), applied: reader.readVarint(), flushed: reader.readVarint() };
  } catch (cause) {
    if (cause instanceof DamagedRowError) return undefined;
    throw cause;
  }
}
