import { describe, expect, test } from "vitest";
import { SimClock } from "../../../cluster-sim/sim-clock.ts";
import { SimKv } from "../../../cluster-sim/sim-kv.ts";
import { SimTimers } from "../../../cluster-sim/sim-timers.ts";
import { World } from "../../../cluster-sim/world.ts";
import { Latest } from "../../../nodes/cluster/latest.ts";
import { Publish } from "../../../nodes/cluster/publish.ts";
import type { Greeting, PublisherFrame, SubscriberFrame } from "../../../nodes/ports/peers.ts";
import type { Metadata } from "../../../nodes/storage/metadata.ts";
import { parseClusterId, parseNodeId, parseOrigin, parseRegion } from "../../../shared/identity.ts";
import { VersionVector } from "../../../shared/version-vector.ts";
import { imageNamed, openMetadata, push } from "../../support/metadata-fixture.ts";
import { Recorded } from "../../support/pulling-node.ts";

const FOLLOWER: Greeting = {
  cluster: parseClusterId("test"),
  node: parseNodeId("us-1"),
  region: parseRegion("us"),
  origin: parseOrigin("bbbbbbbbbbbbbbbb"),
  boot: 1,
  nonce: "00000000000000f0",
  protocol: { min: 1, max: 1 },
  advertise: { registry: "http://us:5000", peer: "us:7000" },
  version: "1",
};

/** One frame, with when it came, in as few words as tell it apart. */
type Told = { readonly atMs: number; readonly frame: string };

/** A publisher and one follower, who notes what comes and when. */
class Stream {
  readonly world = new World();
  readonly telemetry = new Recorded();
  readonly told: Told[] = [];
  readonly #acks = new Latest<SubscriberFrame>();
  readonly #leaving = new AbortController();
  #metadata: Metadata | undefined;
  #publish: Publish | undefined;
  listeners = 0;
  reads = 0;
  ended: Promise<void> = Promise.resolve();

  get metadata(): Metadata {
    if (this.#metadata === undefined) throw new Error("not open");
    return this.#metadata;
  }

  get publish(): Publish {
    if (this.#publish === undefined) throw new Error("not open");
    return this.#publish;
  }

  /** A store whose ring keeps `opLogOpsMax` ops, with `images` of two ops each in it. */
  static async open(images: number, opLogOpsMax = 1_000): Promise<Stream> {
    const stream = new Stream();
    const clock = new SimClock(stream.world);
    const metadata = await stream.world.run(openMetadata(new SimKv(), "eu", { clock, opLogOpsMax }));
    stream.#metadata = metadata;
    for (let image = 1; image <= images; image += 1) await stream.push(`image ${image}`);
    stream.#publish = new Publish({
      metadata: {
        self: metadata.self,
        held: () => metadata.held(),
        closedHlc: () => metadata.closedHlc(),
        ownOpsFrom: async (seq) => {
          stream.reads += 1;
          return await metadata.ownOpsFrom(seq);
        },
        onCommitted: (listener) => {
          stream.listeners += 1;
          const stop = metadata.onCommitted(listener);
          return () => {
            stream.listeners -= 1;
            stop();
          };
        },
      },
      clock,
      timers: new SimTimers(stream.world),
      telemetry: stream.telemetry,
    });
    return stream;
  }

  async push(name: string): Promise<void> {
    await this.world.run(push(this.metadata, imageNamed(name)));
  }

  /** `pauseMs` is how long the follower takes for each frame. */
  follow(pauseMs = 0): void {
    const timers = new SimTimers(this.world);
    const read = async (): Promise<void> => {
      for await (const frame of this.publish.frames(FOLLOWER, this.#acks, this.#leaving.signal)) {
        this.told.push({ atMs: this.world.nowMs, frame: this.#inWords(frame) });
        if (pauseMs > 0) await timers.sleep(pauseMs);
      }
    };
    this.ended = read();
  }

  acknowledge(upto: number): void {
    const held = new VersionVector();
    held.advance(this.metadata.self.origin, upto);
    this.#acks.put({ kind: "ack", held });
  }

  leave(): void {
    this.#leaving.abort(new Error("enough"));
  }

  hangUp(): void {
    this.#acks.close();
  }

  #inWords(frame: PublisherFrame): string {
    if (frame.kind === "heads") return `heads ${frame.held.upto(this.metadata.self.origin)}`;
    return `ops ${frame.batch.from} to ${frame.batch.from + frame.batch.ops.length - 1}`;
  }
}

describe("a publisher", () => {
  test("says nothing before the follower has said what it holds", async () => {
    const stream = await Stream.open(2);
    stream.follow();

    await stream.world.runFor(5_000);
    const before = [...stream.told];
    stream.acknowledge(2);
    await stream.world.runFor(1);

    expect(before).toEqual([]);
    expect(stream.told.map(({ frame }) => frame)).toEqual(["ops 3 to 4", "heads 4"]);
  });

  test("gives up a follower that never says what it holds", async () => {
    const stream = await Stream.open(1);
    stream.follow();

    await stream.world.run(stream.ended);

    expect(stream.world.nowMs).toBe(10_000);
    expect(stream.listeners).toBe(0);
  });

  test("sends an op as soon as it is durable, and its heads at most every 250 ms", async () => {
    const stream = await Stream.open(0);
    stream.acknowledge(0);
    stream.follow();
    await stream.world.runFor(100);
    await stream.push("one");
    await stream.world.runFor(100);
    await stream.push("two");
    await stream.world.runFor(400);

    expect(stream.told).toEqual([
      { atMs: 0, frame: "heads 0" },
      { atMs: 100, frame: "ops 1 to 2" },
      { atMs: 200, frame: "ops 3 to 4" },
      { atMs: 250, frame: "heads 4" },
    ]);
  });

  test("tells its heads every second while nothing changes", async () => {
    const stream = await Stream.open(1);
    stream.acknowledge(2);
    stream.follow();

    await stream.world.runFor(3_500);

    expect(stream.told).toEqual([0, 1_000, 2_000, 3_000].map((atMs) => ({ atMs, frame: "heads 2" })));
  });

  test("says by heads that its log has lost what the follower needs, once, and goes on when it has caught up", async () => {
    const stream = await Stream.open(10, 6);
    stream.acknowledge(3);
    stream.follow();

    await stream.world.runFor(900);
    const told = stream.told.map(({ frame }) => frame);
    stream.acknowledge(20);
    await stream.push("next");
    await stream.world.runFor(1);

    expect(told).toEqual(["heads 20"]);
    expect(stream.told.at(1)?.frame).toBe("ops 21 to 22");
  });

  test("never tells of an op that it has not sent, but right after another: a slow follower is not misled", async () => {
    const stream = await Stream.open(0);
    stream.acknowledge(0);
    stream.follow(300);
    for (let image = 1; image <= 20; image += 1) {
      await stream.push(`image ${image}`);
      await stream.world.runFor(120);
    }
    await stream.world.runFor(5_000);

    let sent = 0;
    let wasOps = false;
    for (const { frame } of stream.told) {
      const number = Number(frame.split(" ").at(-1));
      const isOps = frame.startsWith("ops");
      if (!isOps && number > sent) expect(wasOps).toBe(true);
      sent = isOps ? number : sent;
      wasOps = isOps;
    }
    expect(sent).toBe(40);
  });

  test("reads its log only when there is something to send", async () => {
    const stream = await Stream.open(1);
    stream.acknowledge(2);
    stream.follow();

    await stream.world.runFor(60_000);

    expect(stream.reads).toBe(0);
  });

  test.each<{ readonly who: string; readonly end: (stream: Stream) => void }>([
    { who: "the follower leaves", end: (stream) => stream.leave() },
    { who: "the follower ends its side", end: (stream) => stream.hangUp() },
    { who: "the node stops", end: (stream) => stream.publish.stop() },
  ])("lets go of everything when $who", async ({ end }) => {
    const stream = await Stream.open(1);
    stream.acknowledge(2);
    stream.follow();
    await stream.world.runFor(500);
    const streams = { direction: "publishing" };
    const open = stream.telemetry.valueOf("meridian_replication_streams", streams);

    end(stream);
    await stream.world.run(stream.ended);
    await stream.world.runUntilIdle();

    expect([open, stream.telemetry.valueOf("meridian_replication_streams", streams)]).toEqual([1, 0]);
    expect(stream.listeners).toBe(0);
    expect(stream.world.nowMs).toBe(500);
  });
});
