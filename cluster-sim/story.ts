/**
 * A story is everything about a run that somebody decided: the nodes, what goes wrong with them, and what is asked of
 * them. It is plain data. A seed draws one, a person can write one, and a failing one can be made smaller and kept;
 * telling it again needs no generator, so that a story stays what it is when the drawing of seeds changes.
 *
 * What is left to chance, such as how long each write to a disk takes, follows from `seed` by branches that each part
 * draws from alone. To record those draws as well was the alternative: such a tape ends at the first draw that a
 * smaller story does not make.
 */
import { type Fault, planFaults } from "./faults.ts";
import { Prng } from "./prng.ts";
import { drawSettings, type Scenario, type Settings } from "./settings.ts";
import { planWork, type WorkStep } from "./work-plan.ts";

export type Story = {
  /** Of what is left to chance. */
  readonly seed: number;
  readonly settings: Settings;
  /** In the order in which they begin. */
  readonly faults: readonly Fault[];
  /** Each client's in its order. */
  readonly work: readonly WorkStep[];
};

export type Drawing = { readonly seed: number; readonly scenario: Scenario; readonly safetyMs: number };

/** The story of a seed. */
export function drawStory({ seed, scenario, safetyMs }: Drawing): Story {
  const prng = new Prng(seed);
  const settings = drawSettings(prng.branch("settings"), scenario, safetyMs);
  const faults = planFaults(prng.branch("faults"), settings);
  return { seed, settings, faults, work: planWork((name) => prng.branch(name), settings) };
}
