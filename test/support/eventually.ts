import { setTimeout as delay } from "node:timers/promises";

const PERIOD_MS = 25;

/**
 * Waits for what the world outside this process will do, which nobody announces: asks again and again until
 * `isTrue`, and fails after `withinMs`.
 */
export async function eventually(isTrue: () => Promise<boolean>, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`not so within ${withinMs} ms: ${isTrue.toString()}`);
    await delay(PERIOD_MS);
  }
}
