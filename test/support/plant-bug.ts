/**
 * Loaded before anything else (`node --import`), plants the deliberate bug that `MERIDIAN_BUG` names into its source
 * while the module loads. Fails loudly when the source has changed so that the bug no longer fits, or is never loaded.
 */
import { registerHooks } from "node:module";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { DELIBERATE_BUGS } from "./deliberate-bugs.ts";

/** Beyond what the simulator itself ends with. */
const EXIT_DOES_NOT_FIT = 70;

const name = process.env["MERIDIAN_BUG"];
const bug = DELIBERATE_BUGS.find((one) => one.name === name);
if (bug === undefined) fail(`there is no deliberate bug called ${name}`);

const url = pathToFileURL(path.join(import.meta.dirname, "../..", bug.file)).href;
let isPlanted = false;

registerHooks({
  load: (loaded, context, nextLoad) => {
    const module = nextLoad(loaded, context);
    if (loaded !== url) return module;
    const { source } = module;
    const text = typeof source === "string" ? source : new TextDecoder().decode(source ?? undefined);
    const parts = text.split(bug.correct);
    if (parts.length !== 2) fail(`"${bug.name}" fits ${parts.length - 1} places of ${bug.file}, and must fit one`);
    isPlanted = true;
    return { ...module, source: parts.join(bug.wrong) };
  },
});

process.on("exit", () => {
  if (!isPlanted) fail(`${bug.file} was never loaded`);
});

function fail(why: string): never {
  process.stderr.write(`plant-bug: ${why}\n`);
  process.exit(EXIT_DOES_NOT_FIT);
}
