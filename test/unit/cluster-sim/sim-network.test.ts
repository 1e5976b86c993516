import { describe, expect, test } from "vitest";

import { SimNetwork } from "../../../cluster-sim/sim-network.ts";
import { World } from "../../../cluster-sim/world.ts";
import type { PeerCalls, PeerLink } from "../../../nodes/ports/peers.ts";
import { calls, failureOf, greeting, held, LAYER, NEVER } from "../../support/rpc-fixture.ts";

const EU = greeting("eu-1");
const US = greeting("us-1");

type Pair = { readonly world: World; readonly network: SimNetwork; readonly link: PeerLink };

/** A node in `us` with a link to one in `eu` that answers with `service`. */
function pair(service: Partial<PeerCalls> = {}, seed = 1): Pair {
  const world = new World(seed);
  const network = new SimNetwork(world);
  network.listen(EU, () => calls(service));
  return { world, network, link: network.peers(US).dial(EU.advertise.peer) };
}

describe("a line between two nodes", () => {
  test("takes its time both ways", async () => {
    const { world, network, link } = pair();
    network.set(EU.node, US.node, { latencyMs: 40 });

    await world.run(link.report(NEVER));

    expect(world.nowMs).toBe(80);
  });

  test("carries a stream at its latency, not at one item a trip", async () => {
    const { world, network, link } = pair({
      async *readBlob() {
        for (let chunk = 0; chunk < 10; chunk += 1) yield Buffer.of(chunk);
      },
    });
    network.set(EU.node, US.node, { latencyMs: 40 });

    const chunks = await world.run(Array.fromAsync(link.readBlob(LAYER, 0, NEVER)));

    expect(chunks.map((chunk) => chunk[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(world.nowMs).toBe(80);
  });

  test("keeps the order of a stream whatever the jitter", async () => {
    const { world, network, link } = pair({
      async *readBlob() {
        for (let chunk = 0; chunk < 100; chunk += 1) yield Buffer.of(chunk);
      },
    });
    network.set(EU.node, US.node, { latencyMs: 10, jitterMs: 50 });

    const chunks = await world.run(Array.fromAsync(link.readBlob(LAYER, 0, NEVER)));

    expect(chunks.map((chunk) => chunk[0])).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  test("has the same history for the same seed, and another for another", async () => {
    const endOf = async (seed: number): Promise<number> => {
      const { world, network, link } = pair({}, seed);
      network.set(EU.node, US.node, { latencyMs: 10, jitterMs: 50 });
      await world.run(Array.fromAsync(link.pull(held(), NEVER)));
      return world.nowMs;
    };

    expect(await endOf(7)).toBe(await endOf(7));
    expect(await endOf(7)).not.toBe(await endOf(8));
  });
});

describe("a line that is cut", () => {
  test("delivers late what was under way when it is healed soon", async () => {
    const { world, network, link } = pair();
    network.cut(EU.node, US.node);

    const report = link.report(NEVER);
    await world.runFor(5_000);
    network.heal(EU.node, US.node);

    expect((await world.run(report)).stateHash).toBe("00ff");
    expect(world.nowMs).toBeLessThan(5_010);
  });

  test("breaks the call on both ends once their keep-alives give up", async () => {
    const ended = Promise.withResolvers<string>();
    const { world, network, link } = pair({
      async *readBlob(_digest, _offset, signal) {
        yield Buffer.of(1);
        await new Promise((resolve) => {
          signal.addEventListener("abort", resolve, { once: true });
        });
        ended.resolve("ended");
      },
    });
    const reader = link.readBlob(LAYER, 0, NEVER)[Symbol.asyncIterator]();
    await world.run(reader.next());
    const cutMs = world.nowMs;

    network.cut(EU.node, US.node);
    const failure = await world.run(failureOf(reader.next()));

    expect(failure.kind).toBe("unreachable");
    expect(world.nowMs - cutMs).toBe(15_000);
    expect(await world.run(ended.promise)).toBe("ended");
  });

  test("breaks a call also when only one direction is cut, having carried the other", async () => {
    const served: string[] = [];
    const { world, network, link } = pair({
      report: async (signal) => {
        served.push("asked");
        return await calls().report(signal);
      },
    });
    network.cutOneWay(EU.node, US.node);

    const failure = await world.run(failureOf(link.report(NEVER)));

    expect([served, failure.kind]).toEqual([["asked"], "unreachable"]);
  });

  test("gives a call that was healed its whole patience back", async () => {
    const { world, network, link } = pair();
    network.cut(EU.node, US.node);
    const failure = failureOf(link.report(NEVER));
    await world.runFor(14_000);
    // The request went out before the line was cut again, and the answer is on its way.
    network.heal(EU.node, US.node);
    network.cut(EU.node, US.node);

    expect((await world.run(failure)).kind).toBe("unreachable");
    expect(world.nowMs).toBe(29_000);
  });
});

describe("a node that dies", () => {
  test("breaks the calls to it, and is nowhere to be found", async () => {
    const { world, network, link } = pair({ report: async () => await Promise.withResolvers<never>().promise });
    const failure = failureOf(link.report(NEVER));
    await world.runFor(100);

    network.kill(EU.node);

    expect((await world.run(failure)).kind).toBe("unreachable");
    expect((await world.run(failureOf(link.report(NEVER)))).kind).toBe("unreachable");
  });

  test("breaks the calls from it, which the other node learns", async () => {
    const aborted = Promise.withResolvers<string>();
    const { world, network, link } = pair({
      report: async (signal) => {
        signal.addEventListener("abort", () => aborted.resolve("aborted"), { once: true });
        return await Promise.withResolvers<never>().promise;
      },
    });
    const failure = failureOf(link.report(NEVER));
    await world.runFor(100);

    network.kill(US.node);

    expect(await world.run(aborted.promise)).toBe("aborted");
    expect((await world.run(failure)).kind).toBe("unreachable");
  });

  test("reaches nobody, by links that it had or by new ones", async () => {
    const world = new World();
    const network = new SimNetwork(world);
    network.listen(EU, () => calls());
    const peers = network.peers(US);
    const link = peers.dial(EU.advertise.peer);

    network.kill(US.node);

    expect((await world.run(failureOf(link.report(NEVER)))).kind).toBe("unreachable");
    expect((await world.run(failureOf(peers.dial(EU.advertise.peer).report(NEVER)))).kind).toBe("unreachable");
  });

  test("is reached by the same link when it listens again", async () => {
    const { world, network, link } = pair();
    network.kill(EU.node);
    await world.run(failureOf(link.report(NEVER)));

    network.listen(EU, () => calls());

    expect((await world.run(link.report(NEVER))).stateHash).toBe("00ff");
  });
});
