/** What `make sim SHRINK=1` writes for a mistake that was planted: a story so small that it can be read, which tells it again. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseStory } from "../../cluster-sim/story-file.ts";
import { simulate } from "../support/simulate.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const BUG = "skip the check of the chain";
const FAULTS_MAX = 2;
const REQUESTS_MAX = 3;

test("a planted mistake comes down to a few requests, and the file finds it again and nothing without it", async () => {
  const { path: out, remove } = await temporaryFolder();
  onTestFinished(remove);

  const { told } = await simulate(["--ticks", "8", "--scenario", "twists", "--shrink", "--out", out], BUG);

  const file = join(out, "seed-1.json");
  expect(told).toContain(`tell it: make sim REPLAY=${file}`);
  const story = parseStory(readFileSync(file, "utf8"));
  expect(story.settings.places).toHaveLength(2);
  expect(story.faults.length).toBeLessThanOrEqual(FAULTS_MAX);
  expect(story.work.length).toBeLessThanOrEqual(REQUESTS_MAX);
  expect((await simulate(["--replay", file], BUG)).told).toContain("I4 dot uniqueness");
  expect(await simulate(["--replay", file])).toMatchObject({ code: 0 });
});
