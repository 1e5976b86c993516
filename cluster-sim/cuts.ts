/**
 * Shapes of cuts. The nodes of a run are shuffled first, so that a shape names no node; which shape is which has its
 * names from Jepsen and from TigerBeetle's simulator, whose lists this one joins.
 */
import type { NodeId } from "../shared/identity.ts";
import { unreachable } from "../shared/invariant.ts";
import { bothWays, type Line, oneWay, type Span, shuffled } from "./lines.ts";
import type { Prng } from "./prng.ts";
import type { Plane } from "./sim-link.ts";

export type Cut = {
  readonly kind: "cut";
  readonly shape: CutShape;
  readonly atMs: number;
  readonly forMs: number;
  readonly lines: readonly Line[];
  /** All, when left out. */
  readonly planes?: readonly Plane[];
};

export const CUT_SHAPES = [
  "halves",
  "three ways",
  "isolated",
  "deaf",
  "mute",
  "one line",
  "one way",
  "bridge",
  "ring",
  "swizzle",
  "flapping",
  "blobs only",
  "all",
] as const;
export type CutShape = (typeof CUT_SHAPES)[number];

const FLAPS_MAX = 8;

export function drawCut(prng: Prng, names: readonly NodeId[], span: Span): readonly Cut[] {
  const shape = prng.pick(CUT_SHAPES);
  const order = shuffled(prng, names);
  const [first, second, ...others] = order;
  if (first === undefined || second === undefined) return [];
  const half = prng.integer(1, order.length - 1);
  const cut = (lines: readonly Line[], { atMs, forMs }: Span = span): Cut => ({
    kind: "cut",
    shape,
    atMs,
    forMs,
    lines,
    ...(shape === "blobs only" ? { planes: ["blobs"] } : {}),
  });
  switch (shape) {
    case "halves":
      return [cut(bothWays(order.slice(0, half), order.slice(half)))];
    case "blobs only":
      return [cut(bothWays([first], [second, ...others]))];
    case "three ways":
      return drawThreeWays(prng, order, span).map(([lines, when]) => cut(lines, when));
    case "isolated":
      return [cut(bothWays([first], [second, ...others]))];
    case "deaf":
      return [cut(oneWay([second, ...others], [first]))];
    case "mute":
      return [cut(oneWay([first], [second, ...others]))];
    case "one line":
      return [cut(bothWays([first], [second]))];
    case "one way":
      return [cut(oneWay([first], [second]))];
    case "bridge":
      return [cut(bothWays([second, ...others].slice(0, half), [second, ...others].slice(half)))];
    case "ring":
      return [cut(order.flatMap((name, index) => oneWay([name], beyondNeighbours(order, index))))];
    case "swizzle":
      return shuffled(prng, [second, ...others]).map((other) => {
        const laterMs = span.forMs * 0.5 * prng.fraction();
        const forMs = (span.forMs - laterMs) * (0.3 + 0.7 * prng.fraction());
        return cut(bothWays([first], [other]), { atMs: span.atMs + laterMs, forMs });
      });
    case "flapping": {
      const flaps = prng.integer(2, FLAPS_MAX);
      const periodMs = span.forMs / flaps;
      return Array.from({ length: flaps }, (_, index) =>
        cut(bothWays([first], [second]), {
          atMs: span.atMs + index * periodMs,
          forMs: periodMs * (0.2 + 0.6 * prng.fraction()),
        }),
      );
    }
    case "all":
      return [cut(oneWay(order, order))];
    default:
      return unreachable(shape);
  }
}

/** Everybody but the node itself and those next to it in the ring; among three or four, the one before it as well. */
function beyondNeighbours(order: readonly NodeId[], index: number): readonly NodeId[] {
  const count = order.length;
  const near = count < 5 ? [0, 1] : [0, 1, count - 1];
  return order.filter((_, other) => !near.includes((other - index + count) % count));
}

/** Three groups that heal pair by pair, in any order. */
function drawThreeWays(
  prng: Prng,
  order: readonly NodeId[],
  span: Span,
): readonly (readonly [readonly Line[], Span])[] {
  const groups = [0, 1, 2].map((group) => order.filter((_, index) => index % 3 === group));
  const pairs = [bothWays(groups[0] ?? [], groups[1] ?? []), bothWays(groups[1] ?? [], groups[2] ?? [])];
  return [...pairs, bothWays(groups[0] ?? [], groups[2] ?? [])].map((lines) => [
    lines,
    { atMs: span.atMs, forMs: span.forMs * (0.3 + 0.7 * prng.fraction()) },
  ]);
}

export function tellCut({ shape, lines, forMs }: Cut): string {
  return `cut (${shape}) ${lines.map((line) => line.join(">")).join(" ")} for ${Math.round(forMs)} ms`;
}
