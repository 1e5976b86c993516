/**
 * A node's configuration: what a file and the environment may say, what it means, and every way to get it wrong.
 *
 * The schema below is the one source of the validator, of the published JSON Schema and of the names of the
 * environment variables. It judges structure; what a schema says badly (addresses, names, how keys relate) is judged
 * by parsers, so that each complaint is one sentence about one place. Nothing is guessed and nothing is ignored: an
 * unknown key is an error, because a misspelt `insecure` or `join` would otherwise start another node than the one
 * that was meant. Reading files and finding line numbers is the loader's; a problem's `path` is what it looks up.
 */
import { type Static, Type } from "typebox";
import { Check, Errors } from "typebox/schema";

import { formatHostPort, type HostPort, isLoopbackHost, isWildcardHost, parseHostPort } from "./host-port.ts";
import { type ClusterId, isClusterId, isNodeId, isRegion, type NodeId, type Region } from "./identity.ts";
import { invariant } from "./invariant.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "./json.ts";
import {
  CONNECTIONS_MAX,
  CONNECTIONS_PER_CLIENT_MAX,
  NODE_NAME_LENGTH_MAX,
  PEERS_MAX,
  UPLOAD_SESSIONS_PER_CLIENT_MAX,
} from "./limits.ts";
import { MEMBER_ROLES, type MemberLabels } from "./member.ts";
import { nearestTo } from "./nearest.ts";
import { parseSize } from "./units.ts";

const NODE_DEFAULT = "node-1";
const REGION_DEFAULT = "local";
const CLUSTER_DEFAULT = "meridian";
const DATA_DEFAULT = "./data";
const LISTEN_DEFAULT = { registry: "127.0.0.1:5000", peer: "127.0.0.1:7000", ops: "127.0.0.1:9000" } as const;

const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
const LOG_LEVEL_DEFAULT = "info";
const STORAGE_DRIVERS = ["filesystem"] as const;
const SCRUB_DEFAULT = "16MiB";

const NAME = { pattern: "^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$", maxLength: NODE_NAME_LENGTH_MAX } as const;
const CLOSED = { additionalProperties: false } as const;

const SCHEMA = Type.Object(
  {
    node: Type.Optional(
      Type.String({
        ...NAME,
        default: NODE_DEFAULT,
        description: "Stable name of this node, unlike every other in the cluster.",
      }),
    ),
    region: Type.Optional(Type.String({ ...NAME, default: REGION_DEFAULT, description: "Region this node serves." })),
    cluster: Type.Optional(
      Type.String({ ...NAME, default: CLUSTER_DEFAULT, description: "Nodes of different clusters refuse each other." }),
    ),
    data: Type.Optional(
      Type.String({ minLength: 1, default: DATA_DEFAULT, description: "Folder for everything this node stores." }),
    ),
    listen: Type.Optional(
      Type.Object(
        {
          registry: listener(LISTEN_DEFAULT.registry, "Where clients reach the registry, its API and its console."),
          peer: listener(LISTEN_DEFAULT.peer, "Where the other nodes reach this one."),
          ops: listener(LISTEN_DEFAULT.ops, "Where metrics and health are read."),
        },
        { ...CLOSED, description: "Addresses to listen on, each host:port; port 0 takes a free one." },
      ),
    ),
    advertise: Type.Optional(
      Type.Object(
        {
          registry: Type.Optional(
            Type.String({ description: "URL by which others reach the registry. Where it listens, unless given." }),
          ),
          peer: Type.Optional(
            Type.String({
              description: "host:port by which other nodes reach this one. Where it listens, unless given.",
            }),
          ),
        },
        { ...CLOSED, description: "What this node tells others to call it by." },
      ),
    ),
    join: Type.Optional(
      Type.Array(Type.String(), {
        default: [],
        maxItems: PEERS_MAX,
        description: "host:port of the peer listeners of other nodes.",
      }),
    ),
    routes: Type.Optional(
      Type.Array(Type.String(), {
        default: [],
        maxItems: PEERS_MAX,
        description: "NODE=host:port: where this node reaches that one, when not at the address that one advertises.",
      }),
    ),
    labels: Type.Optional(
      Type.Object(
        {
          zone: Type.Optional(
            Type.String({ ...NAME, description: "Failure domain within the region: nodes of one zone fail together." }),
          ),
          role: Type.Optional(
            Type.Enum([...MEMBER_ROLES], {
              default: "full",
              description: "full keeps what policies ask for, cache only what is in use, witness no layers.",
            }),
          ),
          capacity: Type.Optional(Type.String({ description: "Room for layers, such as 500GiB." })),
          costClass: Type.Optional(
            Type.String({ ...NAME, description: "What bytes out of this node cost, in words of the operator's own." }),
          ),
        },
        { ...CLOSED, description: "What the other nodes are told of this one." },
      ),
    ),
    storage: Type.Optional(
      Type.Object(
        {
          driver: Type.Optional(
            Type.Enum([...STORAGE_DRIVERS], { default: "filesystem", description: "Where blobs are kept." }),
          ),
          scrubPerSecond: Type.Optional(
            Type.String({
              default: SCRUB_DEFAULT,
              description: "How much of the blobs is read and hashed a second, round after round, to find rot.",
            }),
          ),
        },
        CLOSED,
      ),
    ),
    log: Type.Optional(
      Type.Object(
        {
          level: Type.Optional(
            Type.Enum([...LOG_LEVELS], { default: LOG_LEVEL_DEFAULT, description: "The least that is worth a line." }),
          ),
        },
        CLOSED,
      ),
    ),
    limits: Type.Optional(
      Type.Object(
        {
          connections: limit(CONNECTIONS_MAX, "Connections of clients that may be open at once."),
          connectionsPerClient: limit(
            CONNECTIONS_PER_CLIENT_MAX,
            "Of them from one address. A proxy in front of this node counts as one client: raise it there.",
          ),
          uploadsPerClient: limit(UPLOAD_SESSIONS_PER_CLIENT_MAX, "Uploads that one address may have begun."),
        },
        { ...CLOSED, description: "What clients may take of this node." },
      ),
    ),
    forceSolo: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          "Lets this node write without asking the others whether its data directory is the latest. Only for the last one left.",
      }),
    ),
    insecure: Type.Optional(
      Type.Boolean({
        default: false,
        description: "Allows listeners that other machines reach although nothing is encrypted or authenticated.",
      }),
    ),
  },
  { ...CLOSED, title: "Configuration of a Meridian node" },
);

/** The schema as the JSON it is. */
const DOCUMENT: JsonObject = { ...SCHEMA };

function limit(value: number, description: string) {
  return Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, default: value, description }));
}

function listener(address: string, description: string) {
  return Type.Optional(Type.String({ default: address, description }));
}

/** What a node is started with: complete, parsed, and consistent in itself. */
export type NodeConfig = {
  readonly node: NodeId;
  readonly region: Region;
  readonly cluster: ClusterId;
  /** As written; relative to the working folder. */
  readonly data: string;
  readonly listen: { readonly registry: HostPort; readonly peer: HostPort; readonly ops: HostPort };
  /** `undefined` where it follows from what the listener was given: see `advertisedBy`. */
  readonly advertise: { readonly registry: string | undefined; readonly peer: string | undefined };
  readonly join: readonly string[];
  readonly routes: ReadonlyMap<NodeId, string>;
  readonly labels: MemberLabels;
  readonly storage: { readonly driver: (typeof STORAGE_DRIVERS)[number]; readonly scrubBytesPerSecond: number };
  readonly log: { readonly level: (typeof LOG_LEVELS)[number] };
  readonly limits: {
    readonly connections: number;
    readonly connectionsPerClient: number;
    readonly uploadsPerClient: number;
  };
  readonly forceSolo: boolean;
  readonly insecure: boolean;
};

export type ConfigPath = readonly (string | number)[];

export type ConfigProblem = {
  /** Keys and indexes from the root to what is wrong. */
  readonly path: ConfigPath;
  /** The rest of a sentence that begins with the path. */
  readonly message: string;
  /** For an unknown key, the known one that was probably meant, with dots when it belongs elsewhere. */
  readonly nearest: string | undefined;
};

export type ParsedConfig =
  | { readonly kind: "valid"; readonly config: NodeConfig }
  | { readonly kind: "invalid"; readonly problems: readonly ConfigProblem[] };

/** Judges what a file held (nothing at all counts as empty) and fills in what it left out. All problems are told at once. */
export function parseNodeConfig(value: unknown): ParsedConfig {
  const written = value ?? {};
  const structural = structuralProblems(written, DOCUMENT, []);
  if (structural.length > 0) return { kind: "invalid", problems: structural };
  invariant(Check(SCHEMA, written), "what has no structural problem fits the schema");

  const problems: ConfigProblem[] = [];
  const config = readConfig(written, problems);
  if (config === undefined) return { kind: "invalid", problems };
  problems.push(...relationalProblems(config));
  return problems.length > 0 ? { kind: "invalid", problems } : { kind: "valid", config };
}

/** What editors and `meridian config schema` are given: JSON Schema 2020-12. */
export function configJsonSchema(): JsonObject {
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...DOCUMENT };
}

/** The configuration in the words of a file, every key filled in: parsing it gives the same configuration. */
export function writtenConfig(config: NodeConfig): JsonObject {
  const { registry, peer } = config.advertise;
  const { zone, role, capacityBytes, costClass } = config.labels;
  return {
    ...config,
    listen: {
      registry: formatHostPort(config.listen.registry),
      peer: formatHostPort(config.listen.peer),
      ops: formatHostPort(config.listen.ops),
    },
    routes: [...config.routes].map(([node, address]) => `${node}=${address}`),
    labels: {
      role,
      ...(zone === "" ? {} : { zone }),
      ...(costClass === "" ? {} : { costClass }),
      ...(capacityBytes === undefined ? {} : { capacity: `${capacityBytes}B` }),
    },
    advertise: { ...(registry === undefined ? {} : { registry }), ...(peer === undefined ? {} : { peer }) },
    storage: { driver: config.storage.driver, scrubPerSecond: `${config.storage.scrubBytesPerSecond}B` },
  };
}

/** What the node tells others to call, once its listeners are `bound` and every port is known. */
export function advertisedBy(
  config: NodeConfig,
  bound: { readonly registry: HostPort; readonly peer: HostPort },
): { readonly registry: string; readonly peer: string } {
  return {
    registry: config.advertise.registry ?? `http://${formatHostPort(reachable(bound.registry))}`,
    peer: config.advertise.peer ?? formatHostPort(reachable(bound.peer)),
  };
}

/** A node that listens everywhere and says no name looks for no peers (`unreachableProblems`): this machine is all who ask. */
function reachable({ host, port }: HostPort): HostPort {
  if (!isWildcardHost(host)) return { host, port };
  return { host: host === "::" ? "::1" : "127.0.0.1", port };
}

const ENVIRONMENT_PREFIX = "MERIDIAN_";

export type AppliedEnvironment = {
  readonly value: unknown;
  /** The variable that had the last word on a key, by the key's path joined with dots. */
  readonly variables: ReadonlyMap<string, string>;
  /** Variables that look meant for this but name no key. Container platforms set such ones: they are no error. */
  readonly ignored: readonly { readonly variable: string; readonly nearest: string | undefined }[];
};

/**
 * Lays the environment over what a file held: `MERIDIAN_` and the path in capitals, with `_` between; lists are
 * separated by commas; `true` and `false` are booleans. An empty variable counts as not set. What is laid over is not
 * judged here.
 */
export function applyEnvironment(
  value: unknown,
  environment: Readonly<Record<string, string | undefined>>,
): AppliedEnvironment {
  const leaves = new Map(leavesOf(DOCUMENT, []).map((leaf) => [variableOf(leaf.path), leaf]));
  const variables = new Map<string, string>();
  const ignored: { variable: string; nearest: string | undefined }[] = [];
  let result = value;
  for (const variable of Object.keys(environment).toSorted()) {
    const text = environment[variable] ?? "";
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || text === "") continue;
    const leaf = leaves.get(variable);
    if (leaf === undefined) {
      ignored.push({ variable, nearest: nearestTo(variable, leaves.keys()) });
      continue;
    }
    result = withValueAt(result ?? {}, leaf.path, readVariable(text, leaf.schema));
    variables.set(leaf.path.join("."), variable);
  }
  return { value: result, variables, ignored };
}

/** The environment variable of a key. */
export function variableOf(path: readonly string[]): string {
  return ENVIRONMENT_PREFIX + path.join("_").toUpperCase();
}

type Leaf = { readonly path: readonly string[]; readonly schema: JsonObject };

function leavesOf(schema: JsonObject, path: readonly string[]): readonly Leaf[] {
  const properties = schema["properties"];
  if (!isJsonObject(properties)) return [{ path, schema }];
  return Object.entries(properties).flatMap(([key, inner]) =>
    isJsonObject(inner) ? leavesOf(inner, [...path, key]) : [],
  );
}

function readVariable(text: string, schema: JsonObject): unknown {
  switch (schema["type"]) {
    case "array":
      return text
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "");
    case "integer":
      return /^[0-9]{1,15}$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" || text === "false" ? text === "true" : text;
    default:
      return text;
  }
}

/** A copy of `value` with `leaf` at `path`; what is no table on the way stays, for the validator to complain of. */
function withValueAt(value: unknown, [key, ...rest]: readonly string[], leaf: unknown): unknown {
  if (key === undefined) return leaf;
  if (!isJsonObject(value)) return value;
  return { ...value, [key]: withValueAt(value[key] ?? {}, rest, leaf) };
}

function problem(path: ConfigPath, message: string, nearest?: string): ConfigProblem {
  return { path, message, nearest };
}

/** Keys that a later release brings: told apart from typing errors, so that nobody believes himself protected. */
const KEYS_TO_COME = new Map([
  ["tls", "is not supported by this release: nothing would be encrypted"],
  ["peers", "is not supported by this release: nothing between nodes would be encrypted or authenticated"],
  ["auth", "is not supported by this release: nobody would be asked who he is"],
]);

/** Walks the tables itself, so that every unknown key is told; the values in them are the schema's to judge. */
function structuralProblems(value: unknown, schema: JsonObject, path: ConfigPath): readonly ConfigProblem[] {
  const properties = schema["properties"];
  if (!isJsonObject(properties)) return valueProblems(value, schema, path);
  if (!isJsonObject(value)) return [problem(path, `must be ${kindTold("object")}, not ${kindOf(value)}`)];
  return Object.entries(value).flatMap(([key, inner]) => {
    const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
    return isJsonObject(known) ? structuralProblems(inner, known, [...path, key]) : [unknownKey([...path, key], key)];
  });
}

function valueProblems(value: unknown, schema: JsonObject, path: ConfigPath): readonly ConfigProblem[] {
  const [, errors] = Errors(schema, value);
  return errors.map((error) => {
    const inside = pathOf(error.instancePath);
    const at = [...path, ...inside];
    switch (error.keyword) {
      case "type":
        return problem(at, `must be ${kindTold(error.params.type)}, not ${kindOf(valueAt(value, inside))}`);
      case "enum":
        return problem(at, `must be ${error.params.allowedValues.map(String).join(" or ")}, not ${told(value)}`);
      case "pattern":
        return problem(at, `must be lower-case letters, digits and inner hyphens, not ${told(value)}`);
      case "minimum":
      case "maximum":
        return problem(
          at,
          `must be ${error.keyword === "minimum" ? "at least" : "at most"} ${error.params.limit}, not ${told(valueAt(value, inside))}`,
        );
      case "maxLength":
        return problem(at, `must not be longer than ${error.params.limit} characters`);
      case "minLength":
        return problem(at, "must not be empty");
      default:
        return problem(at, error.message);
    }
  });
}

function unknownKey(path: ConfigPath, key: string): ConfigProblem {
  const toCome = path.length === 1 ? KEYS_TO_COME.get(key) : undefined;
  return toCome === undefined ? problem(path, "is not a known key", nearestKey(path, key)) : problem(path, toCome);
}

/** A key of the same table that is spelt alike, else a key of that very name in another one. */
function nearestKey(path: ConfigPath, key: string): string | undefined {
  const leaves = leavesOf(DOCUMENT, []).map((leaf) => leaf.path);
  const parent = path.slice(0, -1);
  const siblings = leaves
    .filter((leaf) => parent.every((part, depth) => leaf[depth] === part))
    .flatMap((leaf) => leaf[parent.length] ?? []);
  return nearestTo(key, new Set(siblings)) ?? leaves.find((leaf) => leaf.at(-1) === key)?.join(".");
}

function pathOf(pointer: string): readonly (string | number)[] {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((part) => (/^[0-9]+$/.test(part) ? Number(part) : part));
}

function valueAt(value: unknown, [key, ...rest]: ConfigPath): unknown {
  if (key === undefined) return value;
  if (isJsonArray(value)) return valueAt(value[Number(key)], rest);
  return isJsonObject(value) ? valueAt(value[key], rest) : undefined;
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ["string", "a text"],
  ["number", "a number"],
  ["integer", "a whole number"],
  ["boolean", "true or false"],
  ["array", "a list"],
  ["object", "a table of keys and values"],
]);

function kindTold(type: string | readonly string[]): string {
  const name = typeof type === "string" ? type : type.join(" or ");
  return KINDS.get(name) ?? name;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  return kindTold(isJsonArray(value) ? "array" : typeof value);
}

function told(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 80));
}

/** `undefined` when an address or a name could not be read; the problems say which. */
function readConfig(written: Static<typeof SCHEMA>, problems: ConfigProblem[]): NodeConfig | undefined {
  const node = written.node ?? NODE_DEFAULT;
  const region = written.region ?? REGION_DEFAULT;
  const cluster = written.cluster ?? CLUSTER_DEFAULT;
  const registry = readListener(written, "registry", problems);
  const peer = readListener(written, "peer", problems);
  const ops = readListener(written, "ops", problems);
  const advertise = readAdvertise(written, problems);
  const join = readJoin(written.join ?? [], problems);
  const routes = readRoutes(written.routes ?? [], problems);
  const labels = readLabels(written.labels ?? {}, problems);
  const scrubBytesPerSecond = readPace(written.storage?.scrubPerSecond ?? SCRUB_DEFAULT, problems);
  if (problems.length > 0 || registry === undefined || peer === undefined || ops === undefined) return undefined;
  if (!isNodeId(node) || !isRegion(region) || !isClusterId(cluster)) return undefined;
  return {
    node,
    region,
    cluster,
    data: written.data ?? DATA_DEFAULT,
    listen: { registry, peer, ops },
    advertise,
    join,
    routes,
    labels,
    storage: { driver: written.storage?.driver ?? "filesystem", scrubBytesPerSecond },
    log: { level: written.log?.level ?? LOG_LEVEL_DEFAULT },
    limits: {
      connections: written.limits?.connections ?? CONNECTIONS_MAX,
      connectionsPerClient: written.limits?.connectionsPerClient ?? CONNECTIONS_PER_CLIENT_MAX,
      uploadsPerClient: written.limits?.uploadsPerClient ?? UPLOAD_SESSIONS_PER_CLIENT_MAX,
    },
    forceSolo: written.forceSolo ?? false,
    insecure: written.insecure ?? false,
  };
}

function readPace(text: string, problems: ConfigProblem[]): number {
  const size = parseSize(text);
  if (size !== undefined && size > 0) return size;
  problems.push(
    problem(["storage", "scrubPerSecond"], `must be a size with its unit, such as 16MiB, not ${told(text)}`),
  );
  return 0;
}

type Listener = keyof NodeConfig["listen"];

function readListener(written: Static<typeof SCHEMA>, name: Listener, problems: ConfigProblem[]): HostPort | undefined {
  const text = written.listen?.[name] ?? LISTEN_DEFAULT[name];
  const address = parseHostPort(text);
  if (address === undefined) problems.push(problem(["listen", name], notAnAddress(text)));
  return address;
}

function notAnAddress(text: string): string {
  const hint = text.startsWith(":") ? `; to listen on every address write 0.0.0.0${text.slice(0, 8)}` : "";
  return `must be host:port, such as 127.0.0.1:5000, not ${told(text)}${hint}`;
}

function readAdvertise(written: Static<typeof SCHEMA>, problems: ConfigProblem[]): NodeConfig["advertise"] {
  const { registry, peer } = written.advertise ?? {};
  const url = registry === undefined ? undefined : originOf(registry);
  if (registry !== undefined && url === undefined) {
    problems.push(problem(["advertise", "registry"], `must be http:// or https:// and a host, not ${told(registry)}`));
  }
  if (peer !== undefined && !isPeerAddress(peer)) {
    problems.push(problem(["advertise", "peer"], `must be host:port of one reachable address, not ${told(peer)}`));
  }
  return { registry: url, peer };
}

function readJoin(addresses: readonly string[], problems: ConfigProblem[]): readonly string[] {
  for (const [index, address] of addresses.entries()) {
    if (isPeerAddress(address)) continue;
    problems.push(problem(["join", index], `must be host:port of another node, not ${told(address)}`));
  }
  return [...new Set(addresses)];
}

function readRoutes(routes: readonly string[], problems: ConfigProblem[]): ReadonlyMap<NodeId, string> {
  const read = new Map<NodeId, string>();
  for (const [index, route] of routes.entries()) {
    const [node = "", address = "", ...rest] = route.split("=");
    if (rest.length === 0 && isNodeId(node) && isPeerAddress(address)) read.set(node, address);
    else problems.push(problem(["routes", index], `must be NODE=host:port, not ${told(route)}`));
  }
  return read;
}

function readLabels(
  { zone, role, capacity, costClass }: NonNullable<Static<typeof SCHEMA>["labels"]>,
  problems: ConfigProblem[],
): MemberLabels {
  const capacityBytes = capacity === undefined ? undefined : parseSize(capacity);
  if (capacity !== undefined && capacityBytes === undefined) {
    problems.push(problem(["labels", "capacity"], `must be a size such as 500GiB, not ${told(capacity)}`));
  }
  return { zone: zone ?? "", role: role ?? "full", capacityBytes, costClass: costClass ?? "" };
}

function isPeerAddress(text: string): boolean {
  const address = parseHostPort(text);
  return address !== undefined && address.port > 0 && !isWildcardHost(address.host);
}

/** The URL without a trailing slash; nothing may follow the host and port. */
function originOf(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return undefined;
  return url.href === `${url.origin}/` && !isWildcardHost(url.hostname.replaceAll(/[[\]]/g, ""))
    ? url.origin
    : undefined;
}

function relationalProblems(config: NodeConfig): readonly ConfigProblem[] {
  return [...exposureProblems(config), ...collisionProblems(config), ...unreachableProblems(config)];
}

const LISTENERS: readonly Listener[] = ["registry", "peer", "ops"];

function exposureProblems({ listen, insecure }: NodeConfig): readonly ConfigProblem[] {
  if (insecure) return [];
  return LISTENERS.filter((name) => !isLoopbackHost(listen[name].host)).map((name) =>
    problem(
      ["listen", name],
      `${formatHostPort(listen[name])} can be reached from other machines, without TLS and authentication; ` +
        `use 127.0.0.1, or say insecure: true if that is meant`,
    ),
  );
}

function collisionProblems({ listen }: NodeConfig): readonly ConfigProblem[] {
  return LISTENERS.flatMap((name, index) => {
    const earlier = LISTENERS.slice(0, index).find(
      (other) => listen[other].port !== 0 && isSame(listen[other], listen[name]),
    );
    return earlier === undefined ? [] : [problem(["listen", name], `is the same address as listen.${earlier}`)];
  });
}

function isSame(left: HostPort, right: HostPort): boolean {
  return left.host === right.host && left.port === right.port;
}

/** A node alone need not say where it is; one that looks for others must, because they will pass requests on to it. */
function unreachableProblems({ listen, advertise, join }: NodeConfig): readonly ConfigProblem[] {
  if (join.length === 0) return [];
  return (["registry", "peer"] as const)
    .filter((name) => advertise[name] === undefined && isWildcardHost(listen[name].host))
    .map((name) => problem(["advertise", name], `is needed: other nodes cannot call ${formatHostPort(listen[name])}`));
}
