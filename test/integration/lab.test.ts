/** The lab as tests use it, and as people do: what it starts, what it breaks, and that it leaves nothing. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { type LabStatus, startControl } from "../../cluster-sim/lab/control.ts";
import { anyPorts } from "../../cluster-sim/lab/free-ports.ts";
import { type Lab, startLab } from "../../cluster-sim/lab/lab.ts";
import { Load } from "../../cluster-sim/lab/load.ts";
import { createLoadClient } from "../../nodes/cli/lab/load-client.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const MAIN = fileURLToPath(new URL("../../nodes/main.ts", import.meta.url));
const LOOPBACK = "127.0.0.1";

let folder: string;
let remove: () => Promise<void>;
const labs: Lab[] = [];
const children: ChildProcess[] = [];

beforeEach(async () => {
  ({ path: folder, remove } = await temporaryFolder());
});

afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.stop();
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
  await remove();
});

async function start(options: Parameters<typeof startLab>[0]): Promise<Lab> {
  const lab = await startLab(options);
  labs.push(lab);
  return lab;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect({ host: LOOPBACK, port });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function portOf(address: string): number {
  return Number(address.split(":")[1]);
}

async function reachabilityOf(lab: Lab, node: string, other: string): Promise<unknown> {
  const response = await fetch(`http://${lab.node(node).registry}/api/v1/cluster`);
  const { members }: { readonly members: readonly { readonly node?: string; readonly reachability: string }[] } =
    JSON.parse(await response.text());
  return members.find((member) => member.node === lab.node(other).name)?.reachability;
}

describe("a lab", () => {
  test("is a cluster of real processes that know each other, and leaves nothing when it stops", async () => {
    const lab = await start({ regions: ["eu", "us"], latencies: "none" });
    const pids = lab.nodes.map(({ pid }) => pid() ?? 0);
    await eventually(async () => (await reachabilityOf(lab, "eu", "us")) === "reachable", 10_000);
    const ports = lab.nodes.flatMap(({ registry, peer, ops }) => [registry, peer, ops].map(portOf));
    expect(pids.every(isAlive)).toBe(true);
    expect(existsSync(lab.dataDirectory)).toBe(true);

    await lab.stop();
    await lab.stop();

    expect(pids.filter(isAlive)).toEqual([]);
    expect(await Promise.all(ports.map(isListening))).toEqual(ports.map(() => false));
    expect(existsSync(lab.dataDirectory)).toBe(false);
  });

  test("keeps a data directory that was given, with the logs", async () => {
    const dataDirectory = join(folder, "kept");
    const lab = await start({ regions: ["eu"], dataDirectory });
    await lab.stop();

    expect((await readdir(dataDirectory)).toSorted()).toEqual(["eu-1", "eu-1.log", "eu-1.yaml"]);
    expect(await readFile(lab.node("eu").log, "utf8")).toContain("the node has stopped");
  });

  test("gives a killed node its address and its data back when it restarts", async () => {
    const lab = await start({ regions: ["eu"], latencies: "none" });
    const { registry, kill, restart, pid } = lab.node("eu");
    const client = createLoadClient();
    const limit = AbortSignal.timeout(30_000);
    const digest = await client.push(registry, "v1", limit);
    const before = pid();

    await kill();
    expect(lab.isWhole()).toBe(false);
    expect(await isListening(portOf(registry))).toBe(false);
    await restart();

    expect(pid()).not.toBe(before);
    expect(await client.digestOf(registry, "v1", limit)).toBe(digest);
    expect(lab.isWhole()).toBe(true);
  });

  test("cuts, silences and heals what is between two nodes, and they notice", async () => {
    const lab = await start({ regions: ["eu", "us"], latencies: "none" });
    const isReachable = async (): Promise<boolean> => (await reachabilityOf(lab, "eu", "us")) === "reachable";
    await eventually(isReachable, 10_000);

    for (const breakLink of [lab.cut.bind(lab), lab.refuse.bind(lab), lab.silence.bind(lab)]) {
      await breakLink("eu", "us-1");
      expect(lab.isWhole()).toBe(false);
      await eventually(async () => !(await isReachable()), 20_000);
      await lab.heal();
      expect(lab.isWhole()).toBe(true);
      await eventually(isReachable, 30_000);
    }
  });

  test("tells how its lines are", async () => {
    const lab = await start({ regions: ["eu", "us", "ap"], latencies: "wan" });
    await lab.cut("eu", "us", { oneWay: true });
    await lab.slow("us", "ap", { roundTripMs: 500, bytesPerSecond: 1000 });
    await lab.refuse("eu", "ap");

    const told = lab
      .links()
      .map(({ source, target, isCut, mode, latencyMs, bytesPerSecond }) => [
        source,
        target,
        isCut,
        mode,
        latencyMs,
        bytesPerSecond,
      ]);
    expect(told).toEqual([
      ["eu-1", "us-1", true, "pass", 40, undefined],
      ["eu-1", "ap-1", false, "refuse", 105, undefined],
      ["us-1", "eu-1", false, "pass", 40, undefined],
      ["us-1", "ap-1", false, "pass", 250, 1000],
      ["ap-1", "eu-1", false, "refuse", 105, undefined],
      ["ap-1", "us-1", false, "pass", 250, 1000],
    ]);
  });

  test("knows no node that is not there, and no line from a node to itself", async () => {
    const lab = await start({ regions: ["eu", "us"], latencies: "none" });

    expect(() => lab.node("mars")).toThrow("no node is called mars; there are eu-1, us-1");
    await expect(lab.cut("eu", "mars")).rejects.toThrow("no node is called mars");
    await expect(lab.cut("eu", "eu-1")).rejects.toThrow("eu and eu-1 are the same node");
  });

  test("whose node cannot start says why in the node's own words, and leaves nothing", async () => {
    const before = (await readdir(tmpdir())).filter((name) => name.startsWith("meridian-lab-"));

    await expect(startLab({ regions: ["eu"], configuration: { regoin: "eu" } })).rejects.toThrow(
      "regoin is not a known key",
    );

    const after = (await readdir(tmpdir())).filter((name) => name.startsWith("meridian-lab-"));
    expect(after.filter((name) => !before.includes(name))).toEqual([]);
  });
});

describe("a load on a lab", () => {
  test("counts what was acknowledged until it is everywhere, also over a cut", async () => {
    const lab = await start({ regions: ["eu", "us"], latencies: "none" });
    const load = new Load(lab, createLoadClient());
    try {
      load.setRate(20);
      await eventually(async () => await Promise.resolve(load.counters().everywhere >= 5), 20_000);
      await lab.cut("eu", "us");
      const before = load.counters().acknowledged;
      await eventually(async () => await Promise.resolve(load.counters().acknowledged >= before + 10), 20_000);
      load.setRate(0);
      await lab.heal();
      await eventually(async () => await Promise.resolve(load.counters().pending === 0), 30_000);

      const { acknowledged, everywhere, lost } = load.counters();
      expect({ everywhere, lost }).toEqual({ everywhere: acknowledged, lost: 0 });
    } finally {
      await load.stop();
    }
  });
});

describe("the control API", () => {
  async function ask(
    address: string,
    path: string,
    init: RequestInit,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const response = await fetch(`http://${address}${path}`, init);
    const body: unknown = JSON.parse(await response.text());
    return { status: response.status, body };
  }

  test("does what the prompt does, and refuses what a web page could send", async () => {
    const lab = await start({ regions: ["eu", "us"], latencies: "none" });
    const load = new Load(lab, createLoadClient());
    const down = new AbortController();
    const { control: port } = await anyPorts(1);
    const control = await startControl(port, { lab, load, onDown: () => down.abort() });
    const json = { "content-type": "application/json" };
    const command = (words: readonly string[], headers: Record<string, string> = json): RequestInit => ({
      method: "POST",
      headers,
      body: JSON.stringify({ words }),
    });
    try {
      expect(await ask(control.address, "/command", command(["cut", "eu", "us"]))).toEqual({
        status: 200,
        body: { done: "eu is cut off from us" },
      });
      expect(lab.links().every(({ isCut }) => isCut)).toBe(true);
      expect((await ask(control.address, "/status", {})).body).toMatchObject({
        nodes: [{ name: "eu-1" }, { name: "us-1" }],
        load: { lost: 0 },
      });
      expect((await ask(control.address, "/command", command(["cut", "eu", "mars"]))).status).toBe(400);
      expect((await ask(control.address, "/command", command(["format", "c:"]))).status).toBe(400);
      expect((await ask(control.address, "/command", command(["heal"], { "content-type": "text/plain" }))).status).toBe(
        403,
      );
      expect(
        (await ask(control.address, "/command", command(["heal"], { ...json, origin: "http://evil.example" }))).status,
      ).toBe(403);
      expect((await ask(`localhost:${port}`, "/status", {})).status).toBe(403);
      expect((await ask(control.address, "/else", {})).status).toBe(404);
      expect(down.signal.aborted).toBe(false);
      expect((await ask(control.address, "/down", { method: "POST", headers: json, body: "{}" })).status).toBe(202);
      expect(down.signal.aborted).toBe(true);
    } finally {
      await control.close();
    }
  });
});

describe("meridian lab", () => {
  type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

  function run(
    words: readonly string[],
    input = "",
  ): { readonly child: ChildProcessByStdio<Writable, Readable, Readable>; readonly ended: Promise<Ended> } {
    const env = { ...process.env, MERIDIAN_LAB_STATE: join(folder, "lab.json"), NODE_NO_WARNINGS: "1", TMPDIR: folder };
    const child = spawn(process.execPath, [MAIN, "lab", ...words], { env, stdio: ["pipe", "pipe", "pipe"] });
    children.push(child);
    child.stdin.end(input);
    const ended = (async () => {
      const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
      return { code: typeof code === "number" ? code : null, out, err };
    })();
    return { child, ended };
  }

  async function statusOf(): Promise<LabStatus> {
    const { code, out, err } = await run(["status", "--format", "json"]).ended;
    if (code !== 0) throw new Error(err);
    const status: LabStatus = JSON.parse(out);
    return status;
  }

  async function isUp(): Promise<boolean> {
    return (await run(["status"]).ended).code === 0;
  }

  test("up performs what is typed, and quit leaves no process, port or file", async () => {
    const { code, out, err } = await run(
      ["up", "--port-base", "0", "--regions", "eu,us", "--latency", "none"],
      "cut eu us\nnonsense\nstatus\nheal\nquit\nkill eu\n",
    ).ended;

    expect(code).toBe(0);
    expect(out).toContain("push sample:hello 127.0.0.1:");
    expect(err).toContain("eu is cut off from us\n");
    expect(err).toContain('"nonsense" is no command of the lab (help lists the commands)\n');
    expect(err).toContain("the network is whole\n");
    expect(err).not.toContain("killed");
    const [registry] = /127\.0\.0\.1:\d+/.exec(out) ?? [""];
    expect(await isListening(portOf(registry))).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });

  test("up --detach returns when all are ready; a second one says so; down ends it all", async () => {
    const up = await run(["up", "--detach", "--port-base", "0", "--regions", "eu,us", "--latency", "none"]).ended;
    expect({ code: up.code, err: up.err }).toEqual({ code: 0, err: "" });
    const { pid, nodes } = await statusOf();
    const pids = [pid, ...nodes.map((node) => node.pid ?? 0)];
    expect(pids.every(isAlive)).toBe(true);
    expect(await Promise.all(nodes.map(async ({ registry }) => await isListening(portOf(registry))))).toEqual([
      true,
      true,
    ]);

    const second = await run(["up", "--port-base", "0"]).ended;
    expect(second.code).toBe(5);
    expect(second.err).toContain(`a lab runs already, as process ${pid}`);

    expect((await run(["cut", "eu", "us", "--one-way"]).ended).out).toBe("nothing travels from eu to us\n");
    expect((await run(["kill", "us"]).ended).out).toBe("us-1: killed\n");

    expect((await run(["down"]).ended).code).toBe(0);
    await eventually(async () => await Promise.resolve(!pids.some(isAlive)), 10_000);
    expect(await readdir(folder)).toEqual([]);
    expect((await run(["down"]).ended).code).toBe(8);
  });

  test("up ends in good order by SIGINT, and at once by a second one, and leaves nothing either way", async () => {
    for (const isHurried of [false, true]) {
      const { child, ended } = run(["up", "--detached", "--port-base", "0", "--latency", "none"]);
      await eventually(isUp, 30_000);
      const { nodes } = await statusOf();

      child.kill("SIGINT");
      if (isHurried) {
        await once(child.stderr, "data");
        child.kill("SIGINT");
      }
      const { code } = await ended;

      // A lab without latency may be down before the second signal comes.
      expect(isHurried ? [0, 130] : [0]).toContain(code);
      await eventually(async () => await Promise.resolve(!nodes.some(({ pid = 0 }) => isAlive(pid))), 10_000);
      expect(await readdir(folder)).toEqual([]);
    }
  });

  test("that is killed takes its nodes with it, and the next one starts over what it left", async () => {
    const { child, ended } = run(["up", "--detached", "--port-base", "0", "--regions", "eu", "--latency", "none"]);
    await eventually(isUp, 30_000);
    const { nodes } = await statusOf();
    child.kill("SIGKILL");
    await ended;
    await eventually(async () => await Promise.resolve(!nodes.some(({ pid = 0 }) => isAlive(pid))), 20_000);

    const next = await run(["up", "--port-base", "0", "--regions", "eu"], "quit\n").ended;

    expect(next.code).toBe(0);
  });

  test("moves its ports together, and says so, when one of the usual ones is taken", async () => {
    const {
      registries: [base = 0],
    } = await anyPorts(1);
    const stranger: Server = createServer();
    stranger.listen(base + 1, LOOPBACK);
    await once(stranger, "listening");

    const { code, out } = await run(
      ["up", "--port-base", String(base), "--regions", "eu", "--latency", "none"],
      "quit\n",
    ).ended;
    stranger.close();

    expect(code).toBe(0);
    expect(out).toMatch(/ports {4}moved by \d+: one of the usual ones was taken/);
  });
});
