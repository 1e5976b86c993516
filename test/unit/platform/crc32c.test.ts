import { expect, test } from "vitest";

import { crc32c, masked } from "../../../nodes/platform/crc32c.ts";

/** Source: RFC 3720, appendix B.4. */
test.each([
  ["32 zeros", Buffer.alloc(32), 0x8a9136aa],
  ["32 bytes of ones", Buffer.alloc(32, 0xff), 0x62a8ab43],
  ["32 rising bytes", Buffer.from(Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e],
  ["nine digits, which are no whole step", Buffer.from("123456789"), 0xe3069283],
  ["nothing", Buffer.alloc(0), 0],
])("the CRC-32C of %s is the one in the standard", (_, bytes, sum) => {
  expect(crc32c(bytes)).toBe(sum);
});

/** Source: LevelDB, util/crc32c.h. */
test("a sum is stored rotated by 15 bits, with a constant added", () => {
  expect(masked(0)).toBe(0xa282ead8);
  expect(masked(0x8000)).toBe(0xa282ead9);
});
