import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timer, Timers } from "../ports/timers.ts";
import type { Metadata } from "../storage/metadata.ts";
import { PARKED_REASONS, type Parked } from "../storage/parking.ts";
import { Tasks } from "./driver.ts";

const LOOK_PERIOD_MS = 1_000;

export type WatchParkedDeps = {
  readonly metadata: Pick<Metadata, "parked" | "onParked" | "release" | "isFenced">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
};

/** Raises the alarm for each origin that is parked, and lets those go whose time has come. */
export class WatchParked {
  readonly #deps: WatchParkedDeps;
  readonly #tasks = new Tasks();
  readonly #told = new Set<string>();
  #timer: Timer | undefined;
  #isReleasing = false;
  #stopListening = (): void => undefined;

  constructor(deps: WatchParkedDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#stopListening = this.#deps.metadata.onParked(() => this.#tell());
    this.#tell();
    this.#look();
  }

  async stop(): Promise<void> {
    this.#stopListening();
    this.#timer?.cancel();
    await this.#tasks.ended();
  }

  #tell(): void {
    const { metadata, telemetry } = this.#deps;
    const parked = metadata.parked();
    for (const reason of PARKED_REASONS) {
      const count = parked.filter((one) => one.reason === reason).length;
      telemetry.set("meridian_parked_origins", { reason }, count);
    }
    for (const one of parked) if (!this.#told.has(nameOf(one))) this.#alarm(one);
    this.#told.clear();
    for (const one of parked) this.#told.add(nameOf(one));
  }

  #alarm({ origin, reason, at, untilMs, proof }: Parked): void {
    const until = reason === "clock" ? new Date(untilMs).toISOString() : "somebody releases it";
    const seen = proof === undefined ? {} : { seq: proof.seq, held: hex(proof.held), told: hex(proof.told) };
    const event = "an origin is parked: its changes are kept aside and not merged";
    this.#deps.telemetry.log("error", event, { origin, reason, at, until, ...seen });
  }

  #look(): void {
    this.#timer = this.#deps.timers.after(LOOK_PERIOD_MS, () => this.#look());
    const nowMs = this.#deps.clock.wallMs();
    const due = this.#deps.metadata.parked().filter(({ reason, untilMs }) => reason === "clock" && untilMs <= nowMs);
    if (due.length === 0 || this.#isReleasing || this.#deps.metadata.isFenced() !== undefined) return;
    this.#isReleasing = true;
    this.#tasks.begin(async () => await this.#release(due));
  }

  async #release(due: readonly Parked[]): Promise<void> {
    try {
      for (const { origin } of due) await this.#deps.metadata.release(origin, false);
    } catch (cause) {
      // A store that cannot be written has fenced the node, which has said so.
      if (this.#deps.metadata.isFenced() === undefined) throw cause;
    } finally {
      this.#isReleasing = false;
    }
  }
}

function nameOf({ origin, reason }: Parked): string {
  return `${origin} ${reason}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
