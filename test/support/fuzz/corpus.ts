import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inputName } from "./fuzzer.ts";

const CORPUS = fileURLToPath(new URL("../../fuzz/corpus", import.meta.url));

/** The inputs that are kept for a target, in the order of their names. */
export function keptInputs(target: string): readonly Uint8Array[] {
  const folder = join(CORPUS, target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .toSorted()
    .map((name) => Uint8Array.from(readFileSync(join(folder, name))));
}

/** Adds an input to the kept ones. Returns its path. */
export function keepInput(target: string, input: Uint8Array): string {
  return writeInput(join(CORPUS, target), input);
}

/** Writes an input under its own name. Returns its path. */
export function writeInput(folder: string, input: Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, inputName(input));
  writeFileSync(path, input);
  return path;
}
