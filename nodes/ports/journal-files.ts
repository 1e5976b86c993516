/**
 * Files that only grow, in one folder of their own. They hold the journal of the metadata; what is in them is told in
 * `nodes/storage/journal.ts`.
 *
 * Order law: whatever a call changes, bytes or names, is durable when it resolves. A crash within `append` leaves
 * any part of the appended bytes, also a later one without an earlier, zeros in its place; it never touches what was
 * there before.
 */
export type JournalFileEntry = { readonly name: string; readonly size: number };

/** One writer. */
export type JournalFile = {
  /**
   * One call at a time. A rejection leaves it unknown what of `bytes` stays: nothing may be appended after it.
   * @throws {DiskFullError} when there was no room: then nothing of `bytes` stays, and a later try may succeed.
   */
  readonly append: (bytes: Uint8Array) => Promise<void>;
  readonly close: () => Promise<void>;
};

export type JournalFiles = {
  /** In the order of their names. */
  readonly list: () => Promise<readonly JournalFileEntry[]>;
  /** Opens `name` for appending, and makes it when it is not there. */
  readonly open: (name: string) => Promise<JournalFile>;
  /** From the beginning, in chunks that stay valid. */
  readonly read: (name: string) => AsyncIterable<Uint8Array>;
  readonly truncate: (name: string, size: number) => Promise<void>;
  /** Takes the place of a file called `to`. */
  readonly rename: (from: string, to: string) => Promise<void>;
  /** Removing what is not there does nothing. */
  readonly remove: (name: string) => Promise<void>;
};
