import type { Prng } from "../../../cluster-sim/prng.ts";

/** Numbers at which programs change their mind. */
const INTERESTING_NUMBERS = [
  "0",
  "-1",
  "1",
  "255",
  "256",
  "65535",
  "65536",
  "2147483647",
  "2147483648",
  "4294967296",
  "9007199254740991",
  "9007199254740992",
  "18446744073709551615",
  "1e309",
  "0x10",
  "00",
  "+1",
];
const INTERESTING_BYTES = [0, 1, 0x0a, 0x20, 0x22, 0x2e, 0x2f, 0x5c, 0x7f, 0x80, 0xbf, 0xc0, 0xed, 0xef, 0xfe, 0xff];
const CHANGES_MAX = 6;
const REPEATS_MAX = 300;

export type MutationSource = {
  readonly prng: Prng;
  /** Words of the format. */
  readonly dictionary: readonly string[];
  /** Another input to take parts from. */
  readonly other: Uint8Array;
  readonly bytesMax: number;
};

/** One to a few small changes of `input`, as likely to keep it nearly valid as to break it. */
export function mutated(input: Uint8Array, source: MutationSource): Uint8Array {
  let bytes: Buffer = Buffer.from(input);
  const changes = source.prng.integer(1, CHANGES_MAX);
  for (let change = 0; change < changes; change += 1) bytes = changedOnce(bytes, source).subarray(0, source.bytesMax);
  return Uint8Array.from(bytes);
}

function changedOnce(bytes: Buffer, { prng, dictionary, other }: MutationSource): Buffer {
  const at = prng.integer(0, bytes.length);
  const end = Math.min(bytes.length, at + prng.integer(1, 16));
  const put = (middle: Uint8Array, until = at): Buffer =>
    Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(until)]);
  switch (prng.integer(0, 9)) {
    case 0:
      return put(Uint8Array.of((bytes[at] ?? 0) ^ (1 << prng.integer(0, 7))), at + 1);
    case 1:
      return put(Uint8Array.of(prng.pick(INTERESTING_BYTES)), at + 1);
    case 2:
      return put(prng.bytes(prng.integer(1, 4)));
    case 3:
      return put(new Uint8Array(), end);
    case 4:
      return put(bytes.subarray(at, end));
    case 5:
      return put(Buffer.concat(Array.from({ length: prng.integer(2, REPEATS_MAX) }, () => bytes.subarray(at, end))));
    case 6:
      return dictionary.length === 0 ? put(prng.bytes(1)) : put(Buffer.from(prng.pick(dictionary)));
    case 7:
      return dictionary.length === 0 ? put(prng.bytes(1), end) : put(Buffer.from(prng.pick(dictionary)), end);
    case 8:
      return withOtherNumber(bytes, prng);
    default: {
      const from = prng.integer(0, other.length);
      return put(other.subarray(from, from + prng.integer(1, 64)), prng.chance(0.5) ? at : end);
    }
  }
}

function withOtherNumber(bytes: Buffer, prng: Prng): Buffer {
  const text = bytes.toString("latin1");
  const numbers = [...text.matchAll(/[0-9]+/g)];
  if (numbers.length === 0) return bytes;
  const { index, 0: number } = prng.pick(numbers);
  const changed = `${text.slice(0, index)}${prng.pick(INTERESTING_NUMBERS)}${text.slice(index + number.length)}`;
  return Buffer.from(changed, "latin1");
}
