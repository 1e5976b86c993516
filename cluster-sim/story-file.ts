/**
 * A story as a file of JSON: what a failing run was made of, to be kept, read, changed by hand and told again.
 * What is read is checked as far as a slip of the hand goes; a fault of a kind that nobody knows is told when it strikes.
 */
import { isNodeId } from "../shared/identity.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../shared/json.ts";
import { isRepositoryName, isTag } from "../shared/reference.ts";
import type { Finding } from "./checkers/findings.ts";
import { REGION_NAMES } from "./regions.ts";
import { WORK_KINDS } from "./settings.ts";
import type { Story } from "./story.ts";

const FORMAT = "meridian story 1";

/** Of the settings, what telling a story needs; the others are for drawing one. */
const NUMBERS = ["safetyMs", "tags", "images", "opLogOpsMax", "commitMsMax", "jitterMs"] as const;

/** The message says what is wrong, and where. */
export class StoryFileError extends Error {
  override readonly name = "StoryFileError";
}

/** `finding` is what the story came to when it was written, for who reads it. */
export function storyToText(story: Story, finding: Finding | undefined, commit: string): string {
  const { seed, settings, faults, work } = story;
  const lines = [
    `  "format": ${JSON.stringify(FORMAT)},`,
    `  "found": ${JSON.stringify(finding === undefined ? "nothing" : `${finding.invariant}: ${finding.what}`)},`,
    `  "commit": ${JSON.stringify(commit)},`,
    `  "seed": ${seed},`,
    `  "settings": ${JSON.stringify(settings)},`,
    `  "faults": ${listed(faults)},`,
    `  "work": ${listed(work)}`,
  ];
  return `{\n${lines.join("\n")}\n}\n`;
}

/** One item a line: whoever makes a story smaller by hand deletes lines. */
function listed(items: readonly object[]): string {
  return items.length === 0 ? "[]" : `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`;
}

/** @throws {StoryFileError} */
export function parseStory(text: string): Story {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new StoryFileError(`the file is not JSON: ${String(cause)}`, { cause });
  }
  const problem = problemOf(value);
  if (problem !== undefined) throw new StoryFileError(problem);
  if (!isStory(value)) throw new StoryFileError("the file holds no story");
  const { seed, settings, faults, work } = value;
  return { seed, settings, faults, work };
}

function isStory(value: unknown): value is Story {
  return problemOf(value) === undefined;
}

function problemOf(value: unknown): string | undefined {
  if (!isJsonObject(value)) return "a story is an object";
  const { format, seed, settings, faults, work } = value;
  if (format !== FORMAT) return `format must be ${FORMAT}`;
  if (!Number.isSafeInteger(seed)) return "seed must be an integer";
  if (!isJsonObject(settings)) return "settings must be an object";
  const number = NUMBERS.find((name) => typeof settings[name] !== "number");
  if (number !== undefined) return `settings.${number} must be a number`;
  const { places } = settings;
  if (!isJsonArray(places) || places.length === 0) return "settings.places must be a list of nodes";
  if (!isJsonArray(faults) || !isJsonArray(work)) return "faults and work must be lists";

  const names = new Set(places.map((place) => (isJsonObject(place) ? place["name"] : undefined)));
  return (
    firstProblem("settings.places", places, placeProblem) ??
    firstProblem("faults", faults, faultProblem) ??
    firstProblem("work", work, (step) => stepProblem(step, names))
  );
}

function firstProblem(
  list: string,
  items: readonly unknown[],
  judge: (item: JsonObject) => string | undefined,
): string | undefined {
  for (const [index, item] of items.entries()) {
    const problem = isJsonObject(item) ? judge(item) : "must be an object";
    if (problem !== undefined) return `${list}[${index}] ${problem}`;
  }
  return undefined;
}

function placeProblem({ name, region, aheadMs }: JsonObject): string | undefined {
  if (typeof name !== "string" || !isNodeId(name)) return "has no name";
  if (!REGION_NAMES.some((one) => one === region)) return `has none of the regions ${REGION_NAMES.join(", ")}`;
  return typeof aheadMs === "number" ? undefined : "has no aheadMs";
}

function faultProblem({ kind, atMs }: JsonObject): string | undefined {
  if (typeof kind !== "string") return "has no kind";
  return typeof atMs === "number" ? undefined : "has no atMs";
}

function stepProblem(step: JsonObject, names: ReadonlySet<unknown>): string | undefined {
  const { client, atMs, kind, node, repo, tag, number, skipsKnown } = step;
  const isKnown = kind === "look" || WORK_KINDS.some((one) => one === kind);
  if (!isKnown) return `has none of the kinds ${WORK_KINDS.join(", ")}`;
  if (!names.has(node)) return "names no node of the story";
  if (typeof repo !== "string" || !isRepositoryName(repo)) return "names no repository";
  if (typeof tag !== "string" || !isTag(tag)) return "names no tag";
  const isComplete = typeof client === "string" && typeof atMs === "number" && typeof number === "number";
  return isComplete && typeof skipsKnown === "boolean" ? undefined : "lacks client, atMs, number or skipsKnown";
}
