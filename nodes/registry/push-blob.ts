import type { Digest } from "../../shared/digest.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { Uploads } from "../storage/uploads.ts";

export type PushBlobRequest = {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  readonly body: AsyncIterable<Uint8Array>;
  readonly actor: string;
  readonly client?: string;
};

/** Takes a whole blob in one request: a session that the client never sees, and that does not outlive it. */
export class PushBlob {
  readonly #uploads: Pick<Uploads, "start" | "finish" | "cancel">;

  constructor({ uploads }: { readonly uploads: Pick<Uploads, "start" | "finish" | "cancel"> }) {
    this.#uploads = uploads;
  }

  /** Durable when it resolves. @throws {RegistryError} as `Uploads.finish` does. */
  async run({ repo, digest, body, actor, client }: PushBlobRequest, signal: AbortSignal): Promise<Digest> {
    const { id } = await this.#uploads.start(repo, actor, client);
    try {
      return await this.#uploads.finish({ repo, id, digest, body, range: undefined, actor, signal });
    } catch (cause) {
      await this.#uploads.cancel(repo, id);
      throw cause;
    }
  }
}
