/**
 * strace on a running process: to record its system calls, or to have one of them fail.
 *
 * A count (`when=k`) is kept for each thread and each call by itself, so what is counted must be one thread's. With a
 * thread pool of one, all of the node's file work happens in one thread and in one order; other threads that write are
 * told apart by their name, and by their place among those of that name.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, readlink } from "node:fs/promises";

/** Calls that change what is on a disk, in the spellings of all processors. */
export const DISK_CALLS = [
  "write",
  "writev",
  "pwrite64",
  "pwritev",
  "pwritev2",
  "fsync",
  "fdatasync",
  "sync_file_range",
  "rename",
  "renameat",
  "renameat2",
  "unlink",
  "unlinkat",
  "rmdir",
  "mkdir",
  "mkdirat",
  "link",
  "linkat",
  "ftruncate",
  "fallocate",
  "openat",
] as const;
export type DiskCall = (typeof DISK_CALLS)[number];

/** A thread by what stays the same from one life of the process to the next. */
export type ThreadName = { readonly name: string; readonly rank: number };

const THREAD = /^(?<name>.*)$/m;
const STRACE = "strace";
/** What it says when it has. */
const ATTACHED = "attached";

export class Tracer {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Traces what `args` say. When this resolves, no call of the process escapes. */
  static async attach(args: readonly string[]): Promise<Tracer> {
    const child = spawn(STRACE, args, { stdio: ["ignore", "ignore", "pipe"] });
    const attached = Promise.withResolvers<undefined>();
    let words = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      words += text;
      if (words.includes(ATTACHED)) attached.resolve(undefined);
    });
    child.once("exit", () => attached.reject(new Error(`strace did not attach: ${words}`)));
    await attached.promise;
    return new Tracer(child);
  }

  /** Lets the process go on by itself; it may have ended already. */
  async detach(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGINT");
    await exited;
  }
}

/** The threads of a process, by number. */
export async function threadsOf(pid: number): Promise<ReadonlyMap<number, ThreadName>> {
  const threads = new Map<number, ThreadName>();
  const ranks = new Map<string, number>();
  const numbers = (await readdir(`/proc/${pid}/task`)).map(Number).toSorted((a, b) => a - b);
  for (const number of numbers) {
    const name = THREAD.exec(await readFile(`/proc/${pid}/task/${number}/comm`, "utf8"))?.groups?.["name"] ?? "";
    const rank = ranks.get(name) ?? 0;
    ranks.set(name, rank + 1);
    threads.set(number, { name, rank });
  }
  return threads;
}

/** Files below `folder` that the process has open. */
export async function filesOpenBelow(folder: string, pid: number): Promise<readonly string[]> {
  const numbers = await readdir(`/proc/${pid}/fd`);
  const paths = await Promise.all(numbers.map(async (fd) => await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
  return [...new Set(paths)].filter((path) => path.startsWith(`${folder}/`)).toSorted();
}
