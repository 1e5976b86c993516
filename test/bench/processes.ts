/** What the system says of processes: who listens where, and how much processor time and memory they took. Linux only, without a tool. */
import { readdir, readFile, readlink } from "node:fs/promises";

/** What `getconf CLK_TCK` says on every Linux there is. */
const TICKS_PER_SECOND = 100;
const LISTENING = "0A";

/** User and system time of all threads, in seconds. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name of the program stands in brackets and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return Number(kib) / 1024;
}

/** @throws when nobody listens, or the listener is not ours to see. */
export async function pidListeningOn(port: number): Promise<number> {
  const inodes = new Set([...(await listeners("tcp", port)), ...(await listeners("tcp6", port))]);
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const links = await Promise.all((await filesOf(pid)).map(async (fd) => await linkOf(`/proc/${pid}/fd/${fd}`)));
    if (links.some((link) => inodes.has(link))) return Number(pid);
  }
  throw new Error(`no process that listens on port ${port} can be seen`);
}

async function listeners(family: string, port: number): Promise<readonly string[]> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const rows = (await readFile(`/proc/net/${family}`, "utf8")).split("\n").slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${hex}`) === true && state === LISTENING)
    .map((fields) => `socket:[${fields[9]}]`);
}

async function filesOf(pid: string): Promise<readonly string[]> {
  return await readdir(`/proc/${pid}/fd`).catch(() => []);
}

async function linkOf(path: string): Promise<string> {
  return await readlink(path).catch(() => "");
}
