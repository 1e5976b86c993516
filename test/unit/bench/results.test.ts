import { expect, test } from "vitest";

import { CELLS, chosenCells } from "../../bench/cells.ts";
import type { Sample } from "../../bench/measure.ts";
import { medianOf, resultOf } from "../../bench/results.ts";

function samplesOf(rates: readonly number[], cpu: number): readonly Sample[] {
  return rates.map((rate) => ({ rate, unit: "MiB/s", cpu, cpuUnit: "s/GiB" }));
}

test("A ratio is the median of the rounds' own ratios, not the quotient of two medians", () => {
  const [cell] = chosenCells("GET-16M-c8");
  const samples = new Map([
    ["meridian", samplesOf([100, 400, 300], 0.3)],
    ["docker-registry", samplesOf([50, 100, 300], 0.6)],
    ["zot", samplesOf([100, 100, 100], 0.4)],
    ["meridian-again", samplesOf([100, 200, 300], 0.3)],
  ]);

  const { against, judgements } = resultOf(cell ?? CELLS[0] ?? never(), samples);

  expect(against.map(({ name, ratio }) => ({ name, ratio }))).toEqual([
    { name: "docker-registry", ratio: { median: 2, min: 1, max: 4 } },
    { name: "zot", ratio: { median: 3, min: 1, max: 4 } },
    { name: "meridian-again", ratio: { median: 1, min: 1, max: 2 } },
  ]);
  // The best of the others is the one we beat by least, and the thriftiest the one that took least; not one of our own.
  expect(judgements).toEqual([
    { name: "GET-16M-c8 to docker-registry", value: "2.00 (1.00..4.00)", target: ">= 1.1", pass: true },
    { name: "GET-16M-c8 processor time to zot", value: "0.750", target: "<= 0.9", pass: true },
  ]);
});

test("A median lies between the two in the middle when there are two", () => {
  const medians = [[3, 1, 2], [4, 1, 3, 2], [7]].map(medianOf);

  expect(medians).toEqual([2, 2.5, 7]);
});

test("A word that begins no cell's name is refused, and says which there are", () => {
  const choose = (): unknown => chosenCells("GET-4K,got");

  expect(choose).toThrow(/no cell begins with `got`; there are GET-manifest-c1, /);
});

function never(): never {
  throw new Error("the cell is there");
}
