import { deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { SimKv } from "../../cluster-sim/sim-kv.ts";
import { pullFrameToMessage } from "../../nodes/rpc/convert.ts";
import { loadProto } from "../../nodes/rpc/load-proto.ts";
import { pack, unpack } from "../../nodes/rpc/pack.ts";
import { MalformedBytesError } from "../../shared/bytes.ts";
import { RPC_MESSAGE_BYTES_MAX } from "../../shared/limits.ts";
import { VersionVector } from "../../shared/version-vector.ts";
import { tagMoves } from "../bench/tag-moves.ts";
import { openMetadata } from "../support/metadata-fixture.ts";

const { metadata } = loadProto();
/** As pushes mostly are: each tag with a manifest of its own. */
const EACH_ITS_OWN = { all: 3_000, perRepository: 200 };

describe("packed changes", () => {
  test("come out as they went in", () => {
    const changes = [Uint8Array.of(), Uint8Array.of(1, 2, 3), new Uint8Array(70_000).fill(9)];

    expect(unpack(pack(changes))).toEqual(changes);
    expect(unpack(pack([]))).toEqual([]);
  });

  test.each([
    ["bytes that are no pack", Buffer.from("not packed")],
    ["a pack that ends early", pack([new Uint8Array(500).fill(7)]).subarray(0, -3)],
    ["a count without changes", deflateRawSync(Uint8Array.of(5))],
    ["something after the last change", deflateRawSync(Uint8Array.of(1, 1, 9, 9))],
  ])("are refused when they are %s", (_what, packed) => {
    expect(() => unpack(packed)).toThrow(MalformedBytesError);
  });

  test("are refused before they fill the memory", () => {
    const bomb = deflateRawSync(new Uint8Array(RPC_MESSAGE_BYTES_MAX + 1));

    expect(bomb.length).toBeLessThan(RPC_MESSAGE_BYTES_MAX);
    expect(() => unpack(bomb)).toThrow(MalformedBytesError);
  });
});

test.each([
  { how: "from the log", opLogOpsMax: 100_000 },
  { how: "from the live index", opLogOpsMax: 10 },
])(
  "a catch-up $how costs no more than a tenth over what it brings, compressed, and 14 bytes an origin",
  async ({ opLogOpsMax }) => {
    const source = await openMetadata(new SimKv(), "eu", { opLogOpsMax });
    for (const batch of tagMoves(3_000, EACH_ITS_OWN)) await source.commit({ kind: "ops", batch });

    let wire = 0;
    const brought: Uint8Array[] = [];
    for await (const frame of source.missing(new VersionVector())) {
      wire += metadata.Pull.responseSerialize(pullFrameToMessage(frame)).length;
      if (frame.kind === "ops") brought.push(...frame.batch.ops);
      if (frame.kind === "live") brought.push(...frame.changes);
    }

    const compressed = deflateRawSync(Buffer.concat(brought)).length;
    expect(brought.length).toBeGreaterThan(2_000);
    expect(wire).toBeLessThanOrEqual(1.1 * compressed + 14);
  },
);
