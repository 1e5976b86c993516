/**
 * Changes on their way in a catch-up, packed by us. gRPC's own compression works on whole messages and on all of them,
 * also on blobs and on single ops, which it makes larger; and grpc-js unpacks whatever a peer sends, however large it
 * gets. Here only what is long is packed, and unpacking ends at a bound.
 *
 * Each pack stands alone: a session that breaks off can be continued anywhere. Sixty-four kilobytes at a time are
 * within a few per cent of what one stream over everything would save, because its window is half as long.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { ByteReader, ByteWriter, MalformedBytesError } from "../../shared/bytes.ts";
import { RPC_MESSAGE_BYTES_MAX } from "../../shared/limits.ts";

export function pack(changes: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter().writeVarint(changes.length);
  for (const change of changes) writer.writeBytes(change);
  return deflateRawSync(writer.finish());
}

/** @throws {MalformedBytesError} when it is no pack, or one that would be larger than any message. */
export function unpack(packed: Uint8Array): readonly Uint8Array[] {
  const reader = new ByteReader(inflated(packed));
  const changes: Uint8Array[] = [];
  for (let left = reader.readVarint(); left > 0; left -= 1) changes.push(reader.readBytes());
  reader.expectEnd();
  return changes;
}

function inflated(packed: Uint8Array): Uint8Array {
  try {
    const bytes = inflateRawSync(packed, { maxOutputLength: RPC_MESSAGE_BYTES_MAX });
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch (cause) {
    throw new MalformedBytesError("packed changes do not unpack", { cause });
  }
}
