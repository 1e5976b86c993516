/** What can go wrong with a disk that somebody must treat in a way of its own. Everything else is an ordinary failure. */

/** There is no room for the bytes. Nothing was lost; what was written before is still there. */
export class DiskFullError extends Error {
  override readonly name = "DiskFullError";
}

/**
 * Syncing failed: the system may have dropped what it had promised to write, and will not say so twice. Never tried
 * again. The node must stop writing. Known as "fsyncgate": the first fsync reports the
 * error, the second succeeds, and the pages are gone.
 */
export class DurabilityError extends Error {
  override readonly name = "DurabilityError";
}

/** The process, or the machine, has as many files open as it may. Nothing was lost; it passes as soon as some are closed. */
export class TooManyFilesError extends Error {
  override readonly name = "TooManyFilesError";
}
