/** The figures of `make sim SCENARIO=membership`, on as many fleets as a test may take. */
import { expect, test } from "vitest";
import { stressed, timesToKnow, traffic } from "../../cluster-sim/membership/figures.ts";

function median(sorted: readonly number[]): number {
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

test.each([
  [10, 40, 12],
  [100, 8, 21],
])("among %i nodes all know of a death: in the median of %i deaths within %i s", (nodes, deaths, seconds) => {
  const times = timesToKnow(nodes, deaths, 1);

  expect(median(times)).toBeLessThanOrEqual(seconds);
  expect(times.at(-1)).toBeLessThanOrEqual(40);
});

test("nobody is taken for dead while a tenth of the nodes stands still for 16 seconds again and again", () => {
  expect(stressed(100, 5, 1)).toEqual({ falseDeaths: 0, nodeHours: 5 });
});

test("a node among a hundred sends less than 200 bytes a second to watch the others", () => {
  expect(traffic(100, 1)).toBeLessThanOrEqual(200);
});
