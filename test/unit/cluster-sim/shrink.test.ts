import { describe, expect, test } from "vitest";
import { shrink, type Teller } from "../../../cluster-sim/shrink.ts";
import { N1, N2, N3, push, told } from "../../../cluster-sim/stories/telling.ts";
import type { Story } from "../../../cluster-sim/story.ts";
import { parseStory, StoryFileError, storyToText } from "../../../cluster-sim/story-file.ts";

const FINDING = { invariant: "I1 convergence", what: "n2 shows nothing" } as const;

const LONG = told(7, {
  nodes: 5,
  forMs: 60_000,
  faults: [
    { kind: "exit", atMs: 1_000, forMs: 500, node: N3 },
    {
      kind: "cut",
      shape: "isolated",
      atMs: 2_000,
      forMs: 16_000,
      lines: [
        [N1, N2],
        [N1, N3],
      ],
    },
    { kind: "clock", atMs: 3_000, node: N2, byMs: 700 },
    { kind: "exit", atMs: 30_000, forMs: 500, node: N3 },
  ],
  work: [push(4_000, N1, 1), push(5_000, N3, 2)],
  settings: { jitterMs: 25, isChopped: true },
});

/** Fails when n1 and n2 are cut apart for at least a second and somebody pushes at n1 meanwhile. */
const teller: Teller = async ({ faults, work }) => {
  const isCut = faults.some(
    (fault) =>
      fault.kind === "cut" &&
      fault.forMs >= 1_000 &&
      fault.lines.some(([source, target]) => source === N1 && target === N2),
  );
  const isPushed = work.some(({ kind, node, tag }) => kind === "push-image" && node === N1 && tag === "told");
  return await Promise.resolve(isCut && isPushed ? { finding: FINDING, atMs: 6_000 } : undefined);
};

describe("a story that fails is made smaller", () => {
  test("until nothing more can be left out, and fails in the same way", async () => {
    const small = await shrink(LONG, teller, { triesMax: 1_000 });

    expect(small?.finding).toEqual(FINDING);
    expect(small?.story.settings.places.map(({ name }) => name)).toEqual([N1, N2]);
    expect(small?.story.faults).toEqual([
      { kind: "cut", shape: "isolated", atMs: 2_000, forMs: 1_125, lines: [[N1, N2]] },
    ]);
    expect(small?.story.work.map(({ node, kind, tag }) => [node, kind, tag])).toEqual([[N1, "push-image", "told"]]);
    expect(small?.story.settings).toMatchObject({ safetyMs: 6_500, jitterMs: 0, isChopped: false });
  });

  test("never to one that fails in another way", async () => {
    const other: Teller = async (story) => {
      const found = await teller(story);
      const invariant = story.faults.length > 2 ? "I1 convergence" : "I5 vector honesty";
      return found === undefined ? undefined : { ...found, finding: { ...FINDING, invariant } };
    };

    const small = await shrink(LONG, other, { triesMax: 1_000 });

    expect(small?.finding.invariant).toBe("I1 convergence");
    expect(small?.story.faults).toHaveLength(3);
  });

  test("within a number of tries, and not at all when it does not fail", async () => {
    expect((await shrink(LONG, teller, { triesMax: 5 }))?.tries).toBe(5);
    expect(await shrink(told(7, {}), teller, { triesMax: 5 })).toBeUndefined();
  });
});

describe("a story in a file", () => {
  test("is the same story when it is read again", () => {
    expect(parseStory(storyToText(LONG, FINDING, "abc"))).toEqual(LONG);
  });

  test.for<readonly [name: string, change: (story: Story) => object, why: string]>([
    ["no JSON", () => ({}), "format must be meridian story 1"],
    [
      "no node",
      (story) => ({ ...story, settings: { ...story.settings, places: [] } }),
      "settings.places must be a list of nodes",
    ],
    [
      "a node nowhere",
      (story) => ({ ...story, settings: { ...story.settings, places: [{ name: N1, region: "moon", aheadMs: 0 }] } }),
      "settings.places[0] has none of the regions",
    ],
    ["a fault without a time", (story) => ({ ...story, faults: [{ kind: "exit" }] }), "faults[0] has no atMs"],
    [
      "a request at a stranger",
      (story) => ({ ...story, work: [{ ...story.work[0], node: "n9" }] }),
      "work[0] names no node of the story",
    ],
    [
      "a request of no kind",
      (story) => ({ ...story, work: [{ ...story.work[0], kind: "sing" }] }),
      "work[0] has none of the kinds",
    ],
  ])("with %s is refused with the place of the mistake", ([name, change, why]) => {
    const format = name === "no JSON" ? {} : { format: "meridian story 1" };

    expect(() => parseStory(JSON.stringify({ ...change(LONG), ...format }))).toThrow(why);
    expect(() => parseStory("{")).toThrow(StoryFileError);
  });
});
