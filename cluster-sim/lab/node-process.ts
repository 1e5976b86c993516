/**
 * One node of a lab: a real process of `meridian serve`, with its log in a file.
 *
 * The child leads a process group of its own, so that Ctrl-C in a terminal reaches the lab alone, which then ends its
 * nodes in good order. And its standard input is a pipe whose other end the lab holds: however the lab dies, the pipe
 * ends and the node stops. So no node ever outlives its lab.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../nodes/main.ts", import.meta.url));
const READY_POLL_MS = 25;
const READY_WITHIN_MS = 30_000;
/** The node itself gives requests under way 20 s; then it is stuck. */
const STOP_WITHIN_MS = 30_000;
const LOG_TAIL_LINES = 5;

export type NodeFiles = { readonly config: string; readonly log: string };

export class NodeProcess {
  readonly #files: NodeFiles;
  readonly #ops: string;
  #child: ChildProcess | undefined;

  /** `ops` is host:port of the ops listener, where the node says whether it is ready. */
  constructor(files: NodeFiles, ops: string) {
    this.#files = files;
    this.#ops = ops;
  }

  /** `undefined` while it does not run. */
  get pid(): number | undefined {
    return this.isRunning ? this.#child?.pid : undefined;
  }

  get isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when the node says it is ready. @throws when it ends before, or takes more than 30 s. */
  async start(): Promise<void> {
    if (this.isRunning) return;
    const log = await open(this.#files.log, "a", 0o600);
    try {
      this.#child = spawn(process.execPath, [MAIN, "serve", "--config", this.#files.config, "--stop-with-input"], {
        stdio: ["pipe", log.fd, log.fd],
        detached: true,
        env: { ...environmentOfNode(), NODE_NO_WARNINGS: "1" },
      });
    } finally {
      await log.close();
    }
    this.#child.stdin?.on("error", () => undefined);
    await this.#untilReady(this.#child);
  }

  /** SIGKILL: as if the power had gone, but for what the operating system still has in memory. */
  async kill(): Promise<void> {
    const exited = this.#exit();
    this.#child?.kill("SIGKILL");
    await exited;
  }

  /** SIGTERM; and SIGKILL when that is not enough. */
  async stop(): Promise<void> {
    const exited = this.#exit();
    this.#child?.kill("SIGTERM");
    // A process that was paused hears nothing before it goes on.
    this.#child?.kill("SIGCONT");
    const patience = setTimeout(() => this.#child?.kill("SIGKILL"), STOP_WITHIN_MS);
    await exited;
    clearTimeout(patience);
  }

  /** Holds the process where it is (SIGSTOP), as a machine that hangs; `resume` lets it go on. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Resolves when the process is gone; at once when it is. */
  async #exit(): Promise<void> {
    if (this.#child !== undefined && this.isRunning) await once(this.#child, "exit");
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    const startedMs = performance.now();
    while (!(await answersReady(this.#ops))) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the node ended while it started: ${await this.#lastWords()}`);
      }
      if (performance.now() - startedMs > READY_WITHIN_MS) {
        await this.kill();
        throw new Error(`the node was not ready within ${READY_WITHIN_MS / 1000} s: ${await this.#lastWords()}`);
      }
      await sleep(READY_POLL_MS);
    }
  }

  async #lastWords(): Promise<string> {
    const text = await readFile(this.#files.log, "utf8");
    return text.trim().split("\n").slice(-LOG_TAIL_LINES).join("\n");
  }
}

/** Nothing that the person set for another node of theirs may reach the nodes of a lab. */
function environmentOfNode(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("MERIDIAN_")));
}

async function answersReady(ops: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${ops}/readyz`, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
