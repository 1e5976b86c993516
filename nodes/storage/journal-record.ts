/**
 * One record of the journal, as bytes and back.
 *
 *   length of the payload (4) · checksum of this head (4) · checksum of the payload (4) · kind (1) · previous link (16)
 *   payload
 *
 * The *link* after a record is a hash over the link before it, the kind and the payload. Each record carries the link
 * before it, so that records can't be dropped, repeated, swapped or taken from another journal without notice.
 *
 * The head has a checksum of its own because the two ways in which a record can be wrong must be told apart. An append
 * that a power cut has torn is harmless: nobody was told of it. The same bytes, damaged later, were acknowledged. What
 * tells them apart is what follows: appends are synced one after the other, so only the last can be torn. A head that
 * still reads says where the record ends; where it does not, whole records are looked for behind it. All checksums
 * begin with the journal's identity, so that nobody can put bytes into a manifest that look like a record from there.
 *
 * The checksum is zlib's CRC-32, which is native in Node; CRC-32C would be written in JavaScript and cost ten times as
 * much. It guards against accidents of one record; the links, which are SHA-256, guard the sequence.
 */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";

import { ByteReader, ByteWriter, MalformedBytesError } from "../../shared/bytes.ts";
import { invariant } from "../../shared/invariant.ts";
import type { KvWrite } from "../ports/kv.ts";

export const LINK_BYTES = 16;
export const HEAD_BYTES = 29;
export const JOURNAL_ID_BYTES = 16;

const LENGTH_AT = 0;
const HEAD_SUM_AT = 4;
const PAYLOAD_SUM_AT = 8;
const KIND_AT = 12;
const PREVIOUS_AT = 13;

/** `start` opens every file; `batch` is one commit; `rows` are part of a checkpoint, and `end` is the end of one. */
const KINDS = ["start", "batch", "rows", "end"] as const;
export type RecordKind = (typeof KINDS)[number];

export type JournalRecord = { readonly kind: RecordKind; readonly previous: Uint8Array; readonly payload: Uint8Array };

/** Before the journal's first record. */
export const FIRST_LINK: Uint8Array = new Uint8Array(LINK_BYTES);

export function linkAfter({ kind, previous, payload }: JournalRecord): Uint8Array {
  const bytes = Buffer.concat([previous, Uint8Array.of(KINDS.indexOf(kind)), payload]);
  return hash("sha256", bytes, "buffer").subarray(0, LINK_BYTES);
}

/** `id` is the journal's; a `start` record is sealed without it, because it is what tells it. */
export function encodeRecord({ kind, previous, payload }: JournalRecord, id: Uint8Array): Uint8Array {
  invariant(previous.length === LINK_BYTES, "a link has its length");
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  bytes.writeUInt32BE(payload.length, LENGTH_AT);
  bytes.writeUInt32BE(crc32(payload, saltOf(kind, id)), PAYLOAD_SUM_AT);
  bytes.writeUInt8(KINDS.indexOf(kind), KIND_AT);
  bytes.set(previous, PREVIOUS_AT);
  bytes.writeUInt32BE(headSum(bytes, kind, id), HEAD_SUM_AT);
  bytes.set(payload, HEAD_BYTES);
  return bytes;
}

export type Head = { readonly kind: RecordKind; readonly length: number };

/** What the head at `at` says; `undefined` when no head of this journal is there. */
export function headAt(bytes: Buffer, at: number, id: Uint8Array): Head | undefined {
  if (at + HEAD_BYTES > bytes.length) return undefined;
  const kind = KINDS[bytes.readUInt8(at + KIND_AT)];
  if (kind === undefined) return undefined;
  const head = bytes.subarray(at, at + HEAD_BYTES);
  if (head.readUInt32BE(HEAD_SUM_AT) !== headSum(head, kind, id)) return undefined;
  return { kind, length: head.readUInt32BE(LENGTH_AT) };
}

/** The record whose head `headAt` has read; `undefined` when its payload is not what was written. */
export function recordAt(bytes: Buffer, at: number, { kind, length }: Head, id: Uint8Array): JournalRecord | undefined {
  const payload = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
  if (payload.length !== length) return undefined;
  if (bytes.readUInt32BE(at + PAYLOAD_SUM_AT) !== crc32(payload, saltOf(kind, id))) return undefined;
  return { kind, previous: bytes.subarray(at + PREVIOUS_AT, at + HEAD_BYTES), payload };
}

function headSum(head: Uint8Array, kind: RecordKind, id: Uint8Array): number {
  return crc32(head.subarray(PAYLOAD_SUM_AT, HEAD_BYTES), crc32(head.subarray(0, HEAD_SUM_AT), saltOf(kind, id)));
}

function saltOf(kind: RecordKind, id: Uint8Array): number {
  return kind === "start" ? 0 : crc32(id);
}

/** What opens a file: which journal it belongs to, and the number of the first batch that can follow. */
export type Start = { readonly id: Uint8Array; readonly next: number };

const FORMAT = 1;
/** A `start` record, with two numbers of up to eight bytes each. */
export const START_BYTES_MAX: number = HEAD_BYTES + 8 + 1 + JOURNAL_ID_BYTES + 8;

export function encodeStart({ id, next }: Start): Uint8Array {
  return new ByteWriter().writeVarint(FORMAT).writeBytes(id).writeVarint(next).finish();
}

/** @throws {MalformedBytesError} also for a format that this version does not know. */
export function decodeStart(payload: Uint8Array): Start {
  const reader = new ByteReader(payload);
  const format = reader.readVarint();
  if (format !== FORMAT) throw new MalformedBytesError(`the journal has the format ${format}`);
  const id = reader.readBytes();
  if (id.length !== JOURNAL_ID_BYTES) throw new MalformedBytesError("a journal's identity has its length");
  return { id, next: reader.readVarint() };
}

/** One commit: its number, counted from 1, and what it wrote. */
export type Batch = { readonly seq: number; readonly writes: readonly KvWrite[] };

const DELETED = 0;
const PUT = 1;
/** Kind of write, and the two lengths. */
const WRITE_BYTES = 9;
const SEQ_BYTES = 8;

export function encodeBatch({ seq, writes }: Batch): Uint8Array {
  const size = writes.reduce((sum, write) => sum + sizeOfWrite(write), SEQ_BYTES);
  const bytes = Buffer.allocUnsafe(size);
  let at = bytes.writeBigUInt64BE(BigInt(seq), 0);
  for (const write of writes) {
    const value = write.kind === "put" ? write.value : new Uint8Array();
    at = bytes.writeUInt8(write.kind === "put" ? PUT : DELETED, at);
    at = bytes.writeUInt32BE(write.key.length, at);
    at = bytes.writeUInt32BE(value.length, at);
    bytes.set(write.key, at);
    bytes.set(value, at + write.key.length);
    at += write.key.length + value.length;
  }
  return bytes;
}

/** @throws {MalformedBytesError} when `payload` is no batch. */
export function decodeBatch(payload: Uint8Array): Batch {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (bytes.length < SEQ_BYTES) throw new MalformedBytesError("a batch has a number");
  const writes: KvWrite[] = [];
  for (let at = SEQ_BYTES; at < bytes.length; ) {
    if (at + WRITE_BYTES > bytes.length) throw new MalformedBytesError("a batch ends within a write");
    const isPut = bytes.readUInt8(at) === PUT;
    const keyEnd = at + WRITE_BYTES + bytes.readUInt32BE(at + 1);
    const end = keyEnd + bytes.readUInt32BE(at + 5);
    if (end > bytes.length) throw new MalformedBytesError("a batch ends within a write");
    const key = bytes.subarray(at + WRITE_BYTES, keyEnd);
    writes.push(isPut ? { kind: "put", key, value: bytes.subarray(keyEnd, end) } : { kind: "delete", key });
    at = end;
  }
  return { seq: Number(bytes.readBigUInt64BE(0)), writes };
}

/** Bytes that a write takes in a batch. */
export function sizeOfWrite(write: KvWrite): number {
  return WRITE_BYTES + write.key.length + (write.kind === "put" ? write.value.length : 0);
}
