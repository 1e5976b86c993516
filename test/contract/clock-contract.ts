import { describe, expect, test } from "vitest";

import type { Clock } from "../../nodes/ports/clock.ts";

const YEAR_2020_MS = Date.UTC(2020, 0);

export function clockContract(name: string, make: () => Clock): void {
  describe(name, () => {
    test("tells the wall time in whole milliseconds since the epoch", () => {
      const { wallMs } = make();

      const now = wallMs();

      expect(Number.isSafeInteger(now)).toBe(true);
      expect(now).toBeGreaterThan(YEAR_2020_MS);
    });

    test("has a monotonic time that never goes back", () => {
      const { monotonicMs } = make();

      const readings = Array.from({ length: 1_000 }, () => monotonicMs());

      expect(readings).toEqual(readings.toSorted((left, right) => left - right));
    });
  });
}
