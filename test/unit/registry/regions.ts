/** Whole nodes, one a region, in one simulated world: production's wiring on simulated ports, asked through its operations. */
import { SimClock } from "../../../cluster-sim/sim-clock.ts";
import { SimDisk } from "../../../cluster-sim/sim-disk.ts";
import { SimKv } from "../../../cluster-sim/sim-kv.ts";
import { PLANES, type Plane } from "../../../cluster-sim/sim-link.ts";
import { SimNetwork } from "../../../cluster-sim/sim-network.ts";
import { SimTelemetry } from "../../../cluster-sim/sim-telemetry.ts";
import { SimTimers } from "../../../cluster-sim/sim-timers.ts";
import { World } from "../../../cluster-sim/world.ts";
import { createNode, type Node } from "../../../nodes/node.ts";
import { parseNodeConfig } from "../../../shared/config.ts";
import { type Digest, digestOf } from "../../../shared/digest.ts";
import { RegistryError } from "../../../shared/errors.ts";
import { OCI_IMAGE_INDEX, OCI_IMAGE_MANIFEST } from "../../../shared/media-types.ts";
import { parseReference, parseRepositoryName } from "../../../shared/reference.ts";

export const REPO = parseRepositoryName("team/app");

const UNCONDITIONAL = { oneOf: undefined, noneOf: undefined };
const NEVER = new AbortController().signal;

export type Region = {
  readonly node: Node;
  readonly pushBlob: (text: string, repo?: string) => Promise<Digest>;
  readonly pushImage: (tag: string, layers: readonly Digest[]) => Promise<Digest>;
  /** What a push of an image or index ends in: its digest, or the codes it is refused for. */
  readonly push: (tag: string, bytes: Buffer, options?: PushOptions) => Promise<Digest | Refused>;
  readonly headBlob: (digest: Digest, repo?: string) => Promise<unknown>;
  readonly pullBlob: (digest: Digest, repo?: string) => Promise<unknown>;
  readonly mount: (digest: Digest, from: string | undefined, to: string) => Promise<boolean>;
  readonly pullTag: (tag: string) => Promise<unknown>;
};

export type PushOptions = {
  readonly oneOf?: "any" | readonly string[];
  readonly noneOf?: "any" | readonly string[];
  readonly tags?: readonly string[];
};

export type Refused = { readonly status: number; readonly codes: readonly string[]; readonly detail: unknown };

export function imageOf(
  layers: readonly Digest[],
  config: Digest = digestOf(Buffer.from("{}")),
  notes?: string,
): Buffer {
  const part = (digest: Digest, mediaType: string) => ({ mediaType, digest, size: 2 });
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_IMAGE_MANIFEST,
      config: part(config, "application/vnd.oci.image.config.v1+json"),
      layers: layers.map((layer) => part(layer, "application/vnd.oci.image.layer.v1.tar+gzip")),
      ...(notes === undefined ? {} : { annotations: { notes } }),
    }),
  );
}

export function indexOf(children: readonly Digest[], mediaType = OCI_IMAGE_MANIFEST): Buffer {
  const manifests = children.map((digest) => ({ mediaType, digest, size: 2 }));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests }));
}

/** Runs `story` where eu and us know each other and nothing else is there. */
export async function inTwoRegions(
  story: (regions: {
    readonly eu: Region;
    readonly us: Region;
    readonly cut: (planes?: readonly Plane[]) => void;
    readonly heal: () => void;
    readonly settle: () => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  const world = new World();
  const network = new SimNetwork(world);
  const eu = await world.run(startNode(world, network, "eu"));
  const us = await world.run(startNode(world, network, "us"));
  await world.runFor(5_000);
  const names = [eu.self.node, us.self.node] as const;
  await story({
    eu: regionOf(world, eu),
    us: regionOf(world, us),
    cut: (planes = PLANES) => {
      network.cutOneWay(names[0], names[1], planes);
      network.cutOneWay(names[1], names[0], planes);
    },
    heal: () => network.heal(...names),
    settle: async () => await world.runFor(30_000),
  });
  await world.run(Promise.all([eu.stop(), us.stop()]));
}

async function startNode(world: World, network: SimNetwork, region: string): Promise<Node> {
  const join = ["eu.test:7000", "us.test:7000"];
  const parsed = parseNodeConfig({ node: `${region}-1`, region, join });
  if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.problems));
  const prng = world.chanceFor(region);
  const advertise = { registry: `http://${region}.test:5000`, peer: `${region}.test:7000` };
  const node = await createNode(parsed.config, advertise, {
    clock: new SimClock(world),
    timers: new SimTimers(world),
    random: {
      bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(prng.fraction() * 256)),
      fraction: () => prng.fraction(),
    },
    disk: new SimDisk(),
    kv: new SimKv(),
    telemetry: new SimTelemetry(),
    peers: network.peers,
  });
  network.listen(node.self, node.peerService);
  node.start();
  return node;
}

function regionOf(world: World, node: Node): Region {
  const { operations } = node;
  const actor = "test";
  const pushBlob = async (text: string, repo: string = REPO): Promise<Digest> => {
    const bytes = Buffer.from(text);
    const digest = digestOf(bytes);
    const request = { repo: parseRepositoryName(repo), digest, body: once(bytes), actor };
    return await world.run(operations.pushBlob.run(request, NEVER));
  };
  const push = async (tag: string, bytes: Buffer, { tags = [], ...precondition }: PushOptions = {}) => {
    const request = {
      repo: REPO,
      reference: parseReference(tag),
      tags: tags.map((text) => tagOf(text)),
      contentType: undefined,
      bytes,
      precondition: { ...UNCONDITIONAL, ...precondition },
      actor,
    };
    return await told(world.run(operations.pushManifest.run(request, NEVER)).then(({ digest }) => digest));
  };
  return {
    node,
    pushBlob,
    push,
    pushImage: async (tag, layers) => {
      await pushBlob("{}");
      const digest = await push(tag, imageOf(layers));
      if (typeof digest === "string") return digest;
      throw new Error(JSON.stringify(digest));
    },
    headBlob: async (digest, repo = REPO) =>
      await told(world.run(operations.headBlob.run(parseRepositoryName(repo), digest, NEVER))),
    pullBlob: async (digest, repo = REPO) => await told(world.run(readBlob(node, parseRepositoryName(repo), digest))),
    mount: async (digest, from, to) => {
      const source = from === undefined ? undefined : parseRepositoryName(from);
      const request = { repo: parseRepositoryName(to), digest, from: source, actor };
      return await world.run(operations.mountBlob.run(request, NEVER));
    },
    pullTag: async (tag) =>
      await told(world.run(operations.pullManifest.run(REPO, parseReference(tag))).then(({ digest }) => digest)),
  };
}

function tagOf(text: string) {
  const reference = parseReference(text);
  if (reference.kind === "tag") return reference.tag;
  throw new Error(`${text} is no tag`);
}

async function readBlob(node: Node, repo: ReturnType<typeof parseRepositoryName>, digest: Digest) {
  const blob = await node.operations.pullBlob.run(repo, digest, NEVER);
  const parts: Buffer[] = [];
  try {
    for await (const chunk of blob.read({ start: 0, end: blob.size }, NEVER)) parts.push(Buffer.from(chunk));
  } finally {
    await blob.close();
  }
  return { text: Buffer.concat(parts).toString(), source: blob.source };
}

async function told<T>(answer: Promise<T>): Promise<T | Refused> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    const codes = [error.code, ...error.others.map(({ code }) => code)];
    return { status: error.status, codes, detail: error.detail };
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
