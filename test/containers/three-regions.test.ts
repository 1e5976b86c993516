/**
 * Three regions as containers: the image of deploy/Dockerfile, each pair of nodes on a network of its own, driven by the
 * Docker client. Cutting a pair is taking one of the two off their network.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { eventually } from "../support/eventually.ts";
import { requirements } from "../support/requirements.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const IMAGE = "meridian:test";
const NODE_IMAGE = "meridian-node:test";
const PAYLOAD = "meridian-payload:test";
const REGIONS = ["eu", "us", "ap"] as const;
type RegionName = (typeof REGIONS)[number];

/** Networks and volumes are named after this process, so that two runs on one daemon do not meet. */
const RUN = `meridian-test-${process.pid}`;
const CONVERGES_WITHIN_MS = 20_000;

const run = promisify(execFile);

async function docker(...words: readonly string[]): Promise<string> {
  const { stdout } = await run("docker", [...words], { maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

function pairs(): readonly (readonly [RegionName, RegionName])[] {
  return [
    ["eu", "us"],
    ["us", "ap"],
    ["eu", "ap"],
  ];
}

function networkOf(one: RegionName, other: RegionName): string {
  return `${RUN}-${[one, other].toSorted().join("-")}`;
}

/** Each peer is dialled by the name it has on the network that the two share. */
function peersOf(region: RegionName): string {
  return REGIONS.filter((other) => other !== region)
    .map((other) => `${other}:7000`)
    .join(",");
}

class Regions {
  readonly #containers = new Map<RegionName, StartedTestContainer>();

  async start(): Promise<void> {
    for (const [one, other] of pairs()) await docker("network", "create", networkOf(one, other));
    await Promise.all(
      REGIONS.map(async (region) => {
        const container = await new GenericContainer(IMAGE)
          .withName(`${RUN}-${region}`)
          .withEnvironment({
            MERIDIAN_NODE: `${region}-1`,
            MERIDIAN_REGION: region,
            MERIDIAN_JOIN: peersOf(region),
            MERIDIAN_ADVERTISE_REGISTRY: `http://${region}:5000`,
            MERIDIAN_ADVERTISE_PEER: `${region}:7000`,
          })
          .withExposedPorts(5000, 9000)
          .withWaitStrategy(Wait.forHttp("/readyz", 9000))
          .start();
        this.#containers.set(region, container);
      }),
    );
    for (const [one, other] of pairs()) {
      await this.#join(one, other);
      await this.#join(other, one);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.#containers.values()].map(async (container) => await container.stop({ removeVolumes: true })),
    );
    for (const [one, other] of pairs()) await docker("network", "rm", networkOf(one, other));
  }

  registry(region: RegionName): string {
    const container = this.#containers.get(region);
    if (container === undefined) throw new Error(`${region} has not been started`);
    return `127.0.0.1:${container.getMappedPort(5000)}`;
  }

  /** Takes `region` off the networks it shares with the others. */
  async isolate(region: RegionName): Promise<void> {
    for (const other of REGIONS) {
      if (other !== region) await docker("network", "disconnect", networkOf(region, other), `${RUN}-${region}`);
    }
  }

  async reconnect(region: RegionName): Promise<void> {
    for (const other of REGIONS) if (other !== region) await this.#join(region, other);
  }

  async #join(region: RegionName, other: RegionName): Promise<void> {
    await docker("network", "connect", "--alias", region, networkOf(region, other), `${RUN}-${region}`);
  }
}

/** The digest that a tag has in one region; `undefined` while it is not known there. */
async function digestOf(registry: string, repo: string, tag: string): Promise<string | undefined> {
  const response = await fetch(`http://${registry}/v2/${repo}/manifests/${tag}`, { method: "HEAD" });
  return response.ok ? (response.headers.get("docker-content-digest") ?? undefined) : undefined;
}

/** An image of three layers, the first of them Node itself, that says `word` when it is run. */
async function buildPayload(word: string): Promise<string> {
  const name = `${PAYLOAD}-${word}`;
  const write = (file: string): string =>
    `RUN ["node", "-e", "fs.writeFileSync('/${file}', crypto.randomBytes(1 << 20))"]`;
  const lines = [`FROM ${NODE_IMAGE}`, write("first"), write("second"), `CMD ["node", "-p", "'${word}'"]`];
  const building = run("docker", ["build", "--quiet", "--tag", name, "-"]);
  building.child.stdin?.end(lines.join("\n"));
  await building;
  return name;
}

describe.skipIf(!requirements.docker().available)("three regions in containers", () => {
  const regions = new Regions();

  beforeAll(async () => {
    await run("make", ["image", `IMAGE=${IMAGE}`, `NODE_IMAGE=${NODE_IMAGE}`], {
      cwd: PROJECT,
      maxBuffer: 64 * 1024 * 1024,
    });
    await regions.start();
  });

  afterAll(async () => {
    await regions.stop();
    const images = await docker("images", "--quiet", "--filter", `reference=127.0.0.1:*/${RUN}/*`);
    for (const image of new Set(images.split("\n").filter((id) => id !== ""))) await docker("rmi", "--force", image);
  });

  /** Pushes `payload` in one region under a name of its own. Returns the repository. */
  async function push(region: RegionName, payload: string, repo: string, tag: string): Promise<void> {
    const name = `${regions.registry(region)}/${repo}:${tag}`;
    await docker("tag", payload, name);
    await docker("push", "--quiet", name);
    await docker("rmi", name);
  }

  test("an image that docker pushes in one region runs from another, under the same digest", async () => {
    const repo = `${RUN}/hello`;
    await push("eu", await buildPayload("hello"), repo, "1");
    const pushed = await digestOf(regions.registry("eu"), repo, "1");
    expect(pushed).toMatch(/^sha256:/);
    await eventually(async () => (await digestOf(regions.registry("ap"), repo, "1")) === pushed, CONVERGES_WITHIN_MS);

    const name = `${regions.registry("ap")}/${repo}:1`;
    await docker("pull", "--quiet", name);

    expect(await docker("run", "--rm", name)).toBe("hello");
    expect(await docker("image", "inspect", "--format", "{{index .RepoDigests 0}}", name)).toContain(pushed);
  });

  test("a region off the network takes pushes and serves what it has, and all agree once it is back", async () => {
    const repo = `${RUN}/divided`;
    const [inside, outside] = [await buildPayload("inside"), await buildPayload("outside")];
    await regions.isolate("eu");

    await push("eu", inside, repo, "inside");
    await push("us", outside, repo, "outside");
    await push("eu", inside, repo, "latest");
    await push("us", outside, repo, "latest");
    expect(await digestOf(regions.registry("us"), repo, "inside")).toBeUndefined();
    await regions.reconnect("eu");

    const seen = async (): Promise<readonly string[]> =>
      await Promise.all(
        REGIONS.map(async (region) => {
          const digests = ["inside", "outside", "latest"].map((tag) => digestOf(regions.registry(region), repo, tag));
          return JSON.stringify(await Promise.all(digests));
        }),
      );
    await eventually(async () => {
      const [first, ...others] = await seen();
      return first !== undefined && !first.includes("null") && others.every((other) => other === first);
    }, CONVERGES_WITHIN_MS);
    const name = `${regions.registry("ap")}/${repo}:inside`;
    expect(await docker("run", "--rm", name)).toBe("inside");
  });
});
