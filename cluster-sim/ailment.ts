/** How a machine's disk and store are when they are not well. */
import { DiskFullError, DurabilityError } from "../shared/disk-errors.ts";
import type { Prng } from "./prng.ts";
import type { DiskOperation } from "./sim-staging.ts";

/** Rates are shares of the calls, from 0 to 1. */
export type Ailment = {
  /** What a batch takes more, at most. */
  readonly syncMs: number;
  readonly isFull: boolean;
  readonly kvReadErrors: number;
  /** Reads of the store that give something else than what was written. */
  readonly kvMisreads: number;
  readonly kvWriteErrors: number;
  readonly blobReadErrors: number;
  readonly blobWriteErrors: number;
};

export const WELL: Ailment = {
  syncMs: 0,
  isFull: false,
  kvReadErrors: 0,
  kvMisreads: 0,
  kvWriteErrors: 0,
  blobReadErrors: 0,
  blobWriteErrors: 0,
};

/** What an operation on the disk fails with, if it does. */
export function diskError(operation: DiskOperation, ill: Ailment | undefined, prng: Prng): Error | undefined {
  if (ill === undefined) return undefined;
  const isReading = operation === "read" || operation === "open";
  if (isReading) return prng.chance(ill.blobReadErrors) ? new Error("EIO: a blob cannot be read") : undefined;
  const isGrowing = operation === "append" || operation === "stage";
  if (ill.isFull && isGrowing) return new DiskFullError("ENOSPC: the disk is full");
  return prng.chance(ill.blobWriteErrors) ? new DurabilityError("EIO: a blob cannot be written") : undefined;
}
