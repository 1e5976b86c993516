/**
 * What goes wrong in a run, drawn before it begins and written down as data: a failing run can then be read, and made
 * smaller by leaving faults out.
 *
 * A line is directed. Faults overlap freely, so each line counts how many cuts lie on it and carries again when the
 * last is lifted.
 */
import type { NodeId } from "../shared/identity.ts";
import { unreachable } from "../shared/invariant.ts";
import { CUT_SHAPES, type Cut, drawCut, tellCut } from "./cuts.ts";
import { AILMENT_NAMES, type DiskFault, drawDiskFault, strikeDisk, tellDiskFault } from "./disk-faults.ts";
import type { Lie } from "./facade.ts";
import { bothWays, type Line, type Span, shuffled } from "./lines.ts";
import {
  drawNetworkFault,
  type NetworkFault,
  strikeNetwork,
  tellNetworkFault,
  WEATHER_NAMES,
} from "./network-faults.ts";
import type { NodeHost } from "./node-host.ts";
import type { Prng } from "./prng.ts";
import type { Probes } from "./probes.ts";
import {
  drawProcessFault,
  isProcessFault,
  isProcessFaultKind,
  type ProcessFault,
  ProcessFaults,
  type ProcessFaultsDeps,
  tellProcessFault,
  withQuietTimes,
} from "./process-faults.ts";
import { type FaultKind, PROCESS_FAULT_KINDS, type Settings } from "./settings.ts";
import { PLANES, type Plane } from "./sim-link.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { World } from "./world.ts";

export type Fault =
  | Cut
  | DiskFault
  | NetworkFault
  | {
      readonly kind: "slow";
      readonly atMs: number;
      readonly forMs: number;
      readonly pair: Line;
      readonly latencyMs: number;
      readonly jitterMs: number;
    }
  | {
      readonly kind: "crash" | "exit" | "stop";
      /** Of a crash: the host's power went, and the others are not told that their connections are gone. */
      readonly isSilent?: boolean;
      readonly atMs: number;
      /** Until the process is started again. */
      readonly forMs: number;
      readonly node: NodeId;
    }
  | { readonly kind: "clock"; readonly atMs: number; readonly node: NodeId; readonly byMs: number }
  /** What the node tells others is not what it holds. */
  | { readonly kind: "lie"; readonly atMs: number; readonly forMs: number; readonly node: NodeId; readonly lie: Lie }
  | ProcessFault;

/** No fault begins before the nodes have met once. */
const BEGIN_MS = 2_000;
/** A process that is down sees nothing of what goes wrong. */
const DOWN_MS = [50, 700, 4_000, 15_000] as const;

/** Every fault of a run, in the order in which they begin; each is over when the safety phase is. */
export function planFaults(prng: Prng, { places, faults, faultEveryMs, safetyMs }: Settings): readonly Fault[] {
  const plan: Fault[] = [];
  if (faults.length === 0) return plan;
  const names = places.map(({ name }) => name);
  for (let atMs = BEGIN_MS; atMs < safetyMs; atMs += 2 * faultEveryMs * prng.fraction()) {
    const forMs = Math.min(prng.pick([300, 2_000, 8_000, 20_000, 45_000]) * (0.5 + prng.fraction()), safetyMs - atMs);
    plan.push(...drawFault(prng, prng.pick(faults), names, { atMs, forMs }));
  }
  return withQuietTimes(plan, safetyMs);
}

function drawFault(prng: Prng, kind: FaultKind, names: readonly NodeId[], span: Span): readonly Fault[] {
  if (isProcessFaultKind(kind)) return [drawProcessFault(prng, kind, names, span)];
  switch (kind) {
    case "cut":
      return drawCut(prng, names, span);
    case "slow": {
      const [source, target] = shuffled(prng, names);
      if (source === undefined || target === undefined) return [];
      const latencyMs = prng.pick([50, 300, 900]);
      return [{ kind, ...span, pair: [source, target], latencyMs, jitterMs: prng.pick([0, 200, 1_500]) }];
    }
    case "crash":
    case "exit":
    case "stop":
      return [
        {
          kind,
          ...span,
          forMs: Math.min(span.forMs, prng.pick(DOWN_MS)),
          node: prng.pick(names),
          ...(kind === "crash" ? { isSilent: prng.chance(0.5) } : {}),
        },
      ];
    case "clock":
      return [
        { kind, atMs: span.atMs, node: prng.pick(names), byMs: prng.pick([-60_000, -700, -200, 200, 700, 60_000]) },
      ];
    case "twist":
      return [{ kind: "lie", ...span, node: prng.pick(names), lie: "ops" }];
    case "ailment":
    case "rot":
      return [drawDiskFault(prng, kind, prng.pick(names), span)];
    case "weather":
    case "stall":
    case "reset":
      return drawNetworkFault(prng, kind, names, span);
    case "lie":
      return [{ kind, ...span, node: prng.pick(names), lie: prng.pick(["bytes", "short"]) }];
    default:
      return unreachable(kind);
  }
}

export function tellFault(fault: Fault): string {
  if (isProcessFault(fault)) return tellProcessFault(fault);
  switch (fault.kind) {
    case "cut":
      return tellCut(fault);
    case "ailment":
    case "rot":
      return tellDiskFault(fault);
    case "weather":
    case "stall":
    case "reset":
      return tellNetworkFault(fault);
    case "slow":
      return `slow ${fault.pair.join("-")} ${fault.latencyMs}+${fault.jitterMs} ms for ${ms(fault.forMs)}`;
    case "crash":
    case "exit":
    case "stop":
      return `${fault.kind} ${fault.node} for ${ms(fault.forMs)}`;
    case "lie":
      return `${fault.node} lies about ${fault.lie} for ${ms(fault.forMs)}`;
    case "clock":
      return `clock of ${fault.node} by ${fault.byMs} ms`;
    default:
      return unreachable(fault);
  }
}

/** Every fault that the swarm draws, in the words of `shapeOf`. */
export const FAULT_SHAPES: readonly string[] = [
  ...CUT_SHAPES.map((shape) => `cut ${shape}`),
  ...WEATHER_NAMES.map((name) => `weather ${name}`),
  ...AILMENT_NAMES.map((name) => `disk ${name}`),
  ...PROCESS_FAULT_KINDS,
  "slow",
  "stall",
  "reset",
  "reset, heard by one",
  "rot",
  "crash",
  "crash, silent",
  "exit",
  "stop",
  "clock",
  "lie bytes",
  "lie short",
];

/** The kind of a fault, and its shape where it has one. */
function shapeOf(fault: Fault): string {
  switch (fault.kind) {
    case "cut":
      return `cut ${fault.shape}`;
    case "weather":
      return `weather ${fault.name}`;
    case "ailment":
      return `disk ${fault.name}`;
    case "lie":
      return `lie ${fault.lie}`;
    case "reset":
      return fault.isOneSided ? "reset, heard by one" : "reset";
    case "crash":
      return fault.isSilent === true ? "crash, silent" : "crash";
    default:
      return fault.kind;
  }
}

function ms(duration: number): string {
  return `${Math.round(duration)} ms`;
}

export type FaultsDeps = Omit<ProcessFaultsDeps, "cutOff"> & {
  readonly world: World;
  readonly network: SimNetwork;
  readonly hosts: ReadonlyMap<NodeId, NodeHost>;
  readonly note: (subject: string, event: string) => void;
  readonly probes: Probes;
  /** The distance between two nodes when nothing is wrong. */
  readonly mend: (pair: Line) => void;
  /** A process that could not be started or stopped. */
  readonly onFailure: (what: string, cause: unknown) => void;
};

export class Faults {
  readonly #deps: FaultsDeps;
  readonly #cuts = new Map<string, number>();
  readonly #processes: ProcessFaults;

  constructor(deps: FaultsDeps) {
    this.#deps = deps;
    this.#processes = new ProcessFaults({ ...deps, cutOff: (node, more) => this.#cutOff(node, more) });
  }

  /** Sets every fault of the plan; each happens in its time. */
  begin(plan: readonly Fault[]): void {
    for (const fault of plan) {
      if (isProcessFault(fault)) this.#processes.prepare(fault);
      this.#deps.world.after(fault.atMs, () => {
        this.#deps.note("fault", tellFault(fault));
        this.#deps.probes.struck(shapeOf(fault));
        this.#strike(fault);
      });
    }
  }

  #strike(fault: Fault): void {
    if (isProcessFault(fault)) return this.#processes.strike(fault);
    const { world, network } = this.#deps;
    switch (fault.kind) {
      case "cut":
        for (const line of fault.lines) this.#count(line, fault.planes, 1);
        world.after(fault.forMs, () => {
          for (const line of fault.lines) this.#count(line, fault.planes, -1);
        });
        return;
      case "ailment":
      case "rot":
        strikeDisk(fault, this.#deps);
        return;
      case "weather":
      case "stall":
      case "reset":
        strikeNetwork(fault, network, world);
        return;
      case "slow":
        network.set(...fault.pair, { latencyMs: fault.latencyMs, jitterMs: fault.jitterMs });
        world.after(fault.forMs, () => this.#deps.mend(fault.pair));
        return;
      case "crash":
      case "exit":
      case "stop":
        this.#takeDown(fault);
        return;
      case "lie":
        this.#tellLies(fault);
        return;
      case "clock":
        this.#deps.hosts.get(fault.node)?.clock.shift(fault.byMs);
        return;
      default:
        unreachable(fault);
    }
  }

  #takeDown({ kind, node, forMs, isSilent }: Fault & { readonly kind: "crash" | "exit" | "stop" }): void {
    const { world, hosts, onFailure } = this.#deps;
    const host = hosts.get(node);
    if (host?.node === undefined) return;
    const startAgain = (): void => {
      host.start().catch((cause: unknown) => onFailure(`${node} could not start`, cause));
    };
    if (kind === "stop") {
      const stopped = host.stop().then(() => world.after(forMs, startAgain));
      stopped.catch((cause: unknown) => onFailure(`${node} could not stop`, cause));
      return;
    }
    if (kind === "exit") host.kill("exit");
    else host.kill(isSilent === true ? "silent power" : "power");
    world.after(forMs, startAgain);
  }

  #tellLies({ node, lie, forMs }: Fault & { readonly kind: "lie" }): void {
    const host = this.#deps.hosts.get(node);
    if (host === undefined) return;
    host.lie = lie;
    this.#deps.world.after(forMs, () => {
      host.lie = undefined;
    });
  }

  #cutOff(node: NodeId, more: 1 | -1): void {
    const others = [...this.#deps.hosts.keys()].filter((other) => other !== node);
    for (const line of bothWays([node], others)) this.#count(line, undefined, more);
  }

  #count([source, target]: Line, planes: readonly Plane[] | undefined, more: 1 | -1): void {
    const { network } = this.#deps;
    for (const plane of planes ?? PLANES) {
      const name = `${source} ${target} ${plane}`;
      const before = this.#cuts.get(name) ?? 0;
      this.#cuts.set(name, before + more);
      if (before === 0) network.cutOneWay(source, target, [plane]);
      else if (before + more === 0) network.healOneWay(source, target, [plane]);
    }
  }
}
