import { unreachable } from "../../shared/invariant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timer, Timers } from "../ports/timers.ts";
import { ClockWatch, type ClockWatchEffect, type ClockWatchInput } from "../protocol/clock-watch.ts";
import type { WriteHolds } from "../storage/write-holds.ts";
import { Driver } from "./driver.ts";
import type { ProbeSample, Roster } from "./roster.ts";

const ROUND_PERIOD_MS = 1_000;

export type WatchClockDeps = {
  readonly holds: WriteHolds;
  readonly roster: Pick<Roster, "onProbed">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
};

/** Holds this node's writes while its clock is wrong, and lets them go on by itself. The decisions are `ClockWatch`'s. */
export class WatchClock {
  readonly #deps: WatchClockDeps;
  readonly #driver: Driver<ClockWatchInput, ClockWatchEffect>;
  #timer: Timer | undefined;
  #stopListening = (): void => undefined;

  /** Looks at the clock once: a dead one is known before anything is written. */
  constructor(deps: WatchClockDeps) {
    this.#deps = deps;
    this.#driver = new Driver(new ClockWatch(), (effect) => this.#perform(effect));
    this.#giveRound();
  }

  start(): void {
    this.#stopListening = this.#deps.roster.onProbed((sample) => this.#probed(sample));
    this.#round();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#stopListening();
    await Promise.resolve();
  }

  #round(): void {
    this.#giveRound();
    this.#timer = this.#deps.timers.after(ROUND_PERIOD_MS, () => this.#round());
  }

  #giveRound(): void {
    const { clock } = this.#deps;
    this.#driver.give({ kind: "round", wallMs: clock.wallMs(), nowMs: clock.monotonicMs() });
  }

  /** Source: RFC 5905, section 8: the mean of the two ways, from which an equal delay of both drops out. */
  #probed({ node, sentWallMs, receivedWallMs, answeredWallMs, arrivedWallMs, roundTripMs }: ProbeSample): void {
    const { clock, telemetry } = this.#deps;
    const offsetMs = (receivedWallMs - sentWallMs + answeredWallMs - arrivedWallMs) / 2;
    telemetry.set("meridian_clock_offset_seconds", { peer: node }, offsetMs / 1000);
    const at = { wallMs: clock.wallMs(), nowMs: clock.monotonicMs() };
    this.#driver.give({ kind: "probed", peer: node, offsetMs, errorMs: roundTripMs / 2, ...at });
  }

  #perform(effect: ClockWatchEffect): void {
    const { holds, telemetry, clock } = this.#deps;
    switch (effect.kind) {
      case "warn":
        telemetry.log("warn", "this node's clock is off", { aheadMs: effect.aheadMs });
        return;
      case "refuse":
        holds.hold(
          "clock",
          effect.why === "epoch"
            ? `its clock says ${new Date(clock.wallMs()).toISOString()}`
            : `its clock is ${told(effect.aheadMs)} of the other nodes'`,
        );
        return;
      case "take":
        holds.lift("clock");
        return;
      default:
        unreachable(effect);
    }
  }
}

function told(aheadMs: number): string {
  return `${(Math.abs(aheadMs) / 1000).toFixed(1)} s ${aheadMs > 0 ? "ahead" : "behind"}`;
}
