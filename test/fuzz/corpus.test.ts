import { describe, expect, test } from "vitest";
import { keptInputs } from "../support/fuzz/corpus.ts";
import { fuzz } from "../support/fuzz/fuzzer.ts";
import { FUZZ_TARGETS } from "./targets.ts";

/** Beyond the corpus, so that a parser that has just been broken is noticed before anybody fuzzes for long. */
const FRESH_RUNS = 3_000;

describe("every parser", () => {
  test.each(FUZZ_TARGETS.map((target) => [target.name, target] as const))(
    "returns a value or refuses, whatever it reads: %s",
    (name, target) => {
      const corpus = keptInputs(name);

      const { finding } = fuzz(target, { seed: 1, corpus, goesOn: (runs) => runs < corpus.length + FRESH_RUNS });

      expect(corpus.length).toBeGreaterThan(0);
      expect(finding).toBeUndefined();
    },
  );
});

describe("the fuzzer", () => {
  /** Fails on one input of four bytes that chance alone hits once in billions. */
  function failsBehindManyChecks(input: Uint8Array): void {
    if (input[0] !== 0xc0) return;
    if (input[1] !== 0xff) return;
    if (input[2] !== 0xee) return;
    if (input[3] !== 0x13) return;
    throw new Error("found");
  }
  const target = { name: "secret", dictionary: [], bytesMax: 16, run: failsBehindManyChecks };
  const isCounted = (url: string): boolean => url.includes("/test/fuzz/corpus.test.ts");

  test("finds a way past many checks by what each has made the code do, and shrinks what it found", () => {
    const { finding } = fuzz(target, { seed: 1, corpus: [], goesOn: (runs) => runs < 400_000, isCounted });

    expect(finding).toEqual({
      input: Uint8Array.of(0xc0, 0xff, 0xee, 0x13),
      error: new Error("found"),
    });
  });

  test("without seeing what the code does finds nothing", () => {
    const blind = { seed: 1, corpus: [], goesOn: (runs: number) => runs < 50_000, isCounted: () => false };

    expect(fuzz(target, blind).finding).toBeUndefined();
  });
});
