/** One fault at each call that a push makes to the disk. */
import { describe, expect, test } from "vitest";

import { requirements } from "../support/requirements.ts";
import { inArena } from "../support/torture/enter-arena.ts";
import { SWEEP_FAULTS } from "../support/torture/sweep.ts";

/** Without these in the recording the sweep has not seen a push. */
const CALLS = ["fdatasync", "fsync", "mkdir", "openat", "pwrite64", "rename", "unlink", "write"];

const isPossible =
  requirements.linux().available &&
  requirements.root().available &&
  requirements.mounts().available &&
  requirements.strace().available;

describe.skipIf(!isPossible)("at every call of a push that changes the disk", () => {
  test.each(SWEEP_FAULTS)(
    "%s loses nothing acknowledged, and an error is refused clearly and read around",
    async (fault) => {
      const { calls, cells, hits, findings } = await inArena.sweep({ faults: [fault] });

      expect(findings).toEqual([]);
      expect(Object.keys(calls)).toEqual(expect.arrayContaining(CALLS));
      expect(cells).toBe(Object.values(calls).reduce((sum, count) => sum + count, 0));
      expect(hits).toBe(cells);
    },
  );
});
