import { expect, test } from "vitest";
import { measureSpread } from "../../cluster-sim/spread.ts";

// `make sim SCENARIO=spread` measures more nodes for longer.
test("an op is known to all of sixteen nodes in eight regions about as soon as light allows, and sent to each once", async () => {
  const figures = await measureSpread({ seed: 1, nodes: 16, pushes: 4, weather: "fair" });

  const mean = figures.knownMs.reduce((sum, ms) => sum + ms, 0) / figures.knownMs.length;
  expect(mean).toBeLessThanOrEqual(1.15 * figures.farthestMs);
  expect(figures.copies).toBeLessThanOrEqual(1.05);
  expect(figures.idleBytesPerSecond).toBeLessThanOrEqual(400);
});

test("and within 800 ms where every twentieth message is lost and two nodes have just died", async () => {
  const figures = await measureSpread({ seed: 2, nodes: 16, pushes: 4, weather: "foul" });

  expect(Math.max(...figures.knownMs)).toBeLessThanOrEqual(800);
  expect(figures.copies).toBeLessThanOrEqual(1.4);
});
