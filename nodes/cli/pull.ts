import type { Command } from "commander";

import { formatImageName } from "../../shared/image-name.ts";
import { createDockerArchive } from "./images/docker-archive.ts";
import type { ImageWriter } from "./images/image.ts";
import { createOciLayout } from "./images/oci-layout.ts";
import { forPlatform, ownPlatform } from "./images/platform.ts";
import { type FilePlace, parseTargetName } from "./images/source-name.ts";
import { transferImage } from "./images/transfer.ts";
import { examples, type OutputOptions, type WireOptions, withOutputOptions, withWireOptions } from "./options.ts";
import { exactName, findImage, type RegistryImage, readFromRegistry } from "./remote/registry-image.ts";
import { printResult } from "./terminal/output.ts";
import { createProgress } from "./terminal/progress.ts";
import type { Session } from "./terminal/session.ts";
import { noteExternal } from "./transferred.ts";

type PullOptions = OutputOptions & WireOptions & { readonly platform?: string };

export function define(program: Command, session: Session): void {
  withWireOptions(withOutputOptions(program.command("pull").argument("<image>").argument("<target>")))
    .description("Pull an image to TARGET: oci:DIR, or docker-archive:FILE for docker load.")
    .option("--platform <os/arch>", "one image of an index; a Docker archive takes this machine's unless told")
    .addHelpText(
      "after",
      examples([
        ["meridian pull 127.0.0.1:5003/hello:v1 oci:./hello", "all of it; a second pull adds what is new"],
        ["meridian pull 127.0.0.1:5003/hello:v1 docker-archive:hello.tar", "then: docker load -i hello.tar"],
        ["meridian pull --platform linux/arm64 127.0.0.1:5003/hello:v1 oci:./arm", "one platform alone"],
      ]),
    )
    .action(async (image: string, target: string, options: PullOptions) => {
      await pull(await findImage(image, options, session), parseTargetName(target), options, session);
    });
}

async function pull(source: RegistryImage, place: FilePlace, options: PullOptions, session: Session): Promise<void> {
  const { signal } = session;
  const platform = options.platform ?? (place.kind === "docker-archive" ? ownPlatform() : undefined);
  const whole = await readFromRegistry(source, signal);
  const reader = platform === undefined ? whole : await forPlatform(whole, platform, signal);

  const writer = await openTarget(place, source);
  const transferred = await transferImage(reader, writer, createProgress(session, options.quiet), signal);

  noteExternal(session, options.quiet, transferred);
  const { digest, mediaType } = reader.root;
  const target = `${place.kind}:${place.path}`;
  const value = { image: exactName(source, whole.root.digest), target, digest, mediaType, ...transferred };
  await printResult(session, options.format, { value, text: `${target}@${digest}\n` });
}

async function openTarget(place: FilePlace, { name }: RegistryImage): Promise<ImageWriter> {
  if (place.kind === "oci") return await createOciLayout(place.path, place.reference ?? name.tag);
  return await createDockerArchive(place.path, place.reference ?? formatImageName({ ...name, digest: undefined }));
}
