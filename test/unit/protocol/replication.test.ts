import { describe, expect, test } from "vitest";
import {
  type Batch,
  FOLLOW_RETRY_MS_MAX,
  FOLLOW_RETRY_MS_MIN,
  PULL_RETRY_MS_MIN,
  PULLS_MAX,
  REFUSED_RETRY_MS_MIN,
  Replication,
  type ReplicationEffect,
  STREAM_PATIENCE_MS_MIN,
  STREAM_STALLED_MS,
} from "../../../nodes/protocol/replication.ts";
import { type Origin, parseOrigin } from "../../../shared/identity.ts";
import { VersionVector } from "../../../shared/version-vector.ts";

const FRA = parseOrigin("aaaaaaaaaaaaaaaa");
const IAD = parseOrigin("bbbbbbbbbbbbbbbb");
const SIN = parseOrigin("cccccccccccccccc");
const GRU = parseOrigin("dddddddddddddddd");
const CHAIN = new Uint8Array(16);

/** Ops `from` to `to` of `origin`, each with its number as its bytes. */
function ops(origin: Origin, from: number, to: number): Batch {
  const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  return { origin, from, ops: numbers.map((number) => Uint8Array.of(number)), chain: CHAIN, base: CHAIN };
}

function held(...heads: readonly (readonly [Origin, number])[]): VersionVector {
  return VersionVector.from(heads.map(([origin, upto]) => ({ origin, upto, beyond: [] })));
}

/** What a node does besides asking to be woken. */
function deeds(effects: readonly ReplicationEffect[]): readonly ReplicationEffect[] {
  return effects.filter(({ kind }) => kind !== "wake");
}

/** A node that follows iad (80 ms away, at 0 ms) and holds its first ten ops. */
function fraThatFollowsIad(): Replication {
  const fra = new Replication(FRA, held([IAD, 10]));
  fra.step({ kind: "appeared", peer: "iad", origin: IAD, boot: 1, roundTripMs: 80, nowMs: 0 });
  return fra;
}

/** And sin, 160 ms away. */
function fraThatFollowsBoth(): Replication {
  const fra = fraThatFollowsIad();
  fra.step({ kind: "appeared", peer: "sin", origin: SIN, boot: 1, roundTripMs: 160, nowMs: 0 });
  return fra;
}

describe("following", () => {
  test("follows a peer as soon as it can be reached, and once", () => {
    const fra = new Replication(FRA, held());
    const appeared = { kind: "appeared", peer: "iad", origin: IAD, boot: 1, roundTripMs: 80, nowMs: 0 } as const;

    expect(fra.step(appeared)).toEqual([{ kind: "follow", peer: "iad" }]);
    expect(fra.step({ ...appeared, roundTripMs: 90, nowMs: 5 })).toEqual([]);
  });

  test("ends everything with a peer that vanishes", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "heads", peer: "iad", held: held([IAD, 10], [GRU, 3]), closedAgoMs: 0, nowMs: 10 });

    expect(fra.step({ kind: "vanished", peer: "iad", nowMs: 20 })).toEqual([
      { kind: "unfollow", peer: "iad" },
      { kind: "cancel", peer: "iad" },
    ]);
  });

  test("a peer that has restarted is followed anew", () => {
    const fra = fraThatFollowsIad();

    expect(fra.step({ kind: "appeared", peer: "iad", origin: IAD, boot: 2, roundTripMs: 80, nowMs: 50 })).toEqual([
      { kind: "unfollow", peer: "iad" },
      { kind: "follow", peer: "iad" },
    ]);
  });

  test("a stream that ends is opened again after a pause that doubles, up to half a second", () => {
    const fra = fraThatFollowsIad();
    const pauses: number[] = [];
    let nowMs = 0;
    for (let round = 0; round < 5; round += 1) {
      const [wake] = fra.step({ kind: "ended", peer: "iad", nowMs });
      if (wake?.kind !== "wake") throw new Error("it asks to be woken");
      pauses.push(wake.atMs - nowMs);
      nowMs = wake.atMs;
      expect(fra.step({ kind: "woke", nowMs })).toEqual([{ kind: "follow", peer: "iad" }]);
    }

    expect(pauses).toEqual([FOLLOW_RETRY_MS_MIN, 200, 400, FOLLOW_RETRY_MS_MAX, FOLLOW_RETRY_MS_MAX]);
  });

  test("a stream that brought something starts with the shortest pause again", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "ended", peer: "iad", nowMs: 0 });
    fra.step({ kind: "woke", nowMs: 100 });
    fra.step({ kind: "heads", peer: "iad", held: held([IAD, 10]), closedAgoMs: 0, nowMs: 180 });

    expect(fra.step({ kind: "ended", peer: "iad", nowMs: 200 })).toEqual([
      { kind: "wake", atMs: 200 + FOLLOW_RETRY_MS_MIN },
    ]);
  });
});

describe("receiving", () => {
  test("applies what follows on what it holds", () => {
    const fra = fraThatFollowsIad();

    expect(fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 11, 12), nowMs: 50 })).toEqual([
      { kind: "apply", peer: "iad", batch: ops(IAD, 11, 12) },
    ]);
  });

  test("applies the next batch while the one before is on its way to the disk", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 11, 12), nowMs: 50 });

    expect(fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 13, 13), nowMs: 51 })).toEqual([
      { kind: "apply", peer: "iad", batch: ops(IAD, 13, 13) },
    ]);
  });

  test("takes no op twice, and of a batch only what is new", () => {
    const fra = fraThatFollowsIad();

    expect(fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 9, 10), nowMs: 50 })).toEqual([]);
    expect(fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 9, 12), nowMs: 50 })).toEqual([
      { kind: "apply", peer: "iad", batch: { ...ops(IAD, 11, 12), base: new Uint8Array() } },
    ]);
    expect(fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 9, 12), nowMs: 51 })).toEqual([]);
  });

  test("applies nothing past a gap and has the stream begin again at what is durable", () => {
    const fra = fraThatFollowsIad();

    expect(fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 13, 14), nowMs: 50 })).toEqual([
      { kind: "unfollow", peer: "iad" },
      { kind: "wake", atMs: 50 + FOLLOW_RETRY_MS_MIN },
    ]);
    expect(fra.step({ kind: "woke", nowMs: 150 })).toEqual([{ kind: "follow", peer: "iad" }]);
  });

  test("what arrives of a stream that is not followed any more is nobody's", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "vanished", peer: "iad", nowMs: 10 });

    expect(fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 11, 11), nowMs: 20 })).toEqual([]);
    expect(fra.step({ kind: "heads", peer: "iad", held: held([GRU, 3]), closedAgoMs: 0, nowMs: 20 })).toEqual([]);
  });

  test.each<{ readonly what: string; readonly batch: Batch }>([
    { what: "no op", batch: { origin: IAD, from: 11, ops: [], chain: CHAIN, base: CHAIN } },
    { what: "a number below one", batch: { origin: IAD, from: 0, ops: [Uint8Array.of(1)], chain: CHAIN, base: CHAIN } },
  ])("a batch with $what ends the stream for a while", ({ batch }) => {
    const fra = fraThatFollowsIad();

    expect(fra.step({ kind: "received", peer: "iad", batch, nowMs: 50 })).toEqual([
      { kind: "unfollow", peer: "iad" },
      { kind: "wake", atMs: 50 + REFUSED_RETRY_MS_MIN },
    ]);
  });

  test("a batch that is refused is asked for again, ever more rarely, until one is kept", () => {
    const fra = fraThatFollowsIad();
    const pauses: number[] = [];
    let nowMs = 0;
    for (let round = 0; round < 3; round += 1) {
      fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 11, 12), nowMs });
      const effects = fra.step({ kind: "refused", peer: "iad", origin: IAD, nowMs });
      const wake = effects.find(({ kind }) => kind === "wake");
      if (wake?.kind !== "wake") throw new Error("it asks to be woken");
      pauses.push(wake.atMs - nowMs);
      nowMs = wake.atMs;
      fra.step({ kind: "woke", nowMs });
    }
    const repeated = fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 11, 12), nowMs });
    fra.step({ kind: "committed", held: held([IAD, 12]), nowMs });
    fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 13, 13), nowMs });
    const refused = fra.step({ kind: "refused", peer: "iad", origin: IAD, nowMs });

    expect(pauses).toEqual([1_000, 2_000, 4_000]);
    expect(repeated).toEqual([{ kind: "apply", peer: "iad", batch: ops(IAD, 11, 12) }]);
    expect(refused).toEqual([
      { kind: "unfollow", peer: "iad" },
      { kind: "wake", atMs: nowMs + REFUSED_RETRY_MS_MIN },
    ]);
  });
});

describe("acknowledging", () => {
  test("acknowledges when it is durable and not before", () => {
    const fra = fraThatFollowsIad();

    const received = fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 11, 12), nowMs: 50 });
    const committed = fra.step({ kind: "committed", held: held([IAD, 12]), nowMs: 60 });

    expect(received.map(({ kind }) => kind)).toEqual(["apply"]);
    expect(committed).toEqual([{ kind: "ack", peer: "iad" }]);
  });

  test("tells a peer of its own ops only", () => {
    const fra = fraThatFollowsBoth();

    expect(fra.step({ kind: "committed", held: held([FRA, 4], [IAD, 10], [SIN, 1]), nowMs: 60 })).toEqual([
      { kind: "ack", peer: "sin" },
    ]);
    expect(fra.step({ kind: "committed", held: held([FRA, 5]), nowMs: 61 })).toEqual([]);
  });
});

describe("pulling", () => {
  test("pulls at once what is missing of an origin that it cannot follow", () => {
    const fra = fraThatFollowsIad();

    expect(
      fra.step({ kind: "heads", peer: "iad", held: held([IAD, 10], [GRU, 3]), closedAgoMs: 0, nowMs: 10 }),
    ).toEqual([{ kind: "pull", peer: "iad" }]);
  });

  test("gives an origin that it follows three quarters of a round trip before it pulls its ops from another", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "appeared", peer: "sin", origin: SIN, boot: 1, roundTripMs: 320, nowMs: 0 });

    const seen = fra.step({ kind: "heads", peer: "iad", held: held([SIN, 1]), closedAgoMs: 0, nowMs: 10 });
    const early = fra.step({ kind: "woke", nowMs: 249 });
    const late = fra.step({ kind: "woke", nowMs: 250 });

    expect(seen).toEqual([{ kind: "wake", atMs: 10 + 240 }]);
    expect(deeds(early)).toEqual([]);
    expect(deeds(late)).toEqual([{ kind: "pull", peer: "iad" }]);
  });

  test("never waits less than the shortest patience, however near the origin is", () => {
    const fra = new Replication(FRA, held());
    fra.step({ kind: "appeared", peer: "iad", origin: IAD, boot: 1, roundTripMs: 1, nowMs: 0 });
    fra.step({ kind: "appeared", peer: "sin", origin: SIN, boot: 1, roundTripMs: 1, nowMs: 0 });

    expect(fra.step({ kind: "heads", peer: "iad", held: held([SIN, 1]), closedAgoMs: 0, nowMs: 10 })).toEqual([
      { kind: "wake", atMs: 10 + STREAM_PATIENCE_MS_MIN },
    ]);
  });

  test("does not pull while the stream makes progress", () => {
    const fra = fraThatFollowsBoth();
    fra.step({ kind: "heads", peer: "iad", held: held([SIN, 100]), closedAgoMs: 0, nowMs: 0 });
    for (let number = 1; number <= 9; number += 1) {
      const nowMs = number * 140;
      const effects = fra.step({ kind: "received", peer: "sin", batch: ops(SIN, number, number), nowMs });
      expect(effects.map(({ kind }) => kind)).not.toContain("pull");
    }
  });

  test("pulls from the origin itself only when its stream has brought nothing for two seconds", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 11, 12), nowMs: 0 });

    const seen = fra.step({ kind: "heads", peer: "iad", held: held([IAD, 30_000]), closedAgoMs: 0, nowMs: 0 });
    const stalled = fra.step({ kind: "woke", nowMs: STREAM_STALLED_MS });

    expect(seen).toEqual([{ kind: "wake", atMs: STREAM_STALLED_MS }]);
    expect(deeds(stalled)).toEqual([{ kind: "pull", peer: "iad" }]);
  });

  test("pulls at once what a stream says it has lost", () => {
    const fra = fraThatFollowsIad();
    const seen = fra.step({ kind: "heads", peer: "iad", held: held([IAD, 30_000]), closedAgoMs: 0, nowMs: 10 });

    expect(deeds(seen)).toEqual([]);
    expect(deeds(fra.step({ kind: "lost", peer: "iad", origin: IAD, nowMs: 12 }))).toEqual([
      { kind: "pull", peer: "iad" },
    ]);
  });

  test("an origin that has lost what is missing is not waited for when another holds it", () => {
    const fra = fraThatFollowsBoth();
    const known = held([IAD, 10], [SIN, 30_000]);
    const early = fra.step({ kind: "heads", peer: "iad", held: known, closedAgoMs: 0, nowMs: 11 });

    expect(deeds(early)).toEqual([]);
    expect(fra.step({ kind: "lost", peer: "sin", origin: SIN, nowMs: 12 })).toEqual([{ kind: "pull", peer: "iad" }]);
  });

  test("pulls from the nearest holder", () => {
    const fra = fraThatFollowsBoth();
    fra.step({ kind: "appeared", peer: "gru", origin: GRU, boot: 1, roundTripMs: 40, nowMs: 0 });
    fra.step({ kind: "vanished", peer: "gru", nowMs: 1 });
    fra.step({
      kind: "appeared",
      peer: "lhr",
      origin: parseOrigin("eeeeeeeeeeeeeeee"),
      boot: 1,
      roundTripMs: 10,
      nowMs: 1,
    });
    fra.step({ kind: "appeared", peer: "gru", origin: GRU, boot: 1, roundTripMs: 40, nowMs: 2 });
    fra.step({ kind: "heads", peer: "sin", held: held([GRU, 1]), closedAgoMs: 0, nowMs: 3 });
    fra.step({ kind: "heads", peer: "iad", held: held([GRU, 1]), closedAgoMs: 0, nowMs: 4 });

    // lhr is nearest and has nothing; gru is the origin itself, and its stream is still trusted.
    expect(deeds(fra.step({ kind: "woke", nowMs: 500 }))).toEqual([{ kind: "pull", peer: "iad" }]);
  });

  test("dots beyond a head are asked for and offered like any other", () => {
    const fra = fraThatFollowsIad();
    const known = VersionVector.from([{ origin: GRU, upto: 0, beyond: [{ from: 5, to: 7 }] }]);

    const seen = fra.step({ kind: "heads", peer: "iad", held: known, closedAgoMs: 0, nowMs: 10 });
    fra.step({ kind: "committed", held: known, nowMs: 100 });
    const done = fra.step({ kind: "pulled", peer: "iad", outcome: "complete", nowMs: 101 });

    expect(seen).toEqual([{ kind: "pull", peer: "iad" }]);
    expect(deeds(done)).toEqual([]);
  });

  test("asks nobody else for what a pull under way will bring", () => {
    const fra = fraThatFollowsBoth();
    fra.step({ kind: "heads", peer: "iad", held: held([GRU, 3]), closedAgoMs: 0, nowMs: 10 });

    expect(fra.step({ kind: "heads", peer: "sin", held: held([GRU, 3]), closedAgoMs: 0, nowMs: 20 })).toEqual([]);
  });

  test("has at most three pulls under way, one from each peer", () => {
    const fra = new Replication(FRA, held());
    const pulls: ReplicationEffect[] = [];
    for (let index = 1; index <= 6; index += 1) {
      const origin = parseOrigin(String(index).repeat(16));
      const lost = parseOrigin(`f${String(index).repeat(15)}`);
      fra.step({ kind: "appeared", peer: `p${index}`, origin, boot: 1, roundTripMs: 10, nowMs: 0 });
      pulls.push(
        ...deeds(fra.step({ kind: "heads", peer: `p${index}`, held: held([lost, 1]), closedAgoMs: 0, nowMs: index })),
      );
    }

    expect(pulls).toEqual(["p1", "p2", "p3"].map((peer) => ({ kind: "pull", peer })));
    expect(pulls).toHaveLength(PULLS_MAX);
    expect(deeds(fra.step({ kind: "pulled", peer: "p1", outcome: "broken", nowMs: 10 }))).toEqual([
      { kind: "pull", peer: "p4" },
    ]);
  });

  test("a pull that broke is tried at the next holder at once, and at the same one after a pause", () => {
    const fra = fraThatFollowsBoth();
    fra.step({ kind: "heads", peer: "iad", held: held([GRU, 3]), closedAgoMs: 0, nowMs: 10 });
    fra.step({ kind: "heads", peer: "sin", held: held([GRU, 3]), closedAgoMs: 0, nowMs: 20 });

    const next = fra.step({ kind: "pulled", peer: "iad", outcome: "broken", nowMs: 100 });
    const none = fra.step({ kind: "pulled", peer: "sin", outcome: "broken", nowMs: 200 });
    const again = fra.step({ kind: "woke", nowMs: 100 + PULL_RETRY_MS_MIN });

    expect(deeds(next)).toEqual([{ kind: "pull", peer: "sin" }]);
    expect(none).toEqual([{ kind: "wake", atMs: 100 + PULL_RETRY_MS_MIN }]);
    expect(deeds(again)).toEqual([{ kind: "pull", peer: "iad" }]);
  });

  test("a pull that was complete and brought nothing is not repeated without a pause", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "heads", peer: "iad", held: held([GRU, 3]), closedAgoMs: 0, nowMs: 10 });

    expect(fra.step({ kind: "pulled", peer: "iad", outcome: "complete", nowMs: 100 })).toEqual([
      { kind: "wake", atMs: 100 + PULL_RETRY_MS_MIN },
    ]);
  });

  test("never pulls its own ops", () => {
    const fra = new Replication(FRA, held([FRA, 5]));
    fra.step({ kind: "appeared", peer: "iad", origin: IAD, boot: 1, roundTripMs: 80, nowMs: 0 });

    expect(fra.step({ kind: "heads", peer: "iad", held: held([FRA, 5]), closedAgoMs: 0, nowMs: 1 })).toEqual([]);
  });
});

describe("following a plan", () => {
  const appeared = { kind: "appeared", boot: 1, roundTripMs: 10, nowMs: 0 } as const;

  test("asks each peer for what the plan names, and follows nobody else", () => {
    const fra = new Replication(FRA, held());
    fra.step({ kind: "planned", plan: new Map([["iad", [IAD, SIN]]]), nowMs: 0 });

    const iad = fra.step({ ...appeared, peer: "iad", origin: IAD });
    const sin = fra.step({ ...appeared, peer: "sin", origin: SIN });

    expect([...iad, ...sin]).toEqual([{ kind: "follow", peer: "iad" }]);
    expect(fra.wantedFrom("iad")).toEqual([IAD, SIN]);
  });

  test("asks anew when the plan changes, and lets go of whom it asks for nothing any more", () => {
    const fra = fraThatFollowsBoth();

    expect(fra.step({ kind: "planned", plan: new Map([["iad", [IAD, SIN]]]), nowMs: 5 })).toEqual([
      { kind: "want", peer: "iad" },
      { kind: "unfollow", peer: "sin" },
    ]);
    expect(fra.step({ kind: "planned", plan: new Map([["iad", [SIN, IAD]]]), nowMs: 6 })).toEqual([]);
    expect(fra.step({ kind: "planned", plan: new Map([["sin", [SIN]]]), nowMs: 7 })).toEqual([
      { kind: "unfollow", peer: "iad" },
      { kind: "follow", peer: "sin" },
    ]);
  });

  test("acknowledges to whom it asked", () => {
    const fra = fraThatFollowsBoth();
    fra.step({ kind: "planned", plan: new Map([["iad", [IAD, SIN]]]), nowMs: 5 });

    expect(fra.step({ kind: "committed", held: held([SIN, 3]), nowMs: 60 })).toEqual([{ kind: "ack", peer: "iad" }]);
  });

  test("gives the relay a moment, and then pulls from whoever has it", () => {
    const fra = fraThatFollowsBoth();
    fra.step({ kind: "appeared", peer: "gru", origin: GRU, boot: 1, roundTripMs: 400, nowMs: 0 });
    fra.step({
      kind: "planned",
      plan: new Map([
        ["iad", [IAD, GRU]],
        ["sin", [SIN]],
      ]),
      nowMs: 5,
    });

    const seen = fra.step({ kind: "heads", peer: "sin", held: held([GRU, 1]), closedAgoMs: 0, nowMs: 10 });

    expect(seen).toEqual([{ kind: "wake", atMs: 10 + STREAM_PATIENCE_MS_MIN }]);
    expect(deeds(fra.step({ kind: "woke", nowMs: 10 + STREAM_PATIENCE_MS_MIN }))).toEqual([
      { kind: "pull", peer: "sin" },
    ]);
  });

  test("asks a peer that holds something else what it holds", () => {
    const fra = fraThatFollowsIad();
    const pulse = { kind: "pulse", peer: "iad", closedAgoMs: undefined, nowMs: 10 } as const;

    expect(fra.step({ ...pulse, isSame: true })).toEqual([]);
    expect(fra.step({ ...pulse, isSame: undefined })).toEqual([]);
    expect(fra.step({ ...pulse, isSame: false })).toEqual([{ kind: "ask", peer: "iad" }]);
  });

  test("knows of each origin since when it lacks nothing, from whoever vouches for it", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "planned", plan: new Map([["iad", [IAD, GRU]]]), nowMs: 5 });
    const before = fra.closedAgoMs(GRU, 50);
    fra.step({ kind: "pulse", peer: "iad", isSame: undefined, closedAgoMs: 300, nowMs: 1_000 });
    fra.step({ kind: "received", peer: "iad", batch: ops(GRU, 1, 2), nowMs: 1_500 });
    fra.step({ kind: "pulse", peer: "iad", isSame: undefined, closedAgoMs: 300, nowMs: 2_000 });
    const applying = fra.closedAgoMs(GRU, 2_000);
    fra.step({ kind: "committed", held: held([GRU, 2]), nowMs: 2_010 });

    expect([before, applying, fra.closedAgoMs(GRU, 2_010)]).toEqual([undefined, 1_300, 310]);
  });
});

describe("a data directory that was put back", () => {
  test.each<{ readonly what: string; readonly input: Parameters<Replication["step"]>[0] }>([
    {
      what: "by a peer's heads",
      input: { kind: "heads", peer: "iad", held: held([FRA, 6]), closedAgoMs: 0, nowMs: 1 },
    },
    { what: "by its own ops coming back", input: { kind: "received", peer: "iad", batch: ops(FRA, 6, 6), nowMs: 1 } },
  ])("is noticed $what, and told once", ({ input }) => {
    const fra = new Replication(FRA, held([FRA, 5]));
    fra.step({ kind: "appeared", peer: "iad", origin: IAD, boot: 1, roundTripMs: 80, nowMs: 0 });

    expect(fra.step(input)).toEqual([{ kind: "contradict", peer: "iad", origin: FRA, seq: 6 }]);
    expect(fra.step(input)).toEqual([]);
  });

  test("makes what was under way begin anew, and what the node wrote before is pulled like anybody's", () => {
    const fra = new Replication(FRA, held([FRA, 5]));
    fra.step({ kind: "appeared", peer: "iad", origin: IAD, boot: 1, roundTripMs: 80, nowMs: 0 });
    fra.step({ kind: "heads", peer: "iad", held: held([FRA, 6]), closedAgoMs: 0, nowMs: 1 });

    expect(fra.step({ kind: "begun-again", self: GRU, nowMs: 10 })).toEqual([
      { kind: "unfollow", peer: "iad" },
      { kind: "follow", peer: "iad" },
      { kind: "pull", peer: "iad" },
    ]);
  });
});

describe("an origin that is parked", () => {
  test("is not pulled, and does not hold up what a peer has of others", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "parked", origins: [SIN], nowMs: 10 });

    expect(
      fra.step({ kind: "heads", peer: "iad", held: held([IAD, 10], [SIN, 4]), closedAgoMs: 0, nowMs: 20 }),
    ).toEqual([]);
    expect(
      fra.step({ kind: "heads", peer: "iad", held: held([IAD, 10], [GRU, 1]), closedAgoMs: 0, nowMs: 30 })[0],
    ).toEqual({ kind: "pull", peer: "iad" });
  });

  test("is pulled like any other once it is let go", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "parked", origins: [SIN], nowMs: 10 });
    fra.step({ kind: "heads", peer: "iad", held: held([IAD, 10], [SIN, 4]), closedAgoMs: 0, nowMs: 20 });

    expect(fra.step({ kind: "parked", origins: [], nowMs: 30 })).toEqual([{ kind: "pull", peer: "iad" }]);
  });
});

describe("lag", () => {
  test("is nothing while everything that is known of is held", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "heads", peer: "iad", held: held([IAD, 10]), closedAgoMs: 0, nowMs: 500 });

    expect(fra.lag(5_000)).toEqual([{ peer: "iad", origin: IAD, isReachable: true, pendingOps: 0, lagMs: 0 }]);
  });

  test("is the time since the peer's heads were last held in full", () => {
    const fra = fraThatFollowsIad();
    fra.step({ kind: "heads", peer: "iad", held: held([IAD, 10]), closedAgoMs: 20, nowMs: 500 });
    fra.step({ kind: "received", peer: "iad", batch: ops(IAD, 11, 11), nowMs: 800 });
    fra.step({ kind: "heads", peer: "iad", held: held([IAD, 12]), closedAgoMs: 0, nowMs: 800 });
    fra.step({ kind: "heads", peer: "iad", held: held([IAD, 15]), closedAgoMs: 0, nowMs: 1_000 });
    const before = fra.lag(1_500);
    fra.step({ kind: "committed", held: held([IAD, 13]), nowMs: 1_600 });
    const after = fra.lag(2_000);

    expect(before[0]).toMatchObject({ pendingOps: 5, lagMs: 1_500 - 480 });
    expect(after[0]).toMatchObject({ pendingOps: 2, lagMs: 2_000 - 800 });
  });

  test("of an origin that cannot be reached is known from those who can", () => {
    const fra = fraThatFollowsBoth();
    fra.step({ kind: "heads", peer: "sin", held: held([SIN, 0]), closedAgoMs: 0, nowMs: 100 });
    fra.step({ kind: "vanished", peer: "sin", nowMs: 200 });
    fra.step({ kind: "heads", peer: "iad", held: held([IAD, 10], [SIN, 4]), closedAgoMs: 0, nowMs: 300 });

    expect(fra.lag(1_100)).toEqual([
      { peer: "iad", origin: IAD, isReachable: true, pendingOps: 0, lagMs: 0 },
      { peer: "sin", origin: SIN, isReachable: false, pendingOps: 4, lagMs: 1_000 },
    ]);
  });
});
