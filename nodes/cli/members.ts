import type { Command } from "commander";

import { formatDuration } from "../../shared/units.ts";
import { examples, type ServerOptions, withOutputOptions, withServerOption, withWireOptions } from "./options.ts";
import { findServer } from "./remote/find-server.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";
import { type Column, formatTable } from "./terminal/table.ts";

const COLUMNS: readonly Column[] = [
  { title: "NODE" },
  { title: "REGION" },
  { title: "STATE" },
  { title: "FOR", align: "right" },
  { title: "RTT", align: "right" },
  { title: "PEER" },
  { title: "REGISTRY" },
  { title: "VERSION" },
];

export function define(program: Command, session: Session): void {
  withServerOption(withWireOptions(withOutputOptions(program.command("members"))))
    .description("Every node: where it is, and how the asked node reaches it.")
    .addHelpText("after", examples([["meridian members --format json", "for scripts"]]))
    .action(async (options: ServerOptions) => {
      const client = await findServer(options, session);
      const { members } = await client.cluster(session.signal);
      const rows = members.map((member) => [
        member.node ?? "",
        member.region ?? "",
        member.self ? "this node" : member.reachability,
        formatDuration(member.forMs),
        member.self || member.roundTripMs === undefined ? "" : formatDuration(member.roundTripMs),
        member.address,
        member.registry ?? "",
        member.version ?? "",
      ]);
      await printResult(session, options.format, { value: { members }, text: formatTable(COLUMNS, rows) });
    });
}
