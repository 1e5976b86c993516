import { describe, expect, test } from "vitest";

import { BoundedCache } from "../../../shared/bounded-cache.ts";

describe("a bounded cache", () => {
  test("lets go of what was not used for longest, until the rest fits", () => {
    const dropped: string[] = [];
    const cache = new BoundedCache<string>(10, (name) => dropped.push(name));
    cache.set("a", "A", 4);
    cache.set("b", "B", 4);
    cache.get("a");

    cache.set("c", "C", 5);

    expect(dropped).toEqual(["b"]);
    expect(["a", "b", "c"].map((name) => cache.get(name))).toEqual(["A", undefined, "C"]);
    expect(cache.weight).toBe(9);
  });

  test("counts what replaces something in its place", () => {
    const cache = new BoundedCache<string>(10);
    cache.set("a", "old", 9);

    cache.set("a", "new", 2);

    expect([cache.get("a"), cache.weight]).toEqual(["new", 2]);
  });

  test("does not keep what alone is heavier than everything may be, nor what it replaces", () => {
    const cache = new BoundedCache<string>(10);
    cache.set("a", "old", 1);
    cache.set("b", "stays", 1);

    expect(cache.set("a", "too large", 11)).toBe(false);
    expect([cache.get("a"), cache.get("b"), cache.weight]).toEqual([undefined, "stays", 1]);
  });

  test("never weighs more than it may, whatever comes", () => {
    const cache = new BoundedCache<number>(100);

    for (let at = 0; at < 1_000; at += 1) {
      cache.set(`entry ${(at * 7) % 50}`, at, (at * 13) % 60);
      expect(cache.weight).toBeLessThanOrEqual(100);
    }
  });
});
