/** Where an image lies or is to lie when it is not in a registry: `oci:DIR`, `docker-archive:FILE`, `sample:NAME`. */
import { existsSync } from "node:fs";

import { parseSize } from "../../../shared/units.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import { SAMPLE_BYTES_MAX } from "./sample-image.ts";

/** `reference` picks one image of several: an OCI layout's `ref.name`, or a `RepoTags` entry of an archive. */
export type FilePlace =
  | { readonly kind: "oci"; readonly path: string; readonly reference: string | undefined }
  | { readonly kind: "docker-archive"; readonly path: string; readonly reference: string | undefined };

export type SourceName = FilePlace | { readonly kind: "sample"; readonly name: string; readonly paddingBytes: number };

const SAMPLE_NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const FORMS = "oci:DIR, docker-archive:FILE or sample:NAME";

/** @throws {CliError} usage */
export function parseSourceName(text: string): SourceName {
  if (text.startsWith("sample:")) return parseSample(text.slice("sample:".length));
  const place = parsePlace(text);
  if (place !== undefined) return place;
  throw usage(text, "names no source", `write ${FORMS}`);
}

/** @throws {CliError} usage */
export function parseTargetName(text: string): FilePlace {
  const place = parsePlace(text);
  if (place !== undefined) return place;
  throw usage(text, "names no place for an image", "write oci:DIR or docker-archive:FILE");
}

function parsePlace(text: string): FilePlace | undefined {
  const [, kind, rest] = /^(oci|docker-archive):(.+)$/s.exec(text) ?? [];
  if (rest === undefined || (kind !== "oci" && kind !== "docker-archive")) return undefined;
  return { kind, ...splitReference(rest) };
}

/** `PATH:REFERENCE`, unless the whole is a path that exists. */
function splitReference(text: string): { readonly path: string; readonly reference: string | undefined } {
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1 || existsSync(text)) return { path: text, reference: undefined };
  return { path: text.slice(0, colon), reference: text.slice(colon + 1) };
}

function parseSample(text: string): SourceName {
  const [name = "", size, ...rest] = text.split(":");
  if (!SAMPLE_NAME.test(name) || rest.length > 0) {
    throw usage(
      `sample:${text}`,
      "is no sample's name",
      "write sample:hello, or sample:big:10MiB for one with a layer of that size",
    );
  }
  const paddingBytes = size === undefined ? 0 : parseSize(size);
  if (paddingBytes === undefined || paddingBytes > SAMPLE_BYTES_MAX) {
    throw usage(
      `sample:${text}`,
      `does not say a size of at most 4GiB`,
      "write a size with its unit, such as sample:big:10MiB",
    );
  }
  return { kind: "sample", name, paddingBytes };
}

function usage(text: string, problem: string, hint: string): CliError {
  return new CliError({ exitCode: EXIT.usage, what: `${JSON.stringify(text)} ${problem}`, where: undefined, hint });
}
