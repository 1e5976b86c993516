/** What the simulator is asked for on its command line: which stories, and what to do with them. */
import { parseArgs } from "node:util";
import { unreachable } from "../shared/invariant.ts";
import { SCENARIOS } from "./settings.ts";
import { CATALOGUE } from "./stories/catalogue.ts";
import type { Row } from "./stories/row.ts";
import { type Drawing, drawStory, type Story } from "./story.ts";

export const USAGE = [
  `usage: make sim SEED=n COUNT=n TICKS=seconds SCENARIO=${SCENARIOS.join("|")}|stories|story-N`,
  "       make sim REPLAY=FILE",
  "       and with each: JOBS=n TWICE=1 VERBOSE=1 SHRINK=1 SVG=FILE",
  "",
  "  SEED and COUNT name the first seed and how many (1), TICKS for how many simulated seconds things go wrong (60).",
  "  swarm draws for each seed which faults there are; lite draws few; performance is always the same five nodes.",
  "  JOBS is how many are played at once, each on a thread of its own (1). TWICE plays each twice, and compares.",
].join("\n");

/** A story to be told. */
export type Play = {
  readonly name: string;
  /** Arguments of `make sim` that tell it again. */
  readonly again: string;
} & ({ readonly tell: () => Story } | { readonly file: string });

export type Order = {
  /** What it was read from. */
  readonly args: readonly string[];
  readonly plays: readonly Play[];
  /** Plays at once, each on a thread of its own. */
  readonly jobs: number;
  readonly isTwice: boolean;
  /** Ends with the first story that fails. */
  readonly isFirst: boolean;
  readonly isVerbose: boolean;
  readonly isShrunk: boolean;
  /** Where a picture of the last story goes. */
  readonly svg: string | undefined;
  /** Where smaller stories go. */
  readonly out: string;
  /** Only wants to know what may be asked for. */
  readonly isHelp: boolean;
};

/** A command line that makes no sense; the message says why. */
export class OrderError extends Error {
  override readonly name = "OrderError";
}

/** @throws {OrderError} */
export function readOrder(args: readonly string[]): Order {
  const { values } = parse(args);
  const { seed, count, ticks, scenario, replay, svg } = values;
  const numbers = { seed: numberOf("SEED", seed, 0), count: numberOf("COUNT", count, 1) };
  const plays =
    replay === undefined
      ? playsOf(scenario, { ...numbers, ticks: numberOf("TICKS", ticks, 1) })
      : [{ name: replay, again: `REPLAY=${replay}`, file: replay }];
  return {
    args,
    plays,
    jobs: numberOf("JOBS", values.jobs, 1),
    isTwice: values.twice,
    isFirst: values.first,
    isVerbose: values.verbose,
    isShrunk: values.shrink,
    svg,
    out: values.out,
    isHelp: values.help,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: { type: "string", default: "1" },
        count: { type: "string", default: "1" },
        ticks: { type: "string", default: "60" },
        scenario: { type: "string", default: "swarm" },
        jobs: { type: "string", default: "1" },
        replay: { type: "string" },
        svg: { type: "string" },
        out: { type: "string", default: ".cache/sim" },
        first: { type: "boolean", default: false },
        twice: { type: "boolean", default: false },
        verbose: { type: "boolean", default: false },
        shrink: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (cause) {
    throw new OrderError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function numberOf(name: string, text: string, min: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new OrderError(`${name} must be an integer from ${min} on, and is ${text}`);
}

type Numbers = { readonly seed: number; readonly count: number; readonly ticks: number };

function playsOf(name: string, { seed, count, ticks }: Numbers): readonly Play[] {
  if (name === "stories" || /^story-[0-9]+$/.test(name)) return storiesNamed(name);
  const scenario = SCENARIOS.find((one) => one === name);
  if (scenario === undefined) throw new OrderError(`no scenario is called ${name}`);
  return Array.from({ length: count }, (_, index) => {
    const drawing: Drawing = { seed: seed + index, scenario, safetyMs: ticks * 1000 };
    const again = `SEED=${drawing.seed} TICKS=${ticks} SCENARIO=${scenario}`;
    return { name: `seed ${drawing.seed}`, again, tell: () => drawStory(drawing) };
  });
}

function storiesNamed(name: string): readonly Play[] {
  const chosen = CATALOGUE.filter(({ row }) => name === "stories" || name === `story-${row}`);
  const [only, ...others] = chosen;
  if (only === undefined) throw new OrderError(`there is no ${name}; the catalogue has rows 1 to ${CATALOGUE.length}`);
  if (others.length === 0) expectTold(name, only);
  return chosen.flatMap(({ row, how, injects }) =>
    how.kind === "story"
      ? [{ name: `story ${row} (${injects})`, again: `SCENARIO=story-${row}`, tell: how.story }]
      : [],
  );
}

/** @throws {OrderError} when something else stands in the place of a story. */
function expectTold(name: string, { how }: Row): void {
  switch (how.kind) {
    case "story":
      return;
    case "bug":
      throw new OrderError(
        `${name} is a mistake in the code, which test/support/deliberate-bugs.ts plants: ${how.name}`,
      );
    case "test":
      throw new OrderError(`${name} is no run of its own: see ${how.file}`);
    case "later":
      throw new OrderError(`${name} waits for a later issue: ${how.issue}`);
    default:
      unreachable(how);
  }
}
