/**
 * How far a transfer has come: a bar that is drawn over itself on a terminal, one plain line per finished item
 * elsewhere, nothing when asked to be quiet. It goes to standard error, so that results stay alone on standard output.
 */
import { formatDuration, formatSize } from "../../../shared/units.ts";
import type { Session } from "./session.ts";
import { safeText } from "./table.ts";

const DRAW_EVERY_MS = 100;
const BAR_WIDTH = 24;
const LABEL_LENGTH_MAX = 28;
const ERASE_LINE = "\r\u001b[2K";

export type ProgressItem = {
  readonly advance: (bytes: number) => void;
  /** Starts over: what was sent is sent again. */
  readonly restart: () => void;
  /** `how` is a word such as "pushed", "already there", "mounted". */
  readonly finish: (how: string) => void;
};

export type Progress = {
  readonly start: (label: string, totalBytes: number) => ProgressItem;
  /** A line of its own, above the bar. */
  readonly say: (line: string) => void;
  /** Takes the bar away. */
  readonly end: () => void;
};

export function createProgress(session: Session, isQuiet: boolean | undefined): Progress {
  if (isQuiet === true) return SILENT_PROGRESS;
  return session.err.isTerminal ? new BarProgress(session) : new LineProgress(session);
}

/** For transfers that nobody watches. */
export const SILENT_PROGRESS: Progress = {
  start: () => ({ advance: () => undefined, restart: () => undefined, finish: () => undefined }),
  say: () => undefined,
  end: () => undefined,
};

function finishedLine(label: string, totalBytes: number, how: string, startedMs: number): string {
  const took = formatDuration(performance.now() - startedMs);
  return `${safeText(label)}  ${formatSize(totalBytes)}  ${how}  ${took}\n`;
}

class LineProgress implements Progress {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  start(label: string, totalBytes: number): ProgressItem {
    const startedMs = performance.now();
    return {
      advance: () => undefined,
      restart: () => undefined,
      finish: (how) => this.#session.err.write(finishedLine(label, totalBytes, how, startedMs)),
    };
  }

  say(line: string): void {
    this.#session.err.write(`${line}\n`);
  }

  end(): void {}
}

type Running = { readonly label: string; readonly totalBytes: number; doneBytes: number };

class BarProgress implements Progress {
  readonly #session: Session;
  readonly #running = new Set<Running>();
  readonly #startedMs = performance.now();
  #drawnAtMs = 0;
  #movedBytes = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  start(label: string, totalBytes: number): ProgressItem {
    const item: Running = { label: safeText(label), totalBytes, doneBytes: 0 };
    const startedMs = performance.now();
    this.#running.add(item);
    this.#draw();
    return {
      advance: (bytes) => {
        item.doneBytes += bytes;
        this.#movedBytes += bytes;
        if (performance.now() - this.#drawnAtMs >= DRAW_EVERY_MS) this.#draw();
      },
      restart: () => {
        item.doneBytes = 0;
      },
      finish: (how) => {
        this.#running.delete(item);
        this.#session.err.write(`${ERASE_LINE}${finishedLine(label, totalBytes, how, startedMs)}`);
        this.#draw();
      },
    };
  }

  say(line: string): void {
    this.#session.err.write(`${ERASE_LINE}${line}\n`);
    this.#draw();
  }

  end(): void {
    this.#session.err.write(ERASE_LINE);
  }

  /** One line, however many items: it never wraps, whatever the terminal's width. */
  #draw(): void {
    this.#drawnAtMs = performance.now();
    const items = [...this.#running];
    const [first] = items;
    if (first === undefined) return;
    const totalBytes = items.reduce((sum, item) => sum + item.totalBytes, 0);
    const doneBytes = items.reduce((sum, item) => sum + item.doneBytes, 0);
    const filled = totalBytes === 0 ? BAR_WIDTH : Math.min(BAR_WIDTH, Math.round((doneBytes * BAR_WIDTH) / totalBytes));
    const bar = `${"=".repeat(filled)}${" ".repeat(BAR_WIDTH - filled)}`;
    const perSecond = this.#movedBytes / Math.max(0.001, (this.#drawnAtMs - this.#startedMs) / 1000);
    const label = items.length === 1 ? first.label.slice(0, LABEL_LENGTH_MAX) : `${items.length} parts`;
    const line = `[${bar}] ${label}  ${formatSize(doneBytes)}/${formatSize(totalBytes)}  ${formatSize(perSecond)}/s`;
    this.#session.err.write(`${ERASE_LINE}${line.slice(0, Math.max(20, this.#session.err.columns - 1))}`);
  }
}
