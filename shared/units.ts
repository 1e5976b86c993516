/**
 * Sizes and durations as people write and read them. A size always names its unit, because 4M has been read as
 * 4,000,000 and as 4,194,304; a duration may join several (`1h30m`).
 */
const KIB = 1024;
const KILO = 1000;

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ["B", 1],
  ["kB", KILO],
  ["MB", KILO ** 2],
  ["GB", KILO ** 3],
  ["TB", KILO ** 4],
  ["KiB", KIB],
  ["MiB", KIB ** 2],
  ["GiB", KIB ** 3],
  ["TiB", KIB ** 4],
]);

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

const LENGTH_MAX = 64;
const SIZE = /^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)$/;
const DURATION_PART = /([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)/y;

/** Bytes, rounded to a whole one; `undefined` when `text` is no number with a unit such as `4MiB` or `500 MB`. */
export function parseSize(text: string): number | undefined {
  if (text.length > LENGTH_MAX) return undefined;
  const [, count, name] = SIZE.exec(text) ?? [];
  const unit = SIZE_UNITS.get(name ?? "");
  return unit === undefined ? undefined : safe(Number(count) * unit);
}

/** Milliseconds, rounded; `undefined` when `text` is anything but numbers with units, such as `30s`, `250ms` or `1h30m`. */
export function parseDuration(text: string): number | undefined {
  if (text.length === 0 || text.length > LENGTH_MAX) return undefined;
  let sumMs = 0;
  let at = 0;
  while (at < text.length) {
    DURATION_PART.lastIndex = at;
    const [part, count, name] = DURATION_PART.exec(text) ?? [];
    const unitMs = DURATION_UNITS.get(name ?? "");
    if (part === undefined || unitMs === undefined) return undefined;
    sumMs += Number(count) * unitMs;
    at += part.length;
  }
  return safe(sumMs);
}

function safe(value: number): number | undefined {
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** At least two significant digits, in the largest unit that leaves a whole one: `0B`, `1023B`, `1.5KiB`, `212GiB`. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let index = 0;
  // What would be shown as 1024 of a unit is shown as 1 of the next.
  while (value >= 1023.5 && index < BINARY_UNITS.length - 1) {
    value /= KIB;
    index += 1;
  }
  const shown = index > 0 && value < 9.95 ? String(Number(value.toFixed(1))) : value.toFixed(0);
  return `${shown}${BINARY_UNITS[index] ?? ""}`;
}

/** The two largest units: `0ms`, `850ms`, `1.5s`, `30s`, `5m30s`, `2h`, `12d4h`. */
export function formatDuration(durationMs: number): string {
  const ms = Math.round(durationMs);
  if (ms < 1000) return `${ms}ms`;
  if (ms < 9_950) return `${Number((ms / 1000).toFixed(1))}s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return pair(seconds, 60, "m", "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return pair(minutes, 60, "h", "m");
  return pair(Math.round(minutes / 60), 24, "d", "h");
}

function pair(count: number, perLarger: number, larger: string, smaller: string): string {
  const rest = count % perLarger;
  const whole = `${Math.floor(count / perLarger)}${larger}`;
  return rest === 0 ? whole : `${whole}${rest}${smaller}`;
}
