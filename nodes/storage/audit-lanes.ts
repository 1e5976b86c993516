/**
 * Sums by which two nodes find out that they disagree although each believes it holds what the other does. Repositories
 * are spread over lanes by a hash of their name; a lane's sum is that of a keyed hash of every register in it, modulo
 * 2^128. So one write changes one sum, whatever the order of writes, and the few lanes that differ lead to the few
 * registers that do.
 *
 * The sums are in memory: durable ones would cost a second row for every write, and would repeat what damage had done
 * to the first. They are made from what lies in the store, after each start and again from time to time, and follow
 * every durable batch from then on. So what the disk has lost since then shows as well, when the sums are next made.
 *
 * The key is derived from the cluster's name. It keeps an outsider's precomputed collisions from fitting; whoever is
 * in the cluster could compute it, and can do worse. Merkle trees were the alternative: they cost several rows a write.
 *
 * Source: Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing" (Eurocrypt 1997), for sums as hashes of sets.
 */
import { hash } from "node:crypto";
import { encodeKey, encodeRegister } from "../../shared/change.ts";
import type { ClusterId } from "../../shared/identity.ts";
import { invariant } from "../../shared/invariant.ts";
import { AUDIT_GROUPS, AUDIT_LANES, AUDIT_LANES_PER_GROUP } from "../../shared/limits.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { Register, RegisterKey } from "../../shared/register.ts";

const SUM_MODULUS = 1n << 128n;

/** A register that one batch has replaced by another. */
export type Replacement = { readonly key: RegisterKey; readonly before: Register; readonly after: Register };

export class AuditLanes {
  readonly #secret: Buffer;
  readonly #sums: bigint[] = Array.from({ length: AUDIT_LANES }, () => 0n);

  constructor(cluster: ClusterId) {
    this.#secret = hash("sha256", `meridian audit of ${cluster}`, "buffer");
  }

  laneOf(repo: RepositoryName): number {
    return this.#hash(Buffer.from(repo)).readUInt32BE(0) % AUDIT_LANES;
  }

  /** 128 bits that stand for the register and its key; 0 for a register that was never written. */
  fingerprint(key: RegisterKey, register: Register): bigint {
    if (register.context.size === 0) return 0n;
    const digest = this.#hash(encodeKey(key), encodeRegister(register));
    return (digest.readBigUInt64BE(0) << 64n) | digest.readBigUInt64BE(8);
  }

  add(key: RegisterKey, register: Register): void {
    this.#change(this.laneOf(key.repo), this.fingerprint(key, register));
  }

  replace({ key, before, after }: Replacement): void {
    const more = this.fingerprint(key, after) - this.fingerprint(key, before);
    this.#change(this.laneOf(key.repo), more + SUM_MODULUS);
  }

  /** Of everything. */
  root(): bigint {
    return this.#sums.reduce((total, sum) => (total + sum) % SUM_MODULUS, 0n);
  }

  /** One for each group, in their order. */
  groups(): readonly bigint[] {
    return Array.from({ length: AUDIT_GROUPS }, (_, group) =>
      this.lanesOf(group).reduce((total, sum) => (total + sum) % SUM_MODULUS, 0n),
    );
  }

  /** The lanes of `group`, in their order. */
  lanesOf(group: number): readonly bigint[] {
    invariant(Number.isInteger(group) && group >= 0 && group < AUDIT_GROUPS, "a group is one of those there are");
    return this.#sums.slice(group * AUDIT_LANES_PER_GROUP, (group + 1) * AUDIT_LANES_PER_GROUP);
  }

  #change(lane: number, by: bigint): void {
    this.#sums[lane] = ((this.#sums[lane] ?? 0n) + by) % SUM_MODULUS;
  }

  #hash(...parts: readonly Uint8Array[]): Buffer {
    return hash("sha256", Buffer.concat([this.#secret, ...parts]), "buffer");
  }
}
