/**
 * The one replicated data type: a dotted-version-vector register. It holds every version that no later write has
 * seen, and the causal context, the dots of all writes it knows of. A write carries the context of what its writer
 * had seen and replaces exactly that, so causality decides what overwrites what; versions that did not see each
 * other stay side by side as *siblings* and the hybrid logical clock only chooses which of them is shown. Nothing is
 * lost: the loser stays until somebody writes with both in sight.
 *
 * Plain last-writer-wins was the alternative. It loses one of two concurrent pushes without a trace, and a clock
 * that is ahead shadows every later write.
 *
 * Source: Preguiça et al., "Dotted Version Vectors" (2012); Riak's `dvvset`.
 */
import type { Digest } from "./digest.ts";
import type { Hlc } from "./hlc.ts";
import type { NodeId, Origin, Region } from "./identity.ts";
import type { RepositoryName, Tag } from "./reference.ts";
import { compareDots, type Dot } from "./version-vector.ts";

/** What is replicated, each under its own register. */
export type RegisterKey =
  /** Which manifest a tag names. */
  | { readonly kind: "tag"; readonly repo: RepositoryName; readonly tag: Tag }
  /** Whether a manifest belongs to a repository. */
  | { readonly kind: "manifest"; readonly repo: RepositoryName; readonly digest: Digest }
  /** Written only once somebody deletes a blob from a repository, and when it comes back after that. */
  | { readonly kind: "blob"; readonly repo: RepositoryName; readonly digest: Digest };

export type RegisterValue =
  | { readonly kind: "tag"; readonly digest: Digest }
  | { readonly kind: "manifest"; readonly mediaType: string; readonly size: number }
  | { readonly kind: "linked" }
  | { readonly kind: "removed" };

/** Who wrote, and through which node. `actor` is the authenticated name, or `anonymous`. */
export type Author = { readonly node: NodeId; readonly region: Region; readonly actor: string };

export type Version = {
  readonly dot: Dot;
  readonly hlc: Hlc;
  readonly author: Author;
  readonly value: RegisterValue;
};

/** For each origin the highest number of its writes to this register that is known. */
export type Context = ReadonlyMap<Origin, number>;

export type Register = { readonly versions: readonly Version[]; readonly context: Context };

export const EMPTY_REGISTER: Register = { versions: [], context: new Map() };

/** The register of one version that has seen nothing before it. */
export function registerOf(version: Version): Register {
  return { versions: [version], context: new Map([[version.dot.origin, version.dot.seq]]) };
}

export function isCovered(dot: Dot, context: Context): boolean {
  return dot.seq <= (context.get(dot.origin) ?? 0);
}

export function sameDot(left: Dot, right: Dot): boolean {
  return left.origin === right.origin && left.seq === right.seq;
}

export function joinContexts(left: Context, right: Context): Context {
  const joined = new Map(left);
  for (const [origin, seq] of right) joined.set(origin, Math.max(seq, joined.get(origin) ?? 0));
  return joined;
}

/**
 * The least upper bound of two states of one register: commutative, associative, idempotent. A version stays when
 * the other side holds it too or has never heard of it. Applying an op is the same merge, with a register that
 * holds the op's one version. Versions come out in dot order, so equal states are equal values.
 */
export function mergeRegisters(left: Register, right: Register): Register {
  const kept = [
    ...left.versions.filter((version) => survives(version, right)),
    ...right.versions.filter((version) => survives(version, left) && !holds(left, version.dot)),
  ];
  return { versions: kept.toSorted(byDot), context: joinContexts(left.context, right.context) };
}

function survives(version: Version, other: Register): boolean {
  return holds(other, version.dot) || !isCovered(version.dot, other.context);
}

function holds(register: Register, dot: Dot): boolean {
  return register.versions.some((version) => sameDot(version.dot, dot));
}

function byDot(left: Version, right: Version): number {
  return compareDots(left.dot, right.dot);
}

/** The version that is shown: the latest by clock, ties broken by origin and number; `undefined` when nothing was written. */
export function winnerOf(register: Register): Version | undefined {
  return register.versions.reduce<Version | undefined>(
    (best, version) => (best === undefined || isLater(version, best) ? version : best),
    undefined,
  );
}

/** A total order over versions: clock, then origin, then number. */
export function isLater(left: Version, right: Version): boolean {
  if (left.hlc !== right.hlc) return left.hlc > right.hlc;
  return byDot(left, right) > 0;
}
