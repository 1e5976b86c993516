/**
 * Where disasters happen: a process in namespaces of its own, so that what it mounts and starts ends with it, however it
 * ends. `enter-arena.ts` starts it with the name of a scenario and its options; the report goes to standard output.
 *
 *   arena.ts SCENARIO JSON
 */
import process from "node:process";

import { type Options, SCENARIOS } from "./scenarios.ts";

const [name = "", json = "{}"] = process.argv.slice(2);
const options: Options = JSON.parse(json);
const scenario = SCENARIOS.get(name);
if (scenario === undefined) throw new Error(`no such scenario: ${name}`);

// Whoever started this holds the other end; when that is gone, nobody wants the report.
process.stdin.on("end", () => process.exit(1)).resume();

const report = await scenario(options);
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
