/** The commands, typed against two real nodes. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";

import { type Lab, startLab } from "../../cluster-sim/lab/lab.ts";
import { type Typed, type } from "../support/cli-session.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const HELLO = "sha256:5cc7c8a97e51faed91cea41ddb1c1135d11d9a5f64846318afb9583539dc22d0";

let lab: Lab;
let eu: string;
let us: string;
let folder: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ path: folder, remove } = await temporaryFolder());
  lab = await startLab({ regions: ["eu", "us"], latencies: "none" });
  eu = lab.node("eu").registry;
  us = lab.node("us").registry;
  await done("push", "sample:hello", `${eu}/hello:v1`);
  await done("wait", `${eu}/hello:v1`);
});

afterAll(async () => {
  await lab.stop();
  await remove();
});

/** What a command that must succeed writes. */
async function done(...words: readonly string[]): Promise<Typed> {
  const typed = await type(words);
  if (typed.exitCode !== 0) throw new Error(`meridian ${words.join(" ")}: ${typed.err}`);
  return typed;
}

async function json(...words: readonly string[]): Promise<Record<string, unknown>> {
  const value: Record<string, unknown> = JSON.parse((await done(...words, "--format", "json")).out);
  return value;
}

describe("push", () => {
  test("prints the exact name alone, and tells each part elsewhere", async () => {
    const { out, err } = await done("push", "sample:hello", `${eu}/first/push:v1`);

    expect(out).toBe(`${eu}/first/push:v1@${HELLO}\n`);
    expect(
      err.split("\n").filter((line) => /^(?:config|layer) [0-9a-f]{12} {2}\S+ {2}(?:sent|already there) /.test(line))
        .length,
    ).toBe(4);
  });

  test("again sends nothing, and with --quiet says nothing but the name", async () => {
    const again = await done("push", "sample:hello", `${eu}/hello:v1`);
    const quiet = await done("push", "-q", "sample:hello", `${eu}/hello:v1`);

    expect(again.err.match(/already there/g)?.length).toBe(4);
    expect(quiet).toEqual({ exitCode: 0, out: `${eu}/hello:v1@${HELLO}\n`, err: "" });
  });

  test("without a tag means latest, and with a digest insists on it", async () => {
    expect((await done("push", "-q", "sample:hello", `${eu}/untagged`)).out).toBe(`${eu}/untagged:latest@${HELLO}\n`);
    expect((await done("push", "-q", "sample:hello", `${eu}/untagged:x@${HELLO}`)).out).toBe(
      `${eu}/untagged:x@${HELLO}\n`,
    );

    const other = await type(["push", "-q", "sample:other", `${eu}/untagged@${HELLO}`]);
    expect(other.exitCode).toBe(5);
    expect(other.err).toContain("not the digest that was named");
  });

  test("as JSON tells what was moved", async () => {
    expect(await json("push", "-q", "sample:hello", `${eu}/hello:v1`)).toEqual({
      image: `${eu}/hello:v1@${HELLO}`,
      digest: HELLO,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: 3,
      blobs: 4,
      bytes: expect.any(Number),
      external: 0,
    });
  });
});

describe("pull", () => {
  test("of what was pushed in one region comes whole out of the other, and goes back in as the same image", async () => {
    const place = `oci:${join(folder, "layout")}`;
    const pulled = await done("pull", `${us}/hello:v1`, place);
    const pushed = await done("push", place, `${us}/came/back:v1`);

    expect(pulled.out).toBe(`${place}@${HELLO}\n`);
    expect(pushed.out).toBe(`${us}/came/back:v1@${HELLO}\n`);
  });

  test("to a Docker archive takes one platform and leaves nothing when it fails", async () => {
    const file = join(folder, "hello.tar");
    const { digest } = await json("pull", `${eu}/hello:v1`, `docker-archive:${file}`, "--platform", "linux/arm64");
    const missing = await type([
      "pull",
      `${eu}/hello:v1`,
      `docker-archive:${join(folder, "no.tar")}`,
      "--platform",
      "linux/s390x",
    ]);
    const again = await type(["pull", `${eu}/hello:v1`, `docker-archive:${file}`]);

    expect(digest).not.toBe(HELLO);
    expect(missing.exitCode).toBe(3);
    expect(again.exitCode).toBe(5);
    expect((await readdir(folder)).filter((name) => name.endsWith("tar") || name.endsWith("partial"))).toEqual([
      "hello.tar",
    ]);
  });

  test("of what is not there ends with 3 and says where to look", async () => {
    const { exitCode, err } = await type(["pull", `${eu}/hello:never`, `oci:${join(folder, "never")}`]);

    expect(exitCode).toBe(3);
    expect(err).toContain(`try:   see what is there: meridian tags ${eu}/hello`);
    expect(await readdir(folder)).not.toContain("never");
  });
});

describe("copy", () => {
  test("within a registry mounts and sends nothing; to another it sends", async () => {
    const within = await done("copy", `${eu}/hello:v1`, `${eu}/prod/hello:v1`);
    const between = await done("copy", `${eu}/hello:v1`, `${us}/other/hello:v1`);

    expect(within.out).toBe(`${eu}/prod/hello:v1@${HELLO}\n`);
    expect(within.err.match(/ mounted /g)?.length).toBe(4);
    expect(between.out).toBe(`${us}/other/hello:v1@${HELLO}\n`);
  });
});

describe("tag, digest, tags and rm", () => {
  test("do to a tag what they say, in all regions", async () => {
    await done("push", "-q", "sample:tagged", `${eu}/tagged:v1`);
    const digest = (await done("digest", `${eu}/tagged:v1`)).out.trim();
    expect((await done("tag", `${eu}/tagged:v1`, "stable", "v1.0")).out).toBe(
      `${eu}/tagged:stable@${digest}\n${eu}/tagged:v1.0@${digest}\n`,
    );
    await done("wait", `${eu}/tagged:v1.0`);
    expect((await done("tags", `${us}/tagged`)).out).toBe("stable\nv1\nv1.0\n");

    expect((await done("rm", `${us}/tagged:stable`)).out).toBe(`${us}/tagged:stable\n`);
    expect((await done("tags", `${us}/tagged`)).out).toBe("v1\nv1.0\n");
    await done("rm", `${us}/tagged@${digest}`);
    expect((await type(["digest", `${us}/tagged:v1`])).exitCode).toBe(3);
    expect((await type(["rm", `${us}/tagged:v1`])).exitCode).toBe(3);
  });
});

describe("inspect", () => {
  test("shows platforms of an index and parts of an image, and raw bytes exactly", async () => {
    const { out } = await done("inspect", `${eu}/hello:v1`);
    const index = await json("inspect", `${eu}/hello:v1`);
    const raw = await done("inspect", "--raw", `${eu}/hello:v1`);

    expect(out).toContain("linux/amd64");
    expect(index).toMatchObject({
      digest: HELLO,
      kind: "index",
      parts: [{ part: "linux/amd64" }, { part: "linux/arm64" }],
    });
    expect(JSON.parse(raw.out)).toMatchObject({ schemaVersion: 2 });
    expect(raw.out.length).toBe(index["size"]);
  });
});

describe("the cluster", () => {
  test("is shown by status, members and lag as one node sees it", async () => {
    const status = await json("status", "--server", eu);
    const members = await json("members", "--server", us);
    const lag = await done("lag", "--server", eu);

    expect(status).toMatchObject({
      cluster: "lab",
      node: "eu-1",
      members: [
        { node: "eu-1", self: true },
        { node: "us-1", reachability: "reachable" },
      ],
    });
    expect(members).toMatchObject({ members: [{ node: "us-1" }, { node: "eu-1" }] });
    expect(lag.out).toMatch(/^from\\to {2}eu-1 +us-1\neu-1 +- /);
    expect((await done("status", "--server", eu)).out).toContain("2 of 2 nodes reachable");
  });

  test("is found to hold the same everywhere", async () => {
    const { out, err } = await done("verify", "--server", eu, "--timeout", "30s");

    expect(out).toMatch(/^NODE +REGION +STATE +DIFFERENCES\nus-1 +us +equal +0\n$/);
    expect(err).toContain("2 nodes hold the same");
  });

  test("tells where an image is, and who moved its tag", async () => {
    const replication = await json("replication", `${us}/hello:v1`);
    const history = await json("history", `${us}/hello:v1`);

    expect(replication).toMatchObject({ image: "hello:v1", digest: HELLO, unheard: [] });
    expect(history).toMatchObject({
      name: "hello",
      tag: "v1",
      moves: [{ node: "eu-1", region: "eu", to: HELLO, outcome: "current" }],
    });
    expect((await done("history", `${us}/hello:v1`)).out).toMatch(
      /^WHEN .*\n.*Z +eu +eu-1 +\S+ +- +sha256:5cc7c8a97e51 +current\n$/,
    );
    expect((await type(["replication", `${eu}/never:v1`])).exitCode).toBe(3);
  });
});

describe("wait", () => {
  test("returns when every region has come so far", async () => {
    await done("push", "-q", "sample:awaited", `${us}/awaited:v1`);
    const outcome = await json(
      "wait",
      `${us}/awaited:v1`,
      "--regions",
      "eu,us",
      "--level",
      "known",
      "--timeout",
      "30s",
    );

    expect(outcome).toMatchObject({ image: "awaited:v1", reached: true });
  });

  test("ends with 7 when none has come so far in time, and with 6 when only some have", async () => {
    await done("push", "-q", "sample:local", `${eu}/local:v1`);
    const none = await type(["wait", `${eu}/never:v1`, "--timeout", "100ms"]);
    const some = await type(["wait", `${eu}/local:v1`, "--level", "resident", "--timeout", "100ms"]);
    const unknown = await type(["wait", `${eu}/local:v1`, "--regions", "eu,mars", "--timeout", "100ms"]);

    expect(none.exitCode).toBe(7);
    expect(some.exitCode).toBe(6);
    expect(some.err).toContain("not resident in us after 100ms");
    expect(unknown.err).toContain("not pullable in mars after 100ms");
  });
});

describe("every command that prints", () => {
  const commands = (): readonly (readonly string[])[] => [
    ["push", "sample:hello", `${eu}/hello:v1`],
    ["pull", `${eu}/hello:v1`, `oci:${join(folder, "formats")}`],
    ["copy", `${eu}/hello:v1`, `${eu}/formats:v1`],
    ["tag", `${eu}/formats:v1`, "v2"],
    ["digest", `${eu}/hello:v1`],
    ["inspect", `${eu}/hello:v1`],
    ["tags", `${eu}/hello`],
    ["history", `${eu}/hello:v1`],
    ["status", "--server", eu],
    ["members", "--server", eu],
    ["lag", "--server", eu],
    ["verify", "--server", eu],
    ["replication", `${eu}/hello:v1`],
    ["wait", `${eu}/hello:v1`],
  ];

  test("says the same in JSON as in YAML, in one document on standard output", async () => {
    for (const words of commands()) {
      const asJson: unknown = JSON.parse((await done(...words, "--format", "json")).out);
      const asYaml: unknown = parse((await done(...words, "--format", "yaml")).out);

      expect(shapeOf(asYaml)).toEqual(shapeOf(asJson));
    }
  });
});

/** Keys and kinds: times and counters move between two calls. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shapeOf(inner)]));
}
