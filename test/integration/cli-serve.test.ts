/** `meridian serve` as a process: how it starts, how it refuses to, and how it ends. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { temporaryFolder } from "../support/temporary-folder.ts";

const MAIN = fileURLToPath(new URL("../../nodes/main.ts", import.meta.url));
const ANY = "127.0.0.1:0";

let folder: string;
let remove: () => Promise<void>;
const children: ChildProcessByStdio<Writable, Readable, Readable>[] = [];

beforeEach(async () => {
  ({ path: folder, remove } = await temporaryFolder());
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
  await remove();
});

type Environment = Readonly<Record<string, string>>;
const LISTENERS: Environment = { MERIDIAN_LISTEN_REGISTRY: ANY, MERIDIAN_LISTEN_PEER: ANY, MERIDIAN_LISTEN_OPS: ANY };

function serve(
  environment: Environment = {},
  words: readonly string[] = [],
): ChildProcessByStdio<Writable, Readable, Readable> {
  const env = { ...process.env, ...LISTENERS, ...environment };
  const child = spawn(process.execPath, [MAIN, "serve", ...words], {
    cwd: folder,
    env,
    stdio: ["pipe", "pipe", "pipe"],
  });
  children.push(child);
  return child;
}

type Ready = { readonly registry: string; readonly peer: string; readonly ops: string };

/** What the log says when the node is ready. */
async function readyOf({ stderr }: { readonly stderr: Readable }): Promise<Ready> {
  const lines = createInterface({ input: stderr });
  for await (const line of lines) {
    const entry: Ready & { readonly event: string } = JSON.parse(line);
    // The log goes on; nobody reads it, and it must not stop the node.
    if (entry.event !== "the node is ready") continue;
    lines.close();
    stderr.resume();
    return entry;
  }
  throw new Error("the node ended before it was ready");
}

async function codeOf(child: ChildProcessByStdio<Writable, Readable, Readable>): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode;
}

async function refusalOf(
  environment: Environment,
  words: readonly string[] = [],
): Promise<{ readonly code: number | null; readonly err: string }> {
  const child = serve(environment, words);
  const err = await text(child.stderr);
  return { code: await codeOf(child), err };
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  await response.arrayBuffer();
  return response.status;
}

describe("meridian serve", () => {
  test("without a configuration runs one node, its data in ./data, ready on all its listeners, and stops when told", async () => {
    const child = serve();
    const { registry, ops } = await readyOf(child);

    expect(await statusOf(`http://${registry}/v2/`)).toBe(200);
    expect(await statusOf(`http://${ops}/readyz`)).toBe(200);
    expect(await statusOf(`http://${ops}/metrics`)).toBe(200);
    expect(existsSync(join(folder, "data", "format.json"))).toBe(true);

    child.kill("SIGTERM");
    expect(await codeOf(child)).toBe(0);
    await expect(statusOf(`http://${registry}/v2/`)).rejects.toThrow();
  });

  test("keeps what was pushed over a restart", async () => {
    const first = serve();
    const { registry } = await readyOf(first);
    const { type } = await import("../support/cli-session.ts");
    const { out } = await type(["push", "-q", "sample:hello", `${registry}/hello:v1`]);
    first.kill("SIGTERM");
    await codeOf(first);

    const second = serve();
    const { registry: again } = await readyOf(second);

    expect((await type(["digest", `${again}/hello:v1`])).out.trim()).toBe(out.trim().split("@")[1]);
  });

  test("finishes the request that is under way before it stops, and not when it is told twice", async () => {
    for (const isHurried of [false, true]) {
      const child = serve();
      const { registry } = await readyOf(child);
      const started = await fetch(`http://${registry}/v2/hello/blobs/uploads/`, { method: "POST" });
      const location = new URL(started.headers.get("location") ?? "", `http://${registry}`);
      let finishBody = (): void => undefined;
      const body = new ReadableStream({
        start: (controller) => {
          controller.enqueue(Buffer.from("first"));
          finishBody = () => {
            controller.enqueue(Buffer.from("last"));
            controller.close();
          };
        },
      });
      const patched = fetch(location, { method: "PATCH", body, duplex: "half" });
      // The node has begun to read once it shows the request among its own.
      await expect.poll(async () => await statusOf(`http://${registry}/livez`)).toBe(200);

      child.kill("SIGTERM");
      await expect.poll(async () => await statusOf(`http://${registry}/v2/`).catch(() => 0)).not.toBe(200);
      if (isHurried) {
        child.kill("SIGTERM");
        await expect(patched).rejects.toThrow();
        expect(await codeOf(child)).toBe(130);
      } else {
        finishBody();
        expect((await patched).status).toBe(202);
        expect(await codeOf(child)).toBe(0);
      }
    }
  });

  test("stops with its parent's end of the pipe when it is asked to", async () => {
    const child = serve({}, ["--stop-with-input"]);
    await readyOf(child);

    child.stdin.end();

    expect(await codeOf(child)).toBe(0);
  });
});

describe("meridian serve refuses to start", () => {
  test("on a port that is taken, and says which", async () => {
    const stranger = createServer();
    stranger.listen(0, "127.0.0.1");
    await once(stranger, "listening");
    const address = stranger.address();
    if (address === null || typeof address === "string") throw new Error("a server on a port has one");
    const taken = `127.0.0.1:${address.port}`;

    for (const listener of ["REGISTRY", "PEER", "OPS"]) {
      const { code, err } = await refusalOf({ [`MERIDIAN_LISTEN_${listener}`]: taken });
      expect(code).toBe(5);
      expect(err).toContain(taken);
      expect(err).toContain("the port is in use");
      expect(err).toContain("try:   stop what listens there");
    }
    stranger.close();
  });

  test("over a data directory that another node holds", async () => {
    const first = serve();
    await readyOf(first);

    const { code, err } = await refusalOf({});

    expect(code).toBe(5);
    expect(err).toContain("is in use by another process");
    expect(err).toContain("try:   stop it, or give this node a directory of its own");
  });

  test("with a configuration that has a mistake, or is not there", async () => {
    const wrong = await refusalOf({ MERIDIAN_REGION: "E U" });
    const missing = await refusalOf({}, ["--config", "never.yaml"]);

    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain("MERIDIAN_REGION: region must be lower-case");
    expect(missing.code).toBe(3);
    expect(missing.err).toContain("never.yaml");
    expect(existsSync(join(folder, "data"))).toBe(false);
  });

  test("beyond loopback without TLS and authentication, unless insecure says so", async () => {
    const { code, err } = await refusalOf({ MERIDIAN_LISTEN_REGISTRY: "0.0.0.0:0" });

    expect(code).toBe(1);
    expect(err).toContain("say insecure: true if that is meant");
  });
});
