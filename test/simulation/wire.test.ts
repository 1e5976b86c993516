import { expect, test } from "vitest";

import { runStory } from "../../cluster-sim/run.ts";
import { drawStory } from "../../cluster-sim/story.ts";
import { grpcWire } from "../support/grpc-wire.ts";

/** A tenth of the fixed list of seeds. */
const SEEDS = 50;

test(`whole nodes under faults keep every promise over the real encoding: ${SEEDS} seeds`, async () => {
  const wire = grpcWire();
  const found: string[] = [];

  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { findings } = await runStory(drawStory({ seed, scenario: "swarm", safetyMs: 6_000 }), { wire });
    found.push(...findings.map(({ invariant, what }) => `seed ${seed}: ${invariant}: ${what}`));
  }

  expect(found).toEqual([]);
});
