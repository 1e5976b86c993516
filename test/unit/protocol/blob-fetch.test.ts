import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BlobFetch,
  type BlobFetchEffect,
  type BlobFetchInput,
  type Holder,
} from "../../../nodes/protocol/blob-fetch.ts";
import { type NodeId, parseNodeId } from "../../../shared/identity.ts";
import { unreachable } from "../../../shared/invariant.ts";
import {
  BLOB_FETCH_PAUSE_MS,
  BLOB_FETCH_PROGRESS_BYTES,
  BLOB_FETCH_ROUNDS_MAX,
  BLOB_FETCH_STALL_MS,
} from "../../../shared/limits.ts";

const EU = parseNodeId("eu-1");
const US = parseNodeId("us-1");
const SA = parseNodeId("sa-1");

/** A holder of a blob of 100 bytes in another region, 50 ms away, never measured. */
function holder(node: NodeId, differences: Partial<Holder> = {}): Holder {
  return { node, isNear: false, size: 100, roundTripMs: 50, bytesPerMs: undefined, ...differences };
}

type Event = BlobFetchInput extends infer Input ? (Input extends unknown ? Omit<Input, "nowMs"> : never) : never;

/** A machine and the time its inputs are given at. */
class Story {
  readonly #machine = new BlobFetch();
  nowMs = 0;

  give(event: Event): readonly BlobFetchEffect[] {
    return this.#machine.step({ ...event, nowMs: this.nowMs });
  }

  /** Everything that these inputs, given at once, lead to. */
  all(...events: readonly Event[]): readonly BlobFetchEffect[] {
    return events.flatMap((event) => this.give(event));
  }

  wakeAt(nowMs: number): readonly BlobFetchEffect[] {
    this.nowMs = nowMs;
    return this.give({ kind: "woke" });
  }
}

function begun(...holders: readonly Holder[]): Story {
  const story = new Story();
  story.all({ kind: "begun" }, ...holders.map((found) => ({ kind: "found" as const, holder: found })), {
    kind: "searched",
  });
  return story;
}

describe("whom a blob is read from", () => {
  test("the first holder that answers is read from at once, and later answers change nothing", () => {
    const story = new Story();

    expect(story.give({ kind: "begun" })).toEqual([{ kind: "search" }]);
    expect(story.give({ kind: "found", holder: holder(EU) })).toEqual([
      { kind: "read", read: 1, node: EU, offset: 0, size: 100 },
    ]);
    expect(story.all({ kind: "found", holder: holder(US, { roundTripMs: 1 }) }, { kind: "searched" })).toEqual([]);
  });

  test("nobody holds it: given up at once, for the client can ask again", () => {
    const story = new Story();

    expect(story.all({ kind: "begun" }, { kind: "searched" })).toEqual([
      { kind: "search" },
      { kind: "give-up", reason: "absent" },
    ]);
  });

  test.each<{ readonly title: string; readonly alternates: readonly Holder[]; readonly chosen: NodeId }>([
    {
      title: "the shorter round trip",
      alternates: [holder(US, { roundTripMs: 90 }), holder(SA, { roundTripMs: 20 })],
      chosen: SA,
    },
    {
      title: "the own region, however near another one is",
      alternates: [holder(US, { roundTripMs: 90, isNear: true }), holder(SA, { roundTripMs: 20 })],
      chosen: US,
    },
    {
      title: "the faster line, when the blob is large enough for that to matter",
      alternates: [
        holder(US, { size: 1e9, roundTripMs: 20, bytesPerMs: 1_000 }),
        holder(SA, { size: 1e9, roundTripMs: 90, bytesPerMs: 9_000 }),
      ],
      chosen: SA,
    },
    {
      title: "the shorter round trip to the faster line, when the blob is small",
      alternates: [
        holder(US, { size: 1e4, roundTripMs: 20, bytesPerMs: 1_000 }),
        holder(SA, { size: 1e4, roundTripMs: 90, bytesPerMs: 9_000 }),
      ],
      chosen: US,
    },
    {
      title: "a line known to be fast, to one that was never measured and is farther",
      alternates: [
        holder(US, { size: 1e9, roundTripMs: 20, bytesPerMs: 9_000 }),
        holder(SA, { size: 1e9, roundTripMs: 21 }),
      ],
      chosen: US,
    },
    {
      title: "a distance that is known",
      alternates: [holder(US, { roundTripMs: undefined }), holder(SA, { roundTripMs: 300 })],
      chosen: SA,
    },
  ])("when it breaks, the next is chosen by $title", ({ alternates, chosen }) => {
    const size = alternates[0]?.size ?? 0;
    const story = begun(holder(EU, { size }), ...alternates);

    expect(story.give({ kind: "broke", read: 1 })).toEqual([{ kind: "read", read: 2, node: chosen, offset: 0, size }]);
  });
});

describe("a holder that breaks", () => {
  test("is followed by another at the same offset", () => {
    const story = begun(holder(EU), holder(US));

    expect(story.all({ kind: "asked", read: 1 }, { kind: "received", read: 1, bytes: 30 })).toEqual([
      { kind: "wake", atMs: BLOB_FETCH_STALL_MS },
      { kind: "keep" },
    ]);
    expect(story.give({ kind: "broke", read: 1 })).toEqual([
      { kind: "read", read: 2, node: US, offset: 30, size: 100 },
    ]);
  });

  test("is waited for no longer than the other answers, when it was the only one yet", () => {
    const story = new Story();
    story.all({ kind: "begun" }, { kind: "found", holder: holder(EU) });

    expect(story.give({ kind: "broke", read: 1 })).toEqual([]);
    expect(story.give({ kind: "found", holder: holder(US) })).toEqual([
      { kind: "read", read: 2, node: US, offset: 0, size: 100 },
    ]);
  });

  test("is tried again, after a pause, when it is found once more", () => {
    const story = begun(holder(EU));
    story.give({ kind: "received", read: 1, bytes: 30 });

    expect(story.give({ kind: "broke", read: 1 })).toEqual([{ kind: "wake", atMs: BLOB_FETCH_PAUSE_MS }]);
    expect(story.wakeAt(BLOB_FETCH_PAUSE_MS)).toEqual([{ kind: "search" }]);
    expect(story.give({ kind: "found", holder: holder(EU) })).toEqual([
      { kind: "read", read: 2, node: EU, offset: 30, size: 100 },
    ]);
  });

  test("is given up after a bounded number of rounds, each after a pause twice as long", () => {
    const story = begun(holder(EU), holder(US));
    story.give({ kind: "broke", read: 1 });
    const pausesMs: number[] = [];

    let effects = story.give({ kind: "broke", read: 2 });
    for (let round = 1; round < 2 * BLOB_FETCH_ROUNDS_MAX; round += 1) {
      const [effect] = effects;
      if (effect?.kind !== "wake") break;
      pausesMs.push(effect.atMs - story.nowMs);
      expect(story.wakeAt(effect.atMs)).toEqual([{ kind: "search" }]);
      effects = story.give({ kind: "searched" });
    }

    expect(pausesMs).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000]);
    expect(effects).toEqual([{ kind: "give-up", reason: "unreachable" }]);
  });

  test("starts the count of rounds anew when it had brought enough to be called progress", () => {
    const size = 10 * BLOB_FETCH_PROGRESS_BYTES;
    const roundsWith = (bytesPerRead: number): number => {
      const story = begun(holder(EU, { size }));
      let read = 1;
      for (let received = 0; received + bytesPerRead < size; received += bytesPerRead) {
        story.give({ kind: "received", read, bytes: bytesPerRead });
        const [effect] = story.give({ kind: "broke", read });
        if (effect?.kind !== "wake") break;
        story.wakeAt(effect.atMs);
        story.all({ kind: "found", holder: holder(EU, { size }) }, { kind: "searched" });
        read += 1;
      }
      return read;
    };

    expect(roundsWith(BLOB_FETCH_PROGRESS_BYTES)).toBe(10);
    expect(roundsWith(1)).toBe(BLOB_FETCH_ROUNDS_MAX);
  });
});

describe("a holder that falls silent", () => {
  test("is left for another at the same offset", () => {
    const story = begun(holder(EU), holder(US));
    story.all({ kind: "asked", read: 1 }, { kind: "received", read: 1, bytes: 30 });
    story.nowMs = 4_000;

    // The timer that runs already serves: a chunk costs none.
    expect(story.give({ kind: "asked", read: 1 })).toEqual([]);
    expect(story.wakeAt(BLOB_FETCH_STALL_MS)).toEqual([{ kind: "wake", atMs: 4_000 + BLOB_FETCH_STALL_MS }]);
    expect(story.wakeAt(4_000 + BLOB_FETCH_STALL_MS)).toEqual([
      { kind: "leave" },
      { kind: "read", read: 2, node: US, offset: 30, size: 100 },
    ]);
  });

  test("is not blamed for the time that this node takes to write", () => {
    const story = begun(holder(EU), holder(US));
    story.all({ kind: "asked", read: 1 }, { kind: "received", read: 1, bytes: 30 });

    expect(story.wakeAt(BLOB_FETCH_STALL_MS)).toEqual([]);
    expect(story.give({ kind: "asked", read: 1 })).toEqual([{ kind: "wake", atMs: 2 * BLOB_FETCH_STALL_MS }]);
  });

  test("changes nothing by what it says after it was left", () => {
    const story = begun(holder(EU), holder(US));
    story.give({ kind: "asked", read: 1 });
    story.wakeAt(BLOB_FETCH_STALL_MS);

    expect(
      story.all(
        { kind: "received", read: 1, bytes: 100 },
        { kind: "ended", read: 1 },
        { kind: "broke", read: 1 },
        { kind: "asked", read: 1 },
      ),
    ).toEqual([]);
  });
});

describe("the whole", () => {
  test("is hashed when the last byte is kept, and made durable when the digest is right", () => {
    const story = begun(holder(EU));

    expect(story.give({ kind: "received", read: 1, bytes: 100 })).toEqual([
      { kind: "keep" },
      { kind: "leave" },
      { kind: "hash" },
    ]);
    expect(story.give({ kind: "hashed", isRight: true })).toEqual([{ kind: "commit" }]);
    expect(story.all({ kind: "found", holder: holder(US) }, { kind: "woke" }, { kind: "begun" })).toEqual([]);
  });

  test("of an empty blob is hashed when the holder says that this was all", () => {
    const story = begun(holder(EU, { size: 0 }));

    expect(story.give({ kind: "ended", read: 1 })).toEqual([{ kind: "hash" }]);
    expect(story.give({ kind: "hashed", isRight: true })).toEqual([{ kind: "commit" }]);
  });

  test("when it is wrong and came from one holder, that holder is never asked again and nothing is kept", () => {
    const story = begun(holder(EU), holder(US));
    story.give({ kind: "received", read: 1, bytes: 100 });

    expect(story.give({ kind: "hashed", isRight: false })).toEqual([
      { kind: "blame", nodes: [EU], fault: "wrong-digest" },
      { kind: "restart" },
      { kind: "read", read: 2, node: US, offset: 0, size: 100 },
    ]);
    expect(story.give({ kind: "found", holder: holder(EU) })).toEqual([]);
    expect(story.give({ kind: "broke", read: 2 })).toEqual([{ kind: "wake", atMs: BLOB_FETCH_PAUSE_MS }]);
    expect(story.wakeAt(BLOB_FETCH_PAUSE_MS)).toEqual([{ kind: "search" }]);
    expect(story.give({ kind: "found", holder: holder(EU) })).toEqual([]);
  });

  test("when every holder has sent a wrong one, nobody is asked any more", () => {
    const story = begun(holder(EU));
    story.give({ kind: "received", read: 1, bytes: 100 });

    expect(story.give({ kind: "hashed", isRight: false })).toEqual([
      { kind: "blame", nodes: [EU], fault: "wrong-digest" },
      { kind: "restart" },
      { kind: "give-up", reason: "wrong" },
    ]);
  });

  test("when it is wrong and came from two holders, neither is proven bad, and the next copy is not shared", () => {
    const story = begun(holder(EU, { roundTripMs: 1 }), holder(US), holder(SA));
    story.all(
      { kind: "received", read: 1, bytes: 50 },
      { kind: "broke", read: 1 },
      { kind: "received", read: 2, bytes: 50 },
    );

    expect(story.give({ kind: "hashed", isRight: false })).toEqual([
      { kind: "blame", nodes: [EU, SA], fault: "wrong-digest" },
      { kind: "restart" },
      { kind: "read", read: 3, node: US, offset: 0, size: 100 },
    ]);
    story.give({ kind: "received", read: 3, bytes: 10 });
    expect(story.give({ kind: "broke", read: 3 })).toEqual([
      { kind: "restart" },
      { kind: "read", read: 4, node: SA, offset: 0, size: 100 },
    ]);
    story.give({ kind: "received", read: 4, bytes: 100 });
    expect(story.give({ kind: "hashed", isRight: false })).toEqual([
      { kind: "blame", nodes: [SA], fault: "wrong-digest" },
      { kind: "restart" },
      { kind: "wake", atMs: BLOB_FETCH_PAUSE_MS },
    ]);
  });
});

describe("a holder that sends another length than it announced", () => {
  test("loses everything it sent when it sends more", () => {
    const story = begun(holder(EU), holder(US));
    story.give({ kind: "received", read: 1, bytes: 60 });

    expect(story.give({ kind: "received", read: 1, bytes: 41 })).toEqual([
      { kind: "leave" },
      { kind: "blame", nodes: [EU], fault: "too-long" },
      { kind: "restart" },
      { kind: "read", read: 2, node: US, offset: 0, size: 100 },
    ]);
  });

  test("loses everything it sent when it ends early", () => {
    const story = begun(holder(EU), holder(US));
    story.give({ kind: "received", read: 1, bytes: 60 });

    expect(story.give({ kind: "ended", read: 1 })).toEqual([
      { kind: "blame", nodes: [EU], fault: "too-short" },
      { kind: "restart" },
      { kind: "read", read: 2, node: US, offset: 0, size: 100 },
    ]);
  });

  test("and holders who disagree on the size never complete each other's copy", () => {
    const story = new Story();
    story.all(
      { kind: "begun" },
      { kind: "found", holder: holder(EU) },
      { kind: "found", holder: holder(US, { size: 101 }) },
      { kind: "received", read: 1, bytes: 60 },
    );

    expect(story.give({ kind: "broke", read: 1 })).toEqual([]);
    expect(story.give({ kind: "searched" })).toEqual([
      { kind: "restart" },
      { kind: "read", read: 2, node: US, offset: 0, size: 101 },
    ]);
  });
});

/** A world of three holders, each with its own way of failing, played against the machine. */
type Behaviour = { readonly announced: number; readonly isRight: boolean; readonly breaksEvery: number };

const SIZE = 3 * BLOB_FETCH_PROGRESS_BYTES;
const NODES = [EU, US, SA];

const behaviours = fc.record({
  announced: fc.constantFrom(SIZE, SIZE, SIZE, SIZE - 1, SIZE + 1),
  isRight: fc.boolean(),
  breaksEvery: fc.integer({ min: 1, max: 4 * BLOB_FETCH_PROGRESS_BYTES }),
});

type Ending = {
  readonly effect: BlobFetchEffect | undefined;
  readonly copy: readonly Behaviour[];
  readonly steps: number;
};

/** Plays to the end. A read breaks after `breaksEvery` bytes; a bad holder sends wrong bytes of the right number. */
function play(world: readonly Behaviour[]): Ending {
  const story = new Story();
  let copy: Behaviour[] = [];
  let kept = 0;
  let steps = 0;
  const pending = [...story.give({ kind: "begun" })];
  for (let effect = pending.shift(); effect !== undefined && steps < 100_000; effect = pending.shift()) {
    steps += 1;
    switch (effect.kind) {
      case "search":
        for (const [index, { announced }] of world.entries()) {
          pending.push(...story.give({ kind: "found", holder: holder(NODES[index] ?? EU, { size: announced }) }));
        }
        pending.push(...story.give({ kind: "searched" }));
        break;
      case "read": {
        const { read, node, offset } = effect;
        const sender = world[NODES.indexOf(node)];
        expect(offset).toBe(kept);
        expect(effect.size).toBe(sender?.announced);
        if (sender === undefined) break;
        const bytes = Math.min(sender.breaksEvery, SIZE - offset);
        if (bytes > 0) {
          const effects = story.give({ kind: "received", read, bytes });
          if (effects[0]?.kind === "keep") {
            kept += bytes;
            copy.push(sender);
          }
          pending.push(...effects);
        }
        pending.push(...story.give({ kind: offset + bytes === SIZE ? "ended" : "broke", read }));
        break;
      }
      case "restart":
        copy = [];
        kept = 0;
        break;
      case "hash":
        pending.push(
          ...story.give({ kind: "hashed", isRight: kept === SIZE && copy.every((sender) => sender.isRight) }),
        );
        break;
      case "wake":
        story.nowMs = effect.atMs;
        pending.push(...story.give({ kind: "woke" }));
        break;
      case "commit":
      case "give-up":
        return { effect, copy, steps };
      case "keep":
      case "leave":
      case "blame":
        break;
      default:
        return unreachable(effect);
    }
  }
  return { effect: undefined, copy, steps };
}

describe("against any three holders", () => {
  test("a transfer ends, and what it commits came from right holders who know the size", () => {
    fc.assert(
      fc.property(fc.array(behaviours, { minLength: 1, maxLength: 3 }), (world) => {
        const { effect, copy, steps } = play(world);

        expect(steps).toBeLessThan(2_000);
        expect(["commit", "give-up"]).toContain(effect?.kind);
        if (effect?.kind !== "commit") return;
        expect(copy.every(({ isRight, announced }) => isRight && announced === SIZE)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("one that is right and does not break suffices", () => {
    fc.assert(
      fc.property(fc.array(behaviours, { maxLength: 2 }), fc.nat({ max: 2 }), (others, place) => {
        const sound = { announced: SIZE, isRight: true, breaksEvery: SIZE };

        expect(play(others.toSpliced(Math.min(place, others.length), 0, sound)).effect).toEqual({ kind: "commit" });
      }),
      { numRuns: 500 },
    );
  });
});
