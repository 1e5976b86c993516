import { decodeChange } from "../../shared/change.ts";
import { RegistryError } from "../../shared/errors.ts";
import { InvariantError, unreachable } from "../../shared/invariant.ts";
import {
  AUDIT_LANE_REGISTERS_MAX,
  AUDIT_PERIOD_MS,
  AUDIT_REBUILD_MS,
  AUDIT_SCAN_PAUSE_MS,
  AUDIT_TIMEOUT_MS,
} from "../../shared/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { AuditAnswer, AuditQuestion, LaneFrame } from "../ports/peers.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Timers } from "../ports/timers.ts";
import { Audit, type AuditEffect, type AuditInput } from "../protocol/audit.ts";
import { DamagedRowError } from "../storage/envelope.ts";
import type { Metadata, RegisterRow } from "../storage/metadata.ts";
import { StateAudit } from "../storage/state-audit.ts";
import { compareState } from "./compare-state.ts";
import { within } from "./deadline.ts";
import { Alarm, Driver, Tasks } from "./driver.ts";
import { keepArrived } from "./keep-arrived.ts";
import type { PeerDirectory, ReachableMember } from "./peer-directory.ts";

export type AuditStateDeps = {
  readonly metadata: Metadata;
  readonly directory: Pick<PeerDirectory, "reachable">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly telemetry: Telemetry;
};

/**
 * Compares this node's registers with a peer's once a minute, and repairs what differs without a reason. When to
 * believe in a difference is decided by `Audit`. In a correct system the counter of repairs stays 0.
 */
export class AuditState {
  readonly #deps: AuditStateDeps;
  readonly #state: StateAudit;
  readonly #driver: Driver<AuditInput, AuditEffect>;
  readonly #alarm: Alarm;
  readonly #tasks = new Tasks();
  readonly #stopping = new AbortController();
  #summing: Promise<void> | undefined;
  #summedAtMs: number | undefined;
  #isLaneBeingRead = false;

  constructor(deps: AuditStateDeps) {
    this.#deps = deps;
    this.#state = new StateAudit(deps.metadata);
    this.#driver = new Driver(new Audit(), (effect) => this.#perform(effect));
    this.#alarm = new Alarm(deps, () => this.#tasks.begin(async () => await this.#wake()));
  }

  /** What is compared; for whoever compares at a person's request. */
  get state(): StateAudit {
    return this.#state;
  }

  /** The first audit comes when a start has settled, and not of all nodes at once. */
  start(): void {
    this.#alarm.setTo(this.#nowMs() + AUDIT_PERIOD_MS * (0.5 + this.#deps.random.fraction()));
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the node stops"));
    this.#alarm.cancel();
    await this.#tasks.ended();
  }

  /** Makes the sums, unless they are there and young. Whoever calls meanwhile waits for the same. */
  async prepare(): Promise<void> {
    const isFresh = this.#summedAtMs !== undefined && this.#nowMs() < this.#summedAtMs + AUDIT_REBUILD_MS;
    if (isFresh) return;
    this.#summing ??= this.#sum().finally(() => {
      this.#summing = undefined;
    });
    await this.#summing;
  }

  /** Gives way to others between two steps of a long scan. @throws when the node stops. */
  readonly pause = async (): Promise<void> => {
    await this.#deps.timers.sleep(AUDIT_SCAN_PAUSE_MS, this.#stopping.signal);
  };

  /** Answers `PeerCalls.audit`. Who asks before there are sums makes this node begin with them. */
  answer(question: AuditQuestion): AuditAnswer {
    const sums = this.#state.sums();
    if (sums === undefined) {
      this.#tasks.begin(async () => void (await this.#isPrepared()));
      return { isReady: false, held: this.#deps.metadata.held(), sums: [] };
    }
    const { lanes, held } = sums;
    switch (question.kind) {
      case "groups":
        return { isReady: true, held, sums: lanes.root() === question.root ? [] : lanes.groups() };
      case "lanes":
        return { isReady: true, held, sums: question.groups.flatMap((group) => lanes.lanesOf(group)) };
      default:
        return unreachable(question);
    }
  }

  /**
   * Answers `PeerCalls.auditLane`: one at a time, since each reads the whole store.
   * @throws {RegistryError} `TOOMANYREQUESTS`: the caller tries again.
   */
  async *answerLane(
    lane: number,
    known: readonly bigint[],
    signal: AbortSignal,
  ): AsyncGenerator<LaneFrame, void, void> {
    if (this.#isLaneBeingRead) throw new RegistryError("TOOMANYREQUESTS", { lanesMax: 1 });
    this.#isLaneBeingRead = true;
    try {
      for await (const frame of this.#state.beside(lane, known, this.pause)) {
        if (signal.aborted || this.#stopping.signal.aborted) return;
        yield frame;
      }
    } finally {
      this.#isLaneBeingRead = false;
    }
  }

  #nowMs(): number {
    return this.#deps.clock.monotonicMs();
  }

  async #sum(): Promise<void> {
    await this.#state.sum(this.pause);
    this.#summedAtMs = this.#nowMs();
  }

  async #isPrepared(): Promise<boolean> {
    try {
      await this.prepare();
      return true;
    } catch (cause) {
      if (this.#stopping.signal.aborted) return false;
      if (!(cause instanceof DamagedRowError)) throw cause;
      this.#deps.telemetry.log("error", "cannot audit: a stored register is damaged", { problem: cause.message });
      return false;
    }
  }

  async #wake(): Promise<void> {
    if (!(await this.#isPrepared())) {
      if (!this.#stopping.signal.aborted) this.#alarm.setTo(this.#nowMs() + AUDIT_PERIOD_MS);
      return;
    }
    const peers = this.#deps.directory.reachable().map(({ address }) => address);
    this.#give({ kind: "woke", peers, chance: this.#deps.random.fraction(), nowMs: this.#nowMs() });
  }

  #give(input: AuditInput): void {
    if (!this.#stopping.signal.aborted) this.#driver.give(input);
  }

  #perform(effect: AuditEffect): void {
    switch (effect.kind) {
      case "compare":
        this.#tasks.begin(async () => await this.#compare(effect.peer));
        return;
      case "repair":
        this.#tasks.begin(async () => await this.#repair(effect.peer, effect.lanes));
        return;
      case "wake":
        this.#alarm.setTo(effect.atMs);
        return;
      default:
        unreachable(effect);
    }
  }

  #member(peer: string): ReachableMember | undefined {
    return this.#deps.directory.reachable().find(({ address }) => address === peer);
  }

  async #compare(peer: string): Promise<void> {
    const { timers, telemetry } = this.#deps;
    const member = this.#member(peer);
    try {
      const compare = async (signal: AbortSignal) =>
        member === undefined ? undefined : await compareState(this.#state, member.link, signal);
      const sighting = await within(timers, AUDIT_TIMEOUT_MS, compare, this.#stopping.signal);
      if (sighting !== undefined) {
        telemetry.count("meridian_audits_total", { result: sighting.lanes.size === 0 ? "equal" : "different" });
        return this.#give({ kind: "compared", peer, sighting, nowMs: this.#nowMs() });
      }
    } catch (cause) {
      // Whoever does not answer is asked again some other time.
      if (cause instanceof InvariantError) throw cause;
    }
    telemetry.count("meridian_audits_total", { result: "failed" });
    this.#give({ kind: "failed", peer, nowMs: this.#nowMs() });
  }

  /** Merges what the peer has in `lanes`. What only this node has the peer will fetch in an audit of its own. */
  async #repair(peer: string, lanes: readonly number[]): Promise<void> {
    const { telemetry } = this.#deps;
    const member = this.#member(peer);
    if (member === undefined) return;
    telemetry.log("error", "diverged: a peer holds other registers than this node, and nothing explains it", {
      peer: member.greeting.node,
      lanes,
    });
    try {
      for (const lane of lanes) await this.#repairLane(member, lane);
    } catch (cause) {
      if (this.#stopping.signal.aborted) return;
      if (cause instanceof InvariantError) throw cause;
      const problem = cause instanceof Error ? cause.message : String(cause);
      telemetry.log("error", "could not repair what has diverged", { peer: member.greeting.node, problem });
    }
  }

  async #repairLane(member: ReachableMember, lane: number): Promise<void> {
    const own = await this.#state.registersIn(lane, this.pause);
    if (own.size > AUDIT_LANE_REGISTERS_MAX) throw new Error(`lane ${lane} holds ${own.size} registers, too many`);
    for await (const frame of member.link.auditLane(lane, [...own.keys()], this.#stopping.signal)) {
      if (frame.kind === "changes") await this.#merge(member, frame.changes);
    }
  }

  async #merge(member: ReachableMember, changes: readonly Uint8Array[]): Promise<void> {
    const { metadata, telemetry } = this.#deps;
    const before: RegisterRow[] = [];
    for (const bytes of changes) {
      const { key } = decodeChange(bytes);
      before.push({ key, register: await metadata.reader.register(key) });
    }
    if (!(await keepArrived(this.#deps, member, { kind: "live", changes }))) return;
    for (const row of before) {
      if (!(await this.#state.hasChanged(row))) continue;
      telemetry.count("meridian_audit_repairs_total", {});
      telemetry.log("error", "repaired a register from a peer", { peer: member.greeting.node, ...row.key });
    }
  }
}
