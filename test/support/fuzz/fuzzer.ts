/**
 * A coverage-guided fuzzer for parsers. It keeps every input that makes the code do something that no input before
 * did, and makes new ones by changing those: so it climbs from check to check where chance alone never gets past the
 * second. Written here because the known ones for JavaScript rewrite the sources before they run them, or need a
 * compiler; V8 counts blocks by itself, and a parser has no state to keep.
 *
 * Source: M. Zalewski, "american fuzzy lop", technical details: the corpus by new coverage, and its mutations.
 */
import { hash } from "node:crypto";
import { Prng } from "../../../cluster-sim/prng.ts";
import { Coverage } from "./coverage.ts";
import { mutated } from "./mutate.ts";

export type FuzzTarget = {
  /** Lower-case letters and hyphens; also the folder of its corpus. */
  readonly name: string;
  readonly dictionary: readonly string[];
  readonly bytesMax: number;
  /** Parses the input, and throws when anything happened but a value that keeps its promises, or a refusal. */
  readonly run: (input: Uint8Array) => void;
};

export type Finding = { readonly input: Uint8Array; readonly error: unknown };

export type FuzzOutcome = {
  readonly runs: number;
  /** Inputs that do something new, the given ones first. */
  readonly corpus: readonly Uint8Array[];
  readonly finding: Finding | undefined;
};

export type FuzzOptions = {
  readonly seed: string | number;
  readonly corpus: readonly Uint8Array[];
  /** Whether to go on; asked after every batch. */
  readonly goesOn: (runs: number) => boolean;
  /** Scripts that count; the project's own production code unless it says another. */
  readonly isCounted?: (url: string) => boolean;
};

const BATCH = 256;
const SINGLE_LOOKS = 2;
/** A parser that needs so long for a few kilobytes backtracks, or worse. */
const RUN_MS_MAX = 2_000;
const SHRINKS_MAX = 2_000;

/** Fuzzes until a finding, or until `goesOn` says no. The same seed and corpus make the same inputs. */
export function fuzz(target: FuzzTarget, options: FuzzOptions): FuzzOutcome {
  const coverage = new Coverage(options.isCounted ?? isProduction);
  try {
    return new Fuzzing(target, options, coverage).run();
  } finally {
    coverage.close();
  }
}

function isProduction(url: string): boolean {
  return /^file:.*\/(?:nodes|shared)\//.test(url);
}

class Fuzzing {
  readonly #target: FuzzTarget;
  readonly #options: FuzzOptions;
  readonly #coverage: Coverage;
  readonly #prng: Prng;
  readonly #corpus: Uint8Array[] = [];
  #runs = 0;

  constructor(target: FuzzTarget, options: FuzzOptions, coverage: Coverage) {
    this.#target = target;
    this.#options = options;
    this.#coverage = coverage;
    this.#prng = new Prng(`${target.name} ${options.seed}`);
  }

  run(): FuzzOutcome {
    for (const input of [new Uint8Array(), ...this.#options.corpus]) {
      const finding = this.#tryOne(input);
      if (finding !== undefined) return this.#end(finding);
    }
    if (this.#corpus.length === 0) this.#corpus.push(new Uint8Array());
    while (this.#options.goesOn(this.#runs)) {
      const batch = Array.from({ length: BATCH }, () => this.#next());
      for (const input of batch) {
        const error = this.#errorOf(input);
        if (error !== undefined) return this.#end({ input, error });
      }
      // One look for the whole batch; only when it has done something new is it worth knowing which input did. What was
      // merely done more often than ever shows in single looks alone, so a few are spent on that.
      if (this.#coverage.look() === "other-code") this.#search(batch);
      for (const input of batch.slice(0, SINGLE_LOOKS)) this.#tryOne(input);
    }
    return this.#end(undefined);
  }

  /** Which of `batch` have done something new, by halves: what the first of them did is not new for the second. */
  #search(batch: readonly Uint8Array[]): void {
    const [only, ...others] = batch;
    if (only === undefined) return;
    if (others.length === 0) return void this.#tryOne(only);
    const middle = batch.length >> 1;
    for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
      for (const input of half) this.#errorOf(input);
      if (this.#coverage.look() === "other-code") this.#search(half);
    }
  }

  #next(): Uint8Array {
    const pick = (): Uint8Array => {
      // Whatever was found last is where the frontier is.
      const isRecent = this.#prng.chance(0.3);
      return this.#prng.pick(isRecent ? this.#corpus.slice(-8) : this.#corpus);
    };
    const { dictionary, bytesMax } = this.#target;
    return mutated(pick(), { prng: this.#prng, dictionary, other: pick(), bytesMax });
  }

  #tryOne(input: Uint8Array): Finding | undefined {
    const error = this.#errorOf(input);
    if (error !== undefined) return { input, error };
    if (this.#coverage.learn() !== "nothing") this.#corpus.push(input);
    return undefined;
  }

  #errorOf(input: Uint8Array): unknown {
    this.#runs += 1;
    const startedMs = performance.now();
    try {
      this.#target.run(Uint8Array.from(input));
    } catch (error) {
      return error ?? new Error("something that is no error was thrown");
    }
    const tookMs = performance.now() - startedMs;
    return tookMs > RUN_MS_MAX ? new Error(`took ${Math.round(tookMs)} ms for ${input.length} bytes`) : undefined;
  }

  #end(finding: Finding | undefined): FuzzOutcome {
    const shrunk = finding === undefined ? undefined : this.#shrunk(finding);
    return { runs: this.#runs, corpus: this.#corpus, finding: shrunk };
  }

  /** Leaves out what the failure does not need: halves first, single bytes last. */
  #shrunk(finding: Finding): Finding {
    let { input, error } = finding;
    let triesLeft = SHRINKS_MAX;
    for (let size = Math.ceil(input.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < input.length && triesLeft > 0; ) {
        const less = Buffer.concat([input.subarray(0, at), input.subarray(at + size)]);
        triesLeft -= 1;
        const stillFails = this.#errorOf(less);
        if (stillFails === undefined) {
          at += size;
          continue;
        }
        input = Uint8Array.from(less);
        error = stillFails;
      }
    }
    return { input, error };
  }
}

/** How an input is called in a corpus. */
export function inputName(input: Uint8Array): string {
  return hash("sha256", input, "hex").slice(0, 16);
}
