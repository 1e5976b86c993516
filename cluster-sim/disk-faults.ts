/**
 * What goes wrong with a machine's disk and store. A disk that is slow or full gets well by itself. One that fails ends
 * the right of the process to write (the node fences itself) and may well end the process; whoever looks after the
 * machine starts it again when the disk is mended.
 *
 * Rot spares the last good copy: a blob loses a bit only while another machine holds it whole. Else what is lost would
 * be the fault of this file and not of the nodes. Source: TigerBeetle's fault atlas.
 */

import type { NodeId } from "../shared/identity.ts";
import { unreachable } from "../shared/invariant.ts";
import { type Ailment, WELL } from "./ailment.ts";
import type { Span } from "./lines.ts";
import type { NodeHost } from "./node-host.ts";
import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

const AILMENTS = {
  "slow sync": [{ syncMs: 400 }, { syncMs: 10_000 }],
  full: [{ isFull: true }],
  "unreadable store": [{ kvReadErrors: 0.05 }],
  misread: [{ kvMisreads: 0.05 }],
  "unwritable store": [{ kvWriteErrors: 1 }, { kvWriteErrors: 0.2 }],
  "unreadable blobs": [{ blobReadErrors: 0.2 }],
  "unwritable blobs": [{ blobWriteErrors: 0.2 }, { blobWriteErrors: 1 }],
} as const satisfies Record<string, readonly Partial<Ailment>[]>;

export const AILMENT_NAMES = [
  "slow sync",
  "full",
  "unreadable store",
  "misread",
  "unwritable store",
  "unreadable blobs",
  "unwritable blobs",
] as const satisfies readonly (keyof typeof AILMENTS)[];

export type DiskFault =
  | {
      readonly kind: "ailment";
      readonly name: keyof typeof AILMENTS;
      readonly atMs: number;
      readonly forMs: number;
      readonly node: NodeId;
      readonly ailment: Partial<Ailment>;
    }
  /** Of the blobs that another machine holds as well, each loses a bit with this probability. */
  | { readonly kind: "rot"; readonly atMs: number; readonly node: NodeId; readonly share: number };

type DiskFaultKind = DiskFault["kind"];

const AILING_MS_MAX = 6_000;
const ROT_SHARES = [0.2, 1] as const;

export function drawDiskFault(prng: Prng, kind: DiskFaultKind, node: NodeId, { atMs, forMs }: Span): DiskFault {
  switch (kind) {
    case "ailment": {
      const name = prng.pick(AILMENT_NAMES);
      const ailment = prng.pick<Partial<Ailment>>(AILMENTS[name]);
      return { kind, name, atMs, forMs: Math.min(forMs, AILING_MS_MAX), node, ailment };
    }
    case "rot":
      return { kind, atMs, node, share: prng.pick(ROT_SHARES) };
    default:
      return unreachable(kind);
  }
}

export function tellDiskFault(fault: DiskFault): string {
  switch (fault.kind) {
    case "ailment":
      return `disk of ${fault.node}: ${fault.name} ${JSON.stringify(fault.ailment)} for ${Math.round(fault.forMs)} ms`;
    case "rot":
      return `disk of ${fault.node} rots, ${fault.share} of what others hold too`;
    default:
      return unreachable(fault);
  }
}

export type DiskFaultsDeps = {
  readonly world: World;
  readonly hosts: ReadonlyMap<NodeId, NodeHost>;
  readonly note: (subject: string, event: string) => void;
  readonly onFailure: (what: string, cause: unknown) => void;
};

export function strikeDisk(fault: DiskFault, { world, hosts, note, onFailure }: DiskFaultsDeps): void {
  const host = hosts.get(fault.node);
  if (host === undefined || host.isGone) return;
  switch (fault.kind) {
    case "ailment":
      host.fallIll({ ...WELL, ...fault.ailment });
      world.after(fault.forMs, () => {
        host.recover().catch((cause: unknown) => onFailure(`${fault.node} could not recover`, cause));
      });
      return;
    case "rot": {
      const others = [...hosts.values()].filter((other) => other !== host && !other.isGone);
      const prng = world.chanceFor(`rot of ${fault.node} at ${fault.atMs}`);
      const rotten = host.rot((digest) => prng.chance(fault.share) && others.some((other) => other.holdsWhole(digest)));
      note(fault.node, `${rotten} blobs have rotted`);
      return;
    }
    default:
      unreachable(fault);
  }
}
