import type { CausalToken } from "../../shared/causal-token.ts";
import { STALENESS_WARNING_MS } from "../../shared/limits.ts";
import type { Headers } from "./reply.ts";

/** What a write has made, or a tag read has seen, in the words of `Meridian-Min-Version`. */
export function versionHeader(token: CausalToken | undefined): Headers {
  return token === undefined ? {} : { "Meridian-Version": token };
}

/** How old the answer to the read of a tag can at most be; RFC 7234, section 5.5, has a place for a warning. */
export function stalenessHeaders(stalenessMs: number): Headers {
  const told = { "Meridian-Staleness-Ms": String(Math.ceil(stalenessMs)) };
  if (stalenessMs <= STALENESS_WARNING_MS) return told;
  return { ...told, Warning: '299 - "parts of the cluster have not been heard of for a while"' };
}
