/**
 * Up to when each origin is known here without a gap. An origin promises, and whoever passes its ops on repeats, that
 * everything it wrote up to some moment has been sent. Once all of that is durable here, nothing of it from before that moment
 * is missing. Source: CockroachDB's closed timestamps.
 *
 * Times are of this node's monotonic clock: a promise comes as an age, so no two wall clocks are ever compared.
 */
import type { Origin } from "../../shared/identity.ts";

/** Promises remembered until what they name is held. Beyond it the newest is forgotten: what is told is then too old, never too new. */
const MARKS_MAX = 64;

/** When everything up to `upto` is held, nothing from before `atMs` is missing. */
type Mark = { readonly upto: number; readonly atMs: number };

type Closed = {
  /** Those that are not fulfilled, oldest first. */
  readonly marks: Mark[];
  closedAtMs: number;
};

export class ClosedTimes {
  readonly #origins = new Map<Origin, Closed>();

  promised(origin: Origin, mark: Mark, heldUpto: number): void {
    let closed = this.#origins.get(origin);
    if (closed === undefined) {
      closed = { marks: [], closedAtMs: Number.NEGATIVE_INFINITY };
      this.#origins.set(origin, closed);
    }
    if (closed.marks.length < MARKS_MAX) closed.marks.push(mark);
    this.held(origin, heldUpto);
  }

  held(origin: Origin, upto: number): void {
    const closed = this.#origins.get(origin);
    while (closed?.marks[0] !== undefined && closed.marks[0].upto <= upto) {
      closed.closedAtMs = Math.max(closed.closedAtMs, closed.marks[0].atMs);
      closed.marks.shift();
    }
  }

  /** Everything that `origin` wrote longer ago is held; `undefined` when nobody has promised so yet. */
  agoMs(origin: Origin, nowMs: number): number | undefined {
    const closed = this.#origins.get(origin);
    return closed === undefined || !Number.isFinite(closed.closedAtMs)
      ? undefined
      : Math.max(0, nowMs - closed.closedAtMs);
  }
}
