import type { Command } from "commander";

import { examples, type OutputOptions, type WireOptions, withOutputOptions, withWireOptions } from "./options.ts";
import { findImage } from "./remote/registry-image.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";
import { safeText } from "./terminal/table.ts";

export function define(program: Command, session: Session): void {
  withWireOptions(withOutputOptions(program.command("tags").argument("<repository>")))
    .description("List the tags of a repository, one a line, in byte order.")
    .addHelpText(
      "after",
      examples([
        ["meridian tags 127.0.0.1:5001/hello", "v1"],
        ["meridian tags shop/api", "at the default server"],
      ]),
    )
    .action(async (text: string, options: OutputOptions & WireOptions) => {
      const { client, host, repo } = await findImage(text, options, session);
      const tags: string[] = [];
      for await (const tag of client.tags(repo, session.signal)) tags.push(tag);
      const value = { repository: `${host}/${repo}`, tags };
      await printResult(session, options.format, { value, text: tags.map((tag) => `${safeText(tag)}\n`).join("") });
    });
}
