/** What one disk holds of all ops, as its own rows say: the account by which something is lost, or is not. */
import type { KvWrite } from "../nodes/ports/kv.ts";
import { ByteReader } from "../shared/bytes.ts";
import { isOrigin } from "../shared/identity.ts";
import { type Dot, type VectorEntry, VersionVector } from "../shared/version-vector.ts";
import type { KvImage } from "./sim-kv.ts";

const ORIGIN_LETTER = "v".charCodeAt(0);
/** Version and checksum; see the envelope that the metadata store puts around each value. */
const ENVELOPE_BYTES = 5;

export class Holdings {
  #held = new VersionVector();

  /** @returns whether the write says what is held. */
  note(write: KvWrite): boolean {
    const entry = write.kind === "put" ? entryInRow(write.key, write.value) : undefined;
    if (entry !== undefined) this.#held.merge(VersionVector.from([entry]));
    return entry !== undefined;
  }

  reset(image: KvImage): void {
    this.#held = new VersionVector();
    for (const { key, value } of image) this.note({ kind: "put", key, value });
  }

  includes(dot: Dot): boolean {
    return this.#held.includes(dot);
  }
}

function entryInRow(key: Uint8Array, value: Uint8Array): VectorEntry | undefined {
  if (key[0] !== ORIGIN_LETTER) return undefined;
  const origin = Buffer.from(key).toString("utf8", 1, key.length - 1);
  if (!isOrigin(origin)) return undefined;
  const reader = new ByteReader(value.subarray(ENVELOPE_BYTES));
  const upto = reader.readVarint();
  reader.readVarint();
  reader.readBytes();
  const beyond: { from: number; to: number }[] = [];
  for (let left = reader.readVarint(); left > 0; left -= 1) {
    beyond.push({ from: reader.readVarint(), to: reader.readVarint() });
  }
  return { origin, upto, beyond };
}
