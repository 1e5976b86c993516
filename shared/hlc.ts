/**
 * Hybrid logical clock: 48 bits of milliseconds since the epoch, 16 bits of counter, in one integer whose order is
 * the order of the clock. It only ranks *concurrent* writes; what overwrites what is decided by causal contexts, so a
 * clock that is years ahead wins one conflict and shadows no later write.
 * Source: Kulkarni et al., "Logical Physical Clocks" (OPODIS 2014), figure 5.
 */
import type { Brand } from "./brand.ts";
import { invariant } from "./invariant.ts";

/** An unsigned 64-bit timestamp. Compare with `<`. */
export type Hlc = Brand<bigint, "Hlc">;

const COUNTER_BITS = 16n;
const HLC_MAX = (1n << 64n) - 1n;

export function isHlc(value: bigint): value is Hlc {
  return value >= 0n && value <= HLC_MAX;
}

/** @throws {InvariantError} when `value` does not fit 64 unsigned bits. */
export function hlcOf(value: bigint): Hlc {
  invariant(isHlc(value), "a timestamp fits 64 bits");
  return value;
}

/** The first timestamp of the millisecond `wallMs`. */
export function hlcAt(wallMs: number): Hlc {
  return hlcOf(BigInt(Math.max(0, Math.trunc(wallMs))) << COUNTER_BITS);
}

/** The millisecond part, as a wall-clock time. */
export function wallMsOf(hlc: Hlc): number {
  return Number(hlc >> COUNTER_BITS);
}

/** The next timestamp after `last` at physical time `wallMs`: never goes back; an overflowing counter borrows the next millisecond. */
export function nextHlc(last: Hlc, wallMs: number): Hlc {
  const physical = hlcAt(wallMs);
  return physical > last ? physical : hlcOf(last + 1n);
}

/**
 * What the own clock becomes on seeing `remote`. Time further ahead of `wallMs` than `aheadMsMax` is not absorbed:
 * one bad clock must not drag the others along.
 */
export function absorbHlc(last: Hlc, remote: Hlc, wallMs: number, aheadMsMax: number): Hlc {
  if (remote <= last || wallMsOf(remote) > wallMs + aheadMsMax) return last;
  return remote;
}
