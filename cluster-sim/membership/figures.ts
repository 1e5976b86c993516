/** What the failure detector achieves, measured on fleets of machines: each figure with the value that was promised. */
import process from "node:process";
import { Prng } from "../prng.ts";
import { Fleet } from "./fleet.ts";

export type Figure = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The value must be at most this, or at least, as `isFloor` says. */
  readonly target: number;
  readonly isFloor: boolean;
};

const LOSS = 0.01;
/** Everybody has probed somebody, and told what was new at the start. */
const WARM_UP_MS = 20_000;
const DEATH_KNOWN_MS_MAX = 300_000;
const STRESSED_SHARE = 0.1;
/** Eight probe periods, and a pause in between in which a node can say that it lives. */
const STRESS_MS = 16_000;
const RELIEF_MS = { min: 2_000, max: 10_000 } as const;
const TRAFFIC_MS = 600_000;
const HOUR_MS = 3_600_000;

export function isReached({ value, target, isFloor }: Figure): boolean {
  return isFloor ? value >= target : value <= target;
}

/** How long it takes until all others hold a node for dead that was lost without a word: `deaths` times, in seconds, sorted. */
export function timesToKnow(nodes: number, deaths: number, seed: number): readonly number[] {
  const times = Array.from({ length: deaths }, (_, run) => timeToKnow(nodes, `${seed} death ${run}`));
  return times.toSorted((left, right) => left - right);
}

function timeToKnow(nodes: number, seed: string): number {
  const prng = new Prng(seed);
  const victim = prng.integer(0, nodes - 1);
  const knowing = new Set<number>();
  const fleet = new Fleet({ seed, nodes, loss: LOSS }, ({ observer, subject, status }) => {
    if (subject === victim && status === "dead") knowing.add(observer);
  });
  fleet.runUntil(WARM_UP_MS + 4_000 * prng.fraction());
  const diedMs = fleet.nowMs;
  fleet.crash(victim);
  while (knowing.size < nodes - 1 && fleet.nowMs < diedMs + DEATH_KNOWN_MS_MAX) fleet.runUntil(fleet.nowMs + 50);
  return (fleet.nowMs - diedMs) / 1000;
}

export type Stressed = {
  /** Beliefs that a node is dead, by nodes that held so; all nodes lived. */
  readonly falseDeaths: number;
  readonly nodeHours: number;
};

/** A tenth of the nodes does nothing for 16 s, again and again. */
export function stressed(nodes: number, nodeHours: number, seed: number): Stressed {
  const prng = new Prng(`${seed} stress`);
  let falseDeaths = 0;
  const fleet = new Fleet({ seed: `${seed} stressed`, nodes, loss: LOSS }, ({ status }) => {
    if (status === "dead") falseDeaths += 1;
  });
  const pause = (index: number): void => {
    const untilMs = fleet.nowMs + STRESS_MS;
    fleet.stress(index, untilMs);
    const reliefMs = RELIEF_MS.min + (RELIEF_MS.max - RELIEF_MS.min) * prng.fraction();
    fleet.at(untilMs + reliefMs, () => pause(index));
  };
  for (let index = 0; index < nodes * STRESSED_SHARE; index += 1) {
    fleet.at(WARM_UP_MS * prng.fraction(), () => pause(index));
  }
  fleet.runUntil((nodeHours * HOUR_MS) / nodes);
  return { falseDeaths, nodeHours };
}

/** What each of `nodes` sends while nothing happens, in bytes a second, HTTP/2 and gRPC included. */
export function traffic(nodes: number, seed: number): number {
  const fleet = new Fleet({ seed: `${seed} traffic`, nodes, loss: LOSS });
  fleet.runUntil(WARM_UP_MS);
  const before = fleet.sentBytes;
  fleet.runUntil(WARM_UP_MS + TRAFFIC_MS);
  return (fleet.sentBytes - before) / nodes / (TRAFFIC_MS / 1000);
}

/** Virtual seconds a second of the processor, while nothing happens. */
function speed(nodes: number, seed: number): number {
  const fleet = new Fleet({ seed: `${seed} speed`, nodes, loss: LOSS });
  const { user, system } = process.cpuUsage();
  fleet.runUntil(TRAFFIC_MS);
  const used = process.cpuUsage();
  return (TRAFFIC_MS * 1000) / (used.user + used.system - user - system);
}

function shareOf(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

export type FiguresOptions = { readonly seed: number; readonly deaths: number; readonly nodeHours: number };

export function* figures({ seed, deaths, nodeHours }: FiguresOptions): Generator<Figure, void> {
  const most = (name: string, value: number, unit: string, target: number): Figure => {
    return { name, value, unit, target, isFloor: false };
  };
  for (const [nodes, target] of [
    [10, 12],
    [100, 21],
  ] as const) {
    const times = timesToKnow(nodes, deaths, seed);
    yield most(`death known everywhere, ${nodes} nodes, p50 of ${deaths}`, shareOf(times, 0.5), "s", target);
    yield most(`death known everywhere, ${nodes} nodes, p99 of ${deaths}`, shareOf(times, 0.99), "s", 30);
  }
  yield most("membership traffic of a node among 100", traffic(100, seed), "B/s", 200);
  const { falseDeaths } = stressed(100, nodeHours, seed);
  yield most(`false deaths in ${nodeHours} node-hours, 10 % of 100 nodes stressed`, falseDeaths, "", 0);
  yield { name: "simulated time, 100 nodes", value: speed(100, seed), unit: "s/s", target: 200, isFloor: true };
}
