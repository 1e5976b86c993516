/**
 * What it means that a call which changes the disk has failed. Out of room is a passing state: nothing was lost, and whoever
 * frees some may try again. An input-output error, or a file system that the kernel has turned read-only, is a verdict
 * on the disk: what was written before may be gone as well, whichever call was told of it. Too many open files say nothing
 * of the disk at all, and pass like a full one. Everything else (a name that exists, a missing folder) is for the caller
 * to know.
 */
import { DiskFullError, DurabilityError, TooManyFilesError } from "../../shared/disk-errors.ts";
import { codeOf } from "./system-error.ts";

const FULL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);
const NO_DESCRIPTOR: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"]);
const FAILING: ReadonlySet<string> = new Set(["EIO", "EROFS"]);

/**
 * Makes a change to the disk, `doing` which is told when it fails.
 * @throws {DiskFullError}, {TooManyFilesError} or {DurabilityError}; what is none of them passes through.
 */
export async function changingDisk<T>(doing: string, change: () => Promise<T>): Promise<T> {
  try {
    return await change();
  } catch (cause) {
    throw failureOf(doing, cause);
  }
}

function failureOf(doing: string, cause: unknown): unknown {
  const code = codeOf(cause) ?? "";
  if (FULL.has(code)) return new DiskFullError(`no room is left for ${doing}`, { cause });
  if (FAILING.has(code)) return new DurabilityError(`the disk failed at ${doing} (${code})`, { cause });
  return withoutDescriptor(cause);
}

/** `cause`, or a name for it when no file could be opened at all. */
export function withoutDescriptor(cause: unknown): unknown {
  if (!NO_DESCRIPTOR.has(codeOf(cause) ?? "")) return cause;
  return new TooManyFilesError("too many files are open", { cause });
}
