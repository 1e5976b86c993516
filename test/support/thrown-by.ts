import { RegistryError, type RegistryErrorCode } from "../../shared/errors.ts";

/** What `action` threw; `undefined` when it returned. */
export function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** The code of the refusal that `action` met; fails when it met none, or something else. */
export function refusalOf(action: () => unknown): RegistryErrorCode {
  const error = thrownBy(action);
  if (error instanceof RegistryError) return error.code;
  throw new Error("expected a refusal", { cause: error });
}

/** What `action` was rejected with; fails when it was not. */
export async function rejectionOf(action: Promise<unknown>): Promise<unknown> {
  return await action.then(
    () => {
      throw new Error("expected a rejection");
    },
    (error: unknown) => error,
  );
}
