/**
 * A run as a space-time diagram: one lane for each node, time to the right, and everything that passes between the lanes
 * as a line from when it was sent to when it arrived. What went wrong lies above as bars and behind as shades, what
 * clients were told lies on the lanes as dots, and what was found stands across everything.
 *
 * A run has hundreds of thousands of messages. Those of one way and kind that were sent at about the same time are drawn
 * as one line, the thicker the more they are, and all of them stay below a number that a browser draws at once.
 */
import type { Chronicle } from "./chronicle.ts";
import { type Fault, tellFault } from "./faults.ts";
import type { RunOutcome } from "./run.ts";
import type { Plane } from "./sim-link.ts";
import type { Story } from "./story.ts";
import { element, text, titled } from "./svg.ts";
import { bundlesOf, healedAt, type Life, livesOf, type Request, requestsOf } from "./timeline.ts";

const WIDTH = 1_600;
const LEFT = 130;
const RIGHT = 40;
const TOP = 96;
const BAR = 15;
const LANE = 96;
const BUNDLES_MAX = 1_800;
const REQUESTS_MAX = 900;
const FAULT_ROWS_MAX = 12;
const FINDINGS_MAX = 4;
const LETTERS_MAX = 190;
/** No story begins before its nodes have met. */
const MEET_MS = 1_000;
const TICKS = 12;

const INK = "#1f2933";
const FAINT = "#9aa5b1";
const RED = "#c81e1e";
const PLANES: Readonly<Record<Plane, string>> = { control: "#b8c0cc", metadata: "#2563eb", blobs: "#d97706" };
const OUTCOMES: Readonly<Record<string, string>> = { ok: "#15803d", gone: "#6b7280" };
const REFUSED = "#b45309";

const STYLE = `text{font:12px system-ui,sans-serif;fill:${INK}} .faint{fill:#616e7c} .small{font-size:11px} .head{font-size:20px;font-weight:600} .found{fill:${RED};font-weight:600}`;

type Frame = {
  readonly x: (atMs: number) => number;
  readonly y: (node: string) => number;
  readonly endMs: number;
  readonly top: number;
  readonly bottom: number;
};

type Bar = { readonly fault: Fault; readonly row: number; readonly fromMs: number; readonly toMs: number };

/** @returns a whole SVG document. */
export function diagramOf(story: Story, chronicle: Chronicle, outcome: RunOutcome): string {
  const { places } = story.settings;
  const endMs = Math.max(1, outcome.virtualMs);
  const bars = barsOf(story.faults, endMs);
  const rows = Math.max(1, ...bars.map(({ row }) => row + 1));
  const top = TOP + rows * BAR + 24;
  const bottom = top + places.length * LANE;
  const found = outcome.findings.slice(0, FINDINGS_MAX);
  const height = bottom + 64 + 18 * found.length;

  const lanes = new Map<string, number>(places.map(({ name }, index) => [name, top + (index + 0.5) * LANE]));
  const scale = (WIDTH - LEFT - RIGHT) / endMs;
  const frame: Frame = {
    x: (atMs) => LEFT + Math.min(Math.max(atMs, 0), endMs) * scale,
    y: (node) => lanes.get(node) ?? top,
    endMs,
    top,
    bottom,
  };

  const parts = [
    element("style", {}, STYLE),
    element("rect", { width: WIDTH, height, fill: "#ffffff" }),
    ...head(story, outcome),
    ...axis(frame),
    ...shades(bars, frame),
    ...livesOf(chronicle, endMs).flatMap((life) => (lanes.has(life.node) ? drawLife(life, frame) : [])),
    ...drawMessages(chronicle, frame),
    ...places.flatMap(({ name, region, aheadMs }) => label(name, region, aheadMs, frame)),
    ...bars.flatMap((bar) => drawBar(bar, frame)),
    ...drawRequests(requestsOf(chronicle), frame),
    ...endOfFaults(healedAt(chronicle), frame),
    ...drawFindings(outcome, frame),
    ...legend(bottom + 40),
  ];
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    width: WIDTH,
    height,
    viewBox: `0 0 ${WIDTH} ${height}`,
    role: "img",
  };
  return `${element("svg", attributes, `\n${parts.join("\n")}\n`)}\n`;
}

function head({ seed, settings, faults, work }: Story, { findings, virtualMs }: RunOutcome): readonly string[] {
  const [first] = findings;
  const verdict = first === undefined ? "nothing was found" : `found: ${first.invariant}`;
  const sizes = `${settings.places.length} nodes · ${faults.length} faults · ${work.length} requests · ${Math.round(virtualMs / 100) / 10} s`;
  return [
    text({ x: LEFT, y: 38, class: first === undefined ? "head" : "head found" }, verdict),
    text(
      { x: LEFT, y: 60, class: "faint" },
      `story of seed ${seed} · ${sizes} · time runs to the right, one lane for each node`,
    ),
    text({ x: 16, y: TOP + 12, class: "small faint" }, "what goes wrong"),
  ];
}

/** Faults as bars, each in the first row that is free. */
function barsOf(faults: readonly Fault[], endMs: number): readonly Bar[] {
  const freeAtMs: number[] = [];
  return faults.flatMap((fault) => {
    const fromMs = MEET_MS + fault.atMs;
    const toMs = Math.min(endMs, fromMs + ("forMs" in fault ? fault.forMs : 0));
    const free = freeAtMs.findIndex((atMs) => atMs <= fromMs);
    const row = free === -1 ? freeAtMs.length : free;
    if (row >= FAULT_ROWS_MAX || fromMs > endMs) return [];
    freeAtMs[row] = Math.max(toMs, fromMs + endMs * 0.16);
    return [{ fault, row, fromMs, toMs }];
  });
}

function drawBar({ fault, row, fromMs, toMs }: Bar, { x }: Frame): readonly string[] {
  const y = TOP + row * BAR;
  const width = Math.max(3, x(toMs) - x(fromMs));
  const told = tellFault(fault);
  return [
    titled("rect", { x: x(fromMs), y, width, height: BAR - 4, rx: 2, fill: colourOf(fault), opacity: 0.75 }, told),
    text({ x: x(fromMs) + 3, y: y + 9, style: "font-size:9.5px" }, told.length > 48 ? `${told.slice(0, 46)}…` : told),
  ];
}

function colourOf(fault: Fault): string {
  if ("lines" in fault || "pair" in fault) return "#fca5a5";
  return fault.kind === "clock" || fault.kind === "drift" || fault.kind === "strobe" ? "#c4b5fd" : "#fdba74";
}

/** Between lanes that do not reach each other, and over nodes whose clock or word is wrong. */
function shades(bars: readonly Bar[], { x, y }: Frame): readonly string[] {
  return bars.flatMap(({ fault, fromMs, toMs }) => {
    const span = { x: x(fromMs), width: Math.max(1, x(toMs) - x(fromMs)) };
    if ("node" in fault) {
      const colour = colourOf(fault);
      return [element("rect", { ...span, y: y(fault.node) - 20, height: 40, fill: colour, opacity: 0.22 })];
    }
    const lines = "lines" in fault ? fault.lines : [fault.pair];
    const pairs = new Map(lines.map(([source, target]) => [[source, target].toSorted().join(" "), [source, target]]));
    return [...pairs.values()].map(([one = "", other = ""]) => {
      const [high, low] = [y(one), y(other)].toSorted((left, right) => left - right);
      const box = { ...span, y: (high ?? 0) + 6, height: Math.max(1, (low ?? 0) - (high ?? 0) - 12) };
      return element("rect", { ...box, fill: RED, opacity: 0.05 + 0.1 / pairs.size });
    });
  });
}

function drawLife({ node, fromMs, toMs, end }: Life, { x, y }: Frame): readonly string[] {
  const lane = y(node);
  const life = element("line", { x1: x(fromMs), y1: lane, x2: x(toMs), y2: lane, stroke: INK, "stroke-width": 3 });
  if (end === undefined) return [life];
  const at = x(toMs);
  const told = { power: "lost its power", exit: "exited", stop: "stopped" }[end];
  const cross = `M${at - 5} ${lane - 5}L${at + 5} ${lane + 5}M${at - 5} ${lane + 5}L${at + 5} ${lane - 5}`;
  return [
    life,
    titled(
      "path",
      { d: cross, stroke: end === "stop" ? FAINT : RED, "stroke-width": 2.5, fill: "none" },
      `${node} ${told}`,
    ),
  ];
}

function drawMessages({ messages }: Chronicle, { x, y }: Frame): readonly string[] {
  const order: readonly Plane[] = ["control", "metadata", "blobs"];
  const bundles = bundlesOf(messages, BUNDLES_MAX).toSorted(
    (left, right) => order.indexOf(left.plane) - order.indexOf(right.plane),
  );
  return bundles.map(({ source, target, plane, sentMs, arrivedMs, count }) => {
    const down = Math.sign(y(target) - y(source)) * 3;
    return element("line", {
      x1: x(sentMs),
      y1: y(source) + down,
      x2: x(arrivedMs),
      y2: y(target) - down,
      stroke: PLANES[plane],
      "stroke-width": Math.min(3, 0.6 + Math.log2(count) * 0.35),
      opacity: plane === "control" ? 0.35 : 0.55,
    });
  });
}

function label(name: string, region: string, aheadMs: number, { y }: Frame): readonly string[] {
  const lane = y(name);
  const clock =
    aheadMs === 0 ? [] : [text({ x: 16, y: lane + 26, class: "small faint" }, `clock ${signed(aheadMs)} ms`)];
  return [
    text({ x: 16, y: lane - 2, style: "font-size:15px;font-weight:600" }, name),
    text({ x: 16, y: lane + 13, class: "small faint" }, region),
    ...clock,
  ];
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value);
}

/** Only the last of very many: a finding comes at the end. */
function drawRequests(requests: readonly Request[], { x, y }: Frame): readonly string[] {
  return requests.slice(-REQUESTS_MAX).map(({ node, atMs, kind, outcome }) => {
    const colour = OUTCOMES[outcome] ?? REFUSED;
    const isWrite = kind.startsWith("push") || kind.startsWith("move") || kind.startsWith("delete");
    const shape = { cx: x(atMs), cy: y(node), r: isWrite ? 4 : 2.6, stroke: colour, "stroke-width": 1.4 };
    const filled = isWrite && outcome === "ok" ? colour : "#ffffff";
    return titled("circle", { ...shape, fill: filled }, `${kind}: ${outcome} at ${Math.round(atMs)} ms`);
  });
}

function endOfFaults(healedMs: number | undefined, { x, top, bottom }: Frame): readonly string[] {
  if (healedMs === undefined) return [];
  const at = x(healedMs);
  return [
    element("line", { x1: at, y1: top - 8, x2: at, y2: bottom, stroke: "#15803d", "stroke-dasharray": "6 4" }),
    text({ x: at + 5, y: top - 2, style: "fill:#15803d", class: "small" }, "everything is healed"),
  ];
}

function drawFindings({ findings, foundAtMs }: RunOutcome, { x, top, bottom }: Frame): readonly string[] {
  if (foundAtMs === undefined) return [];
  const at = x(foundAtMs);
  const isLate = at > WIDTH / 2;
  const [first] = findings;
  return [
    element("line", { x1: at, y1: top - 14, x2: at, y2: bottom, stroke: RED, "stroke-width": 2 }),
    text(
      { x: at + (isLate ? -6 : 6), y: bottom - 6, class: "found", "text-anchor": isLate ? "end" : "start" },
      `${first?.invariant ?? ""} at ${Math.round(foundAtMs)} ms`,
    ),
    ...findings.slice(0, FINDINGS_MAX).map(({ invariant, what }, index) => {
      const told = `${invariant}: ${what}`;
      const shown = told.length > LETTERS_MAX ? `${told.slice(0, LETTERS_MAX)}…` : told;
      return text({ x: LEFT, y: bottom + 68 + 18 * index, class: "found" }, shown);
    }),
  ];
}

function axis({ x, endMs, top, bottom }: Frame): readonly string[] {
  const stepMs = niceStep(endMs / TICKS);
  const ticks = Array.from({ length: Math.floor(endMs / stepMs) + 1 }, (_, index) => index * stepMs);
  return ticks.flatMap((atMs) => [
    element("line", { x1: x(atMs), y1: top - 4, x2: x(atMs), y2: bottom, stroke: "#edf0f3" }),
    text({ x: x(atMs), y: bottom + 16, class: "small faint", "text-anchor": "middle" }, `${atMs / 1000} s`),
  ]);
}

/** 1, 2 or 5 times a power of ten, no less than `ms`. */
function niceStep(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, ms)));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= ms) ?? 10);
}

function legend(y: number): readonly string[] {
  const items: readonly (readonly [mark: (x: number) => string, words: string])[] = [
    [(x) => stroke(x, y, PLANES.metadata), "metadata"],
    [(x) => stroke(x, y, PLANES.blobs), "blobs"],
    [(x) => stroke(x, y, PLANES.control), "greetings and probes"],
    [(x) => dot(x, y, "#15803d", "#15803d"), "acknowledged write"],
    [(x) => dot(x, y, "#15803d", "#ffffff"), "answered read"],
    [(x) => dot(x, y, REFUSED, "#ffffff"), "refused"],
    [(x) => text({ x: x + 4, y: y + 4, style: `fill:${RED};font-weight:700` }, "✕"), "process gone"],
    [(x) => element("rect", { x, y: y - 6, width: 18, height: 12, fill: RED, opacity: 0.15 }), "line at fault"],
    [(x) => element("rect", { x, y: y - 6, width: 18, height: 12, fill: "#c4b5fd", opacity: 0.5 }), "clock at fault"],
  ];
  return items.flatMap(([mark, words], index) => {
    const x = LEFT + index * 158;
    return [mark(x), text({ x: x + 24, y: y + 4, class: "small faint" }, words)];
  });
}

function stroke(x: number, y: number, colour: string): string {
  return element("line", { x1: x, y1: y, x2: x + 18, y2: y, stroke: colour, "stroke-width": 2.5 });
}

function dot(x: number, y: number, colour: string, fill: string): string {
  return element("circle", { cx: x + 9, cy: y, r: 4, stroke: colour, "stroke-width": 1.4, fill });
}
