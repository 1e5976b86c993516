import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { PublisherFrame, SubscriberFrame } from "../../nodes/ports/peers.ts";
import { mapped, send } from "../../nodes/rpc/messages.ts";
import { RPC_BLOB_CHUNK_BYTES, RPC_WINDOW_BYTES } from "../../shared/limits.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import { eventually } from "../support/eventually.ts";
import {
  calls,
  collect,
  EU_ORIGIN,
  failureOf,
  greeting,
  held,
  LAYER,
  NEVER,
  PUBLISHED,
  Rpc,
} from "../support/rpc-fixture.ts";

const REPO = parseRepositoryName("library/nginx");
const TAG = { kind: "tag", tag: parseTag("1.27") } as const;
const CHUNKS_PER_WINDOW = RPC_WINDOW_BYTES / RPC_BLOB_CHUNK_BYTES;
/** Messages that grpc-js keeps for a reader, the one under way, the one at hand, and what the sockets hold. */
const CHUNKS_ELSEWHERE_MAX = 48;
/** grpc-js keeps a mebibyte of what a client has not sent yet; an ack of the test has eight kibibytes. */
const ACKS_ELSEWHERE_MAX = 200;
const STILL_MS = 200;

function ack(seq: number): SubscriberFrame {
  return { kind: "ack", held: held({ origin: EU_ORIGIN, seq }) };
}

/** Resolves once `count` has not changed for a while. */
async function standsStill(count: () => number): Promise<void> {
  await eventually(async () => {
    const before = count();
    await delay(STILL_MS);
    return before > 0 && count() === before;
  }, 20_000);
}

/** Waits until the signal aborts, as a service waits that has nothing to say. */
async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const over = Promise.withResolvers<undefined>();
  signal.addEventListener("abort", () => over.resolve(undefined), { once: true });
  await over.promise;
}

/** A service's side of a stream: what it has produced, and when it was closed. */
class Producer {
  produced = 0;
  readonly #closed = Promise.withResolvers<undefined>();

  async closed(): Promise<void> {
    await this.#closed.promise;
  }

  async *endless<Item>(next: () => Item): AsyncGenerator<Item, void> {
    try {
      while (true) {
        // As whoever reads a disk, it lets others have their turn.
        await turn();
        this.produced += 1;
        yield next();
      }
    } finally {
      this.#closed.resolve(undefined);
    }
  }

  async *waiting<Item>(signal: AbortSignal, ...first: readonly Item[]): AsyncGenerator<Item, void> {
    try {
      this.produced += 1;
      yield* first;
      await aborted(signal);
    } finally {
      this.#closed.resolve(undefined);
    }
  }
}

describe("back-pressure", () => {
  test("a reader who stops holds the producer, once a window is under way", async () => {
    await using rpc = new Rpc();
    const layer = new Producer();
    const chunk = new Uint8Array(RPC_BLOB_CHUNK_BYTES);
    const { address } = await rpc.serve(calls({ readBlob: () => layer.endless(() => chunk) }));
    const reading = rpc.dial(address).readBlob(LAYER, 0, NEVER)[Symbol.asyncIterator]();

    await reading.next();
    await standsStill(() => layer.produced);

    expect(layer.produced).toBeGreaterThan(CHUNKS_PER_WINDOW);
    expect(layer.produced).toBeLessThan(CHUNKS_PER_WINDOW + CHUNKS_ELSEWHERE_MAX);
    await reading.return?.();
    await layer.closed();
  });

  test("a publisher who does not read holds the subscriber's acks", async () => {
    await using rpc = new Rpc();
    const subscriber = new Producer();
    const large: SubscriberFrame = {
      kind: "ack",
      held: held(...Array.from({ length: 2_000 }, (_, index) => ({ origin: EU_ORIGIN, seq: 2 * index + 2 }))),
    };
    const publisher = new Producer();
    const { address } = await rpc.serve(
      calls({ replicate: (_acks, signal) => publisher.waiting<PublisherFrame>(signal, ...PUBLISHED.slice(0, 1)) }),
    );
    const link = rpc.dial(address);
    const acks = subscriber.endless(() => large);
    const following = link.replicate(acks, NEVER)[Symbol.asyncIterator]();

    await following.next();
    await standsStill(() => subscriber.produced);

    expect(subscriber.produced).toBeLessThan(ACKS_ELSEWHERE_MAX);
    await following.return?.();
    await subscriber.closed();
  });

  test("a layer that nobody reads delays neither a greeting nor an op", async () => {
    await using rpc = new Rpc();
    const layer = new Producer();
    const chunk = new Uint8Array(RPC_BLOB_CHUNK_BYTES);
    const { address } = await rpc.serve(calls({ readBlob: () => layer.endless(() => chunk) }));
    const link = rpc.dial(address);
    const reading = link.readBlob(LAYER, 0, NEVER)[Symbol.asyncIterator]();
    await reading.next();
    await standsStill(() => layer.produced);

    const answered = [await link.greet(greeting("us-1"), NEVER), await link.lookup(REPO, TAG, NEVER)];

    expect(answered).toEqual([greeting("eu-1"), [new Uint8Array([1]), new Uint8Array([2, 3])]]);
    await reading.return?.();
  });
});

describe("the bytes of a blob", () => {
  test("arrive as they were, though the disk uses one buffer for all", async () => {
    await using rpc = new Rpc();
    const buffer = new Uint8Array(1_000);
    const { address } = await rpc.serve(
      calls({
        readBlob: async function* readBlob() {
          for (let round = 0; round < 200; round += 1) yield buffer.fill(round);
          buffer.fill(255);
        },
      }),
    );

    const chunks = await collect(rpc.dial(address).readBlob(LAYER, 0, NEVER));

    expect(chunks.map((chunk) => [chunk.length, ...new Set(chunk)])).toEqual(
      Array.from({ length: 200 }, (_, round) => [1_000, round]),
    );
  });

  test("travel in chunks of bounded size, however they were read", async () => {
    await using rpc = new Rpc();
    const whole = new Uint8Array(RPC_BLOB_CHUNK_BYTES * 2 + 5);
    const { address } = await rpc.serve(
      calls({
        readBlob: async function* readBlob() {
          yield whole;
          yield new Uint8Array();
          yield whole.subarray(0, 1);
        },
      }),
    );

    const chunks = await collect(rpc.dial(address).readBlob(LAYER, 0, NEVER));

    expect(chunks.map(({ length }) => length)).toEqual([RPC_BLOB_CHUNK_BYTES, RPC_BLOB_CHUNK_BYTES, 5, 1]);
  });
});

describe("a stream ends", () => {
  test("for the producer, when the reader leaves", async () => {
    await using rpc = new Rpc();
    const layer = new Producer();
    const { address } = await rpc.serve(calls({ readBlob: () => layer.endless(() => new Uint8Array(10)) }));

    for await (const chunk of rpc.dial(address).readBlob(LAYER, 0, NEVER)) if (chunk.length > 0) break;

    await layer.closed();
    await eventually(async () => rpc.server.counts["Blobs/Read server CANCELLED"] === 1, 2_000);
    expect(rpc.client.counts).toEqual({ "Blobs/Read client CANCELLED": 1 });
  });

  test("for both, when the reader's signal aborts while nothing comes", async () => {
    await using rpc = new Rpc();
    const source = new Producer();
    const { address } = await rpc.serve(calls({ pull: (_have, signal) => source.waiting(signal) }));
    const leaving = new AbortController();
    const pulling = collect(rpc.dial(address).pull(held(), leaving.signal));
    await eventually(async () => source.produced > 0, 2_000);

    leaving.abort(new Error("enough"));

    const { kind, cause } = await failureOf(pulling);
    expect([kind, cause]).toEqual(["cancelled", new Error("enough")]);
    await source.closed();
  });

  test("for a call with one answer too, when its signal aborts", async () => {
    await using rpc = new Rpc();
    const seen = Promise.withResolvers<AbortSignal>();
    const { address } = await rpc.serve(
      calls({
        report: async (signal) => {
          seen.resolve(signal);
          return await Promise.withResolvers<never>().promise;
        },
      }),
    );
    const leaving = new AbortController();
    const asking = failureOf(rpc.dial(address).report(leaving.signal));
    const theirs = await seen.promise;

    leaving.abort(new Error("too late"));

    expect((await asking).kind).toBe("cancelled");
    await aborted(theirs);
  });

  test("before it began, when the signal had aborted", async () => {
    await using rpc = new Rpc();
    const layer = new Producer();
    const { address } = await rpc.serve(calls({ readBlob: () => layer.endless(() => new Uint8Array(10)) }));

    const { kind } = await failureOf(collect(rpc.dial(address).readBlob(LAYER, 0, AbortSignal.abort())));

    expect([kind, layer.produced]).toEqual(["cancelled", 0]);
  });

  test("for the subscriber's acks, when the publisher ends it", async () => {
    await using rpc = new Rpc();
    const subscriber = new Producer();
    const { address } = await rpc.serve(calls());
    const acks = subscriber.endless(() => ack(1));

    const frames = await collect(rpc.dial(address).replicate(acks, NEVER));

    expect(frames).toEqual(PUBLISHED);
    await subscriber.closed();
  });

  test("for the publisher, when the subscriber ends its acks", async () => {
    await using rpc = new Rpc();
    const acked: SubscriberFrame[] = [];
    const { address } = await rpc.serve(
      calls({
        replicate: async function* replicate(acks) {
          for await (const frame of acks) acked.push(frame);
          yield* PUBLISHED;
        },
      }),
    );

    const frames = await collect(rpc.dial(address).replicate(fromItems([ack(1), ack(2)]), NEVER));

    expect([acked, frames]).toEqual([[ack(1), ack(2)], PUBLISHED]);
  });

  test("as a failure, when the subscriber's acks fail", async () => {
    await using rpc = new Rpc();
    const publisher = new Producer();
    const { address } = await rpc.serve(
      calls({ replicate: (_acks, signal) => publisher.waiting(signal, ...PUBLISHED.slice(0, 1)) }),
    );
    async function* failing(): AsyncGenerator<SubscriberFrame, void> {
      yield ack(1);
      throw new Error("the disk is gone");
    }

    const { kind, cause } = await failureOf(collect(rpc.dial(address).replicate(failing(), NEVER)));

    expect([kind, cause]).toEqual(["failed", new Error("the disk is gone")]);
    await publisher.closed();
  });

  test("for the acks that a publisher waits for, when the subscriber vanishes", async () => {
    await using rpc = new Rpc();
    const ended = Promise.withResolvers<number>();
    const { address } = await rpc.serve(
      calls({
        replicate: async function* replicate(acks) {
          yield* PUBLISHED.slice(0, 1);
          let count = 0;
          for await (const frame of acks) count += frame.kind === "ack" ? frame.held.entries().length : 0;
          ended.resolve(count);
        },
      }),
    );
    const link = rpc.dial(address);
    const subscriber = new Producer();
    const following = link.replicate(subscriber.waiting(NEVER, ack(1)), NEVER)[Symbol.asyncIterator]();
    await following.next();

    link.close();

    expect(await ended.promise).toBe(1);
    expect((await failureOf(collect({ [Symbol.asyncIterator]: () => following }))).kind).toBe("unreachable");
  });

  test("for the acks that a publisher reads on the side, when the publisher ends it", async () => {
    await using rpc = new Rpc();
    const ended = Promise.withResolvers<string>();
    const { address } = await rpc.serve(
      calls({
        replicate: (acks, signal) => {
          collect(acks).then(
            () => ended.resolve("ended"),
            () => ended.resolve("broken"),
          );
          return calls().replicate(acks, signal);
        },
      }),
    );
    const subscriber = new Producer();

    await collect(rpc.dial(address).replicate(subscriber.waiting(NEVER, ack(1)), NEVER));

    expect(await ended.promise).toBe("ended");
  });

  test("not when the publisher has read enough acks", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(
      calls({
        replicate: async function* replicate(acks) {
          for await (const frame of acks) {
            if (frame.kind === "ack" && frame.held.includes({ origin: EU_ORIGIN, seq: 1 })) break;
          }
          for (let round = 0; round < 50; round += 1) yield* PUBLISHED;
        },
      }),
    );
    const subscriber = new Producer();
    const acks = subscriber.endless(() => ack(1));

    const frames = await collect(rpc.dial(address).replicate(acks, NEVER));

    expect(frames).toHaveLength(50 * PUBLISHED.length);
  });

  test("for a producer whose value makes no message", async () => {
    const producer = new Producer();
    const values = mapped(
      producer.endless(() => 1),
      () => {
        throw new RangeError("no such message");
      },
    );

    await expect(send(values, { write: () => true }, NEVER)).rejects.toThrow("no such message");

    await producer.closed();
  });

  test("and nothing is asked of a peer before somebody reads", async () => {
    await using rpc = new Rpc();
    const layer = new Producer();
    const { address } = await rpc.serve(calls({ readBlob: () => layer.endless(() => new Uint8Array(10)) }));
    const link = rpc.dial(address);

    link.readBlob(LAYER, 0, NEVER);
    await link.report(NEVER);

    expect(rpc.server.counts).toEqual({ "Control/Report server OK": 1 });
  });
});

async function* fromItems<Item>(items: readonly Item[]): AsyncGenerator<Item, void> {
  yield* items;
}
