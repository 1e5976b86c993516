/** What a file must not say, and what a folder must hold. Each rule is a pure function from files to breaches. */

import path from "node:path";
import { EDGE_FLOOR, roomOf } from "./floors.ts";
import { lineAt } from "./scan-source.ts";
import type { Breach, SourceFile } from "./source-file.ts";

type Ban = { readonly pattern: RegExp; readonly why: string };

/** Everything that would make two runs of the simulator with one seed differ. */
const AMBIENT: readonly Ban[] = [
  { pattern: /\bDate\s*\.\s*now\b/g, why: "reads the clock of the machine (Date.now)" },
  { pattern: /\bnew\s+Date\s*(?:\(\s*\)|(?=[;,)\n]))/g, why: "reads the clock of the machine (new Date())" },
  { pattern: /(?<![.\w$])performance\b\s*\./g, why: "reads the clock of the machine (performance)" },
  { pattern: /(?<![.\w$])process\s*\./g, why: "asks the process" },
  { pattern: /(?<![.\w$])set(?:Timeout|Interval|Immediate)\s*[(;,)]/g, why: "waits by a timer of the machine" },
  { pattern: /\bAbortSignal\s*\.\s*timeout\b/g, why: "waits by a timer of the machine (AbortSignal.timeout)" },
  { pattern: /\bMath\s*\.\s*random\b/g, why: "draws from the machine (Math.random)" },
  {
    pattern:
      /(?<![\w$])(?:randomBytes|randomUUID|randomInt|randomFill|randomFillSync|getRandomValues|generateKeyPair(?:Sync)?)\b/g,
    why: "draws from the machine (node:crypto)",
  },
  { pattern: /(?<![\w$])(?:webcrypto|subtle)\b/g, why: "uses crypto.subtle, whose order of completion is not ours" },
  { pattern: /\bnew\s+(?:Shared)?Worker\b/g, why: "starts a thread" },
  { pattern: /(?:\bawait|\breturn|[=(,:])\s*fetch\s*\(/g, why: "goes to the network (fetch)" },
  { pattern: /(?<![.\w$])globalThis\b/g, why: "reaches for globalThis" },
];

const ESCAPES: readonly Ban[] = [
  { pattern: /\bas\s+any\b/g, why: "casts to any" },
  {
    pattern: /(?<=[{;}]\s*)(?!private\s+constructor\b)(?:private|protected|public)\s+(?=[\w#])/g,
    why: "uses an access keyword; a private field is #private",
  },
  { pattern: /(?<![.\w$])require\s*\(/g, why: "uses require" },
];

const COMMENT_ESCAPES: readonly Ban[] = [
  { pattern: /@ts-(?:ignore|nocheck)\b/g, why: "switches the compiler off" },
  { pattern: /\b(?:TODO|FIXME|XXX|HACK)\b(?!.*\bissue \d+)/g, why: "leaves work behind without an issue number" },
];

/** A suppression and, on its line, what it must look like. */
const SUPPRESSIONS: readonly { readonly mention: RegExp; readonly form: RegExp }[] = [
  {
    mention: /\b(?:oxlint|eslint)-disable/,
    form: /\b(?:oxlint|eslint)-disable-(?:next-)?line [a-z0-9-]+\/[a-z0-9-]+(?:, [a-z0-9-]+\/[a-z0-9-]+)* -- \S.{9,}/,
  },
  { mention: /\bbiome-ignore/, form: /\bbiome-ignore \w+(?:\/\w+)*: \S.{9,}/ },
  { mention: /@ts-expect-error/, form: /@ts-expect-error TS\d+: \S.{9,}/ },
];

const SHAPELESS_NAME = /^(?:utils?|helpers?|common|misc)$/;
const README_LINES_MAX = 40;

/** Folders whose files a tool writes. */
const GENERATED = "proto/gen/";

const TOP_LEVEL: readonly string[] = [
  "proto",
  "nodes",
  "shared",
  "cluster-sim",
  "test",
  "deploy",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "Makefile",
  "README.md",
  "LICENSE",
  "CHANGELOG.md",
];

function breachesOf(bans: readonly Ban[], file: SourceFile, text: string): readonly Breach[] {
  return bans.flatMap(({ pattern, why }) =>
    [...text.matchAll(pattern)].map((match) => `${file.path}:${lineAt(text, match.index)}: ${why}`),
  );
}

/** No ambient time, randomness, thread or network below the floor where the world begins. */
export function breachesOfDeterminism(files: readonly SourceFile[]): readonly Breach[] {
  return files
    .filter((file) => (roomOf(file.path)?.floor ?? 0) < EDGE_FLOOR && !file.path.startsWith(GENERATED))
    .flatMap((file) => breachesOf(AMBIENT, file, file.scan.code));
}

/** A port says what a node needs; it is types and nothing that runs. */
export function breachesOfPortsAreTypes(files: readonly SourceFile[]): readonly Breach[] {
  const runs: readonly Ban[] = [
    {
      pattern: /^(?:export\s+)?(?:async\s+)?(?:function|class|const|let|abstract)\b/gm,
      why: "a port holds types only",
    },
  ];
  return files
    .filter((file) => file.path.startsWith("nodes/ports/"))
    .flatMap((file) => breachesOf(runs, file, file.scan.code));
}

/** No way round the compiler, no silent suppression, no forgotten work. */
export function breachesOfHonesty(files: readonly SourceFile[]): readonly Breach[] {
  return files
    .filter((file) => !file.path.startsWith(GENERATED))
    .flatMap((file) => [
      ...breachesOf(ESCAPES, file, file.scan.code),
      ...file.scan.comments.flatMap(({ line, text }) => [
        ...COMMENT_ESCAPES.filter(({ pattern }) => text.match(pattern) !== null).map(
          ({ why }) => `${file.path}:${line}: ${why}`,
        ),
        ...text
          .split("\n")
          .flatMap((row, index) =>
            SUPPRESSIONS.some(({ mention, form }) => mention.test(row) && !form.test(row))
              ? [`${file.path}:${line + index}: suppresses without its rule and a reason on the same line`]
              : [],
          ),
      ]),
    ]);
}

/** No folder and no file whose name says only that something is in it. */
export function breachesOfNaming(files: readonly string[]): readonly Breach[] {
  return files.flatMap((file) =>
    file.split("/").some((part) => SHAPELESS_NAME.test(part.split(".")[0] ?? ""))
      ? [`${file}:1: a name that says nothing`]
      : [],
  );
}

/** Only what the architecture fixes stands at the top; dot files belong to tools. */
export function breachesOfTopLevel(files: readonly string[]): readonly Breach[] {
  const entries = new Set(files.map((file) => file.split("/")[0] ?? ""));
  return [...entries]
    .filter((entry) => !entry.startsWith(".") && !TOP_LEVEL.includes(entry))
    .map((entry) => `${entry}: does not belong at the top level`);
}

/** Every folder with sources says in a README of at most 40 lines what it is. */
export function breachesOfReadmes(files: readonly string[], readText: (file: string) => string): readonly Breach[] {
  const sources = files.filter((file) => /\.(?:ts|proto)$/.test(file) && !file.startsWith(GENERATED));
  const folders = new Set(sources.map((file) => path.posix.dirname(file)).filter((folder) => folder !== "."));
  return [...folders].toSorted().flatMap((folder) => {
    const readme = `${folder}/README.md`;
    if (!files.includes(readme)) return [`${folder}: has no README.md`];
    const lines = readText(readme).trimEnd().split("\n").length;
    return lines > README_LINES_MAX ? [`${readme}: ${lines} lines, more than ${README_LINES_MAX}`] : [];
  });
}
