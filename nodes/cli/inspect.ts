import type { Command } from "commander";

import type { Descriptor } from "../../shared/descriptor.ts";
import { unreachable } from "../../shared/invariant.ts";
import type { Manifest } from "../../shared/manifest.ts";
import { formatSize } from "../../shared/units.ts";
import type { ManifestContent } from "./images/image.ts";
import { readManifest } from "./images/transfer.ts";
import { examples, type OutputOptions, type WireOptions, withOutputOptions, withWireOptions } from "./options.ts";
import { exactName, findImage } from "./remote/registry-image.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";
import { type Column, formatTable, safeText } from "./terminal/table.ts";

type InspectOptions = OutputOptions & WireOptions & { readonly raw?: true };

const COLUMNS: readonly Column[] = [
  { title: "PART" },
  { title: "DIGEST" },
  { title: "SIZE", align: "right" },
  { title: "TYPE" },
];

export function define(program: Command, session: Session): void {
  withWireOptions(withOutputOptions(program.command("inspect").argument("<image>")))
    .description("Show what an image is made of: its platforms, or its config and layers.")
    .option("--raw", "the manifest's own bytes, exactly")
    .addHelpText(
      "after",
      examples([
        ["meridian inspect 127.0.0.1:5001/hello:v1", "platforms, or layers"],
        ["meridian inspect --raw 127.0.0.1:5001/hello:v1 | sha256sum", "the digest, by hand"],
      ]),
    )
    .action(async (text: string, options: InspectOptions) => {
      const image = await findImage(text, options, session);
      const content = await image.client.manifest(image.repo, image.reference, session.signal);
      if (options.raw === true) {
        session.out.write(content.bytes);
        return;
      }
      const manifest = readManifest(content);
      const name = exactName(image, content.digest);
      await printResult(session, options.format, {
        value: { image: name, ...describe(content, manifest) },
        text: textOf(name, content, manifest),
      });
    });
}

function describe({ digest, mediaType, bytes }: ManifestContent, manifest: Manifest): object {
  const { artifactType, annotations, subject } = manifest;
  return {
    digest,
    mediaType,
    size: bytes.length,
    kind: manifest.kind,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(subject === undefined ? {} : { subject: subject.digest }),
    parts: partsOf(manifest).map(({ part, descriptor }) => ({
      part,
      digest: descriptor.digest,
      size: descriptor.size,
      mediaType: descriptor.mediaType,
    })),
  };
}

type Part = { readonly part: string; readonly descriptor: Descriptor };

function partsOf(manifest: Manifest): readonly Part[] {
  switch (manifest.kind) {
    case "image":
      return [
        { part: "config", descriptor: manifest.config },
        ...manifest.layers.map((descriptor, index) => ({ part: `layer ${index + 1}`, descriptor })),
      ];
    case "index":
      return manifest.entries.map((descriptor) => ({ part: platformOf(descriptor), descriptor }));
    case "opaque":
      return [];
    default:
      return unreachable(manifest);
  }
}

function platformOf({ platform }: Descriptor): string {
  if (platform === undefined) return "entry";
  const { os, architecture, variant } = platform;
  return `${os}/${architecture}${variant === undefined ? "" : `/${variant}`}`;
}

function textOf(name: string, { mediaType, bytes }: ManifestContent, manifest: Manifest): string {
  const rows = partsOf(manifest).map(({ part, descriptor }) => [
    part,
    descriptor.digest,
    formatSize(descriptor.size),
    descriptor.mediaType,
  ]);
  const head = `${name}\n${safeText(mediaType)}, ${formatSize(bytes.length)}\n`;
  return rows.length === 0 ? head : `${head}\n${formatTable(COLUMNS, rows)}`;
}
