/** The mistakes that the simulator must find are kept as changes of the sources. Whoever changes such a source changes them along. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { DELIBERATE_BUGS } from "./support/deliberate-bugs.ts";

const ROOT = new URL("..", import.meta.url);
const BUGS_MIN = 30;

test("every deliberate bug fits exactly one place of its sources", () => {
  const misfits = DELIBERATE_BUGS.flatMap(({ name, also = [], ...first }) =>
    [first, ...also].flatMap(({ file, correct }) => {
      const places = readFileSync(fileURLToPath(new URL(file, ROOT)), "utf8").split(correct).length - 1;
      return places === 1 ? [] : [`${name}: fits ${places} places of ${file}: ${correct}`];
    }),
  );

  expect(misfits).toEqual([]);
});

test("there are at least thirty of them, each with a name of its own", () => {
  expect(new Set(DELIBERATE_BUGS.map(({ name }) => name)).size).toBe(DELIBERATE_BUGS.length);
  expect(DELIBERATE_BUGS.length).toBeGreaterThanOrEqual(BUGS_MIN);
});
