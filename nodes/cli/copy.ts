import type { Command } from "commander";
import { forPlatform } from "./images/platform.ts";
import { transferImage } from "./images/transfer.ts";
import { examples, type OutputOptions, type WireOptions, withOutputOptions, withWireOptions } from "./options.ts";
import { exchangeFor, findImage, readFromRegistry, writeToRegistry } from "./remote/registry-image.ts";
import { createProgress } from "./terminal/progress.ts";
import type { Session } from "./terminal/session.ts";
import { printTransferred } from "./transferred.ts";

type CopyOptions = OutputOptions & WireOptions & { readonly platform?: string };

export function define(program: Command, session: Session): void {
  withWireOptions(withOutputOptions(program.command("copy").argument("<source>").argument("<target>")))
    .description(
      "Copy an image between repositories or registries, byte for byte; within one registry nothing is sent.",
    )
    .option("--platform <os/arch>", "one image of an index alone")
    .addHelpText(
      "after",
      examples([
        ["meridian copy 127.0.0.1:5001/hello:v1 127.0.0.1:5001/prod/hello:v1", "layers are mounted, not sent"],
        ["meridian copy old.example.com/app:1 127.0.0.1:5001/app:1", "from another registry"],
      ]),
    )
    .action(async (sourceName: string, targetName: string, options: CopyOptions) => {
      const { signal } = session;
      const exchange = exchangeFor(options, session);
      const source = await findImage(sourceName, options, session, exchange);
      const target = await findImage(targetName, options, session, exchange);
      const whole = await readFromRegistry(source, signal);
      const reader = options.platform === undefined ? whole : await forPlatform(whole, options.platform, signal);

      const mountFrom = source.host === target.host && source.repo !== target.repo ? source.repo : undefined;
      const progress = createProgress(session, options.quiet);
      const transferred = await transferImage(reader, writeToRegistry(target, mountFrom), progress, signal);
      await printTransferred(session, options, { target, root: reader.root, transferred });
    });
}
