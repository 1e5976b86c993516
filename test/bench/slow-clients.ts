/**
 * What two thousand clients that hold on to a connection cost everybody else: `node test/bench/slow-clients.ts`. A third of
 * them never finishes a head, a third never a body, a third asks for a large blob and does not read it. An ordinary client
 * is timed before, meanwhile and after, by the same process; the slow ones live in a second one, so that its own work is
 * not measured. Another registry, already running: PEERS="name=http://127.0.0.1:port".
 *
 *   CLIENTS=2000     SECONDS=10 of each measurement
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { EMPTY, image, noise } from "../support/oci-fixtures.ts";
import { RegistryClient } from "../support/registry-client.ts";
import { type Contestant, Paddock, pause, peersOf } from "./contestants.ts";
import { type Address, Exchange, requestHead } from "./exchange.ts";
import { residentMiB } from "./processes.ts";

const CLIENTS = Number(process.env["CLIENTS"] ?? 2_000);
const SECONDS = Number(process.env["SECONDS"] ?? 10);
const REPO = "bench/slow";
const LARGE_BYTES = 64 * 1024 * 1024;
const DRIBBLE_MS = 1_000;
const GIVEN_BACK_MS = 30_000;
const SLOWDOWN_MAX = 1.3;
const COST_MIB_MAX = 100;
const KEPT_MIB_MAX = 16;
const SLOW = "--slow";

/** What the second process is told. */
type Orders = { readonly address: Address; readonly large: string };

async function main(): Promise<void> {
  const folder = await mkdtemp(join(process.env["BENCH_FOLDER"] ?? tmpdir(), "meridian-slow-"));
  const paddock = new Paddock(folder);
  try {
    for (const peer of await peersOf(process.env["PEERS"] ?? "")) await judge(peer);
    await judge(await paddock.startNode("meridian"));
  } finally {
    await paddock.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function judge({ name, address, pid }: Contestant): Promise<void> {
  const client = new RegistryClient(address.host, address.port);
  const large = `/v2/${REPO}/blobs/${await client.pushBlob(REPO, noise(LARGE_BYTES, "slow"))}`;
  await client.pushManifest(REPO, "v1", image({}), [EMPTY]);
  client.close();

  // Twice before it counts: memory and just-in-time compilers settle.
  await p99Ms(address, SECONDS);
  const quietMs = await p99Ms(address, SECONDS);
  const idleMiB = await residentMiB(pid);
  const slow = fork(fileURLToPath(import.meta.url), [SLOW]);
  slow.send({ address, large } satisfies Orders);
  await once(slow, "message");
  const heldMs = await p99Ms(address, SECONDS);
  const heldMiB = await residentMiB(pid);
  slow.kill("SIGKILL");
  await once(slow, "exit");
  const quietAgainMs = await p99Ms(address, SECONDS);
  await pause(GIVEN_BACK_MS - SECONDS * 1000);
  const keptMiB = (await residentMiB(pid)) - idleMiB;

  const slowdown = heldMs / ((quietMs + quietAgainMs) / 2);
  told(name, `p99 beside ${CLIENTS} slow clients, times its quiet value`, slowdown, SLOWDOWN_MAX);
  told(name, "MiB that they cost", heldMiB - idleMiB, COST_MIB_MAX);
  told(name, "MiB that are kept 30 s after them", keptMiB, KEPT_MIB_MAX);
  console.log(`${name}: p99 ${quietMs.toFixed(2)} ms, ${heldMs.toFixed(2)} ms, ${quietAgainMs.toFixed(2)} ms`);
}

function told(name: string, what: string, value: number, max: number): void {
  console.log(`${name}: ${what}\t${value.toFixed(2)}\t<= ${max}\t${value <= max ? "pass" : "FAIL"}`);
}

/** Of a client that asks for a manifest, one request at a time, on one connection. */
async function p99Ms(address: Address, seconds: number): Promise<number> {
  const exchange = new Exchange(address);
  const request = [requestHead("GET", `/v2/${REPO}/manifests/v1`)];
  const times: number[] = [];
  const endMs = performance.now() + seconds * 1000;
  for (let startMs = performance.now(); startMs < endMs; startMs = performance.now()) {
    const { status } = await exchange.ask(request);
    if (status !== 200) throw new Error(`a manifest was answered with ${status}`);
    times.push(performance.now() - startMs);
  }
  exchange.close();
  return times.toSorted((left, right) => left - right)[Math.floor(times.length * 0.99)] ?? Number.NaN;
}

/** The second process: opens all connections, says so, and holds them until it is killed. */
async function holdOn(): Promise<void> {
  const [orders] = (await once(process, "message")).filter(isOrders);
  if (orders === undefined) throw new Error("no orders");
  const { address, large } = orders;
  const opened: Socket[] = [];
  for (let at = 0; at < CLIENTS; at += 1) {
    const socket = connect({ ...address });
    // A server that closes is what they are there for; one more takes the place.
    socket.on("error", () => undefined);
    await once(socket, "connect");
    socket.pause();
    socket.write(beginningOf(at % 3, large));
    opened.push(socket);
  }
  setInterval(() => {
    for (const [at, socket] of opened.entries()) {
      if (at % 3 !== 2 && socket.writable) socket.write(at % 3 === 0 ? "X-A: b\r\n" : "x");
    }
  }, DRIBBLE_MS);
  process.send?.("all are open");
}

function beginningOf(kind: number, large: string): string | Uint8Array {
  if (kind === 0) return "GET /v2/ HTTP/1.1\r\nHost: a\r\n";
  if (kind === 2) return requestHead("GET", large);
  const headers = { "Content-Type": "application/vnd.oci.image.manifest.v1+json", "Content-Length": "999999" };
  return requestHead("PUT", `/v2/${REPO}/manifests/slow`, headers);
}

function isOrders(message: unknown): message is Orders {
  return typeof message === "object" && message !== null && "address" in message && "large" in message;
}

await (process.argv.includes(SLOW) ? holdOn() : main());
