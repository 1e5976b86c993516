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
