/**
 * Origins whose ops are kept aside. Two things make an origin one that nobody may believe for now: its clock is so far
 * ahead that its writes would win every conflict for a long time, or it has told two different histories under the same
 * numbers. Dropping its ops would lose what others may have taken; merging them could not be undone. So they are *parked*:
 * kept as they came, neither merged nor counted in the vector, which is a stall and never a difference. Every other origin
 * goes on.
 *
 * A clock's origin is let go when its time has come. An origin of two histories waits for a person. Who lets go an origin
 * of the first kind *pardons* it: until its time has come it is believed, or its very next op would park it again.
 *
 *   P origin        why, since when, from which op on, and what proves it
 *   p origin seq    one op, as it came
 */
import { ByteReader, ByteWriter, MalformedBytesError } from "../../shared/bytes.ts";
import type { Origin } from "../../shared/identity.ts";
import { OP_BATCH_OPS_MAX, PARKED_OPS_MAX } from "../../shared/limits.ts";
import type { OpBatch } from "../ports/peers.ts";
import * as keys from "./keys.ts";
import type { Overlay, View } from "./view.ts";

export const PARKED_REASONS = ["clock", "equivocation"] as const;
const ROW_KINDS = [...PARKED_REASONS, "pardon"] as const;
export type ParkedReason = (typeof PARKED_REASONS)[number];

export type ParkedRow = Standing & { readonly reason: ParkedReason };

type PardonRow = Standing & { readonly reason: "pardon" };

type Standing = {
  /** Wall-clock time at which it was parked. */
  readonly sinceMs: number;
  /** The first op that is not merged. */
  readonly at: number;
  /** The last op that is kept; `at - 1` when none is. */
  readonly upto: number;
  /** Wall-clock time at which it is let go by itself; 0 for never. */
  readonly untilMs: number;
  readonly proof: Proof | undefined;
};

/** Two histories of one origin: their hash chains after op `seq`, and the ops up to there that came with the second. */
export type Proof = {
  readonly seq: number;
  readonly held: Uint8Array;
  readonly told: Uint8Array;
  readonly ops: readonly Uint8Array[];
};

export type Parked = ParkedRow & { readonly origin: Origin };

function encodeRow({ reason, sinceMs, at, upto, untilMs, proof }: ParkedRow | PardonRow): Uint8Array {
  const writer = new ByteWriter().writeVarint(ROW_KINDS.indexOf(reason)).writeVarint(sinceMs);
  writer.writeVarint(at).writeVarint(upto).writeVarint(untilMs);
  if (proof === undefined) return writer.writeVarint(0).finish();
  writer.writeVarint(1).writeVarint(proof.seq).writeBytes(proof.held).writeBytes(proof.told);
  writer.writeVarint(proof.ops.length);
  for (const op of proof.ops) writer.writeBytes(op);
  return writer.finish();
}

function decodeRow(bytes: Uint8Array): ParkedRow | PardonRow {
  const reader = new ByteReader(bytes);
  const reason = ROW_KINDS[reader.readVarint()];
  if (reason === undefined) throw new MalformedBytesError("a row names no reason to park");
  const row = { reason, sinceMs: reader.readVarint(), at: reader.readVarint(), upto: reader.readVarint() };
  return { ...row, untilMs: reader.readVarint(), proof: readProof(reader) };
}

function readProof(reader: ByteReader): Proof | undefined {
  if (reader.readVarint() === 0) return undefined;
  const [seq, held, told] = [reader.readVarint(), reader.readBytes(), reader.readBytes()];
  return { seq, held, told, ops: Array.from({ length: reader.readVarint() }, () => reader.readBytes()) };
}

export async function readParked(view: View): Promise<readonly Parked[]> {
  const all: Parked[] = [];
  for await (const { key, value } of view.rows(keys.parkedOrigins())) {
    const row = decodeRow(value);
    if (isParked(row)) all.push({ origin: keys.originPart(key, 0), ...row });
  }
  return all;
}

function isParked(row: ParkedRow | PardonRow): row is ParkedRow {
  return row.reason !== "pardon";
}

/** Writes to what is parked, inside one turn. */
export class Parking {
  readonly #rows: Overlay;
  readonly #onWritten: () => void;

  constructor(rows: Overlay, onWritten: () => void) {
    this.#rows = rows;
    this.#onWritten = onWritten;
  }

  async get(origin: Origin): Promise<ParkedRow | undefined> {
    const row = await this.#rows.get(keys.parkedRow(origin));
    const decoded = row === undefined ? undefined : decodeRow(row);
    return decoded !== undefined && isParked(decoded) ? decoded : undefined;
  }

  /** Whether a person has said that the origin's timestamps are to be believed now. */
  async isPardoned(origin: Origin, wallMs: number): Promise<boolean> {
    const row = await this.#rows.get(keys.parkedRow(origin));
    const decoded = row === undefined ? undefined : decodeRow(row);
    return decoded?.reason === "pardon" && wallMs < decoded.untilMs;
  }

  put(origin: Origin, row: ParkedRow): void {
    this.#rows.put(keys.parkedRow(origin), encodeRow(row));
    this.#onWritten();
  }

  /** Keeps what follows on the last op that is kept, up to a bound; the rest can be had again from its origin. */
  async keep({ origin, from, ops }: OpBatch): Promise<void> {
    const parked = await this.get(origin);
    if (parked === undefined) return;
    let { upto } = parked;
    for (const [index, op] of ops.entries()) {
      if (from + index !== upto + 1 || upto - parked.at >= PARKED_OPS_MAX) continue;
      upto += 1;
      this.#rows.put(keys.parkedOpRow({ origin, seq: upto }), op);
    }
    if (upto !== parked.upto) this.put(origin, { ...parked, upto });
  }

  /** The next ops to be merged, as one batch without a chain; `undefined` when none is left. */
  async next(origin: Origin): Promise<OpBatch | undefined> {
    const parked = await this.get(origin);
    if (parked === undefined) return undefined;
    const ops: Uint8Array[] = [];
    const rows = this.#rows.rows(keys.parkedOps(origin, parked.at), { limit: OP_BATCH_OPS_MAX });
    for await (const { value } of rows) ops.push(value);
    const unknown = new Uint8Array();
    return ops.length === 0 ? undefined : { origin, from: parked.at, ops, base: unknown, chain: unknown };
  }

  /** What was merged, up to `seq`, is parked no more. */
  async mergedUpto(origin: Origin, seq: number): Promise<void> {
    const parked = await this.get(origin);
    if (parked === undefined) return;
    for (let at = parked.at; at <= seq; at += 1) this.#rows.delete(keys.parkedOpRow({ origin, seq: at }));
    this.put(origin, { ...parked, at: Math.max(parked.at, seq + 1), upto: Math.max(parked.upto, seq) });
  }

  /** Lets the origin go, with nothing of it kept aside. */
  async letGo(origin: Origin, isPardoned: boolean): Promise<void> {
    const parked = await this.get(origin);
    if (parked === undefined) return;
    await this.mergedUpto(origin, parked.upto);
    const pardon = isPardoned && parked.reason === "clock" ? encodeRow({ ...parked, reason: "pardon" }) : undefined;
    if (pardon === undefined) this.#rows.delete(keys.parkedRow(origin));
    else this.#rows.put(keys.parkedRow(origin), pardon);
    this.#onWritten();
  }
}
