/**
 * Ports for a lab. A person gets the same memorable ones each time, moved as a whole by an offset when something sits on
 * one of them; a test gets any that are free. Those are looked for below the range from which the system takes
 * ports for outgoing connections, or the next connection of a stranger might be given one of them between two lives of
 * a node.
 */
import { once } from "node:events";
import { createServer } from "node:net";

const LOOPBACK = "127.0.0.1";
const FREE_FROM = 20_000;
const FREE_TO = 31_000;
const OFFSET_STEP = 10;
const OFFSET_MAX = 500;
const ATTEMPTS_MAX = 2_000;

/** One number for each node, in the order of the nodes. */
export type LabPorts = {
  readonly registries: readonly number[];
  readonly peers: readonly number[];
  readonly ops: readonly number[];
  readonly control: number;
  /** How far they were moved because a usual one was taken. */
  readonly offset: number;
};

/** Registries from `base + 1`, peers from `base + 2001`, ops from `base + 4001`, control at `base + 100`. @throws when nothing is free within 500. */
export async function memorablePorts(base: number, nodeCount: number): Promise<LabPorts> {
  for (let offset = 0; offset <= OFFSET_MAX; offset += OFFSET_STEP) {
    const from = (start: number): readonly number[] =>
      Array.from({ length: nodeCount }, (_, index) => base + offset + start + index + 1);
    const ports = { registries: from(0), peers: from(2000), ops: from(4000), control: base + offset + 100, offset };
    if (await areFree([...ports.registries, ...ports.peers, ...ports.ops, ports.control])) return ports;
  }
  throw new Error(`no free ports for ${nodeCount} nodes from ${base} to ${base + OFFSET_MAX}`);
}

export async function anyPorts(nodeCount: number): Promise<LabPorts> {
  const found: number[] = [];
  for (let attempt = 0; found.length < 3 * nodeCount + 1; attempt += 1) {
    if (attempt === ATTEMPTS_MAX) throw new Error(`no ${3 * nodeCount + 1} free ports from ${FREE_FROM} to ${FREE_TO}`);
    const port = FREE_FROM + Math.floor(Math.random() * (FREE_TO - FREE_FROM));
    if (!found.includes(port) && (await isFree(port))) found.push(port);
  }
  const [control = 0, ...others] = found;
  return {
    registries: others.slice(0, nodeCount),
    peers: others.slice(nodeCount, 2 * nodeCount),
    ops: others.slice(2 * nodeCount),
    control,
    offset: 0,
  };
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) if (!(await isFree(port))) return false;
  return true;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen({ host: LOOPBACK, port, exclusive: true });
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
