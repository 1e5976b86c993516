import { expect, test } from "vitest";
import { ReplicationSchedule, visibleTags } from "../support/replication-schedule.ts";

// SEED=17 COUNT=1 plays one history again.
const FIRST_SEED = Number(process.env["SEED"] ?? 1);
const SEEDS = Array.from({ length: Number(process.env["COUNT"] ?? 200) }, (_, index) => FIRST_SEED + index);
const STEPS = 40;

test.each(SEEDS)(
  "after any faults all nodes are level within five seconds and nothing acknowledged is lost: seed %i",
  async (seed) => {
    const schedule = await ReplicationSchedule.play(seed, STEPS);
    const { cluster } = schedule;

    await schedule.heal();
    await cluster.world.runFor(5_000);

    const expected = schedule.expectedStateHash();
    expect(cluster.living.map(({ metadata }) => metadata.stateHash())).toEqual(cluster.names.map(() => expected));
    for (const { metadata } of cluster.living) expect(metadata.held().covers(schedule.acknowledged)).toBe(true);
    const seen = await cluster.world.run(Promise.all(cluster.living.map(visibleTags)));
    expect(new Set(seen.map((tags) => tags.join("\n"))).size).toBe(1);
    expect(cluster.living.map(({ metadata }) => metadata.isFenced())).toEqual(cluster.names.map(() => undefined));

    await cluster.stopAll();
    await cluster.world.runUntilIdle();
  },
);
