/** The calls by which nodes watch each other: what is refused at the door, and what they weigh. */
import { describe, expect, test } from "vitest";
import * as sizes from "../../cluster-sim/membership/wire-sizes.ts";
import {
  compareAnswerToMessage,
  comparedFromMessage,
  comparedToMessage,
  membersToldToMessage,
  probeAnswerToMessage,
  probeForFromMessage,
  probeForToMessage,
  probeFromMessage,
  probeToMessage,
} from "../../nodes/rpc/convert-members.ts";
import { loadProto } from "../../nodes/rpc/load-proto.ts";
import { parseNodeId } from "../../shared/identity.ts";
import { newsOf } from "../support/members.ts";

const { control } = loadProto();
const TARGET = parseNodeId("eu-1");

test.each([[[]], [[newsOf("us-1"), newsOf("ap-1", { incarnation: 70_000, accusers: [TARGET], standing: "dead" })]]])(
  "the simulator weighs every message as the real encoder makes it: %#",
  (news) => {
    const digest = new Uint8Array(16).fill(1);
    const [address, withinMs] = ["eu-1.example.com:7000", 850];
    const real = [
      control.Probe.requestSerialize(probeToMessage({ target: TARGET, sentWallMs: 1.5, news })),
      control.Probe.responseSerialize(probeAnswerToMessage({ receivedWallMs: 1.5, answeredWallMs: 2.5, news })),
      control.ProbeFor.requestSerialize(probeForToMessage({ target: TARGET, address, withinMs })),
      control.ProbeFor.responseSerialize({ isReached: true }),
      control.TellMembers.requestSerialize(membersToldToMessage(news)),
      control.CompareMembers.requestSerialize(comparedToMessage({ digest, news })),
      control.CompareMembers.responseSerialize(compareAnswerToMessage(undefined)),
      control.CompareMembers.responseSerialize(compareAnswerToMessage(news)),
    ];

    expect([
      sizes.probeBytes(TARGET, news),
      sizes.probeAnswerBytes(news),
      sizes.probeForBytes(TARGET, address, withinMs),
      sizes.probeForAnswerBytes(),
      sizes.toldBytes(news),
      sizes.compareBytes(digest, news),
      sizes.compareAnswerBytes(undefined),
      sizes.compareAnswerBytes(news),
    ]).toEqual(real.map(({ length }) => length));
  },
);

describe("a call is refused", () => {
  const NOTHING = Buffer.alloc(0);

  test.each([
    ["that probes nobody", () => probeFromMessage({ target: "", sentWallMs: 1, news: NOTHING })],
    ["whose clock shows no time", () => probeFromMessage({ target: TARGET, sentWallMs: Number.NaN, news: NOTHING })],
    ["whose news end early", () => probeFromMessage({ target: TARGET, sentWallMs: 1, news: Buffer.from([5, 1]) })],
    ["that would probe for a minute", () => probeForFromMessage({ target: TARGET, address: "x:1", withinMs: 60_000 })],
    ["whose address has no end", () => probeForFromMessage({ target: TARGET, address: "x".repeat(600), withinMs: 1 })],
    ["whose digest is too short", () => comparedFromMessage({ digest: Buffer.alloc(15), news: NOTHING })],
  ])("%s", (_, read) => {
    expect(read).toThrow();
  });
});
