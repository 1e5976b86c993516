/**
 * The model that the nodes are compared with. It knows every op that any node has made durable, as the very bytes, and
 * what they come to: a version stays exactly when no other op had seen it. That is the whole of it. It has no order of
 * arrival, no version vector, no session and no merge, so it shares no mistake with the code that has them; of the
 * production code it uses the encoding alone.
 */
import { hash } from "node:crypto";
import { ByteReader } from "../shared/bytes.ts";
import { type Change, decodeOp, dotOf, encodeKey, encodeRegister } from "../shared/change.ts";
import { type Digest, isDigest } from "../shared/digest.ts";
import type { RepositoryName } from "../shared/reference.ts";
import type { Context, Register, RegisterKey, Version } from "../shared/register.ts";
import { compareDots, type Dot } from "../shared/version-vector.ts";

const LOG_LETTER = "q".charCodeAt(0);
const SELF_LETTER = "I".charCodeAt(0);
const BLOB_LETTER = "b";
/** Version and checksum; see the envelope that the metadata store puts around each value. */
const ENVELOPE_BYTES = 5;
const STATE_SUM_MODULUS = 1n << 128n;

export type Written = {
  readonly key: RegisterKey;
  readonly version: Version;
  /** What its writer had seen, itself included. */
  readonly context: Context;
  readonly bytes: Uint8Array;
};

/** The op in a row of a node's log; `undefined` when the row is another one. */
export function opInRow(key: Uint8Array, value: Uint8Array): Uint8Array | undefined {
  if (key[0] !== LOG_LETTER) return undefined;
  const reader = new ByteReader(value.subarray(ENVELOPE_BYTES));
  reader.readBytes();
  return reader.readBytes();
}

/** The boot counter in a node's row about itself; `undefined` when the row is another one. */
export function bootInRow(key: Uint8Array, value: Uint8Array): number | undefined {
  if (key[0] !== SELF_LETTER || key.length > 1) return undefined;
  const reader = new ByteReader(value.subarray(ENVELOPE_BYTES));
  reader.readString();
  reader.readString();
  return reader.readVarint();
}

/** The blob that a row says is durable; `undefined` when the row is another one. */
export function blobInRow(key: Uint8Array): Digest | undefined {
  const name = Buffer.from(key).toString("latin1");
  const digest = name.slice(1, -1);
  return name.startsWith(BLOB_LETTER) && isDigest(digest) ? digest : undefined;
}

export class Oracle {
  readonly #byDot = new Map<string, Written>();
  readonly #byKey = new Map<string, Written[]>();
  /** Ops that went with the only disk that held them, unless one turns up after all. */
  readonly #lost = new Map<string, Written>();

  /** Whether the op is as it was when it was seen before, if it was. */
  learn(bytes: Uint8Array): { readonly dot: Dot; readonly isNew: boolean; readonly isSame: boolean } {
    const op: Change = decodeOp(bytes);
    const dot = dotOf(op);
    const known = this.#byDot.get(nameOf(dot));
    if (known !== undefined) return { dot, isNew: false, isSame: Buffer.compare(known.bytes, bytes) === 0 };
    const lost = this.#lost.get(nameOf(dot));
    if (lost !== undefined && Buffer.compare(lost.bytes, bytes) === 0) {
      this.#regain(lost);
      return { dot, isNew: false, isSame: true };
    }
    this.#lost.delete(nameOf(dot));
    const [version] = op.register.versions;
    if (version === undefined) throw new Error("an op holds one version");
    this.#add({ key: op.key, version, context: op.register.context, bytes: Uint8Array.from(bytes) });
    return { dot, isNew: true, isSame: true };
  }

  /** Forgets every op that no disk holds any more. Whoever has overwritten one has still seen it. @returns how many. */
  lose(isHeld: (dot: Dot) => boolean): number {
    const gone = [...this.#byDot.values()].filter(({ version }) => !isHeld(version.dot));
    for (const written of gone) {
      this.#byDot.delete(nameOf(written.version.dot));
      this.#lost.set(nameOf(written.version.dot), written);
      const name = keyNameOf(written.key);
      const left = this.writesTo(written.key).filter((other) => other !== written);
      if (left.length === 0) this.#byKey.delete(name);
      else this.#byKey.set(name, left);
    }
    return gone.length;
  }

  /** Knows again what was on its way to a disk when the only other one was lost. */
  regain(isHeld: (dot: Dot) => boolean): void {
    for (const written of this.#lost.values()) if (isHeld(written.version.dot)) this.#regain(written);
  }

  /** Every op there is, in the order in which it was learnt. */
  all(): Iterable<Written> {
    return this.#byDot.values();
  }

  #regain(written: Written): void {
    this.#lost.delete(nameOf(written.version.dot));
    this.#add(written);
  }

  #add(written: Written): void {
    this.#byDot.set(nameOf(written.version.dot), written);
    const name = keyNameOf(written.key);
    this.#byKey.set(name, [...(this.#byKey.get(name) ?? []), written]);
  }

  get size(): number {
    return this.#byDot.size;
  }

  at(dot: Dot): Written | undefined {
    return this.#byDot.get(nameOf(dot));
  }

  /** Every op on one register, in no particular order. */
  writesTo(key: RegisterKey): readonly Written[] {
    return this.#byKey.get(keyNameOf(key)) ?? [];
  }

  keys(): readonly RegisterKey[] {
    return [...this.#byKey.values()].flatMap(([first]) => (first === undefined ? [] : [first.key]));
  }

  /** What all ops on it together make of a register. */
  register(key: RegisterKey): Register {
    const writes = this.writesTo(key);
    const context = new Map<Dot["origin"], number>();
    // What they had seen counts even where it is lost.
    for (const write of writes) {
      for (const [origin, seq] of write.context) context.set(origin, Math.max(seq, context.get(origin) ?? 0));
    }
    const versions = writes
      .filter((write) => !writes.some((other) => other !== write && hasSeen(other, write.version.dot)))
      .map(({ version }) => version)
      .toSorted((left, right) => compareDots(left.dot, right.dot));
    return { versions, context };
  }

  /** What `NodeReport.stateHash` must be at a node that holds everything. */
  stateHash(): string {
    let sum = 0n;
    for (const key of this.keys()) {
      const bytes = Buffer.concat([encodeKey(key), encodeRegister(this.register(key))]);
      sum = (sum + BigInt(`0x${hash("sha256", bytes, "hex").slice(0, 32)}`)) % STATE_SUM_MODULUS;
    }
    return sum.toString(16).padStart(32, "0");
  }

  /** What a tag must show where everything has arrived: its latest version, unless that is a delete or was deleted itself. */
  shown(key: RegisterKey & { readonly kind: "tag" }): Version | undefined {
    const version = this.winner(key);
    if (version?.value.kind !== "tag") return undefined;
    return this.isLinked(key.repo, version.value.digest) ? version : undefined;
  }

  /** The latest by clock; of two at one time the one of the higher origin, and of its two the higher number. */
  winner(key: RegisterKey): Version | undefined {
    const { versions } = this.register(key);
    return versions
      .toSorted((left, right) => {
        if (left.hlc !== right.hlc) return left.hlc < right.hlc ? -1 : 1;
        return compareDots(left.dot, right.dot);
      })
      .at(-1);
  }

  /** The most versions that any tag has now. */
  siblingsMax(): number {
    const tags = this.keys().filter(({ kind }) => kind === "tag");
    return Math.max(0, ...tags.map((key) => this.register(key).versions.length));
  }

  isLinked(repo: RepositoryName, digest: Digest): boolean {
    return this.winner({ kind: "manifest", repo, digest })?.value.kind === "manifest";
  }
}

/** Whether the writer of `write` knew of `dot`, which is another's. */
export function hasSeen(write: Written, dot: Dot): boolean {
  return dot.seq <= (write.context.get(dot.origin) ?? 0) && nameOf(write.version.dot) !== nameOf(dot);
}

export function nameOf({ origin, seq }: Dot): string {
  return `${origin}:${seq}`;
}

export function keyNameOf(key: RegisterKey): string {
  return `${key.kind} ${key.repo} ${key.kind === "tag" ? key.tag : key.digest}`;
}
