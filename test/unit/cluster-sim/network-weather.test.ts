import { describe, expect, test } from "vitest";

import { SimNetwork } from "../../../cluster-sim/sim-network.ts";
import { World } from "../../../cluster-sim/world.ts";
import type { PeerCalls, PeerLink } from "../../../nodes/ports/peers.ts";
import { calls, failureOf, greeting, LAYER, NEVER } from "../../support/rpc-fixture.ts";

const EU = greeting("eu-1");
const US = greeting("us-1");

type Pair = { readonly world: World; readonly network: SimNetwork; readonly link: PeerLink };

/** A node in `us` with a link to one in `eu`, 40 ms away, that answers with `service`. */
function pair(service: Partial<PeerCalls> = {}): Pair {
  const world = new World(1);
  const network = new SimNetwork(world);
  network.listen(EU, () => calls(service));
  network.set(EU.node, US.node, { latencyMs: 40 });
  return { world, network, link: network.peers(US).dial(EU.advertise.peer) };
}

/** How long each of `count` questions took. */
async function roundTripsMs({ world, link }: Pair, count: number): Promise<readonly number[]> {
  const took: number[] = [];
  for (let asked = 0; asked < count; asked += 1) {
    const startedMs = world.nowMs;
    await world.run(link.report(NEVER));
    took.push(Math.round(world.nowMs - startedMs));
  }
  return took;
}

/** A service that never ends a question, and tells when it hears that the question is over. */
function patient(): { readonly service: Partial<PeerCalls>; readonly heard: Promise<string> } {
  const heard = Promise.withResolvers<string>();
  const report = async (signal: AbortSignal): Promise<never> => {
    signal.addEventListener("abort", () => heard.resolve("over"), { once: true });
    return await Promise.withResolvers<never>().promise;
  };
  return { service: { report }, heard: heard.promise };
}

describe("weather on a line", () => {
  test("makes what is lost late, and loses nothing", async () => {
    const made = pair();
    made.network.lay(EU.node, US.node, { loss: 0.3 });

    const took = await roundTripsMs(made, 60);

    const [clear, once] = [took.filter((ms) => ms === 80), took.filter((ms) => ms === 280)];
    expect(clear.length).toBeGreaterThan(30);
    expect(once.length).toBeGreaterThan(5);
    expect(Math.max(...took)).toBeGreaterThanOrEqual(680);
  });

  test("lets few wait long", async () => {
    const made = pair();
    made.network.lay(EU.node, US.node, { tailMs: 100 });

    const took = (await roundTripsMs(made, 60)).toSorted((left, right) => left - right);

    expect(took[30]).toBeLessThan(200);
    expect(took.at(-1)).toBeGreaterThan(300);
  });

  test("lets what is sent through a narrow line queue, each after the other", async () => {
    const { world, network, link } = pair({
      async *readBlob() {
        for (let chunk = 0; chunk < 10; chunk += 1) yield new Uint8Array(940);
      },
    });
    network.lay(EU.node, US.node, { bytesPerSecond: 10_000 });

    await world.run(Promise.all([1, 2].map(async () => await Array.fromAsync(link.readBlob(LAYER, 0, NEVER)))));

    // 20 chunks of 1,000 bytes with what is around them, and an end for each stream.
    expect(Math.round(world.nowMs)).toBe(80 + 2_000 + 12);
  });

  test("brings a question twice, of which the caller hears one answer", async () => {
    let asked = 0;
    const { world, network, link } = pair({
      report: async (signal) => {
        asked += 1;
        return await calls().report(signal);
      },
    });
    network.lay(US.node, EU.node, { repeats: 1 });

    await world.run(link.report(NEVER));

    expect([asked, world.nowMs]).toEqual([2, 80]);
  });

  test("leaves the line as it was when it lifts, whatever else lies on it", async () => {
    const made = pair();
    const lifts = [{ latencyMs: 900 }, { latencyMs: 400 }].map((far) => made.network.lay(EU.node, US.node, far));

    const [first] = await roundTripsMs(made, 1);
    lifts[1]?.();
    const [second] = await roundTripsMs(made, 1);
    lifts[0]?.();
    const [third] = await roundTripsMs(made, 1);

    expect([first, second, third]).toEqual([440, 940, 80]);
  });
});

describe("a line that stands still", () => {
  test("brings everything at once when it goes on, and nobody has given up", async () => {
    const made = pair();
    made.network.stall(EU.node, US.node, 9_000);

    const answers = Array.from({ length: 5 }, async () => {
      await made.link.report(NEVER);
      return made.world.nowMs;
    });

    expect(await made.world.run(Promise.all(answers))).toEqual([9_000, 9_000, 9_000, 9_000, 9_000]);
  });
});

describe("a connection that is reset", () => {
  test("ends what runs on it for both, and the next call goes through", async () => {
    const { service, heard } = patient();
    const { world, network, link } = pair(service);
    const failure = failureOf(link.report(NEVER));
    await world.runFor(100);

    network.reset(EU.node, US.node, false);

    expect((await world.run(failure)).kind).toBe("unreachable");
    expect(await world.run(heard)).toBe("over");
    expect(world.nowMs).toBe(100);
    expect((await world.run(link.have(undefined, [LAYER], NEVER))).map(({ digest }) => digest)).toEqual([LAYER]);
  });

  test("may end for the caller alone: the other end believes in it for another 15 s", async () => {
    const { service, heard } = patient();
    const { world, network, link } = pair(service);
    const failure = failureOf(link.report(NEVER));
    await world.runFor(100);

    network.reset(US.node, EU.node, true);

    expect((await world.run(failure)).kind).toBe("unreachable");
    expect(world.nowMs).toBe(100);
    expect(await world.run(heard)).toBe("over");
    expect(world.nowMs).toBe(15_100);
  });
});

describe("a host whose power goes without a word", () => {
  test("keeps who called it waiting until the keep-alive gives up", async () => {
    const { world, network, link } = pair(patient().service);
    const failure = failureOf(link.report(NEVER));
    await world.runFor(100);

    network.silence(EU.node);

    expect((await world.run(failure)).kind).toBe("unreachable");
    expect(world.nowMs).toBe(15_100);
  });

  test("keeps who calls it waiting as well, as long as the caller likes", async () => {
    const { world, network, link } = pair();
    network.silence(EU.node);
    const impatient = new AbortController();
    world.after(700, () => impatient.abort(new Error("enough")));

    const failure = await world.run(failureOf(link.report(impatient.signal)));

    expect([failure.kind, world.nowMs]).toEqual(["cancelled", 700]);
  });

  test("tells everybody, when it is back, that it knows of no connection", async () => {
    const { world, network, link } = pair(patient().service);
    const failures = [failureOf(link.report(NEVER))];
    await world.runFor(100);
    network.silence(EU.node);
    failures.push(failureOf(link.report(NEVER)));
    await world.runFor(3_000);

    network.listen(EU, () => calls());

    const kinds = (await world.run(Promise.all(failures))).map(({ kind }) => kind);
    expect([kinds, world.nowMs]).toEqual([["unreachable", "unreachable"], 3_100]);
    expect((await world.run(link.report(NEVER))).stateHash).toBe("00ff");
  });

  test("is not missed by those whom it had called, until their keep-alive gives up", async () => {
    const { service, heard } = patient();
    const { world, network, link } = pair(service);
    const failure = failureOf(link.report(NEVER));
    await world.runFor(100);

    network.silence(US.node);

    expect(await world.run(heard)).toBe("over");
    expect(world.nowMs).toBe(15_100);
    expect((await failure).kind).toBe("unreachable");
  });
});

describe("a cut of the lines for blobs alone", () => {
  test("lets everything else through", async () => {
    const { world, network, link } = pair();
    network.cutOneWay(EU.node, US.node, ["blobs"]);

    const have = failureOf(link.have(undefined, [LAYER], NEVER));
    await world.run(link.report(NEVER));

    expect(world.nowMs).toBe(80);
    expect((await world.run(have)).kind).toBe("unreachable");
  });
});
