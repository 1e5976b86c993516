import type { Command } from "commander";

import { formatImageName } from "../../shared/image-name.ts";
import type { ReplicationTold } from "../../shared/management-api.ts";
import { formatSize } from "../../shared/units.ts";
import { examples, type OutputOptions, type WireOptions, withOutputOptions, withWireOptions } from "./options.ts";
import { findManagedImage } from "./remote/managed-image.ts";
import { CliError, EXIT } from "./terminal/cli-error.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";
import { type Column, formatTable, safeText } from "./terminal/table.ts";

const COLUMNS: readonly Column[] = [
  { title: "REGION" },
  { title: "STATE" },
  { title: "PARTS LEFT", align: "right" },
  { title: "BYTES LEFT", align: "right" },
  { title: "OF", align: "right" },
  { title: "WHY" },
];

export function define(program: Command, session: Session): void {
  withWireOptions(withOutputOptions(program.command("replication").argument("<image>")))
    .description(
      "How far an image has come in each region: known (tag and manifest), pullable (and every layer can be had), resident (and is there).",
    )
    .addHelpText(
      "after",
      examples([["meridian replication 127.0.0.1:5001/hello:v1", "asked in eu, about all regions"]]),
    )
    .action(async (text: string, options: OutputOptions & WireOptions) => {
      const { client, image } = await findManagedImage(text, options, session);
      const state = await client.replication(formatImageName({ ...image.name, registry: undefined }), session.signal);
      await printResult(session, options.format, { value: state, text: replicationText(state) });
      if (state.digest !== undefined) return;
      throw new CliError({
        exitCode: EXIT.notFound,
        what: "no node that can be reached knows the image",
        where: image.told,
        hint: `see what is there: meridian tags ${image.host}/${image.repo}`,
      });
    });
}

export function replicationText({ image, digest, regions, unheard }: ReplicationTold): string {
  const rows = regions.map((region) => [
    region.region,
    region.level,
    String(region.partsMissing),
    formatSize(region.bytesMissing),
    formatSize(region.bytesTotal),
    region.why ?? "",
  ]);
  const head = `${safeText(image)}  ${safeText(digest ?? "unknown")}\n\n`;
  const tail = unheard.map((address) => `${safeText(address)} has never answered: its region is not known\n`).join("");
  return `${head}${formatTable(COLUMNS, rows)}${tail}`;
}
