import { describe, expect, test } from "vitest";

import type { Clock } from "../../nodes/ports/clock.ts";
import type { Timers } from "../../nodes/ports/timers.ts";

export type TimersUnderTest = {
  readonly timers: Timers;
  /** Of the same time as the timers. */
  readonly clock: Clock;
  /** Lets time pass until `promise` settles. */
  readonly run: <T>(promise: Promise<T>) => Promise<T>;
};

export function timersContract(name: string, make: () => TimersUnderTest): void {
  describe(name, () => {
    test("run what is due earlier first, whichever was set first", async () => {
      const { timers, run } = make();
      const ran: string[] = [];

      timers.after(6, () => ran.push("late"));
      timers.after(2, () => ran.push("early"));
      await run(timers.sleep(8));

      expect(ran).toEqual(["early", "late"]);
    });

    test("run of two that are due at once the one that was set first", async () => {
      const { timers, run } = make();
      const ran: number[] = [];

      for (let index = 0; index < 50; index += 1) timers.after(3, () => ran.push(index));
      await run(timers.sleep(5));

      expect(ran).toEqual(Array.from({ length: 50 }, (_, index) => index));
    });

    test("never run a callback before the call that set it has returned, and take what is negative for 0", async () => {
      const { timers, run } = make();
      const ran: string[] = [];

      for (const delayMs of [0, -5, -1]) timers.after(delayMs, () => ran.push(`after ${delayMs}`));
      ran.push("returned");
      await run(timers.sleep(1));

      expect(ran).toEqual(["returned", "after 0", "after -5", "after -1"]);
    });

    test("run a callback no earlier than was asked, to the fraction of a millisecond", async () => {
      const { timers, clock, run } = make();
      const delaysMs = [0.25, 0.5, 0.9, 1, 1.1, 1.75, 2.5, 3.3, 7.01];

      const waits = delaysMs.map(async (delayMs) => {
        const startedMs = clock.monotonicMs();
        await timers.sleep(delayMs);
        return clock.monotonicMs() - startedMs - delayMs;
      });

      for (const overMs of await run(Promise.all(waits))) expect(overMs).toBeGreaterThanOrEqual(0);
    });

    test("do not run what was cancelled, by whomever, even at the moment it is due", async () => {
      const { timers, run } = make();
      const ran: string[] = [];

      const first = timers.after(2, () => {
        ran.push("first");
        second.cancel();
      });
      const second = timers.after(2, () => ran.push("second"));
      const third = timers.after(1, () => ran.push("third"));
      third.cancel();
      third.cancel();
      await run(timers.sleep(4));
      first.cancel();

      expect(ran).toEqual(["first"]);
    });

    test("let what follows from one callback by promises come about before the next callback", async () => {
      const { timers, run } = make();
      const ran: string[] = [];

      timers.after(1, () => {
        ran.push("first");
        follow(ran).catch(() => ran.push("fails"));
      });
      timers.after(1, () => ran.push("second"));
      await run(timers.sleep(3));

      expect(ran).toEqual(["first", "follows", "second"]);
    });

    test("take a delay of a century for what it is", async () => {
      const { timers, run } = make();
      const ran: string[] = [];

      const century = timers.after(100 * 365 * 24 * 3_600_000, () => ran.push("a century"));
      await run(timers.sleep(5));
      century.cancel();

      expect(ran).toEqual([]);
    });

    test("wake a sleeper at once, with the signal's reason, when the signal aborts", async () => {
      const { timers, clock, run } = make();
      const controller = new AbortController();
      const reason = new Error("enough");

      timers.after(1, () => controller.abort(reason));
      const startedMs = clock.monotonicMs();
      const sleep = run(timers.sleep(60_000, controller.signal));

      await expect(sleep).rejects.toBe(reason);
      expect(clock.monotonicMs() - startedMs).toBeLessThan(30_000);
    });

    test("do not let one fall asleep whose signal has aborted", async () => {
      const { timers, run } = make();
      const reason = new Error("enough");

      await expect(run(timers.sleep(0, AbortSignal.abort(reason)))).rejects.toBe(reason);
    });

    test("sleep to the end when the signal aborts later", async () => {
      const { timers, run } = make();
      const controller = new AbortController();

      await run(timers.sleep(1, controller.signal));
      controller.abort();

      await run(timers.sleep(1));
    });
  });
}

async function follow(ran: string[]): Promise<void> {
  for (let step = 0; step < 10; step += 1) await Promise.resolve();
  ran.push("follows");
}
