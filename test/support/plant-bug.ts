/**
 * Loaded before anything else (`node --import`), plants the deliberate bug that `MERIDIAN_BUG` names into its source
 * while the module loads. Fails loudly when the source has changed so that the bug no longer fits, or is never loaded.
 */
import { registerHooks } from "node:module";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { DELIBERATE_BUGS, type SourceChange } from "./deliberate-bugs.ts";

/** Beyond what the simulator itself ends with. */
const EXIT_DOES_NOT_FIT = 70;

const name = process.env["MERIDIAN_BUG"];
const bug = DELIBERATE_BUGS.find((one) => one.name === name);
if (bug === undefined) fail(`there is no deliberate bug called ${name}`);

const changes = Map.groupBy(
  [bug, ...(bug.also ?? [])],
  ({ file }) => pathToFileURL(path.join(import.meta.dirname, "../..", file)).href,
);
const loadedUrls = new Set<string>();

registerHooks({
  load: (loaded, context, nextLoad) => {
    const module = nextLoad(loaded, context);
    const own = changes.get(loaded);
    if (own === undefined) return module;
    const { source } = module;
    const text = typeof source === "string" ? source : new TextDecoder().decode(source ?? undefined);
    loadedUrls.add(loaded);
    return { ...module, source: own.reduce(planted, text) };
  },
});

process.on("exit", () => {
  for (const [url, [change]] of changes) if (!loadedUrls.has(url)) fail(`${change?.file} was never loaded`);
});

function planted(text: string, change: SourceChange): string {
  const parts = text.split(change.correct);
  if (parts.length !== 2) fail(`"${name}" fits ${parts.length - 1} places of ${change.file}, and must fit one`);
  return parts.join(change.wrong);
}

function fail(why: string): never {
  process.stderr.write(`plant-bug: ${why}\n`);
  process.exit(EXIT_DOES_NOT_FIT);
}
