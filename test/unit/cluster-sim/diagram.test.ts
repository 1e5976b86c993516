import { expect, test } from "vitest";
import { Chronicle } from "../../../cluster-sim/chronicle.ts";
import { diagramOf } from "../../../cluster-sim/diagram.ts";
import { runStory } from "../../../cluster-sim/run.ts";
import { N1, N2, N3, push, sees, told } from "../../../cluster-sim/stories/telling.ts";

const ELEMENTS_MAX = 4_000;

/** The names of all elements, in order. @throws when the tags do not nest. */
function elementsOf(document: string): readonly string[] {
  const names: string[] = [];
  const open: string[] = [];
  for (const [tag, slash, name, empty] of document.matchAll(/<(\/?)([a-z]+)(?:\s[a-zA-Z:-]+="[^"<]*")*(\/?)>/g)) {
    if (name === undefined) throw new Error(`a tag without a name: ${tag}`);
    if (slash === "/" && open.pop() !== name) throw new Error(`${tag} closes another`);
    if (slash !== "/") names.push(name);
    if (slash !== "/" && empty !== "/") open.push(name);
  }
  const between = document.replaceAll(/<[^<>]*>/g, "");
  const isBroken = open.length > 0 || /[<>]|&(?!amp;|lt;|gt;|quot;)/.test(between);
  if (isBroken) throw new Error("the document is not well-formed");
  return names;
}

test("a diagram is well-formed, and shows what went wrong, what was told and what was found", async () => {
  const story = told(3, {
    forMs: 8_000,
    faults: [
      {
        kind: "cut",
        shape: "isolated",
        atMs: 2_000,
        forMs: 4_000,
        lines: [
          [N1, N2],
          [N2, N1],
          [N1, N3],
          [N3, N1],
        ],
      },
      { kind: "crash", atMs: 3_000, forMs: 500, node: N3, isSilent: false },
      { kind: "clock", atMs: 3_500, node: N2, byMs: 700 },
    ],
    // Nobody can see through a cut: the story says what is not so, and that is found.
    work: [push(4_000, N1, 1), sees(5_000, N2, 1)],
  });
  const chronicle = new Chronicle();

  const outcome = await runStory(story, { chronicle });
  const svg = diagramOf(story, chronicle, outcome);

  const elements = elementsOf(svg);
  expect(elements.length).toBeLessThan(ELEMENTS_MAX);
  expect(elements[0]).toBe("svg");
  for (const words of [
    "found: as the story says",
    "cut (isolated)",
    "crash n3 for 500 ms",
    "clock of n2",
    "n3 lost its power",
  ]) {
    expect(svg).toContain(words);
  }
  for (const name of ["n1", "n2", "n3"]) expect(svg).toContain(`>${name}</text>`);
  expect(svg).toMatch(/push-image: ok at 5\d{3} ms/);
  expect(outcome.findings.map(({ invariant }) => invariant)).toEqual(["as the story says"]);
});
