/**
 * Who wrote what, in order. For every origin this node keeps how far it is known, a ring of its latest ops as their
 * origin encoded them, and a hash chain over them, so that one dot can never stand for two contents unseen.
 *
 * The ring serves whoever missed little. Whoever missed more is served from the live index, which is the log with
 * everything superseded left out; such a session moves the heads only at its end (rule R1), and what it brought
 * before is counted dot by dot (rule R2).
 */
import { hash } from "node:crypto";
import { MalformedBytesError } from "../../shared/bytes.ts";
import { decodeOp, dotOf, type Op } from "../../shared/change.ts";
import type { Origin } from "../../shared/identity.ts";
import { OP_BATCH_BYTES_MAX, OP_BATCH_OPS_MAX } from "../../shared/limits.ts";
import { type Dot, type VectorEntry, VersionVector } from "../../shared/version-vector.ts";
import type { OpBatch } from "../ports/peers.ts";
import * as keys from "./keys.ts";
import type { Proof } from "./parking.ts";
import { decodeLog, decodeOrigin, encodeLog, encodeOrigin, type OriginRow, UNKNOWN_ORIGIN } from "./rows.ts";
import type { Overlay, Row, View } from "./view.ts";

const CHAIN_BYTES = 16;

/** A batch is not what its own chain says: its sender is broken, or lies. */
export class ChainError extends Error {
  override readonly name = "ChainError";
}

/** An origin has written two different ops under one dot. Its ops cannot be trusted until a person has looked. */
export class EquivocationError extends Error {
  override readonly name = "EquivocationError";
  readonly origin: Origin;
  readonly proof: Proof;

  constructor(origin: Origin, proof: Proof) {
    super(`origin ${origin} has written two different ops up to ${proof.seq}`);
    this.origin = origin;
    this.proof = proof;
  }
}

export function chainAfter(chain: Uint8Array, op: Uint8Array): Uint8Array {
  return hash("sha256", Buffer.concat([chain, op]), "buffer").subarray(0, CHAIN_BYTES);
}

export function genesis(origin: Origin): Uint8Array {
  return hash("sha256", origin, "buffer").subarray(0, CHAIN_BYTES);
}

export async function readOrigin(view: View, origin: Origin): Promise<OriginRow> {
  const row = await view.get(keys.originRow(origin));
  return row === undefined ? UNKNOWN_ORIGIN : decodeOrigin(row);
}

/** The ops of `origin` from `seq` on, as many as fit one batch; `undefined` when there is none, or the ring has lost it. */
export async function readBatch(view: View, origin: Origin, seq: number): Promise<OpBatch | undefined> {
  const start = { origin, from: seq, base: await chainAt(view, { origin, seq: seq - 1 }) };
  const rows = view.rows(keys.logFrom(origin, seq), { limit: OP_BATCH_OPS_MAX });
  for await (const batch of batchesOf(rows, start)) return batch;
  return undefined;
}

/** The origin's hash chain after the op, if it is known here; empty if not. */
export async function chainAt(view: View, { origin, seq }: Dot): Promise<Uint8Array> {
  if (seq === 0) return genesis(origin);
  const { upto, chain } = await readOrigin(view, origin);
  if (upto === seq) return chain;
  const row = await view.get(keys.logRow({ origin, seq }));
  return row === undefined ? new Uint8Array() : decodeLog(row).chain;
}

/** Rows of the log, `from` first, as batches that fit a message; up to the first gap. `base` is the chain before it. */
export async function* batchesOf(
  rows: AsyncIterable<Row>,
  { origin, from, base: start }: Pick<OpBatch, "origin" | "from" | "base">,
): AsyncGenerator<OpBatch> {
  let ops: Uint8Array[] = [];
  let bytes = 0;
  let next = from;
  let base = start;
  let chain: Uint8Array = new Uint8Array();
  for await (const { key, value } of rows) {
    if (keys.seqOf(key) !== next) break;
    const entry = decodeLog(value);
    if (ops.length === OP_BATCH_OPS_MAX || (ops.length > 0 && bytes + entry.op.length > OP_BATCH_BYTES_MAX)) {
      yield { origin, from: next - ops.length, ops, chain, base };
      base = chain;
      ops = [];
      bytes = 0;
    }
    ops.push(entry.op);
    bytes += entry.op.length;
    chain = entry.chain;
    next += 1;
  }
  if (ops.length > 0) yield { origin, from: next - ops.length, ops, chain, base };
}

/** Writes to the log inside one turn. */
export class OpLog {
  readonly #rows: Overlay;
  readonly #touched: Set<Origin>;
  readonly #opsMax: number;

  /** Adds to `touched` the origins whose entry has changed; keeps the latest `opsMax` ops of each. */
  constructor(rows: Overlay, touched: Set<Origin>, opsMax: number) {
    this.#rows = rows;
    this.#touched = touched;
    this.#opsMax = opsMax;
  }

  /** Appends the next op of `origin`. @returns its dot. */
  async append(origin: Origin, encodeAt: (dot: Dot) => Uint8Array): Promise<Dot> {
    const row = await readOrigin(this.#rows, origin);
    const dot = { origin, seq: row.upto + 1 };
    const op = encodeAt(dot);
    const known = row.upto === 0 ? genesis(origin) : row.chain;
    const chain = known.length === 0 ? known : chainAfter(known, op);

    this.#rows.put(keys.logRow(dot), encodeLog({ chain, op }));
    const entry = progressed(origin, row, (vector) => vector.add(dot));
    if (entry.upto === dot.seq) await this.#put(origin, { ...row, ...entry, chain });
    // What a live session brought beyond this op never came as ops: the ring starts anew behind it.
    else await this.#restartRing(origin, { ...row, ...entry, chain: new Uint8Array() });
    return dot;
  }

  /**
   * Appends the ops of `batch` that are new here, up to the first that `isTaken` refuses, and returns them. Ops after a
   * gap are left out.
   * @throws {MalformedBytesError} when an op is not what its place says.
   * @throws {ChainError} when the batch does not hash to its own chain.
   * @throws {EquivocationError} when it does, and to another than what is held here.
   */
  async take(batch: OpBatch, isTaken: (op: Op) => boolean = () => true): Promise<readonly Op[]> {
    const { origin } = batch;
    const row = await readOrigin(this.#rows, origin);
    const taken: Op[] = [];
    if (batch.from > row.upto + 1) return taken;
    await this.#expectOneHistory(batch, row.upto);
    // An op that closes the gap to what a live session brought beyond it is followed by ops that are held already.
    const isPlain = row.beyond.length === 0 && (row.upto === 0 || row.chain.length > 0);
    if (isPlain) taken.push(...(await this.#takePlain(batch, row, isTaken)));
    else {
      let { upto } = row;
      for (const [index, bytes] of batch.ops.entries()) {
        if (batch.from + index <= upto) continue;
        const op = opAt(bytes, { origin, seq: upto + 1 });
        if (!isTaken(op)) break;
        await this.append(origin, () => bytes);
        taken.push(op);
        ({ upto } = await readOrigin(this.#rows, origin));
      }
    }
    await this.#checkChain(batch);
    return taken;
  }

  /** As `append` for each op that is new, where nothing is known beyond them: the usual case, and the fast one. */
  async #takePlain(
    { origin, from, ops }: OpBatch,
    row: OriginRow,
    isTaken: (op: Op) => boolean,
  ): Promise<readonly Op[]> {
    const taken: Op[] = [];
    let chain = row.upto === 0 ? genesis(origin) : row.chain;
    for (const bytes of ops.slice(row.upto + 1 - from)) {
      const dot = { origin, seq: row.upto + 1 + taken.length };
      const op = opAt(bytes, dot);
      if (!isTaken(op)) break;
      taken.push(op);
      chain = chainAfter(chain, bytes);
      this.#rows.put(keys.logRow(dot), encodeLog({ chain, op: bytes }));
    }
    if (taken.length > 0) await this.#put(origin, { ...row, upto: row.upto + taken.length, chain });
    return taken;
  }

  /** Counts the dots that came with live registers. */
  async addDots(dots: readonly Dot[]): Promise<void> {
    for (const [origin, own] of Map.groupBy(dots, (dot) => dot.origin)) {
      const row = await readOrigin(this.#rows, origin);
      const entry = progressed(origin, row, (vector) => {
        for (const dot of own) vector.add(dot);
      });
      if (entry.upto === row.upto) await this.#put(origin, { ...row, ...entry });
      else await this.#restartRing(origin, { ...row, ...entry, chain: new Uint8Array() });
    }
  }

  /** The end of a session: everything of the entry is held now. */
  async advance({ origin, upto, beyond }: VectorEntry, chain: Uint8Array | undefined): Promise<void> {
    const row = await readOrigin(this.#rows, origin);
    const entry = progressed(origin, row, (vector) => vector.merge(VersionVector.from([{ origin, upto, beyond }])));
    const told = entry.upto === upto && chain !== undefined ? chain : new Uint8Array();
    if (entry.upto !== row.upto) return await this.#restartRing(origin, { ...row, ...entry, chain: told });
    return await this.#put(origin, { ...row, ...entry, chain: row.chain.length === 0 ? told : row.chain });
  }

  /**
   * A batch that hashes from its base to its end is what its origin wrote, as far as its sender knows. If it passes
   * another chain on the way than the one held here, there are two histories.
   */
  async #expectOneHistory({ origin, from, ops, base, chain }: OpBatch, upto: number): Promise<void> {
    if (base.length === 0 || chain.length === 0) return;
    const to = from + ops.length - 1;
    const seq = Math.min(upto, to);
    const held = await chainAt(this.#rows, { origin, seq });
    // The usual case: it follows on what is held, and is hashed as it is taken.
    if (from === upto + 1 && Buffer.compare(held, base) === 0) return;
    let told = base;
    let end = base;
    for (const [index, op] of ops.entries()) {
      end = chainAfter(end, op);
      if (from + index === seq) told = end;
    }
    if (Buffer.compare(end, chain) !== 0) {
      throw new ChainError(`ops of ${origin} do not hash to the chain that came with them`);
    }
    if (held.length === 0 || Buffer.compare(held, told) === 0) return;
    throw new EquivocationError(origin, { seq, held, told, ops: ops.slice(0, seq - from + 1) });
  }

  /** A person has looked: from here on the origin's present history is the one that counts. */
  async forgetChain(origin: Origin): Promise<void> {
    const row = await readOrigin(this.#rows, origin);
    await this.#restartRing(origin, { ...row, chain: new Uint8Array() });
  }

  async #checkChain({ origin, from, ops, chain }: OpBatch): Promise<void> {
    const last = await this.#rows.get(keys.logRow({ origin, seq: from + ops.length - 1 }));
    if (last === undefined || chain.length === 0) return;
    const row = await readOrigin(this.#rows, origin);
    const own = decodeLog(last).chain;
    if (own.length > 0 && Buffer.compare(own, chain) !== 0) {
      throw new ChainError(`ops of ${origin} do not hash to the chain that came with them`);
    }
    // The chain was unknown after a session without ops; from here on it can be followed again.
    if (row.chain.length === 0 && row.upto === from + ops.length - 1) await this.#put(origin, { ...row, chain });
  }

  async #restartRing(origin: Origin, row: OriginRow): Promise<void> {
    const old: Uint8Array[] = [];
    for await (const { key } of this.#rows.rows(keys.logFrom(origin, row.logFrom))) old.push(key);
    for (const key of old) this.#rows.delete(keys.keyOf(key));
    await this.#put(origin, { ...row, logFrom: row.upto + 1 });
  }

  async #put(origin: Origin, row: OriginRow): Promise<void> {
    let { logFrom } = row;
    for (; row.upto - logFrom >= this.#opsMax; logFrom += 1) this.#rows.delete(keys.logRow({ origin, seq: logFrom }));
    this.#rows.put(keys.originRow(origin), encodeOrigin({ ...row, logFrom }));
    this.#touched.add(origin);
  }
}

/** @throws {MalformedBytesError} when the op is no op, or has another dot. */
function opAt(bytes: Uint8Array, { origin, seq }: Dot): Op {
  const op = decodeOp(bytes);
  const claimed = dotOf(op);
  if (claimed.origin === origin && claimed.seq === seq) return op;
  throw new MalformedBytesError(`op ${claimed.origin}:${claimed.seq} stands where ${origin}:${seq} belongs`);
}

function progressed(
  origin: Origin,
  row: OriginRow,
  change: (vector: VersionVector) => void,
): Omit<VectorEntry, "origin"> {
  const vector = VersionVector.from([{ origin, upto: row.upto, beyond: row.beyond }]);
  change(vector);
  const [entry] = vector.entries();
  return { upto: entry?.upto ?? 0, beyond: entry?.beyond ?? [] };
}
