import { expect, test } from "vitest";

import { OneAtATime } from "../../../shared/one-at-a-time.ts";

test("tasks run one after the other, in the order they came", async () => {
  const turns = new OneAtATime();
  const ran: string[] = [];
  const gate = Promise.withResolvers<string>();

  const first = turns.run(async () => {
    ran.push("first begins");
    ran.push(await gate.promise);
  });
  const second = turns.run(async () => {
    ran.push("second begins");
    return await Promise.resolve("second");
  });
  expect(turns.pending).toBe(2);
  gate.resolve("first ends");

  expect(await second).toBe("second");
  await first;
  expect(ran).toEqual(["first begins", "first ends", "second begins"]);
  expect(turns.pending).toBe(0);
});

test("a task that fails fails for whoever gave it, and the next one runs", async () => {
  const turns = new OneAtATime();

  const failing = turns.run(async () => await Promise.reject(new Error("no")));
  const next = turns.run(async () => await Promise.resolve("yes"));

  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("yes");
});
