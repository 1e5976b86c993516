import { describe, expect, test } from "vitest";

import { formatDuration, formatSize, parseDuration, parseSize } from "../../../shared/units.ts";

describe("a size", () => {
  test.each([
    ["0B", 0],
    ["1B", 1],
    ["4KiB", 4096],
    ["4MiB", 4 * 1024 ** 2],
    ["4 MiB", 4 * 1024 ** 2],
    ["1.5GiB", 1.5 * 1024 ** 3],
    ["2TiB", 2 * 1024 ** 4],
    ["4kB", 4000],
    ["500MB", 500_000_000],
    ["1GB", 1e9],
    ["0.1KiB", 102],
  ])("is read from %s", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each([
    "",
    "4",
    "4M",
    "4mib",
    "MiB",
    "-4MiB",
    "+4MiB",
    "4e3B",
    "4  MiB",
    "4MiB ",
    "4,5MiB",
    ".5MiB",
    "9999999TiB",
    "1".repeat(100),
  ])("is not read from %j", (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  test.each([
    [0, "0B"],
    [1023, "1023B"],
    [1024, "1KiB"],
    [1536, "1.5KiB"],
    [10_239, "10KiB"],
    [1024 ** 2 - 1, "1MiB"],
    [100 * 1024 ** 2, "100MiB"],
    [212 * 1024 ** 3, "212GiB"],
    [5000 * 1024 ** 4, "5000TiB"],
  ])("of %d bytes is told as %s", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});

describe("a duration", () => {
  test.each([
    ["0s", 0],
    ["250ms", 250],
    ["30s", 30_000],
    ["1.5s", 1500],
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    ["2d4h", 187_200_000],
  ])("is read from %s", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    "",
    "30",
    "s",
    "-1s",
    "1 s",
    "1s ",
    "1S",
    "1m-2s",
    "1h 30m",
    "1w",
    "1e3s",
    "1.s",
    "9".repeat(30).concat("d"),
  ])("is not read from %j", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test.each([
    [0, "0ms"],
    [0.4, "0ms"],
    [999, "999ms"],
    [1000, "1s"],
    [1500, "1.5s"],
    [9_949, "9.9s"],
    [9_950, "10s"],
    [59_400, "59s"],
    [59_900, "1m"],
    [330_000, "5m30s"],
    [3_599_600, "1h"],
    [5_400_000, "1h30m"],
    [86_400_000, "1d"],
    [12.2 * 86_400_000, "12d5h"],
  ])("of %d ms is told as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
