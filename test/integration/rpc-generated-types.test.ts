import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const TOP = fileURLToPath(new URL("../..", import.meta.url));

/** What `make proto` gives to the generator. */
function generatorOptions(): readonly string[] {
  const makefile = readFileSync(path.join(TOP, "Makefile"), "utf8").replaceAll("\\\n", " ");
  const recipe = /^\t.*proto-loader-gen-types(.*)$/m.exec(makefile)?.[1] ?? "";
  return recipe.split(/\s+/).filter((word) => word.startsWith("--"));
}

/** Paths below `folder`, in order. */
function filesUnder(folder: string, extension: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(extension))
    .toSorted();
}

test("the generated types are those of the .proto files", () => {
  const fresh = mkdtempSync(path.join(tmpdir(), "proto-gen-"));
  try {
    const options = generatorOptions().map((option) => option.replace(/^--outDir=.*/, `--outDir=${fresh}`));
    const generator = path.join(TOP, "node_modules/.bin/proto-loader-gen-types");
    execFileSync(generator, [...options, ...filesUnder(path.join(TOP, "proto"), ".proto")], { cwd: TOP });

    const generated = new Map(
      filesUnder(fresh, ".ts").map((name) => [name, readFileSync(path.join(fresh, name), "utf8")]),
    );
    const kept = path.join(TOP, "proto/gen");
    const found = new Map(filesUnder(kept, ".ts").map((name) => [name, readFileSync(path.join(kept, name), "utf8")]));

    expect(generated.size).toBeGreaterThan(20);
    expect(found).toEqual(generated);
  } finally {
    rmSync(fresh, { recursive: true });
  }
});
