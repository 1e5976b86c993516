import type { Command } from "commander";

import { VERSION } from "../../shared/version.ts";
import { examples, type OutputOptions, withOutputOptions } from "./options.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";

export function define(program: Command, session: Session): void {
  withOutputOptions(program.command("version"))
    .description("Print the version of meridian and of the Node it runs on.")
    .addHelpText(
      "after",
      examples([
        ["meridian version", "0.1.0"],
        ["meridian version --format json", "with the version of Node"],
      ]),
    )
    .action(async ({ format }: OutputOptions) => {
      await printResult(session, format, { value: { version: VERSION, node: process.version }, text: `${VERSION}\n` });
    });
}
