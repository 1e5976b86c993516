import type { Origin } from "../../shared/identity.ts";
import { InvariantError } from "../../shared/invariant.ts";
import type { VersionVector } from "../../shared/version-vector.ts";
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import { Recollection, type RecollectionEffect, type RecollectionInput } from "../protocol/recollection.ts";
import type { Metadata } from "../storage/metadata.ts";
import { Alarm, Driver, Tasks } from "./driver.ts";
import type { PeerDirectory } from "./peer-directory.ts";

const ASK_TIMEOUT_MS = 2_000;
const REASON =
  "it has not learnt yet from any other node whether its data directory is the latest; if there is no other node any more, start it with --force-solo";

export type RecollectDeps = {
  readonly metadata: Metadata;
  readonly directory: Pick<PeerDirectory, "members" | "onChanged">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly telemetry: Telemetry;
  /** `metadata.self` has another origin than before; nothing has been written under it yet. */
  readonly onNewOrigin: () => void;
};

/**
 * Holds this node's writes until the others have said what they remember of it, and gives it a new origin when they
 * remember more than is here. The decisions are `Recollection`'s; this file performs them.
 */
export class Recollect {
  readonly #deps: RecollectDeps;
  /** Whose past is asked for. */
  readonly #origin: Origin;
  readonly #driver: Driver<RecollectionInput, RecollectionEffect>;
  readonly #alarm: Alarm;
  readonly #tasks = new Tasks();
  readonly #stopping = new AbortController();
  /** Set once: nobody can remember anything of an origin that is minted now. */
  #hasBegunAgain = false;
  #stopListening = (): void => undefined;

  constructor(deps: RecollectDeps) {
    this.#deps = deps;
    const { metadata, clock } = deps;
    this.#origin = metadata.self.origin;
    const machine = new Recollection(metadata.held().upto(this.#origin), clock.monotonicMs());
    this.#driver = new Driver(machine, (effect) => this.#perform(effect));
    this.#alarm = new Alarm(deps, () => this.#give({ kind: "woke", nowMs: this.#nowMs() }));
  }

  /** To be called before anything can be written. */
  hold(): void {
    this.#deps.metadata.holds.hold("identity", REASON);
  }

  start(): void {
    if (this.#deps.metadata.holds.reason("identity") === undefined) return;
    this.#stopListening = this.#deps.directory.onChanged(() => this.#lookAround());
    this.#lookAround();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the node stops"));
    this.#stopListening();
    this.#alarm.cancel();
    await this.#tasks.ended();
  }

  /** A peer holds `head` ops of `origin`, the own one, which are more than are here. */
  contradicted(origin: Origin, head: number): void {
    if (this.#hasBegunAgain || origin !== this.#origin) return;
    this.#hasBegunAgain = true;
    this.#tasks.begin(async () => await this.#beginAgain(origin, head));
  }

  #give(input: RecollectionInput): void {
    if (!this.#stopping.signal.aborted) this.#driver.give(input);
  }

  #nowMs(): number {
    return this.#deps.clock.monotonicMs();
  }

  #lookAround(): void {
    const members = this.#deps.directory
      .members()
      .map(({ address, reachability }) => ({ peer: address, reachability }));
    this.#give({ kind: "looked", members, nowMs: this.#nowMs() });
  }

  #perform(effect: RecollectionEffect): void {
    switch (effect.kind) {
      case "ask":
        this.#tasks.begin(async () => await this.#ask(effect.peer));
        return;
      case "wake":
        this.#alarm.setTo(effect.atMs);
        return;
      case "settle":
        this.#alarm.cancel();
        this.#stopListening();
        if (effect.isBehind) this.contradicted(this.#origin, effect.head);
        else this.#deps.metadata.holds.lift("identity");
    }
  }

  async #ask(peer: string): Promise<void> {
    const { directory, timers } = this.#deps;
    const link = directory.members().find(({ address }) => address === peer)?.link;
    const deadline = new AbortController();
    const timer = timers.after(ASK_TIMEOUT_MS, () => deadline.abort(new Error("no answer in time")));
    let head: number | undefined;
    try {
      const report = await link?.report(AbortSignal.any([deadline.signal, this.#stopping.signal]));
      head = report === undefined ? undefined : highestOf(report.held, this.#origin);
    } catch (cause) {
      // To the machine every reason is one: the peer did not answer.
      if (cause instanceof InvariantError) throw cause;
    } finally {
      timer.cancel();
    }
    const nowMs = this.#nowMs();
    this.#give(head === undefined ? { kind: "failed", peer, nowMs } : { kind: "told", peer, head, nowMs });
  }

  async #beginAgain(sealed: Origin, remembered: number): Promise<void> {
    const { metadata, telemetry, onNewOrigin } = this.#deps;
    const held = metadata.held().upto(sealed);
    if (metadata.isFenced() !== undefined) return;
    // Who hears of it by chance, after the question was settled, does not hold its writes.
    this.hold();
    const origin = await metadata.beginAgain(sealed);
    if (origin === undefined) {
      const problem = `a peer holds ${remembered} ops of this node, which has written others under the same numbers`;
      metadata.fence(new Error(`${problem}: its data directory was put back`));
      return;
    }
    telemetry.count("meridian_origins_sealed_total", {});
    const fields = { sealed, held, remembered, origin };
    telemetry.log("warn", "the data directory was put back: this node goes on under a new origin", fields);
    onNewOrigin();
    metadata.holds.lift("identity");
  }
}

/** The highest number of an op of `origin` in `held`, whatever is missing below. */
function highestOf(held: VersionVector, origin: Origin): number {
  const entry = held.entries().find((one) => one.origin === origin);
  return entry?.beyond.at(-1)?.to ?? entry?.upto ?? 0;
}
