import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Scan } from "./scan-source.ts";
import { scanSource } from "./scan-source.ts";

/** `path` is relative to the top of the repository, with forward slashes. */
export type SourceFile = { readonly path: string; readonly text: string; readonly scan: Scan };

/** A breach of a rule, ready to print: `path:line: what is wrong`. */
export type Breach = string;

const TOP = fileURLToPath(new URL("../../..", import.meta.url));

export function sourceFile(filePath: string, text: string): SourceFile {
  return { path: filePath, text, scan: scanSource(text) };
}

/** Every file of the repository, tracked or about to be; what git ignores is not ours. */
export function listFiles(): readonly string[] {
  const listing = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    cwd: TOP,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return listing.split("\0").filter((name) => name !== "" && existsSync(path.join(TOP, name)));
}

export function readText(filePath: string): string {
  return readFileSync(path.join(TOP, filePath), "utf8");
}

export function readSources(files: readonly string[]): readonly SourceFile[] {
  return files.filter((name) => name.endsWith(".ts")).map((name) => sourceFile(name, readText(name)));
}
