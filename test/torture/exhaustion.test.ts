/** Disks that run out of room, of names, or that never had enough. */
import { describe, expect, test } from "vitest";

import { requirements } from "../support/requirements.ts";
import { inArena } from "../support/torture/enter-arena.ts";

const isPossible = requirements.linux().available && requirements.root().available && requirements.mounts().available;

describe.skipIf(!isPossible)("a disk that is full before each request of a push in turn", () => {
  test.each(["full-ext4", "full-tmpfs", "no-inodes"] as const)(
    "makes for clear refusals, loses nothing, and is gone on with when there is room again (%s)",
    async (scenario) => {
      const { steps, refused, findings } = await inArena.exhaustion(scenario);

      expect(findings).toEqual([]);
      expect(steps).toBeGreaterThan(10);
      expect(refused).toBeGreaterThan(steps);
    },
  );
});

describe.skipIf(!isPossible)("a disk with less room than a node keeps free", () => {
  test.each(["small-ext4", "small-tmpfs"] as const)(
    "is served from, and every upload is refused before it starts (%s)",
    async (scenario) => {
      const { answers, retryAfter, ready } = await inArena.tooSmall(scenario);

      expect(new Set(answers.map(({ request, status }) => `${request} ${status}`))).toEqual(
        new Set(["start-upload 503", "put-manifest 400"]),
      );
      expect(retryAfter).toBe("60");
      expect(ready).toBe("ok");
    },
  );
});

describe.skipIf(!isPossible)("a process that may open few files", () => {
  test("sheds what it can't serve, and goes on when the crowd has left", async () => {
    const { served, findings } = await inArena.fewFiles();

    expect(findings).toEqual([]);
    expect(served).toBeGreaterThan(0);
  });
});
