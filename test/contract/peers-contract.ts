import { afterEach, beforeEach, describe, expect, test } from "vitest";

import type { Greeting, PeerCalls, PeerLink, PeerService, SubscriberFrame } from "../../nodes/ports/peers.ts";
import { type Digest, digestOf } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { hlcOf } from "../../shared/hlc.ts";
import { parseClusterId, parseNodeId } from "../../shared/identity.ts";
import { RPC_BLOB_CHUNK_BYTES } from "../../shared/limits.ts";
import { digestOfMembers } from "../../shared/member-news.ts";
import type { PeerError } from "../../shared/peer-error.ts";
import { parseReference, parseRepositoryName } from "../../shared/reference.ts";
import { newsOf } from "../support/members.ts";
import {
  calls,
  EU_ORIGIN,
  failureOf,
  greeting,
  held,
  LAYER,
  NEVER,
  PUBLISHED,
  PULLED,
} from "../support/rpc-fixture.ts";

export type PeersUnderTest = {
  /** A node that answers with `service`, and the link of a node called `caller` to it. */
  readonly connect: (service: PeerService, caller: Greeting) => Promise<PeerLink>;
  /** The link of a node called `caller` to an address where nobody listens. */
  readonly connectNowhere: (caller: Greeting) => Promise<PeerLink>;
  /** Lets `body` run to its end, in the time of the two nodes. */
  readonly run: <T>(body: () => Promise<T>) => Promise<T>;
  /** Gives back what the test has used. */
  readonly dispose: () => Promise<void>;
};

const REPO = parseRepositoryName("shop/api");
const US = greeting("us-1");
const CLOSED = hlcOf(7n << 16n);

export function peersContract(name: string, makePair: () => Promise<PeersUnderTest>): void {
  describe(name, () => {
    let pair: PeersUnderTest;
    beforeEach(async () => {
      pair = await makePair();
    });
    afterEach(async () => await pair.dispose());

    async function linkTo(changes: Partial<PeerCalls>, caller = US): Promise<PeerLink> {
      return await pair.connect(() => calls(changes), caller);
    }

    test("brings every question there and its answer back, unchanged", async () => {
      const asked: unknown[] = [];
      const plain = calls();
      const link = await linkTo({
        greet: async (said, signal) => {
          asked.push(said);
          return await plain.greet(said, signal);
        },
        lookup: async (repo, reference, signal) => {
          asked.push([repo, reference]);
          return await plain.lookup(repo, reference, signal);
        },
        describeImage: async (repo, reference, signal) => {
          asked.push([repo, reference]);
          return await plain.describeImage(repo, reference, signal);
        },
        have: async (repo, digests, signal) => {
          asked.push([repo, digests]);
          return await plain.have(repo, digests, signal);
        },
      });
      const tag = parseReference("latest");
      const digest = parseReference(LAYER);
      const long = digestOf(new Uint8Array(), "sha512");

      await pair.run(async () => {
        expect(await link.greet(US, NEVER)).toEqual(await plain.greet(US, NEVER));
        expect(await link.lookup(REPO, tag, NEVER)).toEqual(await plain.lookup(REPO, tag, NEVER));
        expect(await link.describeImage(REPO, digest, NEVER)).toEqual(await plain.describeImage(REPO, digest, NEVER));
        expect(await link.report(NEVER)).toEqual(await plain.report(NEVER));
        expect(await link.have(REPO, [LAYER, long], NEVER)).toEqual(await plain.have(REPO, [LAYER, long], NEVER));
        expect(await link.have(undefined, [], NEVER)).toEqual([]);
      });
      expect(asked).toEqual([US, [REPO, tag], [REPO, digest], [REPO, [LAYER, long]], [undefined, []]]);
    });

    test("brings probes, with the clocks of both sides and news of members, and what is asked of helpers", async () => {
      const asked: unknown[] = [];
      const news = [
        newsOf("eu-2", { incarnation: 7, standing: "suspect", accusers: [US.node], description: undefined }),
        newsOf("ap-1", { evictions: 3 }),
      ];
      const probe = { target: parseNodeId("eu-1"), sentWallMs: 1_700_000_000_000.25, news };
      const answer = { receivedWallMs: 1.5, answeredWallMs: 2.25, news: [newsOf("eu-1", { incarnation: 8 })] };
      const help = { target: parseNodeId("ap-1"), address: "ap-1:7000", withinMs: 850 };
      const link = await linkTo({
        probe: async (said) => {
          asked.push(said);
          return await Promise.resolve(answer);
        },
        probeFor: async (said) => {
          asked.push(said);
          return await Promise.resolve(true);
        },
        tellMembers: async (said) => {
          asked.push(said);
          await Promise.resolve();
        },
      });

      await pair.run(async () => {
        expect(await link.probe(probe, NEVER)).toEqual(answer);
        expect(await link.probeFor(help, NEVER)).toBe(true);
        expect(await link.tellMembers(news, NEVER)).toBeUndefined();
        expect(await link.probe({ ...probe, news: [] }, NEVER)).toEqual(answer);
      });
      expect(asked).toEqual([probe, help, news, { ...probe, news: [] }]);
    });

    test("brings all that a node knows of the members, or that it is the same", async () => {
      const known = [newsOf("eu-1"), newsOf("ap-1", { standing: "left" })];
      const digest = digestOfMembers(known);
      const link = await linkTo({
        compareMembers: async (said) => (Buffer.from(said.digest).equals(digest) ? undefined : said.news),
      });

      await pair.run(async () => {
        expect(await link.compareMembers({ digest, news: known }, NEVER)).toBeUndefined();
        expect(await link.compareMembers({ digest: new Uint8Array(16), news: known }, NEVER)).toEqual(known);
        expect(await link.compareMembers({ digest: new Uint8Array(16), news: [] }, NEVER)).toEqual([]);
      });
    });

    test("brings an answer that says nothing is known", async () => {
      const nothing = {
        digest: undefined,
        isKnown: false,
        blobsTotal: 0,
        blobsHeld: 0,
        bytesTotal: 0,
        bytesHeld: 0,
        missing: [],
      };
      const link = await linkTo({ describeImage: async () => await Promise.resolve(nothing), lookup: async () => [] });

      await pair.run(async () => {
        expect(await link.describeImage(REPO, parseReference("latest"), NEVER)).toEqual(nothing);
        expect(await link.lookup(REPO, parseReference("latest"), NEVER)).toEqual([]);
      });
    });

    test("tells the node that answers who asks", async () => {
      const callers: Greeting[] = [];
      const link = await pair.connect((caller) => {
        callers.push(caller);
        return calls();
      }, US);

      await pair.run(async () => await link.report(NEVER));

      expect(callers).toEqual([US]);
    });

    test("brings every frame of a catch-up, in order and unchanged", async () => {
      const asked: unknown[] = [];
      const link = await linkTo({
        pull: (have, signal) => {
          asked.push(have);
          return calls().pull(have, signal);
        },
      });
      const have = held({ origin: EU_ORIGIN, seq: 1 }, { origin: EU_ORIGIN, seq: 4 });

      expect(await pair.run(async () => await Array.fromAsync(link.pull(have, NEVER)))).toEqual(PULLED);
      expect(asked).toEqual([have]);
    });

    test("brings the bytes of a blob from the offset asked for, though its sender uses one buffer again and again", async () => {
      const asked: unknown[] = [];
      const link = await linkTo({
        async *readBlob(digest, offset) {
          asked.push([digest, offset]);
          const buffer = Buffer.alloc(RPC_BLOB_CHUNK_BYTES);
          for (let chunk = 1; chunk <= 20; chunk += 1) yield buffer.fill(chunk);
        },
      });

      const sums = await pair.run(async () => {
        const found: number[][] = [];
        for await (const chunk of link.readBlob(LAYER, 2 ** 40, NEVER)) {
          found.push([chunk.length, chunk.at(0) ?? 0, chunk.at(-1) ?? 0]);
        }
        return found;
      });

      expect(asked).toEqual([[LAYER, 2 ** 40]]);
      expect(sums).toEqual(Array.from({ length: 20 }, (_, index) => [RPC_BLOB_CHUNK_BYTES, index + 1, index + 1]));
    });

    test("reads no further ahead than there is room for, when the reader stops", async () => {
      let sent = 0;
      const link = await linkTo({
        async *readBlob() {
          for (; sent < 10_000; sent += 1) yield Buffer.alloc(RPC_BLOB_CHUNK_BYTES);
        },
      });

      await pair.run(async () => {
        const reader = link.readBlob(LAYER, 0, NEVER)[Symbol.asyncIterator]();
        for (let chunk = 0; chunk < 3; chunk += 1) await reader.next();
        for (let trip = 0; trip < 100; trip += 1) await link.report(NEVER);
        await reader.return?.();
      });

      // A quarter of a gigabyte, where the sender has ten times as much.
      expect(sent).toBeLessThan(1_000);
    });

    test("sends nothing before the first answer is asked for", async () => {
      let isAsked = false;
      const link = await linkTo({
        pull: (have, signal) => {
          isAsked = true;
          return calls().pull(have, signal);
        },
      });

      await pair.run(async () => {
        link.pull(held(), NEVER);
        await link.report(NEVER);
      });

      expect(isAsked).toBe(false);
    });

    test("ends the work there when the reader leaves", async () => {
      const ended = Promise.withResolvers<boolean>();
      const link = await linkTo({
        async *readBlob(_digest, _offset, signal) {
          try {
            while (true) yield Buffer.alloc(1000);
          } finally {
            ended.resolve(signal.aborted);
          }
        },
      });

      await pair.run(async () => {
        for await (const _ of link.readBlob(LAYER, 0, NEVER)) break;

        expect(await ended.promise).toBe(true);
      });
    });

    test("ends a call at once, on both sides, when the caller's signal aborts", async () => {
      const ended = Promise.withResolvers<string>();
      const begun = Promise.withResolvers<string>();
      const link = await linkTo({
        report: async (signal) => {
          begun.resolve("begun");
          await aborted(signal);
          ended.resolve("ended");
          return await calls().report(signal);
        },
      });
      const controller = new AbortController();
      const reason = new Error("enough");

      await pair.run(async () => {
        const failure = failureOf(link.report(controller.signal));
        await begun.promise;
        controller.abort(reason);

        expect(await failure).toMatchObject({ kind: "cancelled", cause: reason });
        expect(await ended.promise).toBe("ended");
      });
    });

    test("ends a stream in which nothing moves when the caller's signal aborts", async () => {
      const link = await linkTo({
        async *readBlob(_digest, _offset, signal) {
          yield Buffer.from("the first");
          await aborted(signal);
        },
      });
      const controller = new AbortController();

      await pair.run(async () => {
        const reader = link.readBlob(LAYER, 0, controller.signal)[Symbol.asyncIterator]();
        await reader.next();
        const failure = failureOf(reader.next());
        controller.abort(new Error("enough"));

        expect((await failure).kind).toBe("cancelled");
      });
    });

    test("does not begin a call whose signal has aborted", async () => {
      const link = await linkTo({});
      const signal = AbortSignal.abort(new Error("enough"));

      await pair.run(async () => {
        expect((await failureOf(link.report(signal))).kind).toBe("cancelled");
        expect((await failureOf(Array.fromAsync(link.pull(held(), signal)))).kind).toBe("cancelled");
      });
    });

    test("tells a refusal by its code", async () => {
      const link = await linkTo({
        have: async () => await Promise.reject(new RegistryError("NAME_UNKNOWN")),
        readBlob: () => failing(new RegistryError("BLOB_UNKNOWN", { digest: LAYER })),
      });

      await pair.run(async () => {
        expect(await failureOf(link.have(REPO, [], NEVER))).toMatchObject({ kind: "refused", code: "NAME_UNKNOWN" });
        const read = Array.fromAsync(link.readBlob(LAYER, 0, NEVER));
        expect(await failureOf(read)).toMatchObject({ kind: "refused", code: "BLOB_UNKNOWN" });
      });
    });

    test("tells a failure there as one, and nothing of what it was about", async () => {
      const link = await linkTo({ report: async () => await Promise.reject(new Error("the secret is 42")) });

      const failure: PeerError = await pair.run(async () => await failureOf(link.report(NEVER)));

      expect(failure.kind).toBe("failed");
      expect(failure.message).not.toContain("42");
    });

    test("gives what was sent before a failure, and then the failure", async () => {
      const link = await linkTo({
        async *readBlob() {
          yield Buffer.from("one");
          yield Buffer.from("two");
          throw new Error("the disk is gone");
        },
      });

      await pair.run(async () => {
        const received: string[] = [];
        const read = async (): Promise<void> => {
          for await (const chunk of link.readBlob(LAYER, 0, NEVER)) received.push(Buffer.from(chunk).toString());
        };

        expect((await failureOf(read())).kind).toBe("failed");
        expect(received).toEqual(["one", "two"]);
      });
    });

    test("carries acknowledgements one way while frames go the other", async () => {
      const link = await linkTo({
        async *replicate(acks) {
          yield* PUBLISHED;
          for await (const frame of acks) {
            if (frame.kind === "ack") yield { kind: "heads", held: frame.held, closed: CLOSED, wallMs: 1 };
          }
        },
      });
      const acked = [1, 2, 3].map((seq) => held({ origin: EU_ORIGIN, seq }));

      const frames = await pair.run(async () => {
        const news = new Queue();
        const answers = link.replicate(news.all(), NEVER)[Symbol.asyncIterator]();
        const received: unknown[] = [(await answers.next()).value, (await answers.next()).value];
        for (const present of acked) {
          news.put({ kind: "ack", held: present });
          received.push((await answers.next()).value);
        }
        news.end();
        expect((await answers.next()).done).toBe(true);
        return received;
      });

      expect(frames).toEqual([
        ...PUBLISHED,
        ...acked.map((present) => ({ kind: "heads", held: present, closed: CLOSED, wallMs: 1 })),
      ]);
    });

    test("closes what the subscriber sends when the publisher ends, though nothing is under way", async () => {
      const link = await linkTo({
        async *replicate() {
          yield* PUBLISHED;
        },
      });
      const closed = Promise.withResolvers<string>();
      const silent: AsyncIterable<SubscriberFrame> = {
        [Symbol.asyncIterator]: () => ({
          next: async () => await Promise.withResolvers<never>().promise,
          return: async () => {
            closed.resolve("closed");
            return await Promise.resolve({ done: true, value: undefined });
          },
        }),
      };

      await pair.run(async () => {
        expect(await Array.fromAsync(link.replicate(silent, NEVER))).toEqual(PUBLISHED);
        expect(await closed.promise).toBe("closed");
      });
    });

    test("fails the stream when what the subscriber sends fails", async () => {
      const link = await linkTo({
        async *replicate(_acks, signal) {
          yield* PUBLISHED;
          await aborted(signal);
        },
      });

      await pair.run(async () => {
        await expect(Array.fromAsync(link.replicate(failing(new Error("the disk is gone")), NEVER))).rejects.toThrow();
      });
    });

    test("serves many calls of one link at once", async () => {
      const link = await linkTo({ have: async (_repo, digests) => await Promise.resolve(digests.map(foundAt)) });
      const digests = Array.from({ length: 40 }, (_, index) => digestOf(Buffer.from(`blob ${index}`)));

      const answers = await pair.run(
        async () => await Promise.all(digests.map(async (digest) => await link.have(REPO, [digest], NEVER))),
      );

      expect(answers).toEqual(digests.map((digest) => [foundAt(digest)]));
    });

    test("finds nobody where nobody listens", async () => {
      const link = await pair.connectNowhere(US);

      await pair.run(async () => {
        expect((await failureOf(link.report(NEVER))).kind).toBe("unreachable");
        expect((await failureOf(Array.fromAsync(link.pull(held(), NEVER)))).kind).toBe("unreachable");
      });
    });

    test("reaches nobody over a link that is closed, and breaks what was under way", async () => {
      const begun = Promise.withResolvers<string>();
      const ended = Promise.withResolvers<string>();
      const link = await linkTo({
        report: async (signal) => {
          begun.resolve("begun");
          await aborted(signal);
          ended.resolve("ended");
          return await calls().report(signal);
        },
      });

      await pair.run(async () => {
        const failure = failureOf(link.report(NEVER));
        await begun.promise;
        link.close();

        expect((await failure).kind).toBe("unreachable");
        expect(await ended.promise).toBe("ended");
        expect((await failureOf(link.report(NEVER))).kind).toBe("unreachable");
      });
    });

    test("lets in no node of another cluster, and none without a common version", async () => {
      const strangers = [
        { ...US, cluster: parseClusterId("elsewhere") },
        { ...US, protocol: { min: 3, max: 9 } },
      ];

      for (const stranger of strangers) {
        const link = await linkTo({}, stranger);
        expect((await pair.run(async () => await failureOf(link.report(NEVER)))).kind).toBe("refused");
      }
    });
  });
}

/** What a subscriber sends, as it comes. */
class Queue {
  readonly #items: SubscriberFrame[] = [];
  #isOver = false;
  #wake: () => void = () => undefined;

  put(item: SubscriberFrame): void {
    this.#items.push(item);
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  async *all(): AsyncGenerator<SubscriberFrame, void> {
    while (true) {
      const item = this.#items.shift();
      if (item !== undefined) yield item;
      else if (this.#isOver) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

function foundAt(digest: Digest): { readonly digest: Digest; readonly size: number; readonly isLinked: boolean } {
  return { digest, size: digest.charCodeAt(20), isLinked: false };
}

// oxlint-disable-next-line eslint/require-yield -- what fails before it begins yields nothing
async function* failing(error: Error): AsyncGenerator<never, void> {
  throw error;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve, { once: true });
  });
}
