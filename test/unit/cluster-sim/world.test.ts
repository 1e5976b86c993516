import { describe, expect, test } from "vitest";

import { World } from "../../../cluster-sim/world.ts";

describe("a world", () => {
  test("lets a day pass in no time", async () => {
    const world = new World();
    const rang: number[] = [];
    world.after(86_400_000, () => rang.push(world.nowMs));

    await world.runFor(86_400_000);

    expect(rang).toEqual([86_400_000]);
    expect(world.nowMs).toBe(86_400_000);
  });

  test("stands still at what is due later", async () => {
    const world = new World();
    const rang: string[] = [];
    world.after(11, () => rang.push("late"));

    await world.runFor(10);
    expect(rang).toEqual([]);
    await world.runFor(1);

    expect(rang).toEqual(["late"]);
  });

  test("lets all that follows from an event come about at the same instant", async () => {
    const world = new World();
    const times: number[] = [];
    const chain = async (): Promise<void> => {
      await world.delay(5);
      for (let step = 0; step < 1_000; step += 1) await Promise.resolve();
      times.push(world.nowMs);
      await world.delay(5);
      times.push(world.nowMs);
    };

    await world.run(chain());

    expect(times).toEqual([5, 10]);
  });

  test("says so when a promise waits for what will never happen", async () => {
    await expect(new World("a seed").run(Promise.withResolvers<never>().promise)).rejects.toThrow(
      "nothing is left to happen at 0 ms, and a promise is still open (seed a seed)",
    );
  });

  test("gives back what a promise came to, whichever it is", async () => {
    const world = new World();
    const failing = async (): Promise<never> => {
      await world.delay(1);
      throw new Error("no");
    };

    expect(await world.run(Promise.resolve("yes"))).toBe("yes");
    await expect(world.run(failing())).rejects.toThrow("no");
  });

  test("comes to rest when nothing is due any more", async () => {
    const world = new World();
    let left = 100;
    const again = (): void => {
      left -= 1;
      if (left > 0) world.after(7, again);
    };
    world.after(7, again);

    await world.runUntilIdle();

    expect([left, world.nowMs]).toEqual([0, 700]);
  });

  test("says so when time does not pass any more", async () => {
    const world = new World();
    const again = (): void => void world.after(0, again);
    world.after(7, again);

    await expect(world.runFor(100)).rejects.toThrow("time passes (at 7 ms, seed 1)");
  });
});
