import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { LinkDirection } from "../../cluster-sim/lab/link-direction.ts";
import { LinkProxy } from "../../cluster-sim/lab/link-proxy.ts";
import type { PeerLink } from "../../nodes/ports/peers.ts";
import { parseHostPort } from "../../shared/host-port.ts";
import { RPC_BLOB_CHUNK_BYTES } from "../../shared/limits.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import { eventually } from "../support/eventually.ts";
import {
  calls,
  collect,
  failureOf,
  greeting,
  held,
  LAYER,
  NEVER,
  PUBLISHED,
  PULLED,
  Rpc,
} from "../support/rpc-fixture.ts";

const REPO = parseRepositoryName("library/nginx");
const TAG = { kind: "tag", tag: parseTag("1.27") } as const;
const SOON_MS = 2_000;

type Line = AsyncDisposable & {
  readonly proxy: LinkProxy;
  readonly upstream: LinkDirection;
  readonly downstream: LinkDirection;
};

async function lineTo(address: string): Promise<Line> {
  const target = parseHostPort(address);
  if (target === undefined) throw new Error("a listener has an address");
  const upstream = new LinkDirection();
  const downstream = new LinkDirection();
  const proxy = await LinkProxy.listen({ target, upstream, downstream });
  return { proxy, upstream, downstream, [Symbol.asyncDispose]: async () => await proxy.close() };
}

async function greets(link: PeerLink): Promise<boolean> {
  const said = await link.greet(greeting("us-1"), NEVER).catch(() => undefined);
  return said?.node === "eu-1";
}

function portOf(listener: Server): number {
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  return address.port;
}

/** A subscriber that has nothing to say. */
async function* silent(): AsyncGenerator<never, void> {
  yield await Promise.withResolvers<never>().promise;
}

/** A signal and what aborts it. */
function leaving(): { readonly signal: AbortSignal; readonly leave: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, leave: () => controller.abort(new Error("enough")) };
}

describe("a link", () => {
  test("opens a connection for each service, when it is first used", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());
    await using line = await lineTo(address);
    const link = rpc.dial(line.proxy.address);
    const counts = [line.proxy.connectionCount];

    await link.greet(greeting("us-1"), NEVER);
    counts.push(line.proxy.connectionCount);
    await link.report(NEVER);
    counts.push(line.proxy.connectionCount);
    await collect(link.pull(held(), NEVER));
    counts.push(line.proxy.connectionCount);
    await link.have(undefined, [], NEVER);
    counts.push(line.proxy.connectionCount);

    expect(counts).toEqual([0, 1, 1, 2, 3]);
  });

  test("opens none for a call whose signal has aborted", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());
    await using line = await lineTo(address);
    const link = rpc.dial(line.proxy.address);

    const failures = [
      await failureOf(link.report(AbortSignal.abort())),
      await failureOf(collect(link.pull(held(), AbortSignal.abort()))),
    ];
    await link.have(undefined, [], NEVER);

    expect([failures.map(({ kind }) => kind), line.proxy.connectionCount]).toEqual([["cancelled", "cancelled"], 1]);
  });

  test("shares no connection with another link to the same peer", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());
    await using line = await lineTo(address);

    await rpc.dial(line.proxy.address).report(NEVER);
    await rpc.dial(line.proxy.address).report(NEVER);

    expect(line.proxy.connectionCount).toBe(2);
  });

  test("that is closed ends what runs, gives its connections back and takes no call", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(
      calls({
        pull: async function* pull() {
          yield* PULLED.slice(0, 1);
          await Promise.withResolvers<never>().promise;
        },
      }),
    );
    await using line = await lineTo(address);
    const link = rpc.dial(line.proxy.address);
    await link.report(NEVER);
    const pulling = link.pull(held(), NEVER)[Symbol.asyncIterator]();
    await pulling.next();

    link.close();

    expect((await failureOf(pulling.next())).kind).toBe("unreachable");
    expect((await failureOf(link.report(NEVER))).kind).toBe("unreachable");
    await eventually(async () => line.proxy.connectionCount === 0, SOON_MS);
  });
});

describe("a peer", () => {
  test("is called directly, whatever proxy the environment names", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());
    vi.stubEnv("grpc_proxy", "http://127.0.0.1:1");

    const said = await greets(rpc.dial(address));

    vi.unstubAllEnvs();
    expect(said).toBe(true);
  });
});

describe("a peer that is gone", () => {
  test("is unreachable at once, when nobody listens at its address", async () => {
    await using rpc = new Rpc();
    const server = await rpc.serve(calls());
    await server.stop(0);

    const { kind, message } = await failureOf(rpc.dial(server.address).greet(greeting("us-1"), NEVER));

    expect([kind, message]).toEqual(["unreachable", `cannot connect to ${server.address}`]);
  });

  test("ends every call that waits for it", async () => {
    await using rpc = new Rpc();
    const asked = Promise.withResolvers<undefined>();
    const { address } = await rpc.serve(
      calls({
        report: async () => {
          asked.resolve(undefined);
          return await Promise.withResolvers<never>().promise;
        },
        pull: async function* pull() {
          yield* PULLED.slice(0, 1);
          await Promise.withResolvers<never>().promise;
        },
      }),
    );
    await using line = await lineTo(address);
    const link = rpc.dial(line.proxy.address);
    const reporting = failureOf(link.report(NEVER));
    const pulling = link.pull(held(), NEVER)[Symbol.asyncIterator]();
    await pulling.next();
    await asked.promise;

    line.proxy.setMode("refuse");

    expect([(await reporting).kind, (await failureOf(pulling.next())).kind]).toEqual(["unreachable", "unreachable"]);
  });

  test("is not knocked at more often than five times a second, however many calls ask for it", async () => {
    await using rpc = new Rpc();
    let knocks = 0;
    const listener = createServer((socket) => {
      knocks += 1;
      socket.destroy();
    });
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const link = rpc.dial(`127.0.0.1:${portOf(listener)}`);
    const startedMs = performance.now();

    for (let attempt = 0; attempt < 200; attempt += 1) await failureOf(link.report(NEVER));

    const pauses = (performance.now() - startedMs) / 200;
    expect(knocks).toBeGreaterThan(0);
    expect(knocks).toBeLessThanOrEqual(pauses + 1);
    listener.close();
  });

  test("is used again within two seconds of its return to the same address", async () => {
    await using rpc = new Rpc();
    const first = await rpc.serve(calls());
    const link = rpc.dial(first.address);
    await link.greet(greeting("us-1"), NEVER);
    await first.stop(0);
    await eventually(async () => !(await greets(link)), SOON_MS);

    await rpc.serve(calls(), first.address);

    await eventually(async () => await greets(link), SOON_MS);
  });

  test("is used again within half a second after a line that refused everything for three", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());
    await using line = await lineTo(address);
    const link = rpc.dial(line.proxy.address);
    await greets(link);
    line.proxy.setMode("refuse");
    const healMs = performance.now() + 3_000;
    await eventually(async () => !(await greets(link)) && performance.now() > healMs, 10_000);

    line.proxy.setMode("pass");

    await eventually(async () => await greets(link), 500);
  });

  test("leaves no socket behind, when it accepts and never speaks", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());
    await using line = await lineTo(address);
    line.proxy.setMode("silent");
    const link = rpc.dial(line.proxy.address);
    const { signal, leave } = leaving();
    const asking = failureOf(link.greet(greeting("us-1"), signal));
    await eventually(async () => line.proxy.connectionCount === 1, SOON_MS);

    leave();
    link.close();

    expect((await asking).kind).toBe("cancelled");
    await eventually(async () => line.proxy.connectionCount === 0, SOON_MS);
  });

  test("is given up after some seconds, when it accepts and never speaks", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());
    await using line = await lineTo(address);
    line.proxy.setMode("silent");

    const { kind } = await failureOf(rpc.dial(line.proxy.address).greet(greeting("us-1"), NEVER));

    expect(kind).toBe("unreachable");
    await eventually(async () => line.proxy.connectionCount === 0, SOON_MS);
  });
});

describe("a long line", () => {
  test("carries eight mebibytes in the round trip of their request, not window after window", async () => {
    await using rpc = new Rpc();
    const chunk = new Uint8Array(RPC_BLOB_CHUNK_BYTES);
    let produced = 0;
    const { address } = await rpc.serve(
      calls({
        readBlob: async function* readBlob() {
          while (produced < 32) {
            produced += 1;
            yield chunk;
          }
        },
      }),
    );
    await using line = await lineTo(address);
    const link = rpc.dial(line.proxy.address);
    await link.have(undefined, [], NEVER);
    // From here on nothing comes back to the peer: it goes on only for as long as it was allowed to before.
    line.downstream.poison({ timeout: true });
    const reading = collect(link.readBlob(LAYER, 0, NEVER));

    await eventually(async () => produced === 32, 20_000);

    line.downstream.heal();
    expect((await reading).map(({ length }) => length)).toEqual(Array(32).fill(RPC_BLOB_CHUNK_BYTES));
  });
});

describe("a listener that stops", () => {
  test("ends subscriptions at once, lets transfers finish, and takes no new call", async () => {
    await using rpc = new Rpc();
    const rest = Promise.withResolvers<undefined>();
    const over = Promise.withResolvers<undefined>();
    const server = await rpc.serve(
      calls({
        replicate: async function* replicate(_acks, signal) {
          yield* PUBLISHED;
          signal.addEventListener("abort", () => over.resolve(undefined), { once: true });
          await over.promise;
        },
        pull: async function* pull() {
          yield* PULLED.slice(0, 1);
          await rest.promise;
          yield* PULLED.slice(1);
        },
      }),
    );
    const link = rpc.dial(server.address);
    const following = link.replicate(silent(), NEVER)[Symbol.asyncIterator]();
    const pulling = link.pull(held(), NEVER)[Symbol.asyncIterator]();
    await following.next();
    await following.next();
    await pulling.next();

    const stopping = server.stop(20_000);
    const { kind, message } = await failureOf(following.next());
    const late = await failureOf(link.lookup(REPO, TAG, NEVER));
    rest.resolve(undefined);
    const pulled = await collect({ [Symbol.asyncIterator]: () => pulling });
    await stopping;

    expect([kind, message]).toEqual(["unreachable", "14 UNAVAILABLE: eu-1 is stopping"]);
    expect(late.kind).toBe("unreachable");
    expect(pulled).toEqual(PULLED.slice(1));
  });

  test("is left by whoever closes the link, also while it lets a transfer finish", async () => {
    await using rpc = new Rpc();
    const server = await rpc.serve(
      calls({
        pull: async function* pull() {
          yield* PULLED.slice(0, 1);
          await Promise.withResolvers<never>().promise;
        },
      }),
    );
    const link = rpc.dial(server.address);
    const pulling = link.pull(held(), NEVER)[Symbol.asyncIterator]();
    await pulling.next();
    const stopping = server.stop(20_000);
    const isGone = `cannot connect to ${server.address}`;
    await eventually(async () => (await failureOf(link.lookup(REPO, TAG, NEVER))).message === isGone, SOON_MS);

    link.close();

    expect((await failureOf(pulling.next())).kind).toBe("unreachable");
    await stopping;
  });

  test("ends what has not finished when the time is up", async () => {
    await using rpc = new Rpc();
    const server = await rpc.serve(
      calls({
        pull: async function* pull() {
          yield* PULLED.slice(0, 1);
          await Promise.withResolvers<never>().promise;
        },
      }),
    );
    const pulling = rpc.dial(server.address).pull(held(), NEVER)[Symbol.asyncIterator]();
    await pulling.next();

    await server.stop(50);

    expect((await failureOf(pulling.next())).kind).toBe("unreachable");
  });

  test("does not wait for a connection that nobody closes", async () => {
    await using rpc = new Rpc();
    const server = await rpc.serve(calls());
    const { host, port } = parseHostPort(server.address) ?? { host: "", port: 0 };
    const dead = connect({ host, port, allowHalfOpen: true });
    await once(dead, "data");

    await server.stop(50);

    dead.destroy();
    expect((await failureOf(rpc.dial(server.address).report(NEVER))).kind).toBe("unreachable");
  });

  test("frees its port, and a taken one is an error that says so", async () => {
    await using rpc = new Rpc();
    const first = await rpc.serve(calls());

    const taken = await rpc.serve(calls(), first.address).catch((error: unknown) => error);
    await first.stop(0);
    const second = await rpc.serve(calls(), first.address);

    expect([taken, second.address]).toEqual([new Error(`cannot listen on ${first.address} for peers`), first.address]);
  });
});
