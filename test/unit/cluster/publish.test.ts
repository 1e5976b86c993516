import { describe, expect, test } from "vitest";
import { SimClock } from "../../../cluster-sim/sim-clock.ts";
import { SimKv } from "../../../cluster-sim/sim-kv.ts";
import { SimTimers } from "../../../cluster-sim/sim-timers.ts";
import { World } from "../../../cluster-sim/world.ts";
import { Latest } from "../../../nodes/cluster/latest.ts";
import { Publish } from "../../../nodes/cluster/publish.ts";
import type { Greeting, PublisherFrame, SubscriberFrame } from "../../../nodes/ports/peers.ts";
import type { Metadata } from "../../../nodes/storage/metadata.ts";
import { type Origin, parseClusterId, parseNodeId, parseOrigin, parseRegion } from "../../../shared/identity.ts";
import { unreachable } from "../../../shared/invariant.ts";
import { OP_CREDIT_BYTES } from "../../../shared/limits.ts";
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
  /** How old the publisher's knowledge of others is. */
  readonly closedAgoMs = new Map<Origin, number>();
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
        upto: (origin) => metadata.upto(origin),
        opsFrom: async (origin, seq) => {
          stream.reads += 1;
          return await metadata.opsFrom(origin, seq);
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
      closedAgoMs: (origin) => stream.closedAgoMs.get(origin),
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

  say(frame: SubscriberFrame): void {
    this.#acks.put(frame);
  }

  /** Pushes at another node, whose ops then arrive here. */
  async bring(other: Metadata, name: string): Promise<void> {
    await this.world.run(push(other, imageNamed(name)));
    const batch = await this.world.run(other.opsFrom(other.self.origin, this.metadata.upto(other.self.origin) + 1));
    if (batch === undefined) throw new Error("nothing was pushed");
    await this.world.run(this.metadata.commit({ kind: "ops", batch }));
  }

  /** In words, without the signs of life. */
  get news(): readonly string[] {
    return this.told.map(({ frame }) => frame).filter((frame) => !frame.startsWith("pulse"));
  }

  leave(): void {
    this.#leaving.abort(new Error("enough"));
  }

  hangUp(): void {
    this.#acks.close();
  }

  #inWords(frame: PublisherFrame): string {
    switch (frame.kind) {
      case "heads":
        return `heads ${frame.held.upto(this.metadata.self.origin)}`;
      case "pulse": {
        const hash = frame.hash === undefined ? "" : " with hash";
        return `pulse of ${frame.closedAgoMs === undefined ? "?" : Math.round(frame.closedAgoMs)} ms${hash}`;
      }
      case "lost":
        return `lost ${frame.origin === this.metadata.self.origin ? "own" : frame.origin}`;
      case "ops": {
        const whose = frame.batch.origin === this.metadata.self.origin ? "" : `${frame.batch.origin} `;
        return `ops ${whose}${frame.batch.from} to ${frame.batch.from + frame.batch.ops.length - 1}`;
      }
      default:
        return unreachable(frame);
    }
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
    expect(stream.news).toEqual(["heads 4", "ops 3 to 4"]);
  });

  test("gives up a follower that never says what it holds", async () => {
    const stream = await Stream.open(1);
    stream.follow();

    await stream.world.run(stream.ended);

    expect(stream.world.nowMs).toBe(10_000);
    expect(stream.listeners).toBe(0);
  });

  test("sends an op as soon as it is durable, and the hash of what it holds every 250 ms while that changes", async () => {
    const stream = await Stream.open(0);
    stream.acknowledge(0);
    stream.follow();
    await stream.world.runFor(1_100);
    await stream.push("one");
    await stream.world.runFor(100);
    await stream.push("two");
    await stream.world.runFor(300);

    expect(stream.told.filter(({ atMs }) => atMs >= 1_100)).toEqual([
      { atMs: 1_100, frame: "ops 1 to 2" },
      { atMs: 1_200, frame: "ops 3 to 4" },
      { atMs: 1_250, frame: "pulse of 1 ms with hash" },
      { atMs: 1_500, frame: "pulse of 1 ms with hash" },
    ]);
  });

  test("tells its heads first, and later only when it is asked, and then only what is new", async () => {
    const stream = await Stream.open(1);
    stream.acknowledge(2);
    stream.follow();
    await stream.world.runFor(1_500);
    await stream.push("one");
    stream.say({ kind: "ask" });
    await stream.world.runFor(10);

    expect(stream.news).toEqual(["heads 2", "ops 3 to 4", "heads 4"]);
  });

  test("says once that its log has lost what the follower needs, and goes on when it has caught up", async () => {
    const stream = await Stream.open(10, 6);
    stream.acknowledge(3);
    stream.follow();

    await stream.world.runFor(5_000);
    const told = stream.news;
    stream.acknowledge(20);
    await stream.push("next");
    await stream.world.runFor(1);

    expect(told).toEqual(["heads 20", "lost own"]);
    expect(stream.news.at(-1)).toBe("ops 21 to 22");
  });

  test("passes on the ops of the origins that are wanted, and of no others", async () => {
    const stream = await Stream.open(1);
    const [us, ap] = [
      await stream.world.run(openMetadata(new SimKv(), "us")),
      await stream.world.run(openMetadata(new SimKv(), "ap")),
    ];
    stream.say({ kind: "want", wanted: [{ origin: us.self.origin, after: 2 }] });
    stream.acknowledge(0);
    await stream.bring(us, "seen");
    stream.follow();
    await stream.bring(us, "new");
    await stream.bring(ap, "other");
    await stream.push("own");
    await stream.world.runFor(10);

    // What it holds of the others it only tells of, unasked where it is little.
    expect(stream.news).toEqual(["heads 2", `ops ${us.self.origin} 3 to 4`, "heads 4"]);
  });

  test("vouches for what it passes on as far as others have for it, and for nothing that it has not sent", async () => {
    const stream = await Stream.open(0);
    const us = await stream.world.run(openMetadata(new SimKv(), "us"));
    const wanted = [us.self.origin, stream.metadata.self.origin].map((origin) => ({ origin, after: 0 }));
    stream.say({ kind: "want", wanted });
    stream.acknowledge(0);
    stream.follow();
    await stream.world.runFor(50);
    stream.closedAgoMs.set(us.self.origin, 700);
    await stream.world.runFor(1_000);

    expect(stream.told.map(({ frame }) => frame)).toEqual([
      "heads 0",
      "pulse of ? ms with hash",
      "pulse of 700 ms with hash",
    ]);
  });

  test("sends no more than it was granted, and then signs of life", async () => {
    const stream = await Stream.open(0);
    stream.acknowledge(0);
    stream.follow();
    const image = "x".repeat(30_000);
    for (let number = 1; number <= 60; number += 1) await stream.push(`${image} ${number}`);
    await stream.world.runFor(10_000);
    const sent = stream.news.length;
    const reads = stream.reads;
    await stream.world.runFor(60_000);
    const idle = stream.told.slice(-3).map(({ frame }) => frame);
    stream.say({ kind: "credit", granted: 100 * OP_CREDIT_BYTES });
    await stream.world.runFor(10);

    expect(stream.reads).toBeGreaterThan(reads);
    expect(sent).toBeLessThan(60);
    expect(idle).toEqual(Array.from({ length: 3 }, () => "pulse of ? ms with hash"));
    expect(stream.news.at(-1)).toMatch(/ to 120$/);
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
