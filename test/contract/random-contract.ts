import { describe, expect, test } from "vitest";

import type { Random } from "../../nodes/ports/random.ts";

export function randomContract(name: string, make: () => Random): void {
  describe(name, () => {
    test("gives as many bytes as were asked for, and others each time", () => {
      const { bytes } = make();

      const names = Array.from({ length: 100 }, () => Buffer.from(bytes(16)).toString("hex"));

      expect(bytes(0)).toEqual(new Uint8Array());
      expect(names.every((hex) => hex.length === 32)).toBe(true);
      expect(new Set(names).size).toBe(100);
    });

    test("gives every byte there is", () => {
      const { bytes } = make();

      expect(new Set(bytes(10_000)).size).toBe(256);
    });

    test("gives fractions evenly from 0 up to, and never, 1", () => {
      const { fraction } = make();
      const counts = Array.from({ length: 10 }, () => 0);

      for (let draw = 0; draw < 20_000; draw += 1) {
        const tenth = Math.floor(fraction() * 10);
        counts[tenth] = (counts[tenth] ?? 0) + 1;
      }

      // 2,000 in each are expected; 200 off is five standard deviations.
      expect(counts).toHaveLength(10);
      for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(200);
    });
  });
}
