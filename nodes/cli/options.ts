/** Options that commands share, so that they are spelt, explained and judged alike everywhere. */
import { type Command, InvalidArgumentError, Option } from "commander";

import { invariant } from "../../shared/invariant.ts";
import { parseDuration } from "../../shared/units.ts";
import { FORMATS, type Format } from "./terminal/output.ts";

/** Longest time without a byte, unless `--timeout` says another. */
export const IDLE_MS_DEFAULT = 60_000;

export type OutputOptions = { readonly format: Format; readonly quiet?: true };
/** How a server is spoken to. */
export type WireOptions = { readonly plainHttp?: true; readonly timeout: number };
export type ServerOptions = OutputOptions & WireOptions & { readonly server?: string };

export function withOutputOptions(command: Command): Command {
  return command
    .addOption(new Option("--format <format>", "how the result is written").choices(FORMATS).default("table"))
    .option("-q, --quiet", "no progress and no remarks");
}

export function withWireOptions(command: Command): Command {
  return command
    .option("--plain-http", "HTTP without TLS, also to other machines; loopback always is")
    .option("--timeout <duration>", "give up after this long without a byte", durationOption, IDLE_MS_DEFAULT);
}

export function withServerOption(command: Command): Command {
  return command.option(
    "--server <url>",
    "node to ask; else MERIDIAN_SERVER, else the lab's first node, else http://127.0.0.1:5000",
  );
}

/** Milliseconds. */
export function durationOption(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError("Write a number with a unit, such as 300ms, 30s or 5m.");
  return ms;
}

/** What `--help` shows after the options. */
export function examples(lines: readonly (readonly [command: string, what: string])[]): string {
  invariant(lines.length > 0, "every command has an example");
  const width = Math.max(...lines.map(([command]) => command.length));
  return `\nExamples:\n${lines.map(([command, what]) => `  $ ${command.padEnd(width)}  ${what}\n`).join("")}`;
}
