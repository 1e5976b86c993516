/** A link between two nodes of a world: each question of the peers port as a call on the connection that it belongs to. */
import type { PeerLink } from "../nodes/ports/peers.ts";
import { mapped } from "./mapped.ts";
import type { Ask, Question } from "./sim-call.ts";
import type { Wire } from "./sim-message.ts";

/** Each kind of traffic has a connection of its own, and may be the only one that gets through. */
export const PLANES = ["control", "metadata", "blobs"] as const;
export type Plane = (typeof PLANES)[number];

export type Connections = {
  readonly ask: <Answer>(plane: Plane, question: Question<Answer>, signal: AbortSignal) => Promise<Answer>;
  /** `sent` is what follows the request. */
  readonly stream: <Sent, Answer>(
    plane: Plane,
    ask: Ask<Sent, Answer>,
    signal: AbortSignal,
    sent: AsyncIterable<Sent>,
  ) => AsyncGenerator<Answer, void>;
  readonly close: () => void;
};

export function linkOver(connections: Connections, wire: Wire): PeerLink {
  const { close } = connections;
  return { ...controlOver(connections, wire), ...dataOver(connections, wire), close };
}

type ControlLink = Pick<PeerLink, "greet" | "probe" | "probeFor" | "tellMembers" | "compareMembers">;

function controlOver({ ask }: Connections, wire: Wire): ControlLink {
  return {
    greet: async (greeting, signal) =>
      await ask("control", async (calls, remote) => await calls.greet(greeting, remote), signal),
    probe: async (probe, signal) =>
      await ask(
        "control",
        async (calls, remote) => wire.probeAnswer(await calls.probe(wire.probe(probe), remote)),
        signal,
      ),
    probeFor: async (request, signal) =>
      await ask("control", async (calls, remote) => await calls.probeFor({ ...request }, remote), signal),
    tellMembers: async (news, signal) =>
      await ask("control", async (calls, remote) => await calls.tellMembers(wire.news(news), remote), signal),
    compareMembers: async (compared, signal) =>
      await ask(
        "control",
        async (calls, remote) => {
          const news = await calls.compareMembers(wire.compared(compared), remote);
          return news === undefined ? undefined : wire.news(news);
        },
        signal,
      ),
  };
}

function dataOver({ ask, stream }: Connections, wire: Wire): Omit<PeerLink, keyof ControlLink | "close"> {
  return {
    replicate: (acks, signal) =>
      stream(
        "metadata",
        (calls, sent, remote) => mapped(calls.replicate(sent, remote), wire.published),
        signal,
        mapped(acks, wire.subscribed),
      ),
    pull: (have, signal) =>
      stream(
        "metadata",
        (calls, _, remote) => mapped(calls.pull(wire.held(have), remote), wire.pulled),
        signal,
        nothing(),
      ),
    lookup: async (repo, reference, signal) =>
      await ask(
        "metadata",
        async (calls, remote) => (await calls.lookup(repo, reference, remote)).map(wire.bytes),
        signal,
      ),
    describeImage: async (repo, reference, signal) =>
      await ask(
        "metadata",
        async (calls, remote) => wire.imageState(await calls.describeImage(repo, reference, remote)),
        signal,
      ),
    report: async (signal) =>
      await ask("metadata", async (calls, remote) => wire.report(await calls.report(remote)), signal),
    audit: async (question, signal) =>
      await ask("metadata", async (calls, remote) => wire.audit(await calls.audit(question, remote)), signal),
    auditLane: (lane, known, signal) =>
      stream(
        "metadata",
        (calls, _, remote) => mapped(calls.auditLane(lane, [...known], remote), wire.lane),
        signal,
        nothing(),
      ),
    have: async (repo, digests, signal) =>
      await ask("blobs", async (calls, remote) => [...(await calls.have(repo, [...digests], remote))], signal),
    readBlob: (digest, offset, signal) =>
      stream(
        "blobs",
        (calls, _, remote) => mapped(calls.readBlob(digest, offset, remote), wire.bytes),
        signal,
        nothing(),
      ),
  };
}

async function* nothing(): AsyncGenerator<never, void> {}
