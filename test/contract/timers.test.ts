import { expect, test } from "vitest";

import { SimClock } from "../../cluster-sim/sim-clock.ts";
import { SimTimers } from "../../cluster-sim/sim-timers.ts";
import { World } from "../../cluster-sim/world.ts";
import { systemClock } from "../../nodes/platform/system-clock.ts";
import { SystemTimers } from "../../nodes/platform/system-timers.ts";
import { timersContract } from "./timers-contract.ts";

timersContract("the system's timers", () => ({
  timers: new SystemTimers(),
  clock: systemClock,
  run: async (promise) => await promise,
}));
timersContract("simulated timers", () => {
  const world = new World();
  return {
    timers: new SimTimers(world),
    clock: new SimClock(world),
    run: async (promise) => await world.run(promise),
  };
});

test("after a pause of the whole process, timers still run in the order they were due", async () => {
  const timers = new SystemTimers();
  const ran: string[] = [];

  timers.after(4, () => ran.push("due at 4"));
  timers.after(6, () => ran.push("due at 6"));
  pauseFor(4);
  timers.after(4, () => ran.push("due at 8 or later"));
  pauseFor(8);
  await timers.sleep(1);

  expect(ran).toEqual(["due at 4", "due at 6", "due at 8 or later"]);
});

test("a delay beyond what Node's timers take is kept without a warning, and without waking all the time", async () => {
  const warnings: string[] = [];
  const listen = (warning: Error): void => void warnings.push(warning.name);
  process.on("warning", listen);
  const timers = new SystemTimers();

  const century = timers.after(100 * 365 * 24 * 3_600_000, () => undefined);
  const other = new SystemTimers();
  await other.sleep(5);
  century.cancel();

  expect(warnings).toEqual([]);
  process.off("warning", listen);
});

test("a process that has died runs none of its simulated timers", async () => {
  const world = new World();
  const timers = new SimTimers(world);
  const ran: string[] = [];

  timers.after(1, () => ran.push("ran"));
  timers.stop();
  await world.runFor(10);

  expect(ran).toEqual([]);
});

function pauseFor(durationMs: number): void {
  const end = performance.now() + durationMs;
  while (performance.now() < end);
}
