/** Our own mistake, never the world's and never a client's. Nobody catches it: the process restarts. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** @throws {InvariantError} when `condition` is false. Write the message as the sentence that should have been true. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Closes a `switch` over a union: the compiler proves that no case is left, and the process stops if it was wrong. */
export function unreachable(value: never): never {
  throw new InvariantError(`no case is left for ${JSON.stringify(value)}`);
}
