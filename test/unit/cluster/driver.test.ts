import { describe, expect, test } from "vitest";
import { SimClock } from "../../../cluster-sim/sim-clock.ts";
import { SimTimers } from "../../../cluster-sim/sim-timers.ts";
import { World } from "../../../cluster-sim/world.ts";
import { Bell } from "../../../nodes/cluster/bell.ts";
import { within } from "../../../nodes/cluster/deadline.ts";
import { Alarm, Driver, Tasks } from "../../../nodes/cluster/driver.ts";
import { Latest } from "../../../nodes/cluster/latest.ts";
import { Silence } from "../../../nodes/cluster/silence.ts";

const NEVER = new AbortController().signal;

function parts(): { readonly world: World; readonly clock: SimClock; readonly timers: SimTimers } {
  const world = new World();
  return { world, clock: new SimClock(world), timers: new SimTimers(world) };
}

describe("the driver", () => {
  test("performs the effects of one input before it gives the next, also of inputs that arise meanwhile", () => {
    const performed: string[] = [];
    const machine = { step: (input: string): readonly string[] => [`${input}1`, `${input}2`] };
    const driver: Driver<string, string> = new Driver(machine, (effect) => {
      performed.push(effect);
      if (effect === "a1") driver.give("b");
    });

    driver.give("a");

    expect(performed).toEqual(["a1", "a2", "b1", "b2"]);
  });

  test("goes on with the next input after an effect has thrown", () => {
    const performed: string[] = [];
    const driver = new Driver({ step: (input: string) => [input] }, (effect) => {
      if (effect === "bad") throw new Error("bad");
      performed.push(effect);
    });

    expect(() => driver.give("bad")).toThrow("bad");
    driver.give("good");

    expect(performed).toEqual(["good"]);
  });
});

describe("an alarm", () => {
  test("rings once, when it was set to last", async () => {
    const { world, clock, timers } = parts();
    const rung: number[] = [];
    const alarm = new Alarm({ clock, timers }, () => rung.push(world.nowMs));

    alarm.setTo(50);
    alarm.setTo(80);
    await world.runUntilIdle();

    expect(rung).toEqual([80]);
  });
});

describe("tasks", () => {
  test("have ended when the last of them has, including what they began", async () => {
    const { world, timers } = parts();
    const tasks = new Tasks();
    const done: string[] = [];
    tasks.begin(async () => {
      await timers.sleep(10);
      tasks.begin(async () => {
        await timers.sleep(10);
        done.push("second");
      });
      done.push("first");
    });

    await world.run(tasks.ended());

    expect(done).toEqual(["first", "second"]);
  });
});

describe("a bell", () => {
  test("keeps a ring that nobody waited for, once", async () => {
    const { world, timers } = parts();
    const bell = new Bell();
    bell.ring();
    bell.ring();

    await world.run(bell.rungWithin(timers, 100, NEVER));
    const first = world.nowMs;
    await world.run(bell.rungWithin(timers, 100, NEVER));

    expect([first, world.nowMs]).toEqual([0, 100]);
  });

  test("wakes whoever waits at a ring, at the end of the time, and when the waiting is given up", async () => {
    const { world, timers } = parts();
    const bell = new Bell();
    const ending = new AbortController();
    timers.after(10, () => bell.ring());
    timers.after(40, () => ending.abort());

    await world.run(bell.rungWithin(timers, 1_000, NEVER));
    const rung = world.nowMs;
    await world.run(bell.rungWithin(timers, 20, NEVER));
    const late = world.nowMs;
    await world.run(bell.rung(ending.signal));

    expect([rung, late, world.nowMs]).toEqual([10, 30, 40]);
  });
});

describe("the latest", () => {
  test("of each kind is all that a slow reader sees", async () => {
    const latest = new Latest<{ readonly kind: "even" | "odd"; readonly value: number }>();
    const put = (value: number): void => latest.put({ kind: value % 2 === 0 ? "even" : "odd", value });
    const read: number[] = [];
    for (const value of [1, 2, 3]) put(value);
    for await (const { value } of latest) {
      read.push(value);
      if (value % 2 === 0) put(value + 10);
      put(value + 20);
      if (value > 40) latest.close();
    }

    expect(read).toEqual([3, 2, 23, 22, 43]);
  });

  test("ends for a reader who waits", async () => {
    const { world, timers } = parts();
    const latest = new Latest<{ readonly kind: "news" }>();
    timers.after(10, () => latest.close());
    const reading = (async () => {
      for await (const { kind } of latest) throw new Error(`nobody has put ${kind}`);
    })();

    await world.run(reading);

    expect(world.nowMs).toBe(10);
  });
});

describe("silence", () => {
  test("is told when it has lasted, counted from the last thing heard", async () => {
    const { world, clock, timers } = parts();
    const told: number[] = [];
    const silence = new Silence({ clock, timers }, 100, () => told.push(world.nowMs));
    timers.after(90, () => silence.heard());

    await world.runUntilIdle();

    expect(told).toEqual([190]);
  });

  test("comes to an end at times that have no exact sum", async () => {
    const { world, clock, timers } = parts();
    const told: number[] = [];
    const silence = new Silence({ clock, timers }, 100, () => told.push(world.nowMs));
    timers.after(38.135620575063015, () => silence.heard());

    await world.runFor(200);

    expect(told).toHaveLength(1);
  });

  test("does not begin while the listener is busy", async () => {
    const { world, clock, timers } = parts();
    const told: number[] = [];
    const silence = new Silence({ clock, timers }, 100, () => told.push(world.nowMs));
    timers.after(50, () => silence.pause());
    timers.after(1_000, () => silence.heard());

    await world.runUntilIdle();

    expect(told).toEqual([1_100]);
  });
});

describe("a deadline", () => {
  test("ends a call that takes too long, and one whose caller has given up", async () => {
    const { world, timers } = parts();
    const caller = new AbortController();
    const endless = async (signal: AbortSignal): Promise<void> => await timers.sleep(1e9, signal);
    timers.after(150, () => caller.abort(new Error("given up")));

    await expect(world.run(within(timers, 100, endless))).rejects.toThrow("no answer within 100 ms");
    await expect(world.run(within(timers, 100, endless, caller.signal))).rejects.toThrow("given up");

    expect(world.nowMs).toBe(150);
  });
});
