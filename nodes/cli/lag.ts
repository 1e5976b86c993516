import type { Command } from "commander";

import type { LagTold } from "../../shared/management-api.ts";
import { formatDuration } from "../../shared/units.ts";
import { examples, type ServerOptions, withOutputOptions, withServerOption, withWireOptions } from "./options.ts";
import { findServer } from "./remote/find-server.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";
import { formatTable } from "./terminal/table.ts";

export function define(program: Command, session: Session): void {
  withServerOption(withWireOptions(withOutputOptions(program.command("lag"))))
    .description("How far each node (columns) is behind each other (rows): age and number of the changes it lacks.")
    .addHelpText("after", examples([["meridian lag", "✗ where the one cannot reach the other"]]))
    .action(async (options: ServerOptions) => {
      const client = await findServer(options, session);
      const lag = await client.lag(session.signal);
      await printResult(session, options.format, { value: lag, text: lagText(lag) });
    });
}

type LagEntry = LagTold["entries"][number];

export function lagText({ entries }: LagTold): string {
  const nodes = [...new Set(entries.flatMap(({ source, target }) => [target, source]))];
  if (nodes.length === 0) return "one node alone: nobody to be behind\n";
  const columns = [{ title: "from\\to" }, ...nodes.map((title) => ({ title }))];
  const rows = nodes.map((source) => [
    source,
    ...nodes.map((target) => cellOf(entries.find((entry) => entry.source === source && entry.target === target))),
  ]);
  return formatTable(columns, rows);
}

function cellOf(entry: LagEntry | undefined): string {
  if (entry === undefined) return "-";
  const { reachable, pendingOps, lagMs } = entry;
  if (pendingOps === undefined || lagMs === undefined) return "?";
  const behind = pendingOps === 0 && lagMs === 0 ? "0s" : `${formatDuration(lagMs)}/${pendingOps}`;
  return reachable === false ? `✗ ${behind}` : behind;
}
