/** An image in a registry: read, written, named. */

import type { Digest } from "../../../shared/digest.ts";
import { formatImageName, type ImageName, ImageNameError, parseImageName } from "../../../shared/image-name.ts";
import { parseTag, type Reference, type RepositoryName } from "../../../shared/reference.ts";
import type { ImageReader, ImageWriter } from "../images/image.ts";
import type { WireOptions } from "../options.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import type { Session } from "../terminal/session.ts";
import { HttpExchange } from "./http-exchange.ts";
import { byDigest, byTag, RegistryClient } from "./registry-client.ts";
import { baseOf, serverOf } from "./server-address.ts";

export type RegistryImage = {
  readonly client: RegistryClient;
  readonly host: string;
  readonly repo: RepositoryName;
  /** As it was named; the tag `latest` when it named neither tag nor digest. */
  readonly reference: Reference;
  readonly name: ImageName;
  /** `host/repo:tag` with whatever it named. */
  readonly told: string;
};

export type WireSetting = WireOptions & { readonly quiet?: true };

/** What waits for a server tells on the way. */
export function exchangeFor({ timeout, quiet }: WireSetting, session: Session): HttpExchange {
  const onWait = (line: string): void => {
    if (quiet !== true) session.err.write(`${line}\n`);
  };
  return new HttpExchange({ idleMs: timeout, onWait });
}

/** @throws {CliError} usage, when `text` names no image. */
export async function findImage(
  text: string,
  wire: WireSetting,
  session: Session,
  exchange = exchangeFor(wire, session),
): Promise<RegistryImage> {
  const name = parseName(text);
  const { registry, repo, tag, digest } = name;
  const base =
    registry === undefined
      ? await serverOf(undefined, wire.plainHttp, session.environment)
      : baseOf(registry, wire.plainHttp);
  const reference = digest === undefined ? byTag(tag ?? parseTag("latest")) : byDigest(digest);
  const complete = { ...name, registry: base.host, tag: digest === undefined ? (tag ?? parseTag("latest")) : tag };
  const client = new RegistryClient(base, exchange);
  return { client, host: base.host, repo, reference, name: complete, told: formatImageName(complete) };
}

/** `host/repo:tag@digest`: what a push or a copy prints, exact enough to be pulled forever. */
export function exactName({ name }: RegistryImage, digest: Digest): string {
  return formatImageName({ ...name, digest });
}

/** Reads the image's manifest at once. @throws {CliError} */
export async function readFromRegistry(
  { client, repo, reference }: RegistryImage,
  signal: AbortSignal,
): Promise<ImageReader> {
  const root = await client.manifest(repo, reference, signal);
  return {
    root,
    manifest: async ({ digest }, reading) => await client.manifest(repo, byDigest(digest), reading),
    blob: (descriptor, reading) => client.blob(repo, descriptor, reading),
    close: async () => await Promise.resolve(),
  };
}

/** `mountFrom` is a repository of the same registry that probably has the blobs. */
export function writeToRegistry(
  { client, name, reference }: Pick<RegistryImage, "client" | "name" | "reference">,
  mountFrom?: RepositoryName,
): ImageWriter {
  const { repo, tag } = name;
  return {
    putBlob: async (offer, signal) => await client.putBlob(repo, offer, mountFrom, signal),
    putManifest: async (content, signal) => await client.putManifest(repo, byDigest(content.digest), content, signal),
    name: async (root, signal) => {
      if (reference.kind === "digest" && reference.digest !== root.digest) throw otherDigest(name, root.digest);
      await client.putManifest(repo, tag === undefined ? reference : byTag(tag), root, signal);
    },
    discard: async () => await Promise.resolve(),
  };
}

function parseName(text: string): ImageName {
  try {
    return parseImageName(text);
  } catch (cause) {
    if (!(cause instanceof ImageNameError)) throw cause;
    throw new CliError({
      exitCode: EXIT.usage,
      what: cause.message,
      where: undefined,
      hint: "write HOST:PORT/NAME:TAG, such as 127.0.0.1:5001/hello:v1",
      cause,
    });
  }
}

function otherDigest(name: ImageName, actual: Digest): CliError {
  return new CliError({
    exitCode: EXIT.conflict,
    what: `the image is ${actual}, not the digest that was named`,
    where: formatImageName(name),
    hint: "leave the digest out, or check that it is the image you mean",
  });
}
