import type { Command } from "commander";

import { configJsonSchema, writtenConfig } from "../../shared/config.ts";
import { loadConfig } from "./load-config.ts";
import { examples, type OutputOptions, withOutputOptions } from "./options.ts";
import { note, printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";

export function define(program: Command, session: Session): void {
  const config = program
    .command("config")
    .description("Check a node's configuration, or show what it means.")
    .addHelpText("after", examples([["meridian config check node.yaml", "every mistake, with its line"]]));
  defineCheck(config, session);
  defineSchema(config, session);
  definePrint(config, session);
}

function defineCheck(config: Command, session: Session): void {
  withOutputOptions(config.command("check").argument("<file>"))
    .description("Say whether a node would start with this file and the present environment.")
    .addHelpText(
      "after",
      examples([["meridian config check node.yaml", "exit code 1 and every mistake, with its line"]]),
    )
    .action(async (file: string, { format, quiet }: OutputOptions) => {
      const { config: checked, warnings } = await loadConfig(file, session.environment);
      for (const warning of warnings) note(session, quiet, `warning: ${warning}`);
      const value = { file, valid: true, node: checked.node, region: checked.region, warnings };
      await printResult(session, format, {
        value,
        text: `${file}: good, for node ${checked.node} in ${checked.region}\n`,
      });
    });
}

function defineSchema(config: Command, session: Session): void {
  config
    .command("schema")
    .description("Print the JSON Schema of a configuration, for editors.")
    .addHelpText(
      "after",
      examples([["meridian config schema > meridian.schema.json", "and let the editor complete keys"]]),
    )
    .action(() => session.out.write(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`));
}

function definePrint(config: Command, session: Session): void {
  withOutputOptions(config.command("print").argument("[file]"))
    .description("Print the configuration as a node would understand it: defaults and environment filled in.")
    .addHelpText(
      "after",
      examples([
        ["meridian config print node.yaml", "as YAML"],
        ["MERIDIAN_REGION=us meridian config print", "defaults and the environment alone"],
      ]),
    )
    .action(async (file: string | undefined, { format, quiet }: OutputOptions) => {
      const { config: loaded, warnings } = await loadConfig(file, session.environment);
      for (const warning of warnings) note(session, quiet, `warning: ${warning}`);
      const value = writtenConfig(loaded);
      const { stringify } = await import("yaml");
      await printResult(session, format, { value, text: stringify(value) });
    });
}
