/**
 * What the others get to see of a node: its answers, as they leave the machine. A peer may frame a session as finely as
 * it likes, and a bad one may answer with anything. A lying node's own store is in order, so a run goes on as soon as
 * the lie is over; what must never happen is that somebody believes it.
 */
import type { OpBatch, PeerService, PullFrame } from "../nodes/ports/peers.ts";
import { decodeOp, encodeChange } from "../shared/change.ts";
import { hlcOf } from "../shared/hlc.ts";
import { mapped } from "./mapped.ts";

/**
 * `ops`: another op under the same dot. `bytes`: a blob or manifest with one bit turned over. `short`: one that ends
 * before it should, as if it were whole.
 */
export type Lie = "ops" | "bytes" | "short";

/** Answers with as many frames as there are registers. A peer may choose how it frames a session. */
export function chopped(service: PeerService): PeerService {
  return (caller) => {
    const calls = service(caller);
    return { ...calls, pull: (have, signal) => oneByOne(calls.pull(have, signal)) };
  };
}

/** Answers as `lieNow` says at the moment of the answer. */
export function lying(service: PeerService, lieNow: () => Lie | undefined): PeerService {
  const twisted = (batch: OpBatch): OpBatch => (lieNow() === "ops" ? { ...batch, ops: batch.ops.map(otherOp) } : batch);
  return (caller) => {
    const calls = service(caller);
    return {
      ...calls,
      replicate: (acks, signal) =>
        mapped(calls.replicate(acks, signal), (frame) =>
          frame.kind === "ops" ? { ...frame, batch: twisted(frame.batch) } : frame,
        ),
      pull: (have, signal) =>
        mapped(calls.pull(have, signal), (frame) =>
          frame.kind === "ops" ? { ...frame, batch: twisted(frame.batch) } : frame,
        ),
      readBlob: (digest, offset, signal) =>
        mapped(calls.readBlob(digest, offset, signal), (chunk) => twistedBytes(chunk, lieNow())),
    };
  };
}

/** The same op, said to have been written a tick later. */
function otherOp(bytes: Uint8Array): Uint8Array {
  const op = decodeOp(bytes);
  const versions = op.register.versions.map((version) => ({ ...version, hlc: hlcOf(version.hlc + 1n) }));
  return encodeChange({ ...op, register: { ...op.register, versions } });
}

function twistedBytes(chunk: Uint8Array, lie: Lie | undefined): Uint8Array {
  if (lie === "short") return chunk.subarray(0, chunk.length >> 1);
  if (lie !== "bytes") return chunk;
  const twisted = Uint8Array.from(chunk);
  const at = twisted.length >> 1;
  twisted[at] = (twisted[at] ?? 0) ^ 1;
  return twisted;
}

async function* oneByOne(frames: AsyncIterable<PullFrame>): AsyncGenerator<PullFrame, void> {
  for await (const frame of frames) {
    if (frame.kind !== "live") yield frame;
    else for (const change of frame.changes) yield { kind: "live", changes: [change] };
  }
}
