import type { BlobsHandlers } from "../../proto/gen/meridian/v1/Blobs.ts";
import type { Chunk } from "../../proto/gen/meridian/v1/Chunk.ts";
import { RPC_BLOB_CHUNK_BYTES } from "../../shared/limits.ts";
import type { Answers } from "./answers.ts";
import { blobFoundToMessage, haveRequestFromMessage, readRequestFromMessage } from "./convert.ts";

export function blobService(answers: Answers): BlobsHandlers {
  return {
    Have: answers.unary(async (calls, request, signal) => {
      const { repo, digests } = haveRequestFromMessage(request);
      const found = await calls.have(repo, digests, signal);
      return { found: found.map((blob) => blobFoundToMessage(blob)) };
    }),
    Read: answers.stream((calls, request, signal) => {
      const { digest, offset } = readRequestFromMessage(request);
      return chunksOf(calls.readBlob(digest, offset, signal));
    }),
  };
}

/** Nothing is copied here: each message is serialised before the next is asked for. */
async function* chunksOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<Chunk, void> {
  for await (const bytes of content) {
    for (let at = 0; at < bytes.length; at += RPC_BLOB_CHUNK_BYTES) {
      yield { data: bytes.subarray(at, at + RPC_BLOB_CHUNK_BYTES) };
    }
  }
}
