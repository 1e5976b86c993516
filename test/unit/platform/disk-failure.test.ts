import { describe, expect, test } from "vitest";

import { changingDisk } from "../../../nodes/platform/disk-failure.ts";
import { DiskFullError, DurabilityError, TooManyFilesError } from "../../../shared/disk-errors.ts";

function failingWith(code: string): () => Promise<never> {
  return async () => await Promise.reject(Object.assign(new Error(`${code}: it failed`), { code }));
}

describe("a change to the disk", () => {
  test("that succeeds gives what it gives", async () => {
    expect(await changingDisk("a name", async () => await Promise.resolve(7))).toBe(7);
  });

  test.each(["ENOSPC", "EDQUOT"])("that fails with %s finds a full disk", async (code) => {
    await expect(changingDisk("a name", failingWith(code))).rejects.toEqual(
      new DiskFullError("no room is left for a name"),
    );
  });

  test.each(["EIO", "EROFS"])("that fails with %s finds a disk that can't be trusted any more", async (code) => {
    await expect(changingDisk("a name", failingWith(code))).rejects.toEqual(
      new DurabilityError(`the disk failed at a name (${code})`),
    );
  });

  test.each(["EMFILE", "ENFILE"])("that fails with %s finds too many files open", async (code) => {
    await expect(changingDisk("a name", failingWith(code))).rejects.toEqual(
      new TooManyFilesError("too many files are open"),
    );
  });

  test("that fails for a reason of its own keeps it", async () => {
    await expect(changingDisk("a name", failingWith("EEXIST"))).rejects.toMatchObject({ code: "EEXIST" });
  });
});
