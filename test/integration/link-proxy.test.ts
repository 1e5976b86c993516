import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";

import { LinkDirection } from "../../cluster-sim/lab/link-direction.ts";
import { LinkProxy } from "../../cluster-sim/lab/link-proxy.ts";

/** What was opened in a test, closed in the reverse order after it. */
const opened: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

type Listener = { readonly port: number; readonly sockets: Socket[]; readonly nextSocket: () => Promise<Socket> };

async function listen(serve: (socket: Socket) => void): Promise<Listener> {
  const sockets: Socket[] = [];
  const arrivals = new EventTarget();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    sockets.push(socket);
    serve(socket);
    arrivals.dispatchEvent(new Event("arrival"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  let handedOut = 0;
  const nextSocket = async (): Promise<Socket> => {
    while (true) {
      const socket = sockets[handedOut];
      if (socket !== undefined) {
        handedOut += 1;
        return socket;
      }
      await once(arrivals, "arrival");
    }
  };
  return { port: portOf(server.address()), sockets, nextSocket };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

const echo = (socket: Socket): void => {
  socket.pipe(socket);
};
const idle = (): void => undefined;

type Line = { readonly proxy: LinkProxy; readonly up: LinkDirection; readonly down: LinkDirection };

async function lineTo(port: number): Promise<Line> {
  const up = new LinkDirection();
  const down = new LinkDirection();
  const proxy = await LinkProxy.listen({ target: { host: "127.0.0.1", port }, upstream: up, downstream: down });
  opened.push(() => proxy.close());
  return { proxy, up, down };
}

function socketTo(proxy: LinkProxy): Socket {
  const [host = "", port = ""] = proxy.address.split(":");
  const socket = connect({ host, port: Number(port), allowHalfOpen: true });
  socket.on("error", () => undefined);
  opened.push(() => {
    socket.destroy();
  });
  return socket;
}

async function dial(proxy: LinkProxy): Promise<Socket> {
  const socket = socketTo(proxy);
  await once(socket, "connect");
  return socket;
}

/** The next `byteCount` bytes; none may follow them. */
async function read(socket: Socket, byteCount: number): Promise<string> {
  let text = "";
  while (text.length < byteCount) {
    const chunk: unknown = socket.read();
    if (chunk instanceof Buffer) text += chunk.toString("latin1");
    else await once(socket, "readable");
  }
  return text;
}

/** Resolves when the socket is closed, in peace or by a reset. */
async function closeOf(socket: Socket): Promise<void> {
  if (socket.closed) return;
  await new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
  });
}

/** Sends `text` and waits for its echo; how long that took, in ms. */
async function roundTrip(socket: Socket, text: string): Promise<number> {
  const startedMs = performance.now();
  socket.write(text);
  expect(await read(socket, text.length)).toBe(text);
  return performance.now() - startedMs;
}

/** Long enough for anything that was going to pass: `trips` echoes over a whole line of its own. */
async function otherTraffic(trips = 20): Promise<void> {
  const { proxy } = await lineTo((await listen(echo)).port);
  const socket = await dial(proxy);
  for (let trip = 0; trip < trips; trip += 1) await roundTrip(socket, "tick");
}

test("carries bytes both ways unchanged and passes on a half-closed end", async () => {
  const { proxy } = await lineTo((await listen(echo)).port);
  const sent = randomBytes(5 * 1024 * 1024);

  const socket = await dial(proxy);
  socket.end(sent);
  const received = await buffer(socket);

  expect(createHash("sha256").update(received).digest("hex")).toBe(createHash("sha256").update(sent).digest("hex"));
});

test("frees a connection on both sides once both ends are closed", async () => {
  const server = await listen(echo);
  const { proxy } = await lineTo(server.port);
  const socket = await dial(proxy);
  const farSocket = await server.nextSocket();
  const farClosed = closeOf(farSocket);

  socket.end("bye");
  await buffer(socket);
  await farClosed;

  await expect.poll(() => proxy.connectionCount).toBe(0);
});

test("adds its latency one way per direction, and takes a change while connections live", async () => {
  const { proxy, up, down } = await lineTo((await listen(echo)).port);
  const socket = await dial(proxy);
  await roundTrip(socket, "warm");

  up.poison({ latency: { latencyMs: 60, jitterMs: 0 } });
  down.poison({ latency: { latencyMs: 30, jitterMs: 0 } });
  expect(await roundTrip(socket, "slow")).toBeGreaterThanOrEqual(88);

  up.heal();
  down.heal();
  expect(await roundTrip(socket, "fast")).toBeLessThan(60);
});

test("takes a round trip to connect, as a handshake does", async () => {
  const { proxy, up, down } = await lineTo((await listen(echo)).port);
  up.poison({ latency: { latencyMs: 50, jitterMs: 0 } });
  down.poison({ latency: { latencyMs: 50, jitterMs: 0 } });

  const socket = await dial(proxy);

  expect(await roundTrip(socket, "hello")).toBeGreaterThanOrEqual(195);
});

test("keeps the order of bytes under jitter", async () => {
  const { proxy, up } = await lineTo((await listen(echo)).port);
  up.poison({ latency: { latencyMs: 10, jitterMs: 10 } });
  const socket = await dial(proxy);
  const words = Array.from({ length: 200 }, (_, index) => `${index};`);

  for (const word of words) {
    socket.write(word);
    await new Promise(setImmediate);
  }
  const expected = words.join("");

  expect(await read(socket, expected.length)).toBe(expected);
});

test("shares its bandwidth among all connections", async () => {
  const server = await listen((socket) => socket.resume());
  const { proxy, up } = await lineTo(server.port);
  up.poison({ bandwidth: { bytesPerSecond: 1024 * 1024 } });
  const sockets = [await dial(proxy), await dial(proxy)];
  const farEnds = [await server.nextSocket(), await server.nextSocket()].map((socket) => once(socket, "end"));
  const startedMs = performance.now();

  for (const socket of sockets) socket.end(Buffer.alloc(192 * 1024));
  await Promise.all(farEnds);

  const tookMs = performance.now() - startedMs;
  expect(tookMs).toBeGreaterThan(340);
  expect(tookMs).toBeLessThan(2000);
});

test("a cut holds bytes back in both directions, tells nobody, and lets them go on when it ends", async () => {
  const server = await listen(echo);
  const { proxy, up, down } = await lineTo(server.port);
  const socket = await dial(proxy);
  await roundTrip(socket, "before");
  const far = await server.nextSocket();

  up.poison({ timeout: true });
  down.poison({ timeout: true });
  socket.write("during");
  await otherTraffic();
  expect({ readable: socket.readableLength, nearClosed: socket.destroyed, farClosed: far.destroyed }).toEqual({
    readable: 0,
    nearClosed: false,
    farClosed: false,
  });

  up.heal();
  down.heal();
  expect(await read(socket, 6)).toBe("during");
});

test("a one-way cut lets requests through and holds the answers", async () => {
  const server = await listen(idle);
  const { proxy, down } = await lineTo(server.port);
  const socket = await dial(proxy);
  const far = await server.nextSocket();

  down.poison({ timeout: true });
  socket.write("question");
  expect(await read(far, 8)).toBe("question");
  far.write("answer");
  await otherTraffic();
  expect(socket.readableLength).toBe(0);

  down.heal();
  expect(await read(socket, 6)).toBe("answer");
});

test("who dials during a cut reaches the far end when it is over, and who gave up never does", async () => {
  const server = await listen(echo);
  const { proxy, up, down } = await lineTo(server.port);
  up.poison({ timeout: true });
  down.poison({ timeout: true });

  const patient = await dial(proxy);
  patient.write("patient");
  const impatient = await dial(proxy);
  impatient.end("impatient");
  await otherTraffic();
  expect(server.sockets).toEqual([]);

  up.heal();
  down.heal();
  expect(await read(patient, 7)).toBe("patient");
  await otherTraffic();
  expect(server.sockets.length).toBe(1);
});

test("a close during a cut is learned when the cut is over, after the bytes before it", async () => {
  const server = await listen(idle);
  const { proxy, up } = await lineTo(server.port);
  const socket = await dial(proxy);
  const far = await server.nextSocket();

  up.poison({ timeout: true });
  socket.end("last words");
  await otherTraffic();
  expect(far.readableLength).toBe(0);

  up.heal();
  expect((await buffer(far)).toString()).toBe("last words");
});

test("a silent line loses the far end of open connections, says nothing to the near end, and stays dead for them after it heals", async () => {
  const server = await listen(echo);
  const { proxy } = await lineTo(server.port);
  const old = await dial(proxy);
  await roundTrip(old, "before");
  const farClosed = closeOf(await server.nextSocket());

  proxy.setMode("silent");
  await farClosed;
  const fresh = await dial(proxy);
  old.write("anyone?");
  fresh.write("anyone?");
  await otherTraffic();
  proxy.setMode("pass");
  await otherTraffic();

  const heard = [old, fresh].map((socket) => ({ bytes: socket.readableLength, isClosed: socket.destroyed }));
  expect(heard).toEqual([
    { bytes: 0, isClosed: false },
    { bytes: 0, isClosed: false },
  ]);
  expect(server.sockets.length).toBe(1);
  await roundTrip(await dial(proxy), "new connection");
});

test("notices when the near end of a dead connection gives up", async () => {
  const { proxy } = await lineTo((await listen(echo)).port);
  const old = await dial(proxy);
  await roundTrip(old, "before");
  proxy.setMode("silent");
  const fresh = await dial(proxy);

  old.end();
  fresh.end();

  await expect.poll(() => proxy.connectionCount).toBe(0);
});

test("a refusing line resets open connections and new ones, until it passes again", async () => {
  const { proxy } = await lineTo((await listen(echo)).port);
  const old = await dial(proxy);
  await roundTrip(old, "before");

  const oldClosed = closeOf(old);
  proxy.setMode("refuse");
  await oldClosed;
  await closeOf(socketTo(proxy));

  proxy.setMode("pass");
  await roundTrip(await dial(proxy), "after");
});

test("a reset breaks what is open at both ends and lets new connections pass", async () => {
  const server = await listen(echo);
  const { proxy } = await lineTo(server.port);
  const socket = await dial(proxy);
  await roundTrip(socket, "before");
  const far = await server.nextSocket();
  const broken = Promise.all([closeOf(socket), closeOf(far)]);

  proxy.reset();
  await broken;

  await roundTrip(await dial(proxy), "after");
});

test("a data limit gives exactly that many bytes and then resets", async () => {
  const server = await listen(idle);
  const { proxy, up } = await lineTo(server.port);
  up.poison({ limitData: { bytes: 1000 } });
  const socket = await dial(proxy);
  const far = await server.nextSocket();
  const nearClosed = closeOf(socket);

  socket.write(Buffer.alloc(4096));

  expect((await read(far, 1000)).length).toBe(1000);
  await nearClosed;
  await expect(buffer(far)).rejects.toThrow();
});

test("a slicer delays every slice and loses none", async () => {
  const { proxy, up } = await lineTo((await listen(echo)).port);
  up.poison({ slicer: { averageBytes: 10, variationBytes: 3, delayMs: 5 } });
  const socket = await dial(proxy);

  expect(await roundTrip(socket, "x".repeat(200))).toBeGreaterThan(60);
});

test("stops taking bytes when the reader stops, instead of piling them up", async () => {
  const server = await listen((socket) => socket.pause());
  const { proxy } = await lineTo(server.port);
  const socket = await dial(proxy);
  await server.nextSocket();
  const chunk = Buffer.alloc(1024 * 1024);
  const chunkCountMax = 128;

  let accepted = 0;
  while (accepted < chunkCountMax) {
    const isTaken = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), 500);
      socket.write(chunk, () => {
        clearTimeout(timer);
        resolve(true);
      });
    });
    if (!isTaken) break;
    accepted += 1;
  }

  expect(accepted).toBeGreaterThanOrEqual(16);
  expect(accepted).toBeLessThan(64);
});

test("resets a connection whose target does not listen", async () => {
  const { proxy } = await lineTo(1);

  await closeOf(socketTo(proxy));

  expect(proxy.connectionCount).toBe(0);
});

test("frees its port and ends its connections when it closes", async () => {
  const server = await listen(echo);
  const up = new LinkDirection();
  const proxy = await LinkProxy.listen({
    target: { host: "127.0.0.1", port: server.port },
    upstream: up,
    downstream: new LinkDirection(),
  });
  const socket = await dial(proxy);
  await roundTrip(socket, "before");
  const port = Number(proxy.address.split(":")[1]);
  const nearClosed = closeOf(socket);

  await proxy.close();
  await nearClosed;

  const again = createServer();
  again.listen(port, "127.0.0.1");
  await once(again, "listening");
  again.close();
});
