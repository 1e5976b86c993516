/**
 * A node's configuration from a file and the environment, or an error that says where. The file is YAML; what it means
 * is judged by `shared/config.ts`, which knows paths of keys; here they become lines.
 */
import { readFile, stat } from "node:fs/promises";
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";

import {
  applyEnvironment,
  type ConfigPath,
  type ConfigProblem,
  type NodeConfig,
  parseNodeConfig,
} from "../../shared/config.ts";
import { fileFailure } from "./images/file-failure.ts";
import { CliError, EXIT } from "./terminal/cli-error.ts";
import type { Session } from "./terminal/session.ts";

/** Configurations are written by people. */
const FILE_BYTES_MAX = 1024 * 1024;

export type LoadedConfig = {
  readonly config: NodeConfig;
  /** Remarks that stop nothing, as whole lines. */
  readonly warnings: readonly string[];
};

/** `path` undefined: defaults and environment alone. @throws {CliError} with every problem there is. */
export async function loadConfig(path: string | undefined, environment: Session["environment"]): Promise<LoadedConfig> {
  const file = path === undefined ? undefined : parseFile(path, await readConfigFile(path));
  const applied = applyEnvironment(file?.value, environment);
  const parsed = parseNodeConfig(applied.value);
  if (parsed.kind === "invalid") {
    const lines = parsed.problems.map((problem) => problemLine(problem, file, applied.variables));
    throw invalid(lines);
  }
  const warnings = applied.ignored
    .filter(({ variable }) => !OUR_VARIABLES.has(variable))
    .map(
      ({ variable, nearest }) => `${variable} names no key${nearest === undefined ? "" : `; did you mean ${nearest}?`}`,
    );
  return { config: parsed.config, warnings };
}

/** Variables that mean something to the command line and nothing to a node. */
const OUR_VARIABLES: ReadonlySet<string> = new Set(["MERIDIAN_SERVER", "MERIDIAN_DEBUG", "MERIDIAN_LAB_STATE"]);

type ParsedFile = {
  readonly path: string;
  readonly value: unknown;
  readonly document: Document;
  readonly lines: LineCounter;
};

async function readConfigFile(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) throw invalid([`${path}: longer than ${FILE_BYTES_MAX} bytes`]);
    return await readFile(path, "utf8");
  } catch (cause) {
    throw fileFailure(cause, path);
  }
}

function parseFile(path: string, text: string): ParsedFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw invalid(document.errors.map(({ pos, message }) => `${path}:${lines.linePos(pos[0]).line}: ${message}`));
  }
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  return { path, value, document, lines };
}

function problemLine(
  { path: keys, message, nearest }: ConfigProblem,
  file: ParsedFile | undefined,
  variables: ReadonlyMap<string, string>,
): string {
  const variable = variables.get(keys.filter((key) => typeof key === "string").join("."));
  const place = variable ?? placeInFile(keys, file);
  const key = keys.length === 0 ? "the configuration" : keys.join(".");
  const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  return `${place === undefined ? "" : `${place}: `}${key} ${message}${hint}`;
}

function placeInFile(keys: ConfigPath, file: ParsedFile | undefined): string | undefined {
  if (file === undefined) return undefined;
  const offset = offsetOf(file.document, keys);
  return offset === undefined ? file.path : `${file.path}:${file.lines.linePos(offset).line}`;
}

/** Where the key itself stands, or the nearest thing above it that does. */
function offsetOf(document: Document, keys: ConfigPath): number | undefined {
  for (let depth = keys.length; depth > 0; depth -= 1) {
    const parent = depth === 1 ? document.contents : document.getIn(keys.slice(0, depth - 1), true);
    const last = keys[depth - 1];
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === last) : undefined;
    if (pair !== undefined && isScalar(pair.key) && pair.key.range) return pair.key.range[0];
    const node = document.getIn(keys.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return undefined;
}

function invalid(lines: readonly string[]): CliError {
  const count = lines.length === 1 ? "a mistake" : `${lines.length} mistakes`;
  return new CliError({
    exitCode: EXIT.failed,
    what: `the configuration has ${count}\n${lines.map((line) => `  ${line}`).join("\n")}`,
    where: undefined,
    hint: "meridian config schema lists every key; meridian config check FILE checks again",
  });
}
