/** Disks that fail under a running node. */
import { describe, expect, test } from "vitest";

import { requirements } from "../support/requirements.ts";
import { inArena } from "../support/torture/enter-arena.ts";

const isPossible = requirements.linux().available && requirements.root().available && requirements.mounts().available;

describe.skipIf(!isPossible)("a disk", () => {
  test("whose syncs fail after writes that had succeeded ends the node's right to write, and nothing else", async () => {
    const { ready, findings } = await inArena.failingDisk("late-sync");

    expect(findings).toEqual([]);
    expect(ready).toMatch(/the node is fenced: .*sync/);
  });

  test("that the kernel has turned read-only does so too, and a node does not start on it", async () => {
    const { ready, findings } = await inArena.failingDisk("read-only");

    expect(findings).toEqual([]);
    expect(ready).toMatch(/the node is fenced: .*EROFS/);
  });

  test("with sectors that can't be read costs their blob, and no wrong byte is served", async () => {
    const { findings } = await inArena.failingDisk("lost-sectors");

    expect(findings).toEqual([]);
  });
});
