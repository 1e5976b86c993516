/**
 * The lab as other processes drive it: a small JSON API on the loopback address. `GET /status` tells how things are,
 * `POST /command` with `{"words": ["cut", "eu", "us"]}` does what the prompt would do, `POST /down` ends the lab.
 *
 * It kills processes for whoever asks, so it answers nobody whom a web page might have sent: a request must name the
 * loopback address as its host, have no `Origin`, and be JSON by its own word, which a page cannot do across origins.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

import { isJsonArray, isJsonObject, parseJson } from "../../shared/json.ts";
import { type Lab, UnknownNodeError } from "./lab.ts";
import { LabCommandError, parseLabCommand, performLabCommand } from "./lab-command.ts";
import type { Load, LoadCounters } from "./load.ts";
import type { LineStatus } from "./network.ts";

const LOOPBACK = "127.0.0.1";
const BODY_BYTES_MAX = 64 * 1024;
const JSON_DEPTH_MAX = 4;

export type LabStatus = {
  readonly pid: number;
  readonly dataDirectory: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly region: string;
    readonly registry: string;
    readonly peer: string;
    readonly ops: string;
    readonly log: string;
    /** Absent while the node does not run. */
    readonly pid?: number;
  }[];
  readonly links: readonly LineStatus[];
  readonly load: LoadCounters;
};

export type Control = { readonly address: string; readonly close: () => Promise<void> };

type ControlDeps = { readonly lab: Lab; readonly load: Load; readonly onDown: () => void };

/** @throws when the port is taken. */
export async function startControl(port: number, deps: ControlDeps): Promise<Control> {
  const server = createServer((request, response) => {
    answer(request, deps).then(
      ({ status, value }) => send(response, status, value),
      (cause: unknown) => send(response, statusOf(cause), { error: messageOf(cause) }),
    );
  });
  server.listen(port, LOOPBACK);
  await once(server, "listening");
  return { address: `${LOOPBACK}:${port}`, close: async () => await close(server) };
}

export function statusOfLab(lab: Lab, load: Load): LabStatus {
  return {
    pid: process.pid,
    dataDirectory: lab.dataDirectory,
    nodes: lab.nodes.map(({ name, region, registry, peer, ops, log, pid }) => {
      const running = pid();
      return { name, region, registry, peer, ops, log, ...(running === undefined ? {} : { pid: running }) };
    }),
    links: lab.links(),
    load: load.counters(),
  };
}

class RefusedError extends Error {
  override readonly name = "RefusedError";
}

type Answer = { readonly status: number; readonly value: unknown };

async function answer(request: IncomingMessage, { lab, load, onDown }: ControlDeps): Promise<Answer> {
  refuseStrangers(request);
  switch (`${request.method ?? ""} ${request.url ?? ""}`) {
    case "GET /status":
      return { status: 200, value: statusOfLab(lab, load) };
    case "POST /command": {
      const command = parseLabCommand(wordsOf(await readBody(request)));
      return { status: 200, value: { done: await performLabCommand(command, lab, load) } };
    }
    case "POST /down":
      onDown();
      return { status: 202, value: { done: "the lab ends" } };
    default:
      return { status: 404, value: { error: "there are GET /status, POST /command and POST /down" } };
  }
}

function refuseStrangers({ headers, method, socket }: IncomingMessage): void {
  const host = `${LOOPBACK}:${socket.localPort ?? 0}`;
  const isJson = headers["content-type"] === "application/json";
  if (headers.host !== host || headers.origin !== undefined || (method === "POST" && !isJson)) {
    throw new RefusedError(`this API answers ${host} only, takes application/json only, and no web page`);
  }
}

function wordsOf(body: unknown): readonly string[] {
  const words = isJsonObject(body) ? body["words"] : undefined;
  if (isJsonArray(words)) return words.map(String);
  throw new LabCommandError('write {"words": ["cut", "eu", "us"]}');
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  const body: AsyncIterable<unknown> = request;
  for await (const chunk of body) {
    if (!(chunk instanceof Buffer)) continue;
    length += chunk.length;
    if (length > BODY_BYTES_MAX) throw new LabCommandError(`a body of more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  try {
    return parseJson(Buffer.concat(chunks), JSON_DEPTH_MAX);
  } catch (cause) {
    throw new LabCommandError("the body is not JSON", { cause });
  }
}

function statusOf(cause: unknown): number {
  if (cause instanceof RefusedError) return 403;
  return cause instanceof LabCommandError || cause instanceof UnknownNodeError ? 400 : 500;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function send(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  // Kept alive, a connection would outlive the lab that it has just ended.
  const headers = { "content-type": "application/json", "content-length": body.length, connection: "close" };
  response.writeHead(status, headers);
  response.end(body);
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  await closed;
}
