/**
 * The model: commits one after the other, an oracle beside the store, and the end of the process or of the power at any
 * moment. Whatever was acknowledged must be there; what was under way may be, whole; nothing else.
 */
import { expect, test } from "vitest";

import { JournaledStore, putOf } from "../support/journaled-store.ts";

const SEEDS = 200;
const LIVES = 6;

type Pairs = Record<string, string>;

/** Runs until a crash; tells what was acknowledged, and what was on its way. */
async function liveOnce(store: JournaledStore, acknowledged: Pairs): Promise<Pairs> {
  const { prng, world } = store;
  const underWay: { batch: Pairs | undefined } = { batch: undefined };
  const work = (async () => {
    for (let count = 0; ; count += 1) {
      const keys = Array.from({ length: prng.integer(1, 4) }, () => `key ${prng.integer(0, 30)}`);
      const batch = Object.fromEntries(
        keys.map((key) => [key, `${world.nowMs} ${count} ${"x".repeat(prng.integer(0, 60))}`]),
      );
      underWay.batch = batch;
      await store.kv.commit(Object.entries(batch).map(([key, value]) => putOf(key, value)));
      Object.assign(acknowledged, batch);
      underWay.batch = undefined;
    }
  })();
  work.catch(() => undefined);
  await world.runFor(prng.fraction() ** 2 * 400);
  return underWay.batch ?? {};
}

test("every acknowledged batch survives every crash and every power cut, whole", async () => {
  let checkpoints = 0;
  let replays = 0;
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const store = new JournaledStore({ seed, pauseMs: 2 });
    const acknowledged: Pairs = {};
    for (let life = 0; life < LIVES; life += 1) {
      await store.open();
      const underWay = await liveOnce(store, acknowledged);
      await store.end(store.prng.chance(1 / 2) ? "crash" : "power");
      await store.world.runUntilIdle();
      // Before its first batch a store has nothing that a damage could take.
      const hasJournal = [...store.files.contents.values()].some(({ length }) => length > 0);
      const isStoreDamaged = hasJournal && store.prng.chance(1 / 5);
      if (isStoreDamaged) store.rows.damage();
      await store.open();

      const { rebuilt, lost, journalDamage } = store.kv.report;
      expect({ isRebuilt: rebuilt !== undefined, lost, journalDamage }, `seed ${seed}, life ${life}`).toEqual({
        isRebuilt: isStoreDamaged,
        lost: undefined,
        journalDamage: undefined,
      });
      const found = await store.contents();
      const allowed = [acknowledged, { ...acknowledged, ...underWay }];
      expect(allowed, `seed ${seed}, life ${life}`).toContainEqual(found);
      Object.assign(acknowledged, found);
      replays += store.kv.report.replayed;
      checkpoints += store.filesOf("checkpoint").length;
      await (store.prng.chance(1 / 2) ? store.close() : store.end("crash"));
      await store.world.runUntilIdle();
    }
  }

  // The runs have been where it is interesting.
  expect(checkpoints).toBeGreaterThan(SEEDS);
  expect(replays).toBeGreaterThan(SEEDS);
}, 120_000);
