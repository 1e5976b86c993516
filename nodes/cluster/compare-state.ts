import { decodeChange, encodeKey } from "../../shared/change.ts";
import { AUDIT_GROUPS, AUDIT_LANES_PER_GROUP } from "../../shared/limits.ts";
import { EMPTY_REGISTER, type Register, type RegisterKey } from "../../shared/register.ts";
import type { PeerCalls } from "../ports/peers.ts";
import type { LaneSums, Sighting } from "../protocol/audit.ts";
import type { MetadataReader } from "../storage/metadata-reader.ts";
import type { StateAudit } from "../storage/state-audit.ts";

/**
 * Compares the sums of this node with a peer's: the total, then groups that differ, then their lanes. What was on its
 * way meanwhile shows as a difference too; `unexplained` tells the two apart.
 * @returns `undefined` when one of the two has no sums yet.
 */
export async function compareState(
  state: StateAudit,
  peer: Pick<PeerCalls, "audit">,
  signal: AbortSignal,
): Promise<Sighting | undefined> {
  const root = state.sums()?.lanes.root();
  if (root === undefined) return undefined;
  const totals = await peer.audit({ kind: "groups", root }, signal);
  const own = state.sums();
  if (!totals.isReady || own === undefined) return undefined;
  const equal: Sighting = { ownHeld: own.held, peerHeld: totals.held, lanes: new Map() };
  if (totals.sums.length !== AUDIT_GROUPS) return equal;

  const groups = own.lanes.groups().flatMap((sum, group) => (sum === totals.sums[group] ? [] : [group]));
  if (groups.length === 0) return equal;
  const below = await peer.audit({ kind: "lanes", groups }, signal);
  const now = state.sums();
  if (!below.isReady || now === undefined) return undefined;

  const lanes = new Map<number, LaneSums>();
  for (const [at, group] of groups.entries()) {
    for (const [index, sum] of now.lanes.lanesOf(group).entries()) {
      const peerSum = below.sums[at * AUDIT_LANES_PER_GROUP + index];
      if (peerSum !== undefined && peerSum !== sum) {
        lanes.set(group * AUDIT_LANES_PER_GROUP + index, { own: sum, peer: peerSum });
      }
    }
  }
  return { ownHeld: now.held, peerHeld: below.held, lanes };
}

/** A register that two nodes do not hold alike. One that a side does not have at all has no versions there. */
export type StateDifference = { readonly key: RegisterKey; readonly here: Register; readonly there: Register };

export type LaneDeps = {
  readonly state: StateAudit;
  readonly reader: Pick<MetadataReader, "register">;
  readonly pause: () => Promise<void>;
};

/** What differs in one lane between this node and the peer, in the order of the keys. */
export async function differencesIn(
  lane: number,
  { state, reader, pause }: LaneDeps,
  peer: Pick<PeerCalls, "auditLane">,
  signal: AbortSignal,
): Promise<readonly StateDifference[]> {
  const own = await state.registersIn(lane, pause);
  const there = new Map<string, { readonly key: RegisterKey; readonly register: Register }>();
  for await (const frame of peer.auditLane(lane, [...own.keys()], signal)) {
    if (frame.kind === "changes") {
      for (const bytes of frame.changes) {
        const { key, register } = decodeChange(bytes);
        there.set(nameOf(key), { key, register });
      }
      continue;
    }
    for (const fingerprint of frame.fingerprints) {
      const key = own.get(fingerprint);
      if (key !== undefined && !there.has(nameOf(key))) there.set(nameOf(key), { key, register: EMPTY_REGISTER });
    }
  }
  const named = [...there].toSorted(([left], [right]) => (left < right ? -1 : 1));
  return await Promise.all(
    named.map(async ([, { key, register }]) => ({ key, here: await reader.register(key), there: register })),
  );
}

function nameOf(key: RegisterKey): string {
  return Buffer.from(encodeKey(key)).toString("latin1");
}
