/**
 * The bytes of one file on their way in: gathered in slots, hashed and written by a thread. The first few stay in the node's
 * own memory instead, because most blobs are small, and a file of a few kilobytes is hashed faster than a thread is told
 * of it.
 *
 * What was added may still be on its way. A write that fails is told to whoever asks next, and the bytes from it on are
 * gone: `size` tells how many are left.
 */
import { hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

import { type Digest, type DigestAlgorithm, digestFromHex } from "../../shared/digest.ts";
import { SMALL_BLOB_BYTES_MAX, UPLOAD_SLOT_BYTES, UPLOAD_SLOTS_EACH_MAX } from "../../shared/limits.ts";
import type { Filler, Slot, SlotPool } from "./slot-pool.ts";
import type { WriteLane, WriteLanes } from "./write-lanes.ts";

export type ReceivedBytesDeps = { readonly slots: SlotPool; readonly lanes: WriteLanes };

export type ReceivedBytesListener = {
  /** So many more bytes are in the file. */
  readonly onWritten: (bytes: number) => void;
};

export class ReceivedBytes implements Filler {
  readonly #handle: FileHandle;
  readonly #deps: ReceivedBytesDeps;
  readonly #listener: ReceivedBytesListener;
  #size: number;
  /** Copies of all bytes, as long as they are few. `undefined` when they are in the file alone. */
  #head: Buffer | undefined;
  /** Of the head, in the file. */
  #headWritten = 0;
  #lane: WriteLane | undefined;
  #slot: Slot | undefined;
  /** Bytes in the slot that is being filled. */
  #filled = 0;
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly cause: unknown; readonly size: number } | undefined;
  /** All bytes up to here are in the file, unless they are in memory. */
  #writtenTo: number;

  /** `handle` holds `size` bytes already. */
  constructor(handle: FileHandle, size: number, deps: ReceivedBytesDeps, listener: ReceivedBytesListener) {
    this.#handle = handle;
    this.#size = size;
    this.#writtenTo = size;
    this.#deps = deps;
    this.#listener = listener;
    this.#head = size === 0 ? Buffer.alloc(0) : undefined;
  }

  get size(): number {
    return this.#size;
  }

  readonly filledBytes = (): number => this.#size;

  /** Copies `bytes`. Waits while too much is on its way. @throws what an earlier write failed with. */
  async add(bytes: Uint8Array): Promise<void> {
    await this.#expectSound();
    if (this.#head !== undefined && this.#size + bytes.length <= SMALL_BLOB_BYTES_MAX) {
      this.#head = Buffer.concat([this.#head, bytes]);
      this.#size += bytes.length;
      return;
    }
    await this.#leaveMemory();
    await this.#fill(bytes);
  }

  /** Resolves when all bytes are in the file. @throws what a write failed with. */
  async settle(): Promise<void> {
    await this.#writeHead();
    this.send();
    await this.#allWritten();
    await this.#expectSound();
  }

  /**
   * Resolves when the first `end` bytes are in the file, which may be while others are being added: a reader who
   * follows closely must not hold up what he reads. What is gathered is sent when nothing else is on its way.
   * @throws what a write failed with.
   */
  async reach(end: number): Promise<void> {
    await this.#writeHead();
    while (this.#head === undefined && this.#writtenTo < end) {
      if (this.#failure !== undefined) throw this.#failure.cause;
      if (this.#underWay.size === 0) this.send();
      if (this.#underWay.size === 0) throw new Error("the bytes that were waited for are gone");
      await Promise.race(this.#underWay);
    }
  }

  async digest(algorithm: DigestAlgorithm): Promise<Digest> {
    if (this.#head !== undefined) return digestFromHex(algorithm, hash(algorithm, this.#head, "hex"));
    await this.settle();
    return digestFromHex(algorithm, await this.#openLane().digest(algorithm, this.#size));
  }

  /** Forgets what lies beyond `size`, also what failed. The caller cuts the file. */
  async cut(size: number): Promise<void> {
    this.send();
    await this.#allWritten();
    this.#failure = undefined;
    this.#size = size;
    this.#writtenTo = Math.min(this.#writtenTo, size);
    this.#head = this.#head?.subarray(0, size);
    this.#headWritten = Math.min(this.#headWritten, size);
    this.#lane?.rewind(size);
  }

  /** Lets go of the thread. Waits for what is on its way, and tells of nothing. */
  async close(): Promise<void> {
    this.send();
    await this.#allWritten();
    this.#lane?.close();
    this.#lane = undefined;
  }

  /** Sends what was gathered, if anything was. */
  readonly send = (): void => {
    const [slot, bytes] = [this.#slot, this.#filled];
    if (slot === undefined) return;
    this.#deps.slots.unwatch(this);
    this.#slot = undefined;
    this.#filled = 0;
    const writing = this.#write(slot, bytes, this.#size - bytes).finally(() => this.#underWay.delete(writing));
    this.#underWay.add(writing);
  };

  async #fill(bytes: Uint8Array): Promise<void> {
    const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let done = 0; done < bytes.length; ) {
      const slot = this.#slot ?? (await this.#takeSlot());
      // `set` copies shared memory byte by byte, as if somebody else might look.
      const copied = source.copy(slot.bytes, this.#filled, done, done + UPLOAD_SLOT_BYTES - this.#filled);
      this.#filled += copied;
      this.#size += copied;
      done += copied;
      if (this.#filled === UPLOAD_SLOT_BYTES) this.send();
    }
  }

  async #takeSlot(): Promise<Slot> {
    while (this.#underWay.size >= UPLOAD_SLOTS_EACH_MAX) await Promise.race(this.#underWay);
    await this.#expectSound();
    const slot = await this.#deps.slots.take();
    this.#slot = slot;
    this.#deps.slots.watch(this);
    return slot;
  }

  /** Never rejects: a failure is kept for whoever asks next. */
  async #write(slot: Slot, bytes: number, position: number): Promise<void> {
    try {
      await this.#openLane().write(slot, bytes, position);
      this.#writtenTo = Math.max(this.#writtenTo, position + bytes);
      this.#listener.onWritten(bytes);
    } catch (cause) {
      if (this.#failure === undefined || position < this.#failure.size) this.#failure = { cause, size: position };
    } finally {
      this.#deps.slots.give(slot);
    }
  }

  #openLane(): WriteLane {
    this.#lane ??= this.#deps.lanes.open(this.#handle.fd);
    return this.#lane;
  }

  async #leaveMemory(): Promise<void> {
    const head = this.#head;
    if (head === undefined) return;
    this.#head = undefined;
    this.#size = this.#headWritten;
    this.#writtenTo = this.#headWritten;
    // What is in the file already is read from there when its hash is asked for.
    await this.#fill(head.subarray(this.#headWritten));
  }

  async #writeHead(): Promise<void> {
    const head = this.#head;
    if (head === undefined) return;
    while (this.#headWritten < head.length) {
      const left = head.length - this.#headWritten;
      const { bytesWritten } = await this.#handle.write(head, this.#headWritten, left, this.#headWritten);
      this.#headWritten += bytesWritten;
    }
  }

  /** @throws what a write failed with, once; then the bytes from there on are gone. */
  async #expectSound(): Promise<void> {
    if (this.#failure === undefined) return;
    this.#dropSlot();
    await this.#allWritten();
    const { cause, size } = this.#failure;
    this.#failure = undefined;
    this.#size = size;
    this.#lane?.rewind(size);
    throw cause;
  }

  async #allWritten(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  #dropSlot(): void {
    if (this.#slot === undefined) return;
    this.#deps.slots.unwatch(this);
    this.#deps.slots.give(this.#slot);
    this.#slot = undefined;
    this.#filled = 0;
  }
}
