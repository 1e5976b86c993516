import { describe, expect, test } from "vitest";

import {
  isClusterId,
  isNodeId,
  isOrigin,
  isRegion,
  parseClusterId,
  parseNodeId,
  parseOrigin,
  parseRegion,
} from "../../../shared/identity.ts";

describe("the name of a node, a region or a cluster", () => {
  test.each(["a", "1", "eu", "eu-1", "a--b", "9-lives", "x".repeat(63)])("may be %s", (text) => {
    expect([isNodeId(text), isRegion(text), isClusterId(text)]).toEqual([true, true, true]);
    expect([parseNodeId(text), parseRegion(text), parseClusterId(text)]).toEqual([text, text, text]);
  });

  test.each([
    ["empty", ""],
    ["upper-case", "EU"],
    ["begun by a hyphen", "-eu"],
    ["ended by a hyphen", "eu-"],
    ["a hyphen alone", "-"],
    ["dotted", "eu.1"],
    ["underscored", "eu_1"],
    ["spaced", "eu 1"],
    ["accented", "é"],
    ["longer than a DNS label", "x".repeat(64)],
    ["ended by a line break", "eu\n"],
  ])("is not %s", (_, text) => {
    expect([isNodeId(text), isRegion(text), isClusterId(text)]).toEqual([false, false, false]);
    expect(() => parseNodeId(text)).toThrow(TypeError);
    expect(() => parseRegion(text)).toThrow(TypeError);
    expect(() => parseClusterId(text)).toThrow(TypeError);
  });
});

describe("an origin", () => {
  test("is 64 bits in lower-case hex", () => {
    expect(parseOrigin("00ff00ff00ff00ff")).toBe("00ff00ff00ff00ff");
  });

  test.each(["", "00ff", "00FF00FF00FF00FF", "0x00ff00ff00ff00", "00ff00ff00ff00ff0", "00ff00ff00ff00fg"])(
    "is not %j",
    (text) => {
      expect(isOrigin(text)).toBe(false);
      expect(() => parseOrigin(text)).toThrow(TypeError);
    },
  );
});
