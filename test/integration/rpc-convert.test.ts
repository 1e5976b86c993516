import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PublisherFrame, PullFrame, SubscriberFrame } from "../../nodes/ports/peers.ts";
import {
  auditAnswerFromMessage,
  auditLaneRequestFromMessage,
  auditRequestFromMessage,
  blobFoundFromMessage,
  imageStateFromMessage,
  laneFrameFromMessage,
  publisherFrameFromMessage,
  publisherFrameToMessage,
  pullFrameFromMessage,
  pullFrameToMessage,
  reportFromMessage,
  subscriberFrameFromMessage,
  subscriberFrameToMessage,
} from "../../nodes/rpc/convert.ts";
import { loadProto, type Proto } from "../../nodes/rpc/load-proto.ts";
import { hlcOf } from "../../shared/hlc.ts";
import { type Origin, parseOrigin } from "../../shared/identity.ts";
import { encodeVersionVector, VersionVector } from "../../shared/version-vector.ts";
import { LAYER } from "../support/rpc-fixture.ts";

const { control, metadata, blobs }: Proto = loadProto();
const HELD = Buffer.from(encodeVersionVector(new VersionVector()));
const ORIGIN = "00000000000000e1";
const CHAIN = Buffer.alloc(16);

const origins: fc.Arbitrary<Origin> = fc
  .bigInt({ min: 0n, max: (1n << 64n) - 1n })
  .map((value) => parseOrigin(value.toString(16).padStart(16, "0")));
const sizes = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const bytes = fc.uint8Array({ maxLength: 64 });
const chains = fc.uint8Array({ minLength: 16, maxLength: 16 });
const vectors = fc
  .array(fc.record({ origin: origins, seq: fc.integer({ min: 1, max: 9 }) }), { maxLength: 20 })
  .map((dots) => {
    const vector = new VersionVector();
    for (const dot of dots) vector.add(dot);
    return vector;
  });
const batches = fc.record({ origin: origins, from: sizes, ops: fc.array(bytes), chain: chains, base: chains });
const ops = batches.map((batch) => ({ kind: "ops", batch }) as const);
const heads: fc.Arbitrary<PublisherFrame> = fc
  .tuple(vectors, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.double({ min: 0, max: 1e15, noNaN: true }))
  .map(([held, closed, wallMs]) => ({ kind: "heads", held, closed: hlcOf(closed), wallMs: wallMs + 0 }));
const pulses: fc.Arbitrary<PublisherFrame> = fc
  .tuple(fc.option(chains, { nil: undefined }), fc.option(fc.nat(), { nil: undefined }))
  .map(([hash, closedAgoMs]) => ({ kind: "pulse", hash, closedAgoMs }));
const losses: fc.Arbitrary<PublisherFrame> = origins.map((origin) => ({ kind: "lost", origin }));
const said: fc.Arbitrary<SubscriberFrame> = fc.oneof(
  vectors.map((held) => ({ kind: "ack", held }) as const),
  fc.array(fc.record({ origin: origins, after: sizes })).map((wanted) => ({ kind: "want", wanted }) as const),
  sizes.map((granted) => ({ kind: "credit", granted }) as const),
  fc.constant({ kind: "ask" } as const),
);
const live: fc.Arbitrary<PullFrame> = fc.array(bytes).map((changes) => ({ kind: "live", changes }));
const ends: fc.Arbitrary<PullFrame> = fc
  .tuple(vectors, fc.array(fc.tuple(origins, chains)))
  .map(([held, entries]) => ({ kind: "end", held, chains: new Map(entries) }));

describe("a frame comes out of its message as it went in", () => {
  test("from a publisher", () => {
    const { responseSerialize, responseDeserialize } = metadata.Replicate;

    fc.assert(
      fc.property(fc.oneof(ops, heads, pulses, losses), (frame) => {
        const wire = responseSerialize(publisherFrameToMessage(frame));
        expect(publisherFrameFromMessage(responseDeserialize(wire))).toEqual(frame);
      }),
    );
  });

  test("from a subscriber", () => {
    const { requestSerialize, requestDeserialize } = metadata.Replicate;

    fc.assert(
      fc.property(said, (frame) => {
        const wire = requestSerialize(subscriberFrameToMessage(frame));
        expect(subscriberFrameFromMessage(requestDeserialize(wire))).toEqual(frame);
      }),
    );
  });

  test("from the source of a catch-up", () => {
    const { responseSerialize, responseDeserialize } = metadata.Pull;

    fc.assert(
      fc.property(fc.oneof(ops, live, ends), (frame) => {
        const wire = responseSerialize(pullFrameToMessage(frame));
        expect(pullFrameFromMessage(responseDeserialize(wire))).toEqual(frame);
      }),
    );
  });
});

describe("a message is refused", () => {
  const published = (message: Parameters<typeof metadata.Replicate.responseSerialize>[0]): (() => unknown) => {
    const wire = metadata.Replicate.responseSerialize(message);
    return () => publisherFrameFromMessage(metadata.Replicate.responseDeserialize(wire));
  };
  const pulled = (message: Parameters<typeof metadata.Pull.responseSerialize>[0]): (() => unknown) => {
    const wire = metadata.Pull.responseSerialize(message);
    return () => pullFrameFromMessage(metadata.Pull.responseDeserialize(wire));
  };
  const reported = (message: Parameters<typeof control.Report.responseSerialize>[0]): (() => unknown) => {
    const wire = control.Report.responseSerialize(message);
    return () => reportFromMessage(control.Report.responseDeserialize(wire));
  };
  const described = (message: Parameters<typeof metadata.DescribeImage.responseSerialize>[0]): (() => unknown) => {
    const wire = metadata.DescribeImage.responseSerialize(message);
    return () => imageStateFromMessage(metadata.DescribeImage.responseDeserialize(wire));
  };
  const found = (message: Parameters<typeof blobs.Have.responseSerialize>[0]): (() => unknown) => {
    const wire = blobs.Have.responseSerialize(message);
    return () => blobs.Have.responseDeserialize(wire).found.map((blob) => blobFoundFromMessage(blob));
  };
  const acked = (message: Parameters<typeof metadata.Replicate.requestSerialize>[0]): (() => unknown) => {
    const wire = metadata.Replicate.requestSerialize(message);
    return () => subscriberFrameFromMessage(metadata.Replicate.requestDeserialize(wire));
  };

  const audited = (message: Parameters<typeof metadata.Audit.requestSerialize>[0]): (() => unknown) => {
    const wire = metadata.Audit.requestSerialize(message);
    return () => auditRequestFromMessage(metadata.Audit.requestDeserialize(wire));
  };
  const summed = (message: Parameters<typeof metadata.Audit.responseSerialize>[0]): (() => unknown) => {
    const wire = metadata.Audit.responseSerialize(message);
    return () => auditAnswerFromMessage(metadata.Audit.responseDeserialize(wire));
  };
  const laneAsked = (message: Parameters<typeof metadata.AuditLane.requestSerialize>[0]): (() => unknown) => {
    const wire = metadata.AuditLane.requestSerialize(message);
    return () => auditLaneRequestFromMessage(metadata.AuditLane.requestDeserialize(wire));
  };
  const laneTold = (message: Parameters<typeof metadata.AuditLane.responseSerialize>[0]): (() => unknown) => {
    const wire = metadata.AuditLane.responseSerialize(message);
    return () => laneFrameFromMessage(metadata.AuditLane.responseDeserialize(wire));
  };

  test.each([
    ["an audit of two totals", audited({ root: Buffer.alloc(32) }), "an audit compares one total"],
    ["an audit of half a total", audited({ root: Buffer.alloc(8) }), "sums have 16 bytes each"],
    [
      "an audit of a group that there is not",
      audited({ groups: [64] }),
      "an audit asks for groups of lanes that there are, each once",
    ],
    [
      "an audit of one group again and again",
      audited({ groups: Array.from({ length: 65 }, () => 0) }),
      "an audit asks for groups of lanes that there are, each once",
    ],
    [
      "more sums than there are lanes",
      summed({ held: HELD, sums: Buffer.alloc(4_097 * 16) }),
      "an audit tells more sums than lanes",
    ],
    ["an audit of a lane that there is not", laneAsked({ lane: 4_096 }), "an audit asks for a lane that there is"],
    ["a lane's frame of no kind", laneTold({}), "an audit brought a frame of no known kind"],
    ["a publisher's frame of no kind", published({}), "a publisher sent a frame of no known kind"],
    ["a batch of no origin", published({ ops: { origin: "x", from: 1, chain: CHAIN } }), "a message names no origin"],
    ["a batch from op 0", published({ ops: { origin: ORIGIN, from: 0, chain: CHAIN } }), "ops are numbered from 1"],
    [
      "a batch with half a chain",
      published({ ops: { origin: ORIGIN, from: 1, chain: CHAIN.subarray(8) } }),
      "a hash chain has 16 bytes",
    ],
    [
      "heads at no time",
      published({ heads: { held: HELD, wallMs: Number.NaN } }),
      "a time is not a number of milliseconds",
    ],
    ["heads with half a vector", published({ heads: { held: HELD.subarray(1) } }), "a number ends early"],
    [
      "a pulse with half a hash",
      published({ pulse: { hash: CHAIN.subarray(8) } }),
      "the hash of a vector has 16 bytes",
    ],
    ["the loss of no origin", published({ lost: {} }), "a message names no origin"],
    ["a wish for no origin", acked({ want: { origins: [{ origin: "x" }] } }), "a message names no origin"],
    [
      "wishes without end",
      acked({ want: { origins: Array.from({ length: 4_097 }, () => ({ origin: ORIGIN })) } }),
      "a subscriber wants too many origins",
    ],
    ["a source's frame of no kind", pulled({}), "a source sent a frame of no known kind"],
    [
      "an end with a chain of nobody",
      pulled({ end: { held: HELD, chains: [{ origin: "", chain: CHAIN }] } }),
      "a message names no origin",
    ],
    [
      "an end with half a chain",
      pulled({ end: { held: HELD, chains: [{ origin: ORIGIN }] } }),
      "a hash chain has 16 bytes",
    ],
    ["an end with half a vector", pulled({ end: {} }), "a number ends early"],
    ["an ack of no kind", acked({}), "a subscriber sent a frame of no known kind"],
    ["a report without a greeting", reported({ held: HELD }), "a report has no greeting"],
    ["an image of no digest", described({ digest: "latest" }), "a message names no digest that this node supports"],
    [
      "an image that lacks a blob of no digest",
      described({ missing: [{ digest: "", size: 1 }] }),
      "a message names no digest that this node supports",
    ],
    ["an image larger than a number", described({ bytesTotal: (2n ** 53n).toString() }), "a number is out of range"],
    [
      "a blob of no digest",
      found({ found: [{ digest: "sha1:00", size: 1 }] }),
      "a message names no digest that this node supports",
    ],
    [
      "a blob larger than a number",
      found({ found: [{ digest: LAYER, size: "18446744073709551615" }] }),
      "a number is out of range",
    ],
  ])("that holds %s", (_what, read, complaint) => {
    expect(read).toThrow(complaint);
  });
});
