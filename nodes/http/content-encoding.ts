import { RegistryError } from "../../shared/errors.ts";
import type { Call } from "./call.ts";

/**
 * Digests are of bytes as they are sent. A body that claims to be compressed on the way would be stored as nobody meant
 * it, and is refused before it is read. @throws {RegistryError} `UNSUPPORTED` (415)
 */
export function expectNoEncoding({ headers }: Call): void {
  const encoding = headers["content-encoding"];
  if (encoding === undefined || encoding === "" || encoding.toLowerCase() === "identity") return;
  throw new RegistryError(
    "UNSUPPORTED",
    { contentEncoding: encoding.slice(0, 80) },
    { status: 415, message: "Content-Encoding is not supported: send the bytes as they are" },
  );
}
