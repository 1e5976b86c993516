/**
 * What an audit reads of the metadata: the sums of {@link AuditLanes} as they follow the store, and below a lane the
 * registers themselves. Every method that reads the whole store calls `pause` now and then, so that an audit of a
 * million registers is a background task and not an outage.
 */
import { encodeRegister } from "../../shared/change.ts";
import { AUDIT_SCAN_STEP, OP_BATCH_BYTES_MAX } from "../../shared/limits.ts";
import type { RegisterKey } from "../../shared/register.ts";
import type { VersionVector } from "../../shared/version-vector.ts";
import type { LaneFrame } from "../ports/peers.ts";
import { AuditLanes } from "./audit-lanes.ts";
import type { Metadata, RegisterRow } from "./metadata.ts";

type Pause = () => Promise<void>;

/** The sums and what they are the sums of, read at one moment. */
export type Sums = { readonly lanes: AuditLanes; readonly held: VersionVector };

export class StateAudit {
  readonly #metadata: Metadata;
  #lanes: AuditLanes | undefined;
  #stopFollowing: (() => void) | undefined;

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
  }

  /** `undefined` before {@link sum} has ended for the first time. */
  sums(): Sums | undefined {
    return this.#lanes === undefined ? undefined : { lanes: this.#lanes, held: this.#metadata.held() };
  }

  /**
   * Makes the sums from what lies in the store. Until it is over the former ones stay in use.
   * @throws {DamagedRowError} when a register is not what was written.
   */
  async sum(pause: Pause): Promise<void> {
    const lanes = new AuditLanes(this.#metadata.self.cluster);
    let stopFollowing: (() => void) | undefined;
    try {
      const registers = await this.#metadata.registers(() => {
        stopFollowing = this.#metadata.onReplaced((replacement) => lanes.replace(replacement));
      });
      for await (const { key, register } of paced(registers, pause)) lanes.add(key, register);
    } catch (cause) {
      stopFollowing?.();
      throw cause;
    }
    this.#stopFollowing?.();
    this.#stopFollowing = stopFollowing;
    this.#lanes = lanes;
  }

  /** The registers of one lane, by their fingerprints. */
  async registersIn(lane: number, pause: Pause): Promise<ReadonlyMap<bigint, RegisterKey>> {
    const found = new Map<bigint, RegisterKey>();
    for await (const { fingerprint, row } of this.#lane(lane, pause)) found.set(fingerprint, row.key);
    return found;
  }

  /** The registers of `lane` that are not among `known`, and those of `known` that are not here, all as of one moment. */
  async *beside(lane: number, known: readonly bigint[], pause: Pause): AsyncGenerator<LaneFrame, void, void> {
    const unknown = new Set(known);
    let changes: Uint8Array[] = [];
    let bytes = 0;
    for await (const { fingerprint, row } of this.#lane(lane, pause)) {
      if (unknown.delete(fingerprint)) continue;
      const change = await this.#metadata.changeOf(row);
      changes.push(change);
      bytes += change.length;
      if (bytes < OP_BATCH_BYTES_MAX) continue;
      yield { kind: "changes", changes };
      changes = [];
      bytes = 0;
    }
    if (changes.length > 0) yield { kind: "changes", changes };
    yield { kind: "unknown", fingerprints: [...unknown] };
  }

  /** Whether merging has made the register at `key` another than `before`. */
  async hasChanged({ key, register: before }: RegisterRow): Promise<boolean> {
    const after = await this.#metadata.reader.register(key);
    return Buffer.compare(encodeRegister(before), encodeRegister(after)) !== 0;
  }

  async *#lane(
    lane: number,
    pause: Pause,
  ): AsyncGenerator<{ readonly fingerprint: bigint; readonly row: RegisterRow }, void, void> {
    const lanes = new AuditLanes(this.#metadata.self.cluster);
    for await (const row of paced(await this.#metadata.registers(), pause)) {
      if (lanes.laneOf(row.key.repo) === lane) yield { fingerprint: lanes.fingerprint(row.key, row.register), row };
    }
  }
}

async function* paced<Item>(items: AsyncIterable<Item>, pause: Pause): AsyncGenerator<Item, void, void> {
  let left = AUDIT_SCAN_STEP;
  for await (const item of items) {
    yield item;
    left -= 1;
    if (left > 0) continue;
    left = AUDIT_SCAN_STEP;
    await pause();
  }
}
