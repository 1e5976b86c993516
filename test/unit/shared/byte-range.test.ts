import { describe, expect, test } from "vitest";

import {
  formatContentRange,
  formatUnsatisfiedRange,
  formatUploadProgress,
  parseRange,
  parseUploadRange,
} from "../../../shared/byte-range.ts";
import { RANGES_PER_REQUEST_MAX } from "../../../shared/limits.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const SIZE = 2048;

describe("a Range header", () => {
  test.each([
    ["bytes=500-1499", [[500, 1500]]],
    ["bytes=500-", [[500, 2048]]],
    ["bytes=-500", [[1548, 2048]]],
    ["bytes=2000-5000", [[2000, 2048]]],
    ["bytes=-5000", [[0, 2048]]],
    ["bytes=0-0", [[0, 1]]],
    ["bytes=2047-", [[2047, 2048]]],
    ["BYTES=0-9", [[0, 10]]],
    ["  bytes=0-9  ", [[0, 10]]],
    [
      "bytes=0-9,50-59",
      [
        [0, 10],
        [50, 60],
      ],
    ],
    [
      "bytes=50-59 , 0-9",
      [
        [50, 60],
        [0, 10],
      ],
    ],
    [
      "bytes=0-9,,20-29,",
      [
        [0, 10],
        [20, 30],
      ],
    ],
    ["bytes=0-9,5000-6000", [[0, 10]]],
    [`bytes=0-${"9".repeat(400)}`, [[0, 2048]]],
  ])("of %s asks for spans that can be had, in its own order", (header, spans) => {
    expect(parseRange(header, SIZE)).toEqual({
      kind: "partial",
      spans: spans.map(([start, end]) => ({ start, end })),
    });
  });

  test.each([
    ["ends before it starts", "bytes=500-0"],
    ["ends before it starts, beside a good one", "bytes=0-9,500-0"],
    ["starts at the end", "bytes=2048-"],
    ["starts beyond the end", "bytes=5000-10000"],
    ["starts beyond counting", `bytes=${"9".repeat(400)}-`],
    ["asks for the last none", "bytes=-0"],
    ["has only such parts", "bytes=3000-,-0"],
  ])("that %s cannot be satisfied", (_, header) => {
    expect(parseRange(header, SIZE)).toEqual({ kind: "unsatisfiable" });
  });

  test.each([
    ["is missing", undefined],
    ["is empty", ""],
    ["has no ranges", "bytes="],
    ["has only commas", "bytes=,,,"],
    ["counts something else", "items=0-1"],
    ["is garbage", "garbage"],
    ["has a part that is garbage", "bytes=0-9,x"],
    ["has a part without numbers", "bytes=-"],
    ["has a negative number", "bytes=-5-9"],
    ["has a number in hex", "bytes=0x0-0x9"],
    ["has blanks inside", "bytes=0 - 9"],
    ["asks for more than everything", "bytes=0-,0-"],
    [
      "asks for too many parts",
      `bytes=${Array.from({ length: RANGES_PER_REQUEST_MAX + 1 }, (_, at) => `${at * 2}-${at * 2}`).join(",")}`,
    ],
    ["asks for a hundred thousand parts", `bytes=${"0-0,".repeat(100_000)}`],
  ])("that %s is ignored", (_, header) => {
    expect(parseRange(header, SIZE)).toEqual({ kind: "whole" });
  });

  test("may ask for as many parts as the limit says", () => {
    const header = `bytes=${Array.from({ length: RANGES_PER_REQUEST_MAX }, (_, at) => `${at * 2}-${at * 2}`).join(",")}`;

    expect(parseRange(header, SIZE)).toMatchObject({ kind: "partial" });
  });

  test("cannot be satisfied by an empty blob", () => {
    expect(["bytes=0-", "bytes=0-0", "bytes=-1"].map((header) => parseRange(header, 0).kind)).toEqual([
      "unsatisfiable",
      "unsatisfiable",
      "unsatisfiable",
    ]);
  });
});

test("a span is told with its last byte, and what cannot be had with the size alone", () => {
  expect(formatContentRange({ start: 500, end: 1500 }, SIZE)).toBe("bytes 500-1499/2048");
  expect(formatUnsatisfiedRange(SIZE)).toBe("bytes */2048");
});

describe("an upload's Content-Range", () => {
  test.each(["10-19", "bytes 10-19/*", "bytes 10-19/100", "bytes=10-19", "Bytes 10-19", " 10-19 "])(
    "may be %j",
    (header) => {
      expect(parseUploadRange(header)).toEqual({ start: 10, end: 19 });
    },
  );

  test.each([
    "",
    "10",
    "10-",
    "-19",
    "19-10",
    "a-b",
    "10-19-20",
    "10 - 19",
    "bytes */100",
    "items 10-19/*",
    "0-9007199254740992",
    `0-${"9".repeat(400)}`,
  ])("is refused: %j", (header) => {
    expect(thrownBy(() => parseUploadRange(header))).toMatchObject({ code: "BLOB_UPLOAD_INVALID", status: 416 });
  });
});

test("an upload's progress names the last byte it holds, and says of none what it says of one", () => {
  expect([0, 1, 1024].map(formatUploadProgress)).toEqual(["0-0", "0-0", "0-1023"]);
});
