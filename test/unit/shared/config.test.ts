import { describe, expect, test } from "vitest";

import {
  advertisedBy,
  applyEnvironment,
  type ConfigProblem,
  configJsonSchema,
  type NodeConfig,
  parseNodeConfig,
  variableOf,
  writtenConfig,
} from "../../../shared/config.ts";

const DEFAULTS = {
  node: "node-1",
  region: "local",
  cluster: "meridian",
  data: "./data",
  listen: {
    registry: { host: "127.0.0.1", port: 5000 },
    peer: { host: "127.0.0.1", port: 7000 },
    ops: { host: "127.0.0.1", port: 9000 },
  },
  advertise: { registry: undefined, peer: undefined },
  join: [],
  routes: new Map(),
  labels: { zone: "", role: "full", capacityBytes: undefined, costClass: "" },
  storage: { driver: "filesystem", scrubBytesPerSecond: 16 * 1024 * 1024 },
  log: { level: "info" },
  limits: { connections: 16_384, connectionsPerClient: 8_192, uploadsPerClient: 5_000 },
  forceSolo: false,
  insecure: false,
};

const EVERYTHING = {
  node: "eu-1",
  region: "eu",
  cluster: "acme",
  data: "/var/lib/meridian",
  listen: { registry: "0.0.0.0:5000", peer: "[::]:7000", ops: "10.0.0.1:9000" },
  advertise: { registry: "https://eu.example.com", peer: "eu-1.example.com:7000" },
  join: ["us-1.example.com:7000", "[fd00::1]:7000"],
  routes: ["us-1=10.8.0.2:7000"],
  labels: { zone: "eu-a", role: "cache", capacity: "500GiB", costClass: "cheap" },
  storage: { driver: "filesystem", scrubPerSecond: "4MiB" },
  log: { level: "debug" },
  limits: { connections: 100, connectionsPerClient: 50, uploadsPerClient: 10 },
  forceSolo: true,
  insecure: true,
};

function configOf(value: unknown): NodeConfig {
  const parsed = parseNodeConfig(value);
  if (parsed.kind === "valid") return parsed.config;
  throw new Error(JSON.stringify(parsed.problems));
}

function problemsOf(value: unknown): readonly ConfigProblem[] {
  const parsed = parseNodeConfig(value);
  return parsed.kind === "valid" ? [] : parsed.problems;
}

/** Each problem as a line: its path, and what is wrong there. */
function linesOf(value: unknown): readonly string[] {
  return problemsOf(value).map(({ path, message }) => `${path.join(".")} ${message}`);
}

describe("a configuration", () => {
  test.each([undefined, null, {}])("may say nothing at all (%j): one node on loopback, in ./data", (value) => {
    expect(configOf(value)).toEqual(DEFAULTS);
  });

  test("may say everything", () => {
    expect(configOf(EVERYTHING)).toEqual({
      ...EVERYTHING,
      routes: new Map([["us-1", "10.8.0.2:7000"]]),
      labels: { zone: "eu-a", role: "cache", capacityBytes: 500 * 2 ** 30, costClass: "cheap" },
      storage: { driver: "filesystem", scrubBytesPerSecond: 4 * 1024 * 1024 },
      listen: {
        registry: { host: "0.0.0.0", port: 5000 },
        peer: { host: "::", port: 7000 },
        ops: { host: "10.0.0.1", port: 9000 },
      },
    });
  });

  test.each([[{}], [EVERYTHING], [{ listen: { ops: "localhost:0" }, join: ["x:1"] }]])(
    "written out in full reads back as itself: %j",
    (value) => {
      const config = configOf(value);

      expect(configOf(writtenConfig(config))).toEqual(config);
    },
  );

  test("names a peer once, however often it is listed", () => {
    expect(configOf({ join: ["x:1", "y:1", "x:1"] }).join).toEqual(["x:1", "y:1"]);
  });

  test("drops the stroke after an URL", () => {
    expect(configOf({ advertise: { registry: "http://x:5000/" } }).advertise.registry).toBe("http://x:5000");
  });
});

describe("an unknown key", () => {
  test.each([
    [{ nod: "x" }, ["nod"], "node"],
    [{ Region: "x" }, ["Region"], "region"],
    [{ insecur: true }, ["insecur"], "insecure"],
    [{ listen: { registri: "x" } }, ["listen", "registri"], "registry"],
    [{ registry: "x" }, ["registry"], "listen.registry"],
    [{ level: "debug" }, ["level"], "log.level"],
    [{ zzzzzzzz: 1 }, ["zzzzzzzz"], undefined],
    [{ toString: 1 }, ["toString"], undefined],
    [Object.fromEntries([["__proto__", {}]]), ["__proto__"], undefined],
  ])("is an error that names the nearest known one: %j", (value, path, nearest) => {
    expect(problemsOf(value)).toEqual([{ path, message: "is not a known key", nearest }]);
  });

  test.each(["tls", "peers", "auth"])("that a later release brings is an error that says so: %s", (key) => {
    expect(linesOf({ [key]: {} })).toEqual([expect.stringMatching(`^${key} is not supported by this release: `)]);
  });
});

describe("a value is refused in words that help", () => {
  test.each([
    [{ node: 5 }, "node must be a text, not a number"],
    [{ node: "EU" }, 'node must be lower-case letters, digits and inner hyphens, not "EU"'],
    [{ node: "x".repeat(64) }, "node must not be longer than 63 characters"],
    [{ node: "" }, 'node must be lower-case letters, digits and inner hyphens, not ""'],
    [{ region: null }, "region must be a text, not nothing"],
    [{ data: "" }, "data must not be empty"],
    [{ listen: "127.0.0.1:5000" }, "listen must be a table of keys and values, not a text"],
    [{ listen: null }, "listen must be a table of keys and values, not nothing"],
    [{ listen: { peer: 7000 } }, "listen.peer must be a text, not a number"],
    [{ listen: { peer: "localhost" } }, 'listen.peer must be host:port, such as 127.0.0.1:5000, not "localhost"'],
    [
      { listen: { peer: ":7000" } },
      'listen.peer must be host:port, such as 127.0.0.1:5000, not ":7000"; to listen on every address write 0.0.0.0:7000',
    ],
    [{ advertise: { registry: "x:5000" } }, 'advertise.registry must be http:// or https:// and a host, not "x:5000"'],
    [
      { advertise: { registry: "http://x/v2" } },
      'advertise.registry must be http:// or https:// and a host, not "http://x/v2"',
    ],
    [
      { advertise: { registry: "http://a:b@x" } },
      'advertise.registry must be http:// or https:// and a host, not "http://a:b@x"',
    ],
    [
      { advertise: { registry: "http://0.0.0.0:1" } },
      'advertise.registry must be http:// or https:// and a host, not "http://0.0.0.0:1"',
    ],
    [
      { advertise: { registry: "http://[::]:1" } },
      'advertise.registry must be http:// or https:// and a host, not "http://[::]:1"',
    ],
    [
      { advertise: { peer: "0.0.0.0:7000" } },
      'advertise.peer must be host:port of one reachable address, not "0.0.0.0:7000"',
    ],
    [{ join: "x:1" }, "join must be a list, not a text"],
    [{ join: ["x:1", 7] }, "join.1 must be a text, not a number"],
    [{ join: ["x:1", "x"] }, 'join.1 must be host:port of another node, not "x"'],
    [{ join: ["x:0"] }, 'join.0 must be host:port of another node, not "x:0"'],
    [{ routes: ["us-1=x:0"] }, 'routes.0 must be NODE=host:port, not "us-1=x:0"'],
    [{ routes: ["us-1"] }, 'routes.0 must be NODE=host:port, not "us-1"'],
    [{ labels: { capacity: "much" } }, 'labels.capacity must be a size such as 500GiB, not "much"'],
    [{ labels: { role: "boss" } }, 'labels.role must be full or cache or witness, not "boss"'],
    [
      { storage: { scrubPerSecond: "16" } },
      'storage.scrubPerSecond must be a size with its unit, such as 16MiB, not "16"',
    ],
    [{ storage: { driver: "s3" } }, 'storage.driver must be filesystem, not "s3"'],
    [{ log: { level: "trace" } }, 'log.level must be debug or info or warn or error, not "trace"'],
    [{ insecure: "yes" }, "insecure must be true or false, not a text"],
    [{ limits: { connections: 0 } }, 'limits.connections must be at least 1, not "0"'],
    [{ limits: { uploadsPerClient: 1e9 } }, 'limits.uploadsPerClient must be at most 1000000, not "1000000000"'],
    [{ limits: { connections: "many" } }, "limits.connections must be a whole number, not a text"],
    [{ limits: { connections: 1.5 } }, "limits.connections must be a whole number, not a number"],
    [[], " must be a table of keys and values, not a list"],
    ["node: x", " must be a table of keys and values, not a text"],
  ])("%j", (value, line) => {
    expect(linesOf(value)).toEqual([line]);
  });

  test("with every other mistake of the file, in its order", () => {
    const value = {
      nod: 1,
      tls: {},
      node: 5,
      listen: { registri: "x" },
      join: [3, 4],
      log: [],
      insecure: 1,
      data: "",
      cluster: 2,
      region: 3,
    };

    expect(problemsOf(value).map(({ path }) => path.join("."))).toEqual([
      "nod",
      "tls",
      "node",
      "listen.registri",
      "join.0",
      "join.1",
      "log",
      "insecure",
      "data",
      "cluster",
      "region",
    ]);
  });

  test("without repeating more of it than a person reads", () => {
    const [line = ""] = linesOf({ join: ["x".repeat(65_536)] });

    expect(line.length).toBeLessThan(160);
  });
});

describe("a listener that other machines reach", () => {
  test.each(["registry", "peer", "ops"])("is refused unless insecure says so: %s", (name) => {
    const exposed = { listen: { [name]: "10.0.0.1:1234" } };

    expect(problemsOf(exposed)).toEqual([
      {
        path: ["listen", name],
        message:
          "10.0.0.1:1234 can be reached from other machines, without TLS and authentication; " +
          "use 127.0.0.1, or say insecure: true if that is meant",
        nearest: undefined,
      },
    ]);
    expect(problemsOf({ ...exposed, insecure: true })).toEqual([]);
  });

  test.each(["localhost:1", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1"])("is not %s", (address) => {
    expect(problemsOf({ listen: { registry: address } })).toEqual([]);
  });

  test.each(["0.0.0.0:1", "[::]:1", "example.com:1", "127.1:1", "127.0.0.1.nip.io:1"])("may be %s", (address) => {
    expect(problemsOf({ listen: { registry: address } }).length).toBe(1);
  });
});

describe("listeners", () => {
  test("may not share an address, unless the system picks the ports", () => {
    expect(linesOf({ listen: { peer: "127.0.0.1:5000" } })).toEqual([
      "listen.peer is the same address as listen.registry",
    ]);
    expect(linesOf({ listen: { registry: "127.0.0.1:0", peer: "127.0.0.1:0", ops: "127.0.0.1:0" } })).toEqual([]);
  });

  test("on every address need a name to give to peers", () => {
    const listen = { registry: "0.0.0.0:5000", peer: "[::]:7000" };

    expect(linesOf({ insecure: true, listen })).toEqual([]);
    expect(linesOf({ insecure: true, listen, join: ["us-1:7000"] })).toEqual([
      "advertise.registry is needed: other nodes cannot call 0.0.0.0:5000",
      "advertise.peer is needed: other nodes cannot call [::]:7000",
    ]);
  });

  test("of a node without peers need no name", () => {
    expect(linesOf({ insecure: true, listen: { registry: "0.0.0.0:5000" } })).toEqual([]);
  });
});

describe("what a node tells others to call", () => {
  const bound = { registry: { host: "127.0.0.1", port: 41_000 }, peer: { host: "::1", port: 42_000 } };

  test("is where it listens, with the ports it was given", () => {
    expect(advertisedBy(configOf({}), bound)).toEqual({ registry: "http://127.0.0.1:41000", peer: "[::1]:42000" });
  });

  test("is what the configuration says, when it says something", () => {
    expect(advertisedBy(configOf(EVERYTHING), bound)).toEqual(EVERYTHING.advertise);
  });

  test("is this machine, when it listens everywhere and has no peers", () => {
    const everywhere = { registry: { host: "0.0.0.0", port: 5000 }, peer: { host: "::", port: 7000 } };

    expect(advertisedBy(configOf({}), everywhere)).toEqual({ registry: "http://127.0.0.1:5000", peer: "[::1]:7000" });
  });
});

describe("the environment", () => {
  test("overrides what the file says", () => {
    const environment = {
      MERIDIAN_NODE: "us-1",
      MERIDIAN_LISTEN_REGISTRY: "127.0.0.1:5002",
      MERIDIAN_JOIN: "a:1, b:2,",
      MERIDIAN_LOG_LEVEL: "warn",
      MERIDIAN_INSECURE: "true",
      PATH: "/bin",
    };
    const { value, variables, ignored } = applyEnvironment(
      { node: "eu-1", listen: { peer: "127.0.0.1:7002" } },
      environment,
    );

    expect(value).toEqual({
      node: "us-1",
      listen: { registry: "127.0.0.1:5002", peer: "127.0.0.1:7002" },
      join: ["a:1", "b:2"],
      log: { level: "warn" },
      insecure: true,
    });
    expect(variables.get("listen.registry")).toBe("MERIDIAN_LISTEN_REGISTRY");
    expect(ignored).toEqual([]);
  });

  test("alone is enough", () => {
    expect(configOf(applyEnvironment(undefined, { MERIDIAN_REGION: "eu" }).value)).toEqual({
      ...DEFAULTS,
      region: "eu",
    });
  });

  test("changes nothing of the file's own value", () => {
    const value = { listen: { peer: "127.0.0.1:1" } };
    applyEnvironment(value, { MERIDIAN_LISTEN_PEER: "127.0.0.1:2" });

    expect(value).toEqual({ listen: { peer: "127.0.0.1:1" } });
  });

  test("is not asked when a variable is empty", () => {
    expect(applyEnvironment({ node: "eu-1" }, { MERIDIAN_NODE: "", MERIDIAN_JOIN: undefined }).value).toEqual({
      node: "eu-1",
    });
  });

  test("is judged like the file", () => {
    const { value } = applyEnvironment({}, { MERIDIAN_INSECURE: "yes", MERIDIAN_NODE: "EU" });

    expect(linesOf(value)).toEqual([
      "insecure must be true or false, not a text",
      'node must be lower-case letters, digits and inner hyphens, not "EU"',
    ]);
  });

  test("does not hide that the file has a text where a table belongs", () => {
    const { value } = applyEnvironment({ listen: "x" }, { MERIDIAN_LISTEN_PEER: "127.0.0.1:1" });

    expect(linesOf(value)).toEqual(["listen must be a table of keys and values, not a text"]);
  });

  test("may hold variables that name no key, which are told and not obeyed", () => {
    const { value, ignored } = applyEnvironment({}, { MERIDIAN_LISTN_PEER: "x", MERIDIAN_SERVICE_HOST: "10.0.0.1" });

    expect(value).toEqual({});
    expect(ignored).toEqual([
      { variable: "MERIDIAN_LISTN_PEER", nearest: "MERIDIAN_LISTEN_PEER" },
      { variable: "MERIDIAN_SERVICE_HOST", nearest: undefined },
    ]);
  });

  test("names a key by its path in capitals", () => {
    expect(variableOf(["listen", "registry"])).toBe("MERIDIAN_LISTEN_REGISTRY");
  });
});

test("the published schema is plain JSON, closed, and says every default", () => {
  const schema = configJsonSchema();

  expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  expect(schema).toMatchObject({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    additionalProperties: false,
    properties: {
      node: { default: "node-1" },
      listen: { additionalProperties: false, properties: { registry: { default: "127.0.0.1:5000" } } },
      insecure: { default: false },
    },
  });
  expect(schema["required"]).toBeUndefined();
});
