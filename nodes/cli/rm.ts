import type { Command } from "commander";

import { examples, type OutputOptions, type WireOptions, withOutputOptions, withWireOptions } from "./options.ts";
import { findImage } from "./remote/registry-image.ts";
import { CliError, EXIT } from "./terminal/cli-error.ts";
import { note, printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";

export function define(program: Command, session: Session): void {
  withWireOptions(withOutputOptions(program.command("rm").argument("<image>")))
    .description("Remove a tag, or, by its digest, a manifest with every tag that names it; in all regions.")
    .addHelpText(
      "after",
      examples([
        ["meridian rm 127.0.0.1:5001/hello:v1", "the tag; the manifest stays, and its other tags"],
        ["meridian rm 127.0.0.1:5001/hello@sha256:…", "the manifest and all its tags"],
      ]),
    )
    .action(async (text: string, options: OutputOptions & WireOptions) => {
      const image = await findImage(text, options, session);
      if (!text.includes("@") && !/:[^/]+$/.test(text)) throw nothingNamed(image.told);
      await image.client.remove(image.repo, image.reference, session.signal);
      note(session, options.quiet, image.reference.kind === "tag" ? "tag removed" : "manifest and its tags removed");
      await printResult(session, options.format, { value: { removed: image.told }, text: `${image.told}\n` });
    });
}

/** `latest` is a fair guess when reading, not when removing. */
function nothingNamed(told: string): CliError {
  return new CliError({
    exitCode: EXIT.usage,
    what: "neither a tag nor a digest is named",
    where: undefined,
    hint: `to remove the tag latest, write ${told}`,
  });
}
