import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { type } from "../support/cli-session.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

let folder: string;
let file: string;
let remove: () => Promise<void>;

beforeEach(async () => {
  ({ path: folder, remove } = await temporaryFolder());
  file = join(folder, "node.yaml");
});

afterEach(async () => {
  await remove();
});

describe("meridian config check", () => {
  test("says for whom a good file is", async () => {
    await writeFile(file, "node: eu-1\nregion: eu\n");

    expect(await type(["config", "check", file])).toEqual({
      exitCode: 0,
      out: `${file}: good, for node eu-1 in eu\n`,
      err: "",
    });
  });

  test("tells every mistake at once, each with its line and the key that was probably meant", async () => {
    await writeFile(
      file,
      [
        "# a node",
        "node: eu-1",
        "regoin: eu",
        "listen:",
        "  registry: 127.0.0.1:5000",
        "  pear: 127.0.0.1:7000",
        "insecure: perhaps",
        "",
      ].join("\n"),
    );

    const { exitCode, out, err } = await type(["config", "check", file]);

    expect({ exitCode, out }).toEqual({ exitCode: 1, out: "" });
    expect(err.split("\n")).toEqual([
      "meridian config: the configuration has 3 mistakes",
      `  ${file}:3: regoin is not a known key; did you mean region?`,
      `  ${file}:6: listen.pear is not a known key; did you mean peer?`,
      `  ${file}:7: insecure must be true or false, not a text`,
      "  try:   meridian config schema lists every key; meridian config check FILE checks again",
      "",
    ]);
  });

  test("finds the line of an item in a list", async () => {
    await writeFile(file, "join:\n  - 127.0.0.1:7001\n  - nonsense\n");

    expect((await type(["config", "check", file])).err).toContain(`${file}:3: join.1 must be host:port`);
  });

  test.each([
    ["a tab for indentation", "listen:\n\tregistry: x\n", ":2:"],
    ["an open bracket", "join: [\n", ":"],
    ["a key twice", "node: a\nregion: b\nnode: c\n", ":3:"],
  ])("tells the line of %s", async (_, text, line) => {
    await writeFile(file, text);

    const { exitCode, err } = await type(["config", "check", file]);
    expect(exitCode).toBe(1);
    expect(err).toContain(`${file}${line}`);
  });

  test("is not impressed by a file that unfolds to millions of values", async () => {
    const lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"];
    for (let level = 0; level < 8; level += 1) {
      const inner = String.fromCharCode(97 + level);
      const outer = String.fromCharCode(98 + level);
      lines.push(`${outer}: &${outer} [${Array.from({ length: 10 }, () => `*${inner}`).join(", ")}]`);
    }
    await writeFile(file, lines.join("\n"));

    const { exitCode, err } = await type(["config", "check", file]);

    expect(exitCode).toBe(1);
    expect(err).toContain("alias");
  });

  test("names the variable when the environment is what is wrong", async () => {
    await writeFile(file, "region: eu\n");

    const { err } = await type(["config", "check", file], { environment: { MERIDIAN_REGION: "E U" } });
    expect(err).toContain("  MERIDIAN_REGION: region must be lower-case letters");
  });

  test("warns of variables that look meant for a node and name no key", async () => {
    await writeFile(file, "region: eu\n");

    const { exitCode, err } = await type(["config", "check", file], {
      environment: { MERIDIAN_REGOIN: "us", MERIDIAN_SERVER: "x" },
    });
    expect({ exitCode, err }).toEqual({
      exitCode: 0,
      err: "warning: MERIDIAN_REGOIN names no key; did you mean MERIDIAN_REGION?\n",
    });
  });

  test("of a file that is not there ends with 3", async () => {
    expect((await type(["config", "check", file])).exitCode).toBe(3);
  });
});

describe("meridian config print", () => {
  test("fills in what was left out and lays the environment over it; what it prints means the same", async () => {
    await writeFile(file, "node: eu-1\nregion: eu\n");
    const environment = { MERIDIAN_LISTEN_REGISTRY: "127.0.0.1:6000", MERIDIAN_JOIN: "127.0.0.1:7001, 127.0.0.1:7002" };

    const printed = await type(["config", "print", file], { environment });
    await writeFile(file, printed.out);
    const again = await type(["config", "print", file, "--format", "json"]);

    expect(JSON.parse(again.out)).toMatchObject({
      node: "eu-1",
      region: "eu",
      data: "./data",
      listen: { registry: "127.0.0.1:6000", peer: "127.0.0.1:7000", ops: "127.0.0.1:9000" },
      join: ["127.0.0.1:7001", "127.0.0.1:7002"],
    });
    expect((await type(["config", "print", file])).out).toBe(printed.out);
  });
});

test("meridian config schema is JSON Schema that knows every key it prints", async () => {
  const schema: unknown = JSON.parse((await type(["config", "schema"])).out);
  const printed = (await type(["config", "print"])).out;

  expect(schema).toMatchObject({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    additionalProperties: false,
  });
  const keys = [...printed.matchAll(/^ *([a-z]+):/gm)].flatMap(([, key]) => key ?? []);
  expect(keys.length).toBeGreaterThan(10);
  expect(keys.filter((key) => !JSON.stringify(schema).includes(`"${key}":`))).toEqual([]);
});
