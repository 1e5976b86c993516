import type { CausalToken } from "../../shared/causal-token.ts";
import type { Headers } from "./reply.ts";

/** What a write has made, or a tag read has seen, in the words of `Meridian-Min-Version`. */
export function versionHeader(token: CausalToken | undefined): Headers {
  return token === undefined ? {} : { "Meridian-Version": token };
}
