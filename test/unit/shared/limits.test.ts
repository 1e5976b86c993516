import { describe, expect, test } from "vitest";

import * as limits from "../../../shared/limits.ts";

const MIB = 1024 * 1024;

test.each(Object.entries(limits))("%s is a whole number above zero", (_, value) => {
  expect(Number.isSafeInteger(value)).toBe(true);
  expect(value).toBeGreaterThan(0);
});

describe("what the outside relies on", () => {
  test("a manifest may have 4 MiB: the specification asks for 4 MB, and containerd reads no more", () => {
    expect(limits.MANIFEST_BYTES_MAX).toBe(4 * MIB);
  });

  test("names and tags are as long as in every other registry", () => {
    expect([limits.REPOSITORY_NAME_LENGTH_MAX, limits.TAG_LENGTH_MAX]).toEqual([255, 128]);
  });

  test("one push may set at least the ten tags that the specification asks for", () => {
    expect(limits.TAG_PARAMETERS_MAX).toBeGreaterThanOrEqual(10);
  });

  test("a tag's last fifty moves are kept", () => {
    expect(limits.TAG_HISTORY_MOVES_MAX).toBe(50);
  });

  test("a manifest up to 32 KiB travels with the op that announces it", () => {
    expect(limits.MANIFEST_INLINE_BYTES_MAX).toBe(32 * 1024);
  });

  test("a page of referrers is no larger than the clients that read one page only will read", () => {
    expect(limits.REFERRERS_PAGE_BYTES_MAX).toBeLessThanOrEqual(4 * MIB);
  });
});
