/** What the checkers of one run have found: which invariant, where, and in what words. Numbers are those of the protocol's evidence, section 8.2. */
export type Invariant =
  | "I1 convergence"
  | "I2 strong eventual consistency"
  | "I3 no lost acknowledged op"
  | "I4 dot uniqueness"
  | "I5 vector honesty"
  | "I7 no resurrection"
  | "I8 causality"
  | "I9 visibility closure"
  | "I12 blob integrity"
  | "I18 identity"
  | "I19 clock"
  | "I21 availability"
  | "I22 liveness"
  | "I26 determinism"
  | "counters agree"
  | "as the story says"
  | "no mistake of ours";

export type Finding = { readonly invariant: Invariant; readonly what: string };

/** The first tell the story; thousands more tell it again. */
const FINDINGS_MAX = 20;

export class Findings {
  readonly #found: Finding[] = [];
  readonly #onFound: (finding: Finding) => void;

  constructor(onFound: (finding: Finding) => void) {
    this.#onFound = onFound;
  }

  readonly add = (invariant: Invariant, what: string): void => {
    if (this.#found.length >= FINDINGS_MAX) return;
    const finding = { invariant, what };
    this.#found.push(finding);
    this.#onFound(finding);
  };

  expect(condition: boolean, invariant: Invariant, what: () => string): void {
    if (!condition) this.add(invariant, what());
  }

  get all(): readonly Finding[] {
    return this.#found;
  }
}
