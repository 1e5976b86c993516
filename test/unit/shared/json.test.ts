import { describe, expect, test } from "vitest";

import { isJsonArray, isJsonObject, parseJson } from "../../../shared/json.ts";
import { thrownBy } from "../../support/thrown-by.ts";

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

describe("JSON from strangers", () => {
  test.each([
    ['{"a":[1,{"b":null}]}', { a: [1, { b: null }] }],
    ['\uFEFF {"a":1} \n', { a: 1 }],
    ['{"a":1,"a":2}', { a: 2 }],
    ['"[[[[[[[[\\"[[[["', '[[[[[[[["[[[['],
    ["[]", []],
    ["7", 7],
  ])("is read: %s", (text, value) => {
    expect(parseJson(bytesOf(text), 3)).toEqual(value);
  });

  test("may be as deep as allowed and no deeper, wherever the depth is", () => {
    expect(parseJson(bytesOf('[[[]],{"a":{}}]'), 3)).toEqual([[[]], { a: {} }]);
    expect(thrownBy(() => parseJson(bytesOf("[[[[]]]]"), 3))).toEqual(new SyntaxError("nested deeper than 3"));
    expect(thrownBy(() => parseJson(bytesOf('[{"a":[{}]}]'), 3))).toEqual(new SyntaxError("nested deeper than 3"));
  });

  test("four megabytes deep is refused at the first bracket too many", () => {
    expect(thrownBy(() => parseJson(bytesOf("[".repeat(4 * 1024 * 1024)), 32))).toEqual(
      new SyntaxError("nested deeper than 32"),
    );
  });

  test.each([
    ["nothing", bytesOf("")],
    ["text", bytesOf("blablabla")],
    ["half an object", bytesOf('{"a":')],
    ["brackets that close more than they open", bytesOf("]]]]")],
    ["two values", bytesOf("{}{}")],
    ["a comment", bytesOf("{} // hello")],
    ["NaN", bytesOf("NaN")],
    ["bytes that are not UTF-8", Uint8Array.of(0x22, 0xff, 0x22)],
    ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00)],
  ])("is refused: %s", (_, bytes) => {
    expect(() => parseJson(bytes, 32)).toThrow(SyntaxError);
  });

  test("does not reach into the prototype of what it makes", () => {
    const value = parseJson(bytesOf('{"__proto__":{"mediaType":"x"}}'), 3);

    expect(isJsonObject(value) && value["mediaType"]).toBeUndefined();
  });
});

test("an object is not a list, and nothing is neither", () => {
  expect([{}, [], null, "x", undefined].map(isJsonObject)).toEqual([true, false, false, false, false]);
  expect([{}, [], null, "x", undefined].map(isJsonArray)).toEqual([false, true, false, false, false]);
});
