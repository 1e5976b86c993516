/**
 * What goes wrong with machines and processes beyond a crash: directories that are wiped, put back to an earlier state
 * or copied, nodes that never come back, processes that are stopped and go on as if nothing had been, clocks that run
 * wrong.
 *
 * Some of these lose data by their nature. What only the lost disk held is gone, and no finding: the oracle forgets it.
 * Whatever any disk that is left holds must survive, so the account is kept by what each disk's own vector says.
 *
 * A directory that was put back, or copied, is noticed by asking the others. When nobody who knows better can be asked,
 * nothing can notice it: that is the rule's known limit, and numbers may be given twice. So such a fault gets a quiet
 * time in which nothing else goes wrong (see `withQuietTimes`); the limit itself has a test of its own.
 */
import type { NodeId } from "../shared/identity.ts";
import { unreachable } from "../shared/invariant.ts";
import type { HostImage, NodeHost } from "./node-host.ts";
import type { Prng } from "./prng.ts";
import { PROCESS_FAULT_KINDS, type ProcessFaultKind } from "./settings.ts";
import type { World } from "./world.ts";

export type ProcessFault =
  /** The process exits, its disk is emptied, and it starts again `forMs` later. */
  | { readonly kind: "wipe"; readonly atMs: number; readonly forMs: number; readonly node: NodeId }
  /** The same, and the disk is put back to what it was at `imageAtMs`. */
  | {
      readonly kind: "restore";
      readonly atMs: number;
      readonly forMs: number;
      readonly node: NodeId;
      readonly imageAtMs: number;
    }
  /** A copy of the machine runs beside it for `forMs`; then the copy is gone and the process is started again. */
  | { readonly kind: "clone"; readonly atMs: number; readonly forMs: number; readonly node: NodeId }
  | { readonly kind: "die"; readonly atMs: number; readonly node: NodeId }
  /** The process does nothing, and nothing reaches it. */
  | { readonly kind: "pause"; readonly atMs: number; readonly forMs: number; readonly node: NodeId }
  | {
      readonly kind: "drift";
      readonly atMs: number;
      readonly forMs: number;
      readonly node: NodeId;
      /** By how many millionths the clock runs too fast; negative when too slow. */
      readonly ppm: number;
    }
  /** The clock jumps ahead and back. */
  | {
      readonly kind: "strobe";
      readonly atMs: number;
      readonly forMs: number;
      readonly node: NodeId;
      readonly byMs: number;
      readonly everyMs: number;
    };

type Span = { readonly atMs: number; readonly forMs: number };

/** A disk takes longer to be put back than an op takes from one node's memory to its disk. */
const RESTORE_MS_MIN = 1_000;
/** From the start of a process whose directory is not what it seems to the moment when that must be known. */
const QUIET_MS = 14_000;
/** Both copies must have noticed each other within this. */
const CLONE_MS = 4_000;

export function drawProcessFault(
  prng: Prng,
  kind: ProcessFaultKind,
  names: readonly NodeId[],
  { atMs, forMs }: Span,
): ProcessFault {
  const node = prng.pick(names);
  switch (kind) {
    case "wipe":
      return { kind, atMs, forMs: Math.min(forMs, prng.pick([50, 700, 4_000])), node };
    case "restore": {
      const imageAtMs = Math.round(atMs * prng.fraction());
      return { kind, atMs, forMs: RESTORE_MS_MIN + Math.min(forMs, prng.pick([0, 3_000])), node, imageAtMs };
    }
    case "clone":
      return { kind, atMs, forMs: CLONE_MS, node };
    case "die":
      return { kind, atMs, node };
    case "pause":
      return { kind, atMs, forMs: Math.min(forMs, prng.pick([100, 2_000, 12_000, 40_000])), node };
    case "drift":
      return { kind, atMs, forMs, node, ppm: prng.pick([-40_000, -5_000, 1_000, 5_000, 40_000]) };
    case "strobe":
      return { kind, atMs, forMs, node, byMs: prng.pick([20, 200]), everyMs: prng.pick([1, 30, 500]) };
    default:
      return unreachable(kind);
  }
}

export function isProcessFaultKind(kind: string): kind is ProcessFaultKind {
  return PROCESS_FAULT_KINDS.some((one) => one === kind);
}

export function isProcessFault(fault: { readonly kind: string }): fault is ProcessFault {
  return isProcessFaultKind(fault.kind);
}

/**
 * Leaves out whatever would go on while a directory that was put back or copied is being recognised, what would not be
 * over at `endMs`, and every death but the first.
 */
export function withQuietTimes<Fault extends Planned>(plan: readonly Fault[], endMs: number): readonly Fault[] {
  const kept: Fault[] = [];
  const death = plan.find(({ kind }) => kind === "die");
  const recognised = plan.filter((fault) => isRecognised(fault));
  const inTime = recognised.filter(({ atMs, forMs = 0 }) => atMs + forMs + RESTORE_MS_MIN <= endMs);
  for (const fault of [...inTime, ...plan.filter((one) => !recognised.includes(one))]) {
    if (fault.kind === "die" && fault !== death) continue;
    const others = kept.filter((other) => isRecognised(other));
    if (!others.some((other) => overlaps(fault, other))) kept.push(fault);
  }
  return kept.toSorted((left, right) => left.atMs - right.atMs);
}

type Planned = { readonly kind: string; readonly atMs: number; readonly forMs?: number };

function isRecognised({ kind }: Planned): boolean {
  return kind === "restore" || kind === "clone";
}

/** A death is for ever, but whoever asks needs no answer of the dead. */
function overlaps({ atMs, forMs = 0 }: Planned, quiet: Planned): boolean {
  return atMs <= quiet.atMs + (quiet.forMs ?? 0) + QUIET_MS && atMs + forMs >= quiet.atMs;
}

export function tellProcessFault(fault: ProcessFault): string {
  switch (fault.kind) {
    case "wipe":
      return `wipe ${fault.node} for ${Math.round(fault.forMs)} ms`;
    case "restore":
      return `put ${fault.node} back to ${Math.round(fault.imageAtMs)} ms, for ${Math.round(fault.forMs)} ms`;
    case "clone":
      return `copy ${fault.node} for ${Math.round(fault.forMs)} ms`;
    case "die":
      return `${fault.node} is gone for good`;
    case "pause":
      return `pause ${fault.node} for ${Math.round(fault.forMs)} ms`;
    case "drift":
      return `clock of ${fault.node} runs ${fault.ppm} ppm too fast for ${Math.round(fault.forMs)} ms`;
    case "strobe":
      return `clock of ${fault.node} jumps by ${fault.byMs} every ${fault.everyMs} ms for ${Math.round(fault.forMs)} ms`;
    default:
      return unreachable(fault);
  }
}

export type ProcessFaultsDeps = {
  readonly world: World;
  readonly hosts: ReadonlyMap<NodeId, NodeHost>;
  /** A second machine with the disk of the first. */
  readonly copyOf: (host: NodeHost, image: HostImage) => NodeHost;
  /** The disk of `host` does not hold what it held: what nobody else holds either is gone. */
  readonly onLost: (host: NodeHost) => void;
  /** Starts that were said before may be said again. */
  readonly onRepeated: (host: NodeHost) => void;
  /** A copy ran beside its original and both could be reached, and one of them may still write. */
  readonly onUnnoticed: (host: NodeHost) => void;
  readonly cutOff: (node: NodeId, more: 1 | -1) => void;
  /** A process that could not be started. */
  readonly onFailure: (what: string, cause: unknown) => void;
};

export class ProcessFaults {
  readonly #deps: ProcessFaultsDeps;
  readonly #images = new Map<ProcessFault, HostImage>();

  constructor(deps: ProcessFaultsDeps) {
    this.#deps = deps;
  }

  /** What must happen before the fault does. */
  prepare(fault: ProcessFault): void {
    if (fault.kind !== "restore") return;
    const { world, hosts } = this.#deps;
    world.after(fault.imageAtMs, () => {
      const image = hosts.get(fault.node)?.image();
      if (image !== undefined) this.#images.set(fault, image);
    });
  }

  strike(fault: ProcessFault): void {
    const host = this.#deps.hosts.get(fault.node);
    if (host === undefined || host.isGone) return;
    switch (fault.kind) {
      case "wipe":
        this.#replaceDisk(host, undefined, fault.forMs);
        return;
      case "restore":
        this.#replaceDisk(host, this.#images.get(fault), fault.forMs);
        return;
      case "clone":
        this.#copy(host, fault.forMs);
        return;
      case "die":
        host.die();
        this.#deps.onLost(host);
        return;
      case "pause":
        this.#pause(host, fault.forMs);
        return;
      case "drift":
        host.clock.drift(fault.ppm);
        this.#deps.world.after(fault.forMs, () => host.clock.drift(0));
        return;
      case "strobe":
        host.clock.strobe(fault);
        this.#deps.world.after(fault.forMs, () => host.clock.strobe(undefined));
        return;
      default:
        unreachable(fault);
    }
  }

  #replaceDisk(host: NodeHost, image: HostImage | undefined, forMs: number): void {
    host.kill("exit");
    host.putBack(image);
    this.#deps.onLost(host);
    this.#deps.onRepeated(host);
    this.#startIn(host, forMs);
  }

  #copy(host: NodeHost, forMs: number): void {
    const { world, copyOf, onUnnoticed, onRepeated } = this.#deps;
    if (host.node === undefined) return;
    const copy = copyOf(host, host.image());
    host.isCopied = true;
    this.#startIn(copy, 0);
    world.after(forMs, () => {
      const areBothUp = host.node !== undefined && copy.node !== undefined;
      if (areBothUp && !(isFenced(host) && isFenced(copy))) onUnnoticed(host);
      copy.kill("exit");
      copy.die();
      host.kill("exit");
      onRepeated(host);
      host.isCopied = false;
      this.#startIn(host, RESTORE_MS_MIN);
    });
  }

  #pause(host: NodeHost, forMs: number): void {
    if (host.isPaused) return;
    host.pause();
    this.#deps.cutOff(host.name, 1);
    this.#deps.world.after(forMs, () => {
      this.#deps.cutOff(host.name, -1);
      host.resume();
    });
  }

  #startIn(host: NodeHost, delayMs: number): void {
    this.#deps.world.after(delayMs, () => {
      host.start().catch((cause: unknown) => this.#deps.onFailure(`${host.name} could not start`, cause));
    });
  }
}

function isFenced({ node }: NodeHost): boolean {
  return node?.health().checks.some(({ name, isPassing }) => name === "writes" && !isPassing) === true;
}
