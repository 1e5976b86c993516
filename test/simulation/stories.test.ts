/** The failure catalogue of the protocol's evidence: all 95 rows are there, and those that can be told are told. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { CATALOGUE } from "../../cluster-sim/stories/catalogue.ts";
import { DELIBERATE_BUGS } from "../support/deliberate-bugs.ts";
import { simulate } from "../support/simulate.ts";

const ROOT = new URL("../..", import.meta.url);
const ROWS = 95;

/** Rows that wait for an issue. A row that can be told leaves the list; none may be added to it without a reason. */
const WAITING = {
  "garbage collection": [74, 78, 79, 80, 86],
  "strict tags": [65, 66],
  policies: [63],
  certificates: [55, 87, 89],
  "placement and write concerns": [45, 81, 82],
  "eviction and addresses": [18, 53, 54],
  "versions side by side": [56, 57, 70, 71],
  "faults of the disk in the simulator": [35, 36, 39],
  watchdogs: [92],
};

describe("the failure catalogue", () => {
  test("has each of the 95 rows once, in order", () => {
    expect(CATALOGUE.map(({ row }) => row)).toEqual(Array.from({ length: ROWS }, (_, index) => index + 1));
  });

  test("names the issue that each row waits for which cannot be told yet", () => {
    const waiting = CATALOGUE.flatMap(({ row, how }) => (how.kind === "later" ? [{ row, issue: how.issue }] : []));

    const byIssue = Map.groupBy(waiting, ({ issue }) => issue);
    expect(Object.fromEntries([...byIssue].map(([issue, rows]) => [issue, rows.map(({ row }) => row)]))).toEqual(
      WAITING,
    );
  });

  test("names tests and deliberate bugs that are there", () => {
    const missing = CATALOGUE.flatMap(({ row, how }) => {
      if (how.kind === "bug") return DELIBERATE_BUGS.some(({ name }) => name === how.name) ? [] : [row];
      if (how.kind !== "test") return [];
      return readFileSync(fileURLToPath(new URL(how.file, ROOT)), "utf8").includes(how.title) ? [] : [row];
    });

    expect(missing).toEqual([]);
  });

  test("is told from end to end, and nothing is found", async () => {
    const { code, told } = await simulate(["--scenario", "stories"]);

    expect(told).toMatch(/^\d+ stories, 0 failed$/m);
    expect(code).toBe(0);
  });

  test.for([
    ["story-65", "story-65 waits for a later issue: strict tags"],
    ["story-96", "there is no story-96; the catalogue has rows 1 to 95"],
    ["weird", "no scenario is called weird"],
  ])("says what there is instead of %s", async ([scenario = "", why = ""]) => {
    const { code, told } = await simulate(["--scenario", scenario]);

    expect(told).toContain(why);
    expect(code).toBe(2);
  });
});
