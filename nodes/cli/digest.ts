import type { Command } from "commander";

import { examples, type OutputOptions, type WireOptions, withOutputOptions, withWireOptions } from "./options.ts";
import { exactName, findImage } from "./remote/registry-image.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";

export function define(program: Command, session: Session): void {
  withWireOptions(withOutputOptions(program.command("digest").argument("<image>")))
    .description("Print the digest that a tag names at the asked registry.")
    .addHelpText(
      "after",
      examples([
        ["meridian digest 127.0.0.1:5001/hello:v1", "sha256:…"],
        ["meridian digest 127.0.0.1:5003/hello:v1", "the same, once ap has heard of it"],
      ]),
    )
    .action(async (text: string, options: OutputOptions & WireOptions) => {
      const image = await findImage(text, options, session);
      const { digest, mediaType, size } = await image.client.resolve(image.repo, image.reference, session.signal);
      const value = { image: exactName(image, digest), digest, mediaType, size };
      await printResult(session, options.format, { value, text: `${digest}\n` });
    });
}
