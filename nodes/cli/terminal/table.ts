/** Text in columns, two spaces apart, without drawing: it reads well and cuts well with awk. */

export type Alignment = "left" | "right";
export type Column = { readonly title: string; readonly align?: Alignment };

const GAP = "  ";
/** Wide tables are for wide terminals; a cell beyond this is cut, and whole in `--format json`. */
const CELL_LENGTH_MAX = 100;
/** What came from elsewhere may not move the cursor or hide text. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

export function safeText(text: string): string {
  return text.replace(UNSAFE, "\uFFFD");
}

/** The lines of a table, titles first; every line ends in a newline. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map((_, at) => cellOf(row[at])))];
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => (row[at] ?? "").length)));
  return cells.map((row) => `${formatRow(row, columns, widths)}\n`).join("");
}

function cellOf(text: string | undefined): string {
  const cell = safeText(text ?? "");
  if (cell === "") return "-";
  return cell.length > CELL_LENGTH_MAX ? `${cell.slice(0, CELL_LENGTH_MAX - 1)}…` : cell;
}

function formatRow(row: readonly string[], columns: readonly Column[], widths: readonly number[]): string {
  return row
    .map((cell, at) => (columns[at]?.align === "right" ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
    .join(GAP)
    .trimEnd();
}
