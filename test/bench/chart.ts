/** The results as a picture: for each cell and each of the others, how many times faster our node is, on a logarithmic axis. */
import { OWN_AGAIN } from "./contestants.ts";
import type { CellResult } from "./results.ts";

const WIDTH = 860;
const LABELS = 190;
const RIGHT = 56;
const TOP = 74;
const BAR = 9;
const GAP = 9;
const HEADROOM = 1.15;
/** Told apart in the light, in the dark, and by those who see red and green alike. */
const COLOURS = ["#3b7dd8", "#e08a1e", "#2a9d8f", "#a05fb5"] as const;

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .soft, .tick { fill: #57606a }
  .grid { stroke: #d0d7de }
  .one { stroke: #57606a; stroke-width: 1.5 }
  .whisker { stroke: #24292f; stroke-width: 1 }
  .value { font-size: 10px }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .soft, .tick { fill: #9198a1 } .grid { stroke: #30363d }
    .one { stroke: #9198a1 } .whisker { stroke: #e6edf3 }
  }`;

/** `subtitle` says when, on what, in how many rounds. */
export function chartOf(results: readonly CellResult[], subtitle: string): string {
  const names = [...new Set(results.flatMap(({ against }) => against.map(({ name }) => name)))];
  const others = names.filter((name) => name !== OWN_AGAIN);
  const ratios = results
    .flatMap(({ against }) => against.filter(({ name }) => name !== OWN_AGAIN))
    .map(({ ratio }) => ratio);
  const low = Math.min(0.5, ...ratios.map(({ min }) => min));
  const high = Math.max(2, ...ratios.map(({ max }) => max)) * HEADROOM;
  const x = (ratio: number): number =>
    LABELS + ((Math.log(ratio) - Math.log(low)) / (Math.log(high) - Math.log(low))) * (WIDTH - LABELS - RIGHT);

  const rows: string[] = [];
  let y = TOP;
  for (const { cell, against } of results) {
    const bars = against.filter(({ name }) => name !== OWN_AGAIN);
    rows.push(text({ x: LABELS - 10, y: y + (bars.length * BAR) / 2 + 4, anchor: "end" }, cell));
    for (const { name, ratio } of bars) {
      const colour = COLOURS[others.indexOf(name) % COLOURS.length] ?? COLOURS[0];
      const [left, right] = [x(1), x(ratio.median)].toSorted((one, other) => one - other);
      rows.push(
        `<rect x="${at(left)}" y="${y}" width="${at((right ?? 0) - (left ?? 0))}" height="${BAR - 1}" fill="${colour}"/>`,
        `<path class="whisker" d="M${at(x(ratio.min))} ${y + 4}H${at(x(ratio.max))}"/>`,
        text(
          { x: Math.max(x(ratio.max), x(1)) + 4, y: y + 8, style: "value soft" },
          ratio.median.toPrecision(ratio.median < 10 ? 2 : 3),
        ),
      );
      y += BAR;
    }
    y += GAP;
  }

  const ticks = [0.1, 0.25, 0.5, 1, 2, 4, 10, 25, 50, 100, 250].filter((tick) => tick >= low && tick <= high);
  const grid = ticks.flatMap((tick) => [
    `<path class="${tick === 1 ? "one" : "grid"}" d="M${at(x(tick))} ${TOP - 8}V${y}"/>`,
    text({ x: x(tick), y: y + 16, anchor: "middle", style: "tick" }, `${tick}×`),
  ]);
  const legend = others.map((name, index) => {
    const left = LABELS + index * 150;
    const colour = COLOURS[index % COLOURS.length] ?? COLOURS[0];
    return `<rect x="${left}" y="42" width="10" height="10" fill="${colour}"/>${text({ x: left + 15, y: 51 }, `than ${name}`)}`;
  });
  const height = y + 30;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="How many times faster Meridian is">`,
    `<style>${STYLE}\n</style>`,
    text({ x: 10, y: 20, style: "title" }, "How many times faster Meridian is"),
    text({ x: WIDTH - 10, y: 20, anchor: "end", style: "soft" }, subtitle),
    ...legend,
    ...grid,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}

type Place = { readonly x: number; readonly y: number; readonly anchor?: string; readonly style?: string };

function text({ x, y, anchor = "start", style }: Place, words: string): string {
  const named = style === undefined ? "" : ` class="${style}"`;
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}"${named}>${escaped(words)}</text>`;
}

function at(value = 0): string {
  return value.toFixed(1);
}

function escaped(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
