/**
 * The servers that are compared: our own node twice (what differs between the two is noise), Debian's docker-registry, and
 * every registry whose address is given. All without accounts and without a line a request, on the same disk.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { type Address, Exchange, requestHead } from "./exchange.ts";
import { pidListeningOn } from "./processes.ts";

export type Contestant = { readonly name: string; readonly address: Address; readonly pid: number };

export type StartedNode = Contestant & {
  /** Where it listens for other nodes. */
  readonly peer: string;
  /** From the start of the process until `/readyz` was green. */
  readonly readyMs: number;
};

export const OWN = "meridian";
export const OWN_AGAIN = "meridian-again";
export const DOCKER_REGISTRY = "docker-registry";

const HOST = "127.0.0.1";
const START_TIMEOUT_MS = 30_000;
const PROBE_PAUSE_MS = 5;
const MERIDIAN = fileURLToPath(new URL("../../nodes/cli/meridian", import.meta.url));

/** Starts servers below `folder`, and stops those it started, all or one. */
export class Paddock {
  readonly #folder: string;
  readonly #started: ChildProcess[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** `join` are peer addresses of other nodes. */
  async startNode(name: string, joined: readonly string[] = []): Promise<StartedNode> {
    const folder = join(this.#folder, name);
    await mkdir(folder, { recursive: true });
    const [registry, peer, ops] = [await freePort(), await freePort(), await freePort()];
    const config = {
      node: name,
      region: name,
      data: join(folder, "data"),
      listen: { registry: `${HOST}:${registry}`, peer: `${HOST}:${peer}`, ops: `${HOST}:${ops}` },
      join: joined,
      log: { level: "error" },
    };
    const file = join(folder, "config.yaml");
    await writeFile(file, JSON.stringify(config));
    const environment = { ...process.env, NODE_COMPILE_CACHE: join(this.#folder, "compile-cache") };
    const startedMs = performance.now();
    const child = this.#spawn(MERIDIAN, ["serve", "--config", file], environment);
    const address = { host: HOST, port: registry };
    await answering(address, "/readyz", child);
    return { name, address, pid: pidOf(child), peer: `${HOST}:${peer}`, readyMs: performance.now() - startedMs };
  }

  /** With `upstream`, an URL, as a cache in front of it. */
  async startDockerRegistry(name: string, upstream?: string): Promise<Contestant> {
    const folder = join(this.#folder, name);
    await mkdir(folder, { recursive: true });
    const port = await freePort();
    const config = {
      version: "0.1",
      log: { level: "error", accesslog: { disabled: true } },
      storage: {
        filesystem: { rootdirectory: join(folder, "data") },
        cache: { blobdescriptor: "inmemory" },
        delete: { enabled: true },
        maintenance: { uploadpurging: { enabled: false } },
      },
      http: { addr: `${HOST}:${port}` },
      ...(upstream === undefined ? {} : { proxy: { remoteurl: upstream } }),
    };
    const file = join(folder, "config.yml");
    await writeFile(file, JSON.stringify(config));
    const child = this.#spawn("docker-registry", ["serve", file], process.env);
    const address = { host: HOST, port };
    await answering(address, "/v2/", child);
    return { name, address, pid: pidOf(child) };
  }

  async stop(pid?: number): Promise<void> {
    await Promise.all(this.#started.filter((child) => pid === undefined || child.pid === pid).map(stopped));
  }

  #spawn(command: string, words: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
    const child = spawn(command, words, { env, stdio: ["ignore", "ignore", "inherit"] });
    this.#started.push(child);
    return child;
  }
}

/** `PEERS` is `name=http://host:port`, separated by spaces. @throws when it is not. */
export async function peersOf(text: string): Promise<readonly Contestant[]> {
  const words = text.split(/\s+/).filter((word) => word !== "");
  return await Promise.all(
    words.map(async (word) => {
      const [name = "", url = ""] = word.split("=", 2);
      if (!URL.canParse(url)) throw new Error(`PEERS: \`${word}\` is not name=http://host:port`);
      const { hostname, port } = new URL(url);
      return { name, address: { host: hostname, port: Number(port) }, pid: await pidListeningOn(Number(port)) };
    }),
  );
}

async function answering(address: Address, path: string, child: ChildProcess): Promise<void> {
  const untilMs = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < untilMs) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`);
    if (await answers(address, path)) return;
    await pause(PROBE_PAUSE_MS);
  }
  throw new Error(`${child.spawnfile} does not answer`);
}

async function answers(address: Address, path: string): Promise<boolean> {
  const exchange = new Exchange(address);
  try {
    return (await exchange.ask([requestHead("GET", path)])).status === 200;
  } catch {
    return false;
  } finally {
    exchange.close();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, "listening");
  const bound = server.address();
  server.close();
  await once(server, "close");
  if (typeof bound !== "object" || bound === null) throw new Error("a listener without a port");
  return bound.port;
}

function pidOf({ pid, spawnfile }: ChildProcess): number {
  if (pid === undefined) throw new Error(`${spawnfile} did not start`);
  return pid;
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

export async function pause(durationMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  setTimeout(resolve, durationMs, undefined);
  await promise;
}
