import { expect, test } from "vitest";

import { SimClock } from "../../cluster-sim/sim-clock.ts";
import { World } from "../../cluster-sim/world.ts";
import { systemClock } from "../../nodes/platform/system-clock.ts";
import { clockContract } from "./clock-contract.ts";

clockContract("the system's clock", () => systemClock);
clockContract("a simulated clock", () => new SimClock(new World()));

test("a simulated wall clock can be wrong, and set back, while its monotonic clock goes on", async () => {
  const world = new World();
  const right = new SimClock(world);
  const wrong = new SimClock(world, 5_000);

  await world.runFor(1_000);
  wrong.shift(-60_000);

  expect(wrong.wallMs() - right.wallMs()).toBe(-55_000);
  expect(wrong.monotonicMs()).toBe(1_000);
});
