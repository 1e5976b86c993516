import type { Command } from "commander";

import { formatImageName } from "../../shared/image-name.ts";
import { isTag, type Tag } from "../../shared/reference.ts";
import { examples, type OutputOptions, type WireOptions, withOutputOptions, withWireOptions } from "./options.ts";
import { byTag } from "./remote/registry-client.ts";
import { findImage } from "./remote/registry-image.ts";
import { CliError, EXIT } from "./terminal/cli-error.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";

export function define(program: Command, session: Session): void {
  withWireOptions(withOutputOptions(program.command("tag").argument("<image>").argument("<tags...>")))
    .description("Give an image of a registry further tags in its repository.")
    .addHelpText(
      "after",
      examples([["meridian tag 127.0.0.1:5001/hello:v1 stable latest", "moves them if they exist"]]),
    )
    .action(async (text: string, words: readonly string[], options: OutputOptions & WireOptions) => {
      const tags = words.map(parseTagWord);
      const { client, repo, reference, name } = await findImage(text, options, session);
      const manifest = await client.manifest(repo, reference, session.signal);
      for (const tag of tags) await client.putManifest(repo, byTag(tag), manifest, session.signal);

      const images = tags.map((tag) => formatImageName({ ...name, tag, digest: manifest.digest }));
      const value = { digest: manifest.digest, images };
      await printResult(session, options.format, { value, text: images.map((image) => `${image}\n`).join("") });
    });
}

function parseTagWord(word: string): Tag {
  if (isTag(word)) return word;
  throw new CliError({
    exitCode: EXIT.usage,
    what: `${JSON.stringify(word)} is not a tag`,
    where: undefined,
    hint: "a tag is letters, digits, _ . - and at most 128 of them; name the repository in the first word only",
  });
}
