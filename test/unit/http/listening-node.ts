/** A node's HTTP listeners on loopback over a node whose disk and store are in memory; its peers are nobody. */
import { SimDisk, type SimDiskOptions } from "../../../cluster-sim/sim-disk.ts";
import { SimKv } from "../../../cluster-sim/sim-kv.ts";
import { SimTelemetry } from "../../../cluster-sim/sim-telemetry.ts";
import { type Http, startHttp } from "../../../nodes/http/server.ts";
import { createNode, type Node } from "../../../nodes/node.ts";
import { systemClock } from "../../../nodes/platform/system-clock.ts";
import { systemRandom } from "../../../nodes/platform/system-random.ts";
import { SystemTimers } from "../../../nodes/platform/system-timers.ts";
import { parseNodeConfig } from "../../../shared/config.ts";
import { digestOf } from "../../../shared/digest.ts";
import { parseRepositoryName } from "../../../shared/reference.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

export type ListeningNode = AsyncDisposable & {
  readonly node: Node;
  readonly http: Http;
  readonly port: number;
  readonly opsPort: number;
  readonly telemetry: SimTelemetry;
  /** Puts a blob there without HTTP, and gives its path. */
  readonly push: (repo: string, bytes: Uint8Array) => Promise<string>;
};

export type ListeningOptions = {
  readonly idleMs?: number;
  readonly stopGraceMs?: number;
  readonly disk?: SimDiskOptions;
};

export async function listen({ disk, ...options }: ListeningOptions = {}): Promise<ListeningNode> {
  const parsed = parseNodeConfig({ node: "eu-1", region: "eu" });
  if (parsed.kind === "invalid") throw new Error("the defaults are a configuration");
  const telemetry = new SimTelemetry();
  const timers = new SystemTimers();
  const ports = {
    clock: systemClock,
    timers,
    random: systemRandom,
    disk: new SimDisk(disk),
    kv: new SimKv(),
    telemetry,
    peers: () => ({
      dial: () => {
        throw new Error("this node has no peers");
      },
    }),
  };
  const node = await createNode(parsed.config, { registry: "http://127.0.0.1:1", peer: "127.0.0.1:1" }, ports);
  const http = await startHttp({
    listen: { registry: LOOPBACK, ops: LOOPBACK },
    self: node.self,
    operations: node.operations,
    health: node.health,
    renderMetrics: async () => await Promise.resolve({ contentType: "text/plain; version=0.0.4", text: "up 1\n" }),
    clock: systemClock,
    timers,
    telemetry,
    ...options,
  });
  node.start();
  return {
    node,
    http,
    port: http.registryAddress.port,
    opsPort: http.opsAddress.port,
    telemetry,
    push: async (repo, bytes) => {
      const digest = digestOf(bytes);
      const request = { repo: parseRepositoryName(repo), digest, body: once(bytes), actor: "test" };
      await node.operations.pushBlob.run(request, new AbortController().signal);
      return `/v2/${repo}/blobs/${digest}`;
    },
    [Symbol.asyncDispose]: async () => {
      await http.stop();
      await node.stop();
    },
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
