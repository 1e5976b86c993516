import type { Command } from "commander";

import type { HistoryTold } from "../../shared/management-api.ts";
import { examples, type OutputOptions, type WireOptions, withOutputOptions, withWireOptions } from "./options.ts";
import { findManagedImage } from "./remote/managed-image.ts";
import { CliError, EXIT } from "./terminal/cli-error.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";
import { type Column, formatTable } from "./terminal/table.ts";

/** `sha256:` and a dozen digits: enough to tell, `--format json` has them all. */
const DIGEST_LENGTH = 19;
const COLUMNS: readonly Column[] = [
  { title: "WHEN" },
  { title: "REGION" },
  { title: "NODE" },
  { title: "BY" },
  { title: "FROM" },
  { title: "TO" },
  { title: "OUTCOME" },
];

export function define(program: Command, session: Session): void {
  withWireOptions(withOutputOptions(program.command("history").argument("<image>")))
    .description(
      "Who moved a tag, where, when, from what to what, newest first; conflict-lost stood beside a later move.",
    )
    .addHelpText("after", examples([["meridian history 127.0.0.1:5001/hello:v1", "every move that is remembered"]]))
    .action(async (text: string, options: OutputOptions & WireOptions) => {
      const { client, image } = await findManagedImage(text, options, session);
      const { tag } = image.name;
      if (tag === undefined) throw notATag(image.told);
      const history = await client.history(image.repo, tag, session.signal);
      await printResult(session, options.format, { value: history, text: historyText(history) });
    });
}

export function historyText({ moves }: HistoryTold): string {
  const rows = moves.map(({ at, region, node, actor, from, to, outcome }) => [
    at,
    region,
    node,
    actor,
    from?.slice(0, DIGEST_LENGTH) ?? "",
    to?.slice(0, DIGEST_LENGTH) ?? "removed",
    outcome,
  ]);
  return formatTable(COLUMNS, rows);
}

function notATag(told: string): CliError {
  return new CliError({
    exitCode: EXIT.usage,
    what: "a digest never moves; only tags have a history",
    where: told,
    hint: "name a tag: HOST:PORT/NAME:TAG",
  });
}
