import { expect, test } from "vitest";

import { tellAll } from "../../cluster-sim/farm.ts";
import { readOrder } from "../../cluster-sim/order.ts";

const CALM = ["--count", "3", "--ticks", "1", "--scenario", "calm"];

test("stories that are told on several threads come to what they come to on one", async () => {
  const hashesOf = async (args: readonly string[]): Promise<readonly string[]> => {
    const told = await Array.fromAsync(tellAll(readOrder(args)));
    return told.map(({ play, outcome }) => `${play.name} ${outcome.traceHash}`).toSorted();
  };

  expect(await hashesOf([...CALM, "--jobs", "2"])).toEqual(await hashesOf(CALM));
});
