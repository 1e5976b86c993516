/**
 * From samples to what may be claimed. Machines differ and neighbours disturb, so nothing absolute is judged: a ratio is
 * taken inside each round, where both servers had the same neighbours, and the median of the rounds is what counts, with its smallest
 * and its largest. What our node differs from itself by is shown beside it, and nothing smaller than that is claimed.
 */
import type { Cell } from "./cells.ts";
import { DOCKER_REGISTRY, OWN, OWN_AGAIN } from "./contestants.ts";
import type { Sample } from "./measure.ts";

/** Samples by contestant, in the order of the rounds. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

export type Spread = { readonly median: number; readonly min: number; readonly max: number };

export type Against = {
  readonly name: string;
  /** How many times its rate ours is. */
  readonly ratio: Spread;
  /** How much of its processor time ours is. */
  readonly cpuRatio: Spread;
};

export type Entry = {
  readonly name: string;
  readonly rate: number;
  readonly unit: Sample["unit"];
  readonly cpu: number;
  readonly cpuUnit: Sample["cpuUnit"];
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly firstByteMs?: number;
};

export type Judgement = {
  readonly name: string;
  readonly value: string;
  readonly target: string;
  readonly pass: boolean;
};

export type CellResult = {
  readonly cell: string;
  readonly entries: readonly Entry[];
  readonly against: readonly Against[];
  readonly judgements: readonly Judgement[];
};

const P99_MS_MAX = 10;
const FIRST_BYTE_MS_MAX = 5;

export function resultOf(cell: Cell, samples: Samples): CellResult {
  const own = samples.get(OWN) ?? [];
  const against = [...samples]
    .filter(([name]) => name !== OWN)
    .map(([name, theirs]) => ({
      name,
      ratio: spreadOf(own.map(({ rate }, round) => rate / (theirs[round]?.rate ?? Number.NaN))),
      cpuRatio: spreadOf(own.map(({ cpu }, round) => cpu / (theirs[round]?.cpu ?? Number.NaN))),
    }));
  const entries = [...samples].map(([name, ofOne]) => entryOf(name, ofOne));
  return { cell: cell.name, entries, against, judgements: judge(cell, entries, against) };
}

function entryOf(name: string, samples: readonly Sample[]): Entry {
  const [first] = samples;
  if (first === undefined) throw new Error(`${name} has no samples`);
  const middle = (read: (sample: Sample) => number | undefined): number =>
    medianOf(samples.map((sample) => read(sample) ?? Number.NaN));
  const told = (key: "p50Ms" | "p99Ms" | "firstByteMs"): Partial<Entry> => {
    const value = middle((sample) => sample[key]);
    return Number.isNaN(value) ? {} : { [key]: value };
  };
  return {
    name,
    rate: middle(({ rate }) => rate),
    unit: first.unit,
    cpu: middle(({ cpu }) => cpu),
    cpuUnit: first.cpuUnit,
    ...told("p50Ms"),
    ...told("p99Ms"),
    ...told("firstByteMs"),
  };
}

function judge(cell: Cell, entries: readonly Entry[], against: readonly Against[]): readonly Judgement[] {
  const { ratio, dockerRatio, cpuRatio } = cell.target;
  const others = against.filter(({ name }) => name !== OWN_AGAIN);
  const own = entries.find(({ name }) => name === OWN);
  const judgements: Judgement[] = [];
  const best = others.toSorted((left, right) => left.ratio.median - right.ratio.median)[0];
  if (ratio !== undefined && best !== undefined) {
    judgements.push(atLeast(`${cell.name} to ${best.name}`, best.ratio, ratio));
  }
  const docker = others.find(({ name }) => name === DOCKER_REGISTRY);
  if (dockerRatio !== undefined && docker !== undefined) {
    judgements.push(atLeast(`${cell.name} to ${docker.name}`, docker.ratio, dockerRatio));
  }
  const thriftiest = others.toSorted((left, right) => right.cpuRatio.median - left.cpuRatio.median)[0];
  if (cpuRatio !== undefined && thriftiest !== undefined) {
    judgements.push(atMost(`${cell.name} processor time to ${thriftiest.name}`, thriftiest.cpuRatio.median, cpuRatio));
  }
  if (cell.kind === "mixed" && own?.p99Ms !== undefined) {
    judgements.push(atMost(`${cell.name} p99 ms`, own.p99Ms, P99_MS_MAX));
  }
  if (cell.kind === "cold-pull" && own?.firstByteMs !== undefined) {
    judgements.push(atMost(`${cell.name} first byte ms`, own.firstByteMs, FIRST_BYTE_MS_MAX));
  }
  return judgements;
}

function atLeast(name: string, spread: Spread, target: number): Judgement {
  return { name, value: textOf(spread), target: `>= ${target}`, pass: spread.median >= target };
}

export function atMost(name: string, value: number, target: number): Judgement {
  return { name, value: figure(value), target: `<= ${target}`, pass: value <= target };
}

export function textOf({ median, min, max }: Spread): string {
  return `${figure(median)} (${figure(min)}..${figure(max)})`;
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.filter((value) => Number.isFinite(value)).toSorted((left, right) => left - right);
  return { median: medianOf(sorted), min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** Lines for a person: every contestant of a cell, then what was promised. */
export function linesOf({ cell, entries, against, judgements }: CellResult): readonly string[] {
  const rows = entries.map((entry) => {
    const ratio = against.find(({ name }) => name === entry.name)?.ratio;
    const delays = [
      entry.p50Ms === undefined ? "" : `p50 ${figure(entry.p50Ms)} ms`,
      entry.p99Ms === undefined ? "" : `p99 ${figure(entry.p99Ms)} ms`,
      entry.firstByteMs === undefined ? "" : `first byte ${figure(entry.firstByteMs)} ms`,
    ];
    const words = [
      entry.name.padEnd(18),
      `${figure(entry.rate)} ${entry.unit}`.padEnd(18),
      `${figure(entry.cpu)} ${entry.cpuUnit}`.padEnd(17),
      (ratio === undefined ? "" : `meridian ${textOf(ratio)} times`).padEnd(34),
      delays.filter((text) => text !== "").join(", "),
    ];
    return `  ${words.join("").trimEnd()}`;
  });
  return [cell, ...rows, ...judgements.map(lineOf)];
}

/** `name value target pass`, tab-separated. */
export function lineOf({ name, value, target, pass }: Judgement): string {
  return `${name}\t${value}\t${target}\t${pass ? "pass" : "MISSED"}`;
}
