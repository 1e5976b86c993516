/** One image out of an index: the one that runs on a given platform. */
import { isSupported } from "../../../shared/descriptor.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import type { ImageReader } from "./image.ts";
import { readManifest } from "./transfer.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** What containers on this machine run on, as image-spec writes it. */
export function ownPlatform(): string {
  return `linux/${ARCHITECTURES[process.arch] ?? process.arch}`;
}

/** The reader itself when its image is no index. @throws {CliError} when the index has none for `platform` (`os/arch[/variant]`). */
export async function forPlatform(reader: ImageReader, platform: string, signal: AbortSignal): Promise<ImageReader> {
  const manifest = readManifest(reader.root);
  if (manifest.kind !== "index") return reader;
  const [os, architecture, variant] = platform.split("/");
  const entry = manifest.entries.filter(isSupported).find(({ platform: runs }) => {
    return (
      runs?.os === os && runs?.architecture === architecture && (variant === undefined || runs?.variant === variant)
    );
  });
  if (entry !== undefined) return { ...reader, root: await reader.manifest(entry, signal) };
  const known = manifest.entries.flatMap(({ platform: runs }) =>
    runs === undefined ? [] : `${runs.os}/${runs.architecture}`,
  );
  throw new CliError({
    exitCode: EXIT.notFound,
    what: `the image has nothing for ${platform}`,
    where: reader.root.digest,
    hint: known.length === 0 ? "its index names no platforms" : `say --platform with one of ${known.join(", ")}`,
  });
}
