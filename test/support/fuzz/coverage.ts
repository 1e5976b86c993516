import { type Profiler, Session } from "node:inspector";

/** What an input, or many, made the code do that nothing had before. */
export type News = "nothing" | "more-often" | "other-code";

/**
 * Which code has run, as V8 counts it for itself. Nothing is instrumented, so what is fuzzed is what runs in production;
 * the price is a millisecond a look, which is why the fuzzer looks once for many inputs.
 *
 * V8 joins neighbouring blocks that ran equally often, so the blocks it names are others each time. What can be compared
 * is the text: for each character, how often it ran.
 */
export class Coverage {
  readonly #session = new Session();
  readonly #isCounted: (url: string) => boolean;
  /** By script: for each character the most that one look has seen, to a power of two; 0 for never. */
  readonly #most = new Map<string, Uint8Array>();

  /** Counts in scripts whose URL passes `isCounted`. */
  constructor(isCounted: (url: string) => boolean) {
    this.#isCounted = isCounted;
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    this.#take();
  }

  /** What has run since the last look that never ran before. Nothing is remembered of it. */
  look(): News {
    let isMoreOften = false;
    for (const [script, counts] of this.#take()) {
      const most = this.#mostOf(script, counts.length);
      for (const [at, count] of counts.entries()) {
        const before = most[at] ?? 0;
        if (count > 0 && before === 0) return "other-code";
        if (count > before) isMoreOften = true;
      }
    }
    return isMoreOften ? "more-often" : "nothing";
  }

  /** Like {@link look}, and remembers. To be asked after one input, or what many did together would hide what one does. */
  learn(): News {
    let news: News = "nothing";
    for (const [script, counts] of this.#take()) {
      const most = this.#mostOf(script, counts.length);
      for (const [at, count] of counts.entries()) {
        const before = most[at] ?? 0;
        if (count <= before) continue;
        most[at] = count;
        if (before === 0) news = "other-code";
        else if (news === "nothing") news = "more-often";
      }
    }
    return news;
  }

  close(): void {
    this.#session.post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
  }

  #take(): ReadonlyMap<string, Uint8Array> {
    const taken = new Map<string, Uint8Array>();
    this.#session.post("Profiler.takePreciseCoverage", (error, { result }) => {
      if (error !== null) throw error;
      for (const script of result) if (this.#isCounted(script.url)) taken.set(script.scriptId, countsOf(script));
    });
    return taken;
  }

  /** Functions that have not run are not told of, so the end of a script is known only in time. */
  #mostOf(script: string, length: number): Uint8Array {
    const known = this.#most.get(script) ?? new Uint8Array();
    if (known.length >= length) return known;
    const longer = new Uint8Array(length);
    longer.set(known);
    this.#most.set(script, longer);
    return longer;
  }
}

/** For each character of the script how often it ran. Inner functions and blocks are told after those around them. */
function countsOf({ functions }: Profiler.ScriptCoverage): Uint8Array {
  const ranges = functions.flatMap((one) => one.ranges);
  const counts = new Uint8Array(Math.max(0, ...ranges.map(({ endOffset }) => endOffset)));
  for (const { startOffset, endOffset, count } of ranges) {
    counts.fill(count === 0 ? 0 : Math.floor(Math.log2(count)) + 1, startOffset, endOffset);
  }
  return counts;
}
