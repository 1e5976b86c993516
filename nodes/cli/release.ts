import type { Command } from "commander";

import { examples, type ServerOptions, withOutputOptions, withServerOption, withWireOptions } from "./options.ts";
import { findServer } from "./remote/find-server.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";

export function define(program: Command, session: Session): void {
  withServerOption(withWireOptions(withOutputOptions(program.command("release"))))
    .description(
      "Merge what the asked node keeps aside of an origin, after you have looked why. Ask every node that shows it.",
    )
    .argument("<origin>", "as meridian status shows it")
    .addHelpText(
      "after",
      examples([["meridian release 01a00cc2937126aa --server http://127.0.0.1:5002", "on us alone"]]),
    )
    .action(async (origin: string, options: ServerOptions) => {
      const client = await findServer(options, session);
      const released = await client.release({ origin }, session.signal);
      await printResult(session, options.format, {
        value: released,
        text: `${released.node} merges the changes of ${released.origin} again\n`,
      });
    });
}
