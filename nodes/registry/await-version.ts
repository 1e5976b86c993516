import { isSeen, parseCausalToken } from "../../shared/causal-token.ts";
import { RegistryError } from "../../shared/errors.ts";
import { VERSION_RETRY_AFTER_SECONDS, VERSION_WAIT_MS_MAX } from "../../shared/limits.ts";
import type { RepositoryName, Tag } from "../../shared/reference.ts";
import { Bell } from "../cluster/bell.ts";
import { within } from "../cluster/deadline.ts";
import type { Timers } from "../ports/timers.ts";
import type { Metadata } from "../storage/metadata.ts";

export type AwaitVersionDeps = {
  readonly metadata: Pick<Metadata, "held" | "onCommitted" | "reader">;
  readonly timers: Timers;
};

export type VersionRequest = {
  readonly token: string;
  /** What will be read, when it is a tag. */
  readonly tag: { readonly repo: RepositoryName; readonly tag: Tag } | undefined;
};

/**
 * Holds a reader back until this node knows at least what the reader has seen elsewhere: nobody reads backwards. To
 * hold an op is not enough for that. While the manifest behind a tag's latest write is still on its way, the tag shows
 * what it showed before, and that may be older than what the reader has seen.
 */
export class AwaitVersion {
  readonly #deps: AwaitVersionDeps;

  constructor(deps: AwaitVersionDeps) {
    this.#deps = deps;
  }

  /** @throws {RegistryError} `UNAVAILABLE` when it has not come in time; `UNSUPPORTED` (400) when `token` is none. */
  async run({ token, tag }: VersionRequest, signal: AbortSignal): Promise<void> {
    const { metadata, timers } = this.#deps;
    const dots = parseCausalToken(token);
    const isHere = async (): Promise<boolean> =>
      isSeen(dots, metadata.held()) && (tag === undefined || !(await metadata.reader.isBehind(tag.repo, tag.tag)));
    if (await isHere()) return;

    const bell = new Bell();
    const stopListening = metadata.onCommitted(() => bell.ring());
    try {
      const wait = async (limit: AbortSignal): Promise<boolean> => {
        while (!limit.aborted) {
          // It may have come between the first look and the first listening.
          if (await isHere()) return true;
          await bell.rung(limit);
        }
        return false;
      };
      if (await within(timers, VERSION_WAIT_MS_MAX, wait, signal)) return;
    } finally {
      stopListening();
    }
    throw new RegistryError("UNAVAILABLE", undefined, {
      message: "this node has not yet heard of what the caller has seen",
      retryAfterSeconds: VERSION_RETRY_AFTER_SECONDS,
    });
  }
}
