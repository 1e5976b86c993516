/**
 * The shape of the house, held as a test: floors, doors, circles, determinism, honesty. Each rule is first shown a breach
 * that it must report, so that a rule that stopped seeing cannot pass for a house in order.
 */

import { describe, expect, test } from "vitest";
import {
  breachesOfDeterminism,
  breachesOfHonesty,
  breachesOfNaming,
  breachesOfPortsAreTypes,
  breachesOfReadmes,
  breachesOfTopLevel,
} from "./support/tidy/conventions.ts";
import { circlesAmong } from "./support/tidy/cycles.ts";
import { breachesOfFloorsAndDoors, ROOMS } from "./support/tidy/floors.ts";
import { breachesOfManifest } from "./support/tidy/manifest.ts";
import { breachesOfRoutes } from "./support/tidy/routes.ts";
import { scanSource } from "./support/tidy/scan-source.ts";
import type { SourceFile } from "./support/tidy/source-file.ts";
import { listFiles, readSources, readText, sourceFile } from "./support/tidy/source-file.ts";

const files = listFiles();
const sources = readSources(files);

/** Fewer sources than this and the tests below judge an empty house. */
const SOURCES_MIN = 60;

/** Rooms that a later issue furnishes. */
const ROOMS_TO_COME: readonly string[] = ["nodes/console"];

function fixture(texts: Readonly<Record<string, string>>): readonly SourceFile[] {
  return Object.entries(texts).map(([path, text]) => sourceFile(path, text));
}

describe("what the tests below look at", () => {
  test("is the whole source, in every room", () => {
    const furnished = ROOMS.filter(({ name }) => !ROOMS_TO_COME.includes(name)).map(({ name }) => name);
    const seen = ROOMS.filter(({ holds }) =>
      holds.some((held) => sources.some((source) => source.path.startsWith(held))),
    ).map(({ name }) => name);

    expect(sources.length).toBeGreaterThan(SOURCES_MIN);
    expect(seen.filter((name) => !ROOMS_TO_COME.includes(name))).toEqual(furnished);
  });

  test("is code, with comments and literals set apart", () => {
    const text = [
      'const url = "http://host/*"; // Date.now()',
      "const ratio = bytes / total / 2; /* import 'x' */",
      'const quoted = /[/"]\'/.test(a) ? `a ${b ? `inner ${c}` : "}"} Date.now()` : {};',
      "done();",
    ].join("\n");

    const { code, comments, imports } = scanSource(text);

    expect(code.length).toBe(text.length);
    expect(code.split("\n").map((line) => line.replaceAll(/\s+/g, " ").trimEnd())).toEqual([
      'const url = " ";',
      "const ratio = bytes / total / 2;",
      'const quoted = / /.test(a) ? ` {b ? ` {c}` : " "} ` : {};',
      "done();",
    ]);
    expect(comments).toEqual([
      { line: 1, text: "// Date.now()" },
      { line: 2, text: "/* import 'x' */" },
    ]);
    expect(imports).toEqual([]);
  });

  test("is every form of import", () => {
    const text = [
      'import { a, type B } from "./a.ts";',
      'import type { C } from "./c.ts";',
      "import {",
      "  d,",
      "} from './d.ts';",
      'export { e } from "./e.ts";',
      'export type { F } from "./f.ts";',
      'export * from "./g.ts";',
      'import "./h.ts";',
      'const i = await import("./i.ts");',
      "const j = await import(name);",
      'import * as k from "node:crypto";',
      "export const from = (x: string): string => x;",
      'export type L = import("./l.ts").L;',
    ].join("\n");

    expect(scanSource(text).imports).toEqual([
      { line: 1, specifier: "./a.ts", isType: false },
      { line: 2, specifier: "./c.ts", isType: true },
      { line: 3, specifier: "./d.ts", isType: false },
      { line: 6, specifier: "./e.ts", isType: false },
      { line: 7, specifier: "./f.ts", isType: true },
      { line: 8, specifier: "./g.ts", isType: false },
      { line: 9, specifier: "./h.ts", isType: false },
      { line: 10, specifier: "./i.ts", isType: false },
      { line: 11, specifier: undefined, isType: false },
      { line: 12, specifier: "node:crypto", isType: false },
      { line: 14, specifier: "./l.ts", isType: false },
    ]);
  });
});

describe("floors and doors", () => {
  test.each([
    [
      "nodes/storage/a.ts",
      'import { b } from "../registry/b.ts";',
      "floor 2 (nodes/storage) must not import floor 4 (nodes/registry)",
    ],
    ["nodes/http/a.ts", 'import { b } from "../rpc/b.ts";', "floor 6 (nodes/http) must not import floor 6 (nodes/rpc)"],
    [
      "nodes/http/a.ts",
      'export type { B } from "../cli/b.ts";',
      "floor 6 (nodes/http) must not import floor 7 (nodes/cli)",
    ],
    [
      "nodes/protocol/a.ts",
      'import type { B } from "../ports/b.ts";',
      "floor 1 (nodes/protocol) must not import floor 1 (nodes/ports)",
    ],
    ["nodes/ports/a.ts", 'import { b } from "../../shared/b.ts";', "nodes/ports may import only types from shared"],
    ["nodes/http/a.ts", 'import { B } from "../../proto/gen/b.ts";', "nodes/http must not import proto/gen"],
    ["cluster-sim/a.ts", 'import { b } from "../nodes/storage/b.ts";', "cluster-sim must not import nodes/storage"],
    [
      "cluster-sim/a.ts",
      'import { b } from "../nodes/ports/b.ts";',
      "cluster-sim may import only types from nodes/ports",
    ],
    ["nodes/cli/a.ts", 'import { b } from "../../test/support/b.ts";', "nodes/cli must not import test"],
    ["nodes/cluster/a.ts", "await import(name);", "imports a module by a computed name"],
    ["nodes/cluster/a.ts", 'import { b } from "../other/b.ts";', "imports nodes/other/b.ts, which stands on no floor"],
    ["nodes/other/a.ts", "", "stands on no floor"],
    ["nodes/registry/a.ts", 'import { fastify } from "fastify";', "package fastify may enter only by nodes/http/"],
    [
      "nodes/protocol/ring.ts",
      'import ring from "hashring";',
      "package hashring may enter only by nodes/protocol/placement.ts",
    ],
    [
      "nodes/cluster/a.ts",
      'import { credentials } from "@grpc/grpc-js";',
      "package @grpc/grpc-js may enter only by nodes/rpc/, proto/gen/",
    ],
    ["nodes/http/a.ts", 'import chalk from "chalk/x";', "package chalk has no door"],
    ["nodes/http/a.ts", 'import fs from "fs";', "package fs has no door"],
    ["nodes/storage/a.ts", 'import fs from "node:fs";', "below floor 6 nothing may import node:fs"],
    [
      "nodes/cluster/a.ts",
      'import { setTimeout } from "node:timers/promises";',
      "below floor 6 nothing may import node:timers/promises",
    ],
    ["shared/a.ts", 'import { Buffer } from "node:buffer";', "shared must not import node:buffer"],
  ])("are guarded: %s with %s", (path, text, why) => {
    expect(breachesOfFloorsAndDoors(fixture({ [path]: text }))).toEqual([`${path}:1: ${why}`]);
  });

  test("are open where the architecture opens them", () => {
    const allowed = fixture({
      "shared/a.ts": 'import { createHash } from "node:crypto"; import { Type } from "typebox"; import "./b.ts";',
      "nodes/storage/a.ts": 'import { b } from "../../shared/b.ts"; import type { Kv } from "../ports/kv.ts";',
      "nodes/rpc/a.ts": 'import type { B } from "../../proto/gen/b.ts"; import net from "node:net";',
      "nodes/main.ts": 'import { serve } from "./cli/serve.ts"; import { createNode } from "./node.ts";',
      "nodes/cli/lab.ts": 'import { startLab } from "../../cluster-sim/lab/start.ts";',
      "cluster-sim/a.ts":
        'import { createNode } from "../nodes/node.ts"; import type { Kv } from "../nodes/ports/kv.ts";',
      "test/unit/a.test.ts": 'import { test } from "vitest"; import { b } from "../../nodes/http/b.ts";',
    });

    expect(breachesOfFloorsAndDoors(allowed)).toEqual([]);
  });

  test("are kept by every import", () => {
    expect(breachesOfFloorsAndDoors(sources)).toEqual([]);
  });

  test("are not enough against circles within a room, which are found too", () => {
    const circle = fixture({
      "shared/a.ts": 'import { b } from "./b.ts";',
      "shared/b.ts": 'import type { C } from "./c.ts";',
      "shared/c.ts": 'export { a } from "./a.ts";',
    });

    expect(circlesAmong(circle)).toEqual(["shared/a.ts → shared/b.ts → shared/c.ts → shared/a.ts"]);
    expect(circlesAmong(sources)).toEqual([]);
  });
});

describe("below floor 6", () => {
  test.each([
    ["Date.now()", "reads the clock of the machine (Date.now)"],
    ["new Date()", "reads the clock of the machine (new Date())"],
    ["performance.now()", "reads the clock of the machine (performance)"],
    ["process.hrtime()", "asks the process"],
    ["setTimeout(go, 5)", "waits by a timer of the machine"],
    ["setImmediate(go)", "waits by a timer of the machine"],
    ["AbortSignal.timeout(5)", "waits by a timer of the machine (AbortSignal.timeout)"],
    ["Math.random()", "draws from the machine (Math.random)"],
    ["crypto.randomUUID()", "draws from the machine (node:crypto)"],
    ["randomBytes(8)", "draws from the machine (node:crypto)"],
    ["crypto.subtle", "uses crypto.subtle, whose order of completion is not ours"],
    ["new Worker(url)", "starts a thread"],
    ["await fetch(url)", "goes to the network (fetch)"],
    ["globalThis.setTimeout", "reaches for globalThis"],
  ])("%s is a breach, and above it is not", (code, why) => {
    const text = `export const a = (x) =>\n  ${code};\n`;

    expect(breachesOfDeterminism(fixture({ "nodes/cluster/a.ts": text }))).toEqual([`nodes/cluster/a.ts:2: ${why}`]);
    expect(breachesOfDeterminism(fixture({ "nodes/platform/a.ts": text }))).toEqual([]);
  });

  test("time and randomness come by ports, so their own words are no breach", () => {
    const text =
      "// Date.now()\nconst at = new Date(clock.now());\ntimers.setTimeout(5);\nawait this.fetch(x);\nconst s = 'Math.random()';";

    expect(breachesOfDeterminism(fixture({ "nodes/cluster/a.ts": text }))).toEqual([]);
  });

  test("nothing asks the machine for time, chance, threads or the network", () => {
    expect(breachesOfDeterminism(sources)).toEqual([]);
  });

  test("a port is types and nothing that runs", () => {
    const running = fixture({ "nodes/ports/a.ts": "export type A = string;\nexport const a = 1;\n" });

    expect(breachesOfPortsAreTypes(running)).toEqual(["nodes/ports/a.ts:2: a port holds types only"]);
    expect(breachesOfPortsAreTypes(sources)).toEqual([]);
  });
});

describe("honesty", () => {
  test.each([
    ["const a = b as any;", "casts to any"],
    ["// @ts-ignore", "switches the compiler off"],
    ["// @ts-nocheck", "switches the compiler off"],
    ["class A { private b = 1; }", "uses an access keyword; a private field is #private"],
    ["const a = require('a');", "uses require"],
    ["// TODO later", "leaves work behind without an issue number"],
    ["// oxlint-disable-next-line", "suppresses without its rule and a reason on the same line"],
    [
      "// oxlint-disable-next-line typescript/no-explicit-any",
      "suppresses without its rule and a reason on the same line",
    ],
    ["/* eslint-disable */", "suppresses without its rule and a reason on the same line"],
    ["// @ts-expect-error", "suppresses without its rule and a reason on the same line"],
    ["// biome-ignore format: no", "suppresses without its rule and a reason on the same line"],
  ])("%s is a breach", (text, why) => {
    expect(breachesOfHonesty(fixture({ "shared/a.ts": text }))).toEqual([`shared/a.ts:1: ${why}`]);
  });

  test("a suppression that names its rule and its reason is none, and a constructor may be private", () => {
    const text = [
      "// oxlint-disable-next-line typescript/no-deprecated -- the only call that older peers understand",
      "// @ts-expect-error TS2345: the declaration lags behind the package",
      "// biome-ignore format: the columns of the table are the point",
      "// TODO(issue 7): the second region",
      "class Door { private constructor() {} }",
      'const text = "as any, @ts-ignore";',
    ].join("\n");

    expect(breachesOfHonesty(fixture({ "shared/a.ts": text }))).toEqual([]);
  });

  test("no file goes round the compiler or the linter", () => {
    expect(breachesOfHonesty(sources)).toEqual([]);
  });
});

describe("names and places", () => {
  test("no folder or file is called utils, helpers or common", () => {
    expect(
      breachesOfNaming(["nodes/utils/a.ts", "shared/helpers.ts", "test/common/a.test.ts", "shared/units.ts"]),
    ).toEqual([
      "nodes/utils/a.ts:1: a name that says nothing",
      "shared/helpers.ts:1: a name that says nothing",
      "test/common/a.test.ts:1: a name that says nothing",
    ]);
    expect(breachesOfNaming(files)).toEqual([]);
  });

  test("the top level is fixed", () => {
    expect(breachesOfTopLevel(["docs/a.md", "nodes/main.ts", ".ci/run", "vitest.config.ts"])).toEqual([
      "docs: does not belong at the top level",
      "vitest.config.ts: does not belong at the top level",
    ]);
    expect(breachesOfTopLevel(files)).toEqual([]);
  });

  test("every folder with sources has a README of at most 40 lines", () => {
    const readme = (file: string): string => (file === "shared/README.md" ? "line\n".repeat(41) : "line\n".repeat(40));

    expect(
      breachesOfReadmes(
        ["shared/README.md", "shared/a.ts", "nodes/rpc/a.ts", "proto/README.md", "proto/a.proto", "proto/gen/a.ts"],
        readme,
      ),
    ).toEqual(["nodes/rpc: has no README.md", "shared/README.md: 41 lines, more than 40"]);
    expect(breachesOfReadmes(files, readText)).toEqual([]);
  });

  test("every package is pinned, and no lock entry names a host", () => {
    const manifest = { dependencies: { level: "^10.0.0" }, devDependencies: { vitest: "5.1.1" } };
    const lock = { packages: { "node_modules/level": { resolved: "https://mirror.invalid/level.tgz" } } };

    expect(breachesOfManifest(manifest, lock)).toEqual([
      "package.json: level is ^10.0.0, not one version",
      "package-lock.json: node_modules/level names where it was downloaded",
    ]);
    expect(breachesOfManifest(JSON.parse(readText("package.json")), JSON.parse(readText("package-lock.json")))).toEqual(
      [],
    );
  });

  test("at most 15 packages come with the node", () => {
    const dependencies = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`package-${index}`, "1.0.0"]));

    expect(breachesOfManifest({ dependencies }, {})).toEqual(["package.json: 16 runtime packages, more than 15"]);
  });
});

describe("routes", () => {
  test("a route without a declared access is a breach", () => {
    const routes = [
      { method: "GET", path: "/v2/", access: "none" },
      { method: "GET", path: "/secret" },
      { method: "PUT", path: "/odd", access: "whoever" },
    ];

    expect(breachesOfRoutes(routes)).toEqual([
      "GET /secret: declares no known access (undefined)",
      'PUT /odd: declares no known access ("whoever")',
    ]);
    expect(breachesOfRoutes([])).toEqual(["the table of routes is empty"]);
    expect(breachesOfRoutes(undefined)).toEqual(["there is no table of routes"]);
  });

  test("every endpoint declares the access it needs", async () => {
    const module: unknown = await import(new URL("../nodes/http/routes.ts", import.meta.url).href);

    expect(
      breachesOfRoutes(typeof module === "object" && module !== null && "ROUTES" in module ? module.ROUTES : undefined),
    ).toEqual([]);
  });
});
