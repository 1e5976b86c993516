import { describe, expect, test } from "vitest";

import { editsBetween, nearestTo } from "../../../shared/nearest.ts";

describe("the number of edits between two words", () => {
  test.each([
    ["", "", 0],
    ["listen", "listen", 0],
    ["listn", "listen", 1],
    ["listenn", "listen", 1],
    ["lasten", "listen", 1],
    ["lsiten", "listen", 1],
    ["ab", "ba", 1],
    ["abc", "cab", 2],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
  ])("from %j to %j is %d", (left, right, edits) => {
    expect(editsBetween(left, right)).toBe(edits);
    expect(editsBetween(right, left)).toBe(edits);
  });
});

describe("what somebody probably meant", () => {
  const keys = ["node", "region", "listen", "insecure"];

  test.each([
    ["nod", "node"],
    ["Node", "node"],
    ["regoin", "region"],
    ["LISTEN", "listen"],
    ["unsecure", "insecure"],
    ["secure", "insecure"],
    ["tls", undefined],
    ["zzzzzz", undefined],
    ["", undefined],
    ["x".repeat(65_536), undefined],
  ])("by %j is %j", (word, nearest) => {
    expect(nearestTo(word, keys)).toBe(nearest);
  });

  test("is the first of two that are equally near", () => {
    expect(nearestTo("pot", ["port", "post"])).toBe("port");
  });
});
