import { describe, expect, test } from "vitest";
import { ByteWriter, MalformedBytesError } from "../../../shared/bytes.ts";
import { parseNodeId, parseOrigin } from "../../../shared/identity.ts";
import { MEMBERS_MAX } from "../../../shared/limits.ts";
import { decodeMemberNews, digestOfMembers, encodeMemberNews } from "../../../shared/member-news.ts";
import { describedAs, newsOf } from "../../support/members.ts";

const DESCRIPTION = describedAs("eu", {
  boot: 12,
  nonce: parseOrigin("00000000000000bb"),
  protocol: { min: 1, max: 3 },
  labels: { zone: "eu-a", role: "witness", capacityBytes: 0, costClass: "dear" },
  features: ["one", "two"],
});
const NEWS = [
  newsOf("eu-1", { description: DESCRIPTION }),
  newsOf("us-1", {
    incarnation: 2 ** 40,
    standing: "suspect",
    accusers: [parseNodeId("eu-1")],
    description: undefined,
  }),
  newsOf("ap-1", { standing: "left", evictions: 3 }),
];

describe("news of members", () => {
  test("come out of their bytes as they went in", () => {
    expect(decodeMemberNews(encodeMemberNews(NEWS))).toEqual(NEWS);
    expect(decodeMemberNews(encodeMemberNews([]))).toEqual([]);
  });

  test("may describe a node by more than is known here: that is passed over", () => {
    const plain = encodeMemberNews([newsOf("eu-1")]);
    const described = new ByteWriter().writeVarint(1).writeString("eu-1").writeVarint(1).writeVarint(0);
    const [known] = decodeMemberNews(plain);
    const description = plain.subarray(plain.length - (plain.at(10) ?? 0));
    described
      .writeVarint(0)
      .writeVarint(0)
      .writeBytes(Buffer.concat([description, Buffer.from("more")]));

    expect(decodeMemberNews(described.finish())).toEqual([known]);
  });

  test.each([
    ["of more members than there may be", new ByteWriter().writeVarint(MEMBERS_MAX + 1).finish()],
    ["of a node without a name", new ByteWriter().writeVarint(1).writeString("").finish()],
    [
      "of a standing that nobody knows",
      new ByteWriter().writeVarint(1).writeString("x").writeVarint(1).writeVarint(9).finish(),
    ],
    ["that end early", encodeMemberNews(NEWS).subarray(0, 40)],
    ["that go on after their end", Buffer.concat([encodeMemberNews(NEWS), Buffer.from([0])])],
  ])("%s are refused", (_, bytes) => {
    expect(() => decodeMemberNews(bytes)).toThrow(MalformedBytesError);
  });

  test("have one digest in any order, and another when anything of standing differs", () => {
    const digest = digestOfMembers(NEWS);
    const [first, second, third] = NEWS;
    if (first === undefined || second === undefined || third === undefined) throw new Error("three");

    expect(digest).toHaveLength(16);
    expect(digestOfMembers([third, { ...second, accusers: [] }, first])).toEqual(digest);
    expect(digestOfMembers([first, { ...second, incarnation: 1 }, third])).not.toEqual(digest);
    expect(digestOfMembers([first, { ...second, standing: "dead" }, third])).not.toEqual(digest);
    expect(digestOfMembers([first, second, { ...third, evictions: 4 }])).not.toEqual(digest);
  });
});
