import { importedFile } from "./floors.ts";
import type { SourceFile } from "./source-file.ts";

/**
 * Every circle of imports that a walk in depth meets, as `a → b → a`. Imports of types count: a circle of types is two
 * files that are one idea.
 */
export function circlesAmong(files: readonly SourceFile[]): readonly string[] {
  const targetsOf = new Map(
    files.map((file) => [
      file.path,
      file.scan.imports.flatMap(({ specifier }) =>
        specifier === undefined ? [] : [importedFile(file.path, specifier)].filter((target) => target !== undefined),
      ),
    ]),
  );
  const finished = new Set<string>();
  const circles: string[] = [];

  const visit = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file);
    if (start !== -1) {
      circles.push([...trail.slice(start), file].join(" → "));
      return;
    }
    if (finished.has(file)) return;
    for (const target of targetsOf.get(file) ?? []) visit(target, [...trail, file]);
    finished.add(file);
  };

  for (const file of targetsOf.keys()) visit(file, []);
  return circles;
}
