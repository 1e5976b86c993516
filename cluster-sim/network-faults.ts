/**
 * What goes wrong between nodes short of a cut: weather, which makes a line slow, lossy, narrow or forgetful of what it
 * has delivered already; a line that stands still and then brings everything at once; a connection that is reset.
 */
import type { NodeId } from "../shared/identity.ts";
import { unreachable } from "../shared/invariant.ts";
import { bothWays, type Line, oneWay, type Span, shuffled } from "./lines.ts";
import type { Prng } from "./prng.ts";
import type { LineQuality } from "./sim-line.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { World } from "./world.ts";

export type NetworkFault =
  | {
      readonly kind: "weather";
      readonly name: keyof typeof WEATHERS;
      readonly atMs: number;
      readonly forMs: number;
      readonly lines: readonly Line[];
      readonly quality: Partial<LineQuality>;
    }
  | { readonly kind: "stall"; readonly atMs: number; readonly forMs: number; readonly lines: readonly Line[] }
  /** `isOneSided`: only who called learns of it, as behind a firewall that has forgotten a connection. */
  | { readonly kind: "reset"; readonly atMs: number; readonly pair: Line; readonly isOneSided: boolean };

export type NetworkFaultKind = NetworkFault["kind"];

/** Each kind by itself: together they would be one kind of bad. */
const WEATHERS = {
  far: [{ latencyMs: 900 }, { latencyMs: 300, jitterMs: 1_500 }],
  lossy: [{ loss: 0.02 }, { loss: 0.1 }, { loss: 0.3 }],
  narrow: [{ bytesPerSecond: 50_000 }, { bytesPerSecond: 4_000 }],
  gusty: [{ tailMs: 40 }, { tailMs: 400 }],
  echoing: [{ repeats: 0.2 }, { repeats: 1 }],
} as const satisfies Record<string, readonly Partial<LineQuality>[]>;

export const WEATHER_NAMES = [
  "far",
  "lossy",
  "narrow",
  "gusty",
  "echoing",
] as const satisfies readonly (keyof typeof WEATHERS)[];
/** Longer, and the other end would give the connection up. */
const STALL_MS_MAX = 12_000;

export function drawNetworkFault(
  prng: Prng,
  kind: NetworkFaultKind,
  names: readonly NodeId[],
  span: Span,
): readonly NetworkFault[] {
  switch (kind) {
    case "weather": {
      const name = prng.pick(WEATHER_NAMES);
      return [{ kind, name, ...span, lines: drawLines(prng, names), quality: prng.pick([...WEATHERS[name]]) }];
    }
    case "stall":
      return [{ kind, atMs: span.atMs, forMs: Math.min(span.forMs, STALL_MS_MAX), lines: drawLines(prng, names) }];
    case "reset": {
      const [source, target] = shuffled(prng, names);
      if (source === undefined || target === undefined) return [];
      return [{ kind, atMs: span.atMs, pair: [source, target], isOneSided: prng.chance(0.5) }];
    }
    default:
      return unreachable(kind);
  }
}

/** One direction between two, both, all to and from one, or all there are. */
function drawLines(prng: Prng, names: readonly NodeId[]): readonly Line[] {
  const [first, second, ...others] = shuffled(prng, names);
  if (first === undefined || second === undefined) return [];
  switch (prng.integer(1, 4)) {
    case 1:
      return oneWay([first], [second]);
    case 2:
      return bothWays([first], [second]);
    case 3:
      return bothWays([first], [second, ...others]);
    default:
      return oneWay(names, names);
  }
}

export function tellNetworkFault(fault: NetworkFault): string {
  switch (fault.kind) {
    case "weather":
      return `${fault.name} ${told(fault.lines)} ${JSON.stringify(fault.quality)} for ${Math.round(fault.forMs)} ms`;
    case "stall":
      return `stall ${told(fault.lines)} for ${Math.round(fault.forMs)} ms`;
    case "reset":
      return `reset ${fault.pair.join("-")}${fault.isOneSided ? ", heard by who called alone" : ""}`;
    default:
      return unreachable(fault);
  }
}

function told(lines: readonly Line[]): string {
  return lines.map((line) => line.join(">")).join(" ");
}

export function strikeNetwork(fault: NetworkFault, network: SimNetwork, world: World): void {
  switch (fault.kind) {
    case "weather":
      for (const [source, target] of fault.lines) world.after(fault.forMs, network.lay(source, target, fault.quality));
      return;
    case "stall":
      for (const [source, target] of fault.lines) network.stall(source, target, fault.forMs);
      return;
    case "reset":
      network.reset(...fault.pair, fault.isOneSided);
      return;
    default:
      unreachable(fault);
  }
}
