import type { Command } from "commander";
import { unreachable } from "../../shared/invariant.ts";
import { openDockerArchive } from "./images/docker-archive.ts";
import type { ImageReader } from "./images/image.ts";
import { openOciLayout } from "./images/oci-layout.ts";
import { sampleImage } from "./images/sample-image.ts";
import { parseSourceName } from "./images/source-name.ts";
import { transferImage } from "./images/transfer.ts";
import { examples, type OutputOptions, type WireOptions, withOutputOptions, withWireOptions } from "./options.ts";
import { findImage, writeToRegistry } from "./remote/registry-image.ts";
import { createProgress } from "./terminal/progress.ts";
import type { Session } from "./terminal/session.ts";
import { printTransferred } from "./transferred.ts";

export function define(program: Command, session: Session): void {
  withWireOptions(withOutputOptions(program.command("push").argument("<source>").argument("<image>")))
    .description("Push an image. SOURCE is oci:DIR, docker-archive:FILE or sample:NAME; prints the image's exact name.")
    .addHelpText(
      "after",
      examples([
        ["meridian push sample:hello 127.0.0.1:5001/hello:v1", "made in memory, for two platforms"],
        ["meridian push sample:big:64MiB 127.0.0.1:5001/big:v1", "with a layer of that size"],
        ["meridian push oci:./app 127.0.0.1:5001/shop/api:1.9", "a folder in OCI layout; oci:./app:NAME picks one"],
        ["meridian push docker-archive:app.tar 127.0.0.1:5001/app:1", "what docker save wrote"],
      ]),
    )
    .action(async (source: string, image: string, options: OutputOptions & WireOptions) => {
      const target = await findImage(image, options, session);
      const reader = await openSource(source);
      try {
        const progress = createProgress(session, options.quiet);
        const transferred = await transferImage(reader, writeToRegistry(target), progress, session.signal);
        await printTransferred(session, options, { target, root: reader.root, transferred });
      } finally {
        await reader.close();
      }
    });
}

async function openSource(text: string): Promise<ImageReader> {
  const source = parseSourceName(text);
  switch (source.kind) {
    case "oci":
      return await openOciLayout(source.path, source.reference);
    case "docker-archive":
      return await openDockerArchive(source.path, source.reference);
    case "sample":
      return await sampleImage(source.name, source.paddingBytes);
    default:
      return unreachable(source);
  }
}
