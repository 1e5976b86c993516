/**
 * A registry as a process of its own, on a folder that may be about to lose its power: `meridian serve`, or one of the toy
 * stores that prove the harness. It is started, spoken to over HTTP, and killed; it is never asked to stop.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { RegistryClient } from "../registry-client.ts";

const MAIN = fileURLToPath(new URL("../../../nodes/main.ts", import.meta.url));
const TOY = fileURLToPath(new URL("./toy-store.ts", import.meta.url));
const ANY = "127.0.0.1:0";
/** Generous: a machine that is shared by many may take its time. */
const READY_MS_MAX = 240_000;
const LOG_LINES_KEPT = 2_000;

export type Addresses = { readonly registry: string; readonly peer: string; readonly ops: string };

/** Where a process runs: `cwd` is outside of the disk, which could otherwise not be unmounted. */
type Start = {
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Put in front of the command line, such as a shell that sets a limit. */
  readonly wrapper?: readonly string[];
};

/** Starts a store on `folder`, which may be empty. @throws {DidNotStartError} */
export type StartStore = (folder: string) => Promise<StoreProcess>;

export class DidNotStartError extends Error {
  override readonly name = "DidNotStartError";
}

export class StoreProcess {
  readonly addresses: Addresses;
  readonly client: RegistryClient;
  /** The last lines of its log. */
  readonly log: readonly string[];
  readonly pid: number;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, addresses: Addresses, log: readonly string[]) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.addresses = addresses;
    this.log = log;
    this.client = clientOf(addresses.registry);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it at once. Resolves when the system has taken back all that it held. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended();
  }

  async ended(): Promise<void> {
    this.client.close();
    if (this.isRunning) await once(this.#child, "exit");
  }
}

export type NodeOptions = {
  readonly environment?: Readonly<Record<string, string>>;
  readonly wrapper?: readonly string[];
};

/** `meridian serve` with its data in `folder`/data. */
export function meridian({ environment = {}, wrapper = [] }: NodeOptions = {}): StartStore {
  return async (folder) =>
    await start({
      wrapper,
      words: [MAIN, "serve"],
      environment: {
        MERIDIAN_DATA: `${folder}/data`,
        MERIDIAN_LISTEN_REGISTRY: ANY,
        MERIDIAN_LISTEN_PEER: ANY,
        MERIDIAN_LISTEN_OPS: ANY,
        ...environment,
      },
    });
}

/** A toy store with the fault that it is named after. */
export function toyStore(fault: string): StartStore {
  return async (folder) => await start({ words: [TOY, folder, fault], environment: {} });
}

async function start({ words, environment, wrapper = [] }: Start): Promise<StoreProcess> {
  const [program = process.execPath, ...args] = [...wrapper, process.execPath, ...words];
  const child = spawn(program, args, {
    cwd: "/",
    env: { ...process.env, ...environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const log: string[] = [];
  const ready = Promise.withResolvers<Addresses>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    log.push(line);
    if (log.length > LOG_LINES_KEPT) log.shift();
    if (!line.includes('"the node is ready"')) return;
    const addresses: Addresses = JSON.parse(line);
    ready.resolve(addresses);
  });
  child.once("exit", (code, signal) => ready.reject(new DidNotStartError(`it ended with ${code ?? signal}`)));
  child.once("error", (cause) => ready.reject(new DidNotStartError("it could not be spawned", { cause })));
  const late = setTimeout(() => ready.reject(new DidNotStartError("it was not ready in time")), READY_MS_MAX);
  try {
    return new StoreProcess(child, await ready.promise, log);
  } catch (cause) {
    child.kill("SIGKILL");
    throw new DidNotStartError(`${whyOf(cause)}; its last words:\n${log.slice(-10).join("\n")}`, { cause });
  } finally {
    clearTimeout(late);
  }
}

function whyOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function clientOf(address: string): RegistryClient {
  const colon = address.lastIndexOf(":");
  return new RegistryClient(address.slice(0, colon), Number(address.slice(colon + 1)));
}
