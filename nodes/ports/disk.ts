/**
 * Where blob bytes lie. Nothing above may assume a file: another blob store enters here.
 *
 * Order law: `commit` resolves only after the bytes are synced, the name is in place and the name's folder is synced;
 * only then may metadata name the blob.
 */
import type { Digest, DigestAlgorithm } from "../../shared/digest.ts";

/** A name for bytes on their way in: lower-case letters, digits and hyphens, at most 64 characters. */
export type StagingName = string;

/** Both in bytes; `end` is exclusive. */
export type ByteSpan = { readonly start: number; readonly end: number };

/** Bytes on their way in. One writer; any number of readers. Unreadable under its digest before `commit`. */
export type Staging = {
  readonly name: StagingName;
  /** Bytes appended so far: what `read` can give. */
  readonly size: () => number;
  /**
   * Appends; calls are answered in order. The caller may reuse `bytes` once it resolves, while they may still be on
   * their way. A rejection leaves the size as it was, or smaller: a write that fails on its way is told to the next call,
   * and the bytes from it on are gone.
   */
  readonly append: (bytes: Uint8Array) => Promise<void>;
  /** Resolves when nothing is on its way: all bytes would outlive the process, though not yet a power cut. */
  readonly settle: () => Promise<void>;
  /** Cuts back to `size`, which must not exceed the present one; hashes follow. */
  readonly truncate: (size: number) => Promise<void>;
  /** The digest of everything written so far. */
  readonly digest: (algorithm: DigestAlgorithm) => Promise<Digest>;
  /** Bytes of `span`, all of which must have been written, in chunks of at most `BLOB_READ_CHUNK_BYTES`. A chunk is only valid until the next is asked for. */
  readonly read: (span: ByteSpan) => AsyncIterable<Uint8Array>;
  /**
   * Makes the bytes durable under `digest` and ends the staging. The caller has verified the digest.
   * When the blob is there already, the staged bytes take its place: they were hashed a moment ago, and nobody knows
   * what has become of the others. Who reads those goes on.
   */
  readonly commit: (digest: Digest) => Promise<void>;
  /** Ends the staging and frees its space. Discarding what is committed or discarded does nothing. */
  readonly discard: () => Promise<void>;
  /** Lets go of the file but keeps the bytes, to be resumed later. */
  readonly close: () => Promise<void>;
};

export type StoredBlob = {
  readonly size: number;
  /**
   * Differs once anybody has written to the bytes through the file system, or put others in their place: what was
   * hashed under one stamp need not be hashed again under the same. It says nothing of bytes that rot below.
   */
  readonly stamp: string;
  /** The whole of it, when it lies in memory already. */
  readonly bytes?: Uint8Array;
  /** Bytes of `span`, in chunks as `Staging.read` gives them. */
  readonly read: (span: ByteSpan) => AsyncIterable<Uint8Array>;
  readonly close: () => Promise<void>;
};

export type StagedEntry = { readonly name: StagingName; readonly size: number };

export type Disk = {
  /** @throws when the name is taken. */
  readonly stage: (name: StagingName) => Promise<Staging>;
  /** Takes up what an earlier life of the process staged, re-hashing what is there. */
  readonly resume: (name: StagingName) => Promise<Staging | undefined>;
  /** What was staged and neither committed nor discarded, in name order. */
  readonly staged: () => Promise<readonly StagedEntry[]>;
  /** Bytes that were removed while open stay readable until closed. */
  readonly open: (digest: Digest) => Promise<StoredBlob | undefined>;
  /** The size in bytes. */
  readonly stat: (digest: Digest) => Promise<number | undefined>;
  /** The stamp that `open` would give. */
  readonly stamp: (digest: Digest) => Promise<string | undefined>;
  /** Every blob, each once, in the order of their digests. */
  readonly blobs: () => AsyncIterable<Digest>;
  /** Takes the bytes from their name, durably, and keeps them for a person to look at, in place of any kept before. */
  readonly quarantine: (digest: Digest) => Promise<void>;
  /** Frees what was kept. */
  readonly release: (digest: Digest) => Promise<void>;
  /** Durable when it resolves. Removing what is not there does nothing. */
  readonly remove: (digest: Digest) => Promise<void>;
  /** Bytes that may still be written. */
  readonly freeBytes: () => Promise<number>;
};
