/**
 * What happened in a run, in order. Every line goes into one hash, and two runs of one seed must end with the same: a
 * run that cannot be repeated finds bugs that nobody can look at (I26).
 */
import { createHash } from "node:crypto";

/** Lines that are kept for the one who reads a failing run; all of them are hashed. */
const LINES_MAX = 20_000;

export class Trace {
  readonly #nowMs: () => number;
  readonly #hash = createHash("sha256");
  readonly #lines: string[] = [];
  #count = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Lines so far, those that are not kept among them. */
  get count(): number {
    return this.#count;
  }

  /** `subject` is a node, a client, or what else it is about. */
  readonly note = (subject: string, event: string): void => {
    const line = `${this.#nowMs().toFixed(3).padStart(11)} ${subject.padEnd(12)} ${event}`;
    this.#hash.update(`${line}\n`);
    this.#count += 1;
    if (this.#lines.length < LINES_MAX) this.#lines.push(line);
  };

  lines(): readonly string[] {
    return this.#lines;
  }

  /** Of all lines so far; nothing may be noted after it. */
  end(): string {
    return this.#hash.digest("hex").slice(0, 16);
  }
}
