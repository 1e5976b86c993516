import { createHash } from "node:crypto";

import type { SupportedDescriptor } from "../../../shared/descriptor.ts";
import { algorithmOf, hexOf } from "../../../shared/digest.ts";

/** Bytes are not those that their descriptor names. */
export class ContentMismatchError extends Error {
  override readonly name = "ContentMismatchError";
}

/** Passes `bytes` on and throws {@link ContentMismatchError} where a complete end would be, unless they are what `descriptor` says. */
export async function* verified(
  descriptor: SupportedDescriptor,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = descriptor;
  const hash = createHash(algorithmOf(digest));
  let seen = 0;
  for await (const chunk of bytes) {
    seen += chunk.length;
    if (seen > size) throw new ContentMismatchError(`${digest} is longer than the ${size} bytes it should have`);
    hash.update(chunk);
    yield chunk;
  }
  if (seen !== size) throw new ContentMismatchError(`${digest} ends after ${seen} of ${size} bytes`);
  const actual = hash.digest("hex");
  if (actual !== hexOf(digest)) throw new ContentMismatchError(`${digest} holds other bytes: ${actual}`);
}
