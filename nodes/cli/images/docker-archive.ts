/**
 * What `docker save` writes and `docker load` reads: a tar archive whose `manifest.json` names, for each image, the
 * config and the layers by their paths inside the archive.
 *
 * Such an archive holds no manifest that a registry could take, so one is made: an OCI manifest over the config and
 * the layers exactly as they lie there. Nothing is compressed on the way, so that the same archive always becomes the
 * same digest. Each uncompressed layer is checked against the `diff_ids` of the config.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { buffer } from "node:stream/consumers";

import type { SupportedDescriptor } from "../../../shared/descriptor.ts";
import { type Digest, digestFromHex, digestOf } from "../../../shared/digest.ts";
import { isJsonArray, isJsonObject, type JsonObject, parseJson } from "../../../shared/json.ts";
import { MANIFEST_BYTES_MAX, MANIFEST_JSON_DEPTH_MAX } from "../../../shared/limits.ts";
import { type ImageManifest, parseManifest } from "../../../shared/manifest.ts";
import { OCI_IMAGE_CONFIG, OCI_IMAGE_MANIFEST, OCI_LAYER_TAR_GZIP } from "../../../shared/media-types.ts";
import { OneAtATime } from "../../../shared/one-at-a-time.ts";
import { codeOf } from "../../platform/system-error.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import { damaged, fileFailure } from "./file-failure.ts";
import type { BlobOffer, ImageReader, ImageWriter, ManifestContent } from "./image.ts";
import { readTarEntry, readTarIndex, type TarEntry, TarError, tarEnd, tarHeader, tarPadding } from "./tar.ts";

const LAYER_TAR = "application/vnd.oci.image.layer.v1.tar";
const LAYER_TAR_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";

type Archive = { readonly path: string; readonly file: FileHandle; readonly entries: ReadonlyMap<string, TarEntry> };
type ArchivedImage = { readonly config: string; readonly layers: readonly string[]; readonly names: readonly string[] };
type Part = { readonly mediaType: string; readonly digest: Digest; readonly size: number };

/** The image that `docker save` called `reference`, or the only one. Reads every layer once, to know its digest. @throws {CliError} */
export async function openDockerArchive(path: string, reference: string | undefined): Promise<ImageReader> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY);
    return await readArchive({ path, file, entries: await readTarIndex(file) }, reference);
  } catch (cause) {
    await file?.close();
    if (cause instanceof TarError) throw damaged(path, cause.message, cause);
    throw fileFailure(cause, path);
  }
}

async function readArchive(archive: Archive, reference: string | undefined): Promise<ImageReader> {
  const image = pickImage(await imagesOf(archive), reference, archive.path);
  const configBytes = await readSmall(archive, image.config);
  const diffIds = diffIdsOf(configBytes, archive.path);
  if (diffIds.length !== image.layers.length) {
    throw damaged(archive.path, `the config names ${diffIds.length} layers, manifest.json ${image.layers.length}`);
  }

  const places = new Map<string, TarEntry>();
  const config = { mediaType: OCI_IMAGE_CONFIG, digest: digestOf(configBytes), size: configBytes.length };
  places.set(config.digest, entryOf(archive, image.config));
  const layers: Part[] = [];
  for (const [at, name] of image.layers.entries()) {
    const entry = entryOf(archive, name);
    const layer = await describeLayer(archive, entry);
    if (layer.mediaType === LAYER_TAR && layer.digest !== diffIds[at]) {
      throw damaged(archive.path, `the layer ${name} is not the one that the config names`);
    }
    places.set(layer.digest, entry);
    layers.push(layer);
  }

  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE_MANIFEST, config, layers }));
  const root = { digest: digestOf(bytes), mediaType: OCI_IMAGE_MANIFEST, bytes };
  return {
    root,
    manifest: async () => await Promise.resolve(root),
    blob: ({ digest }) => readTarEntry(archive.file, placeOf(places, digest, archive.path)),
    close: async () => await archive.file.close(),
  };
}

function placeOf(places: ReadonlyMap<string, TarEntry>, digest: Digest, path: string): TarEntry {
  const place = places.get(digest);
  if (place === undefined) throw damaged(path, `${digest} is not in the archive`);
  return place;
}

async function imagesOf(archive: Archive): Promise<readonly ArchivedImage[]> {
  if (!archive.entries.has("manifest.json")) {
    throw damaged(archive.path, "no manifest.json: this is not what docker save writes");
  }
  const document = parseDocument(await readSmall(archive, "manifest.json"), archive.path);
  if (!isJsonArray(document)) throw damaged(archive.path, "manifest.json is not a list");
  return document.map((image) => archivedImage(image, archive.path));
}

function archivedImage(value: unknown, path: string): ArchivedImage {
  if (!isJsonObject(value)) throw damaged(path, "manifest.json holds something that is no image");
  const { Config: config, Layers: layers, RepoTags: names } = value;
  if (typeof config !== "string" || !isJsonArray(layers)) {
    throw damaged(path, "manifest.json names no config or no layers");
  }
  return { config, layers: layers.map(String), names: isJsonArray(names) ? names.map(String) : [] };
}

function pickImage(images: readonly ArchivedImage[], reference: string | undefined, path: string): ArchivedImage {
  const matching = reference === undefined ? images : images.filter(({ names }) => names.includes(reference));
  const [image] = matching;
  if (image !== undefined && matching.length === 1) return image;
  const names = images.flatMap((known) => known.names).join(", ");
  throw new CliError({
    exitCode: images.length === 0 || reference !== undefined ? EXIT.notFound : EXIT.usage,
    what: reference === undefined ? `the archive holds ${images.length} images` : `no image is named ${reference}`,
    where: path,
    hint:
      names === ""
        ? "save an image into it first"
        : `name one of them, docker-archive:${path}:NAME; there are ${names}`,
  });
}

function diffIdsOf(configBytes: Uint8Array, path: string): readonly unknown[] {
  const config = parseDocument(configBytes, path);
  const rootfs: unknown = isJsonObject(config) ? config["rootfs"] : undefined;
  const diffIds = isJsonObject(rootfs) ? rootfs["diff_ids"] : undefined;
  if (!isJsonArray(diffIds)) throw damaged(path, "the config names no layers");
  return diffIds;
}

function entryOf(archive: Archive, name: string): TarEntry {
  const entry = archive.entries.get(name.replace(/^(?:\.\/)+/, ""));
  if (entry === undefined) throw damaged(archive.path, `${JSON.stringify(name)} is named but not in the archive`);
  return entry;
}

async function readSmall(archive: Archive, name: string): Promise<Uint8Array> {
  const entry = entryOf(archive, name);
  if (entry.size > MANIFEST_BYTES_MAX) {
    throw damaged(archive.path, `${name} is longer than ${MANIFEST_BYTES_MAX} bytes`);
  }
  return await buffer(readTarEntry(archive.file, entry));
}

function parseDocument(bytes: Uint8Array, path: string): unknown {
  try {
    return parseJson(bytes, MANIFEST_JSON_DEPTH_MAX);
  } catch (cause) {
    throw damaged(path, "a part of it that should be JSON is not", cause);
  }
}

async function describeLayer({ file }: Archive, entry: TarEntry): Promise<Part> {
  const hash = createHash("sha256");
  let mediaType: string | undefined;
  for await (const chunk of readTarEntry(file, entry)) {
    mediaType ??= layerTypeOf(chunk);
    hash.update(chunk);
  }
  return { mediaType: mediaType ?? LAYER_TAR, digest: digestFromHex("sha256", hash.digest("hex")), size: entry.size };
}

function layerTypeOf(start: Uint8Array): string {
  if (start[0] === 0x1f && start[1] === 0x8b) return OCI_LAYER_TAR_GZIP;
  const isZstd = start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd;
  return isZstd ? LAYER_TAR_ZSTD : LAYER_TAR;
}

/** One image into the new file `path`, for one platform: the format knows no index. @throws {CliError} */
export async function createDockerArchive(path: string, name: string): Promise<DockerArchiveWriter> {
  const draft = `${path}.${process.pid}.partial`;
  try {
    await refuseExisting(path);
    return new DockerArchiveWriter(path, draft, await open(draft, "wx", 0o644), name);
  } catch (cause) {
    throw fileFailure(cause, path);
  }
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await (await open(path, "r")).close();
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return;
    throw cause;
  }
  throw new CliError({
    exitCode: EXIT.conflict,
    what: "the file is already there",
    where: path,
    hint: "name another file, or remove it first",
  });
}

export class DockerArchiveWriter implements ImageWriter {
  readonly #path: string;
  readonly #draft: string;
  readonly #file: FileHandle;
  readonly #name: string;
  readonly #written = new Set<string>();
  /** A tar archive is one stream: blobs are offered side by side and written one after the other. */
  readonly #turns = new OneAtATime();

  constructor(path: string, draft: string, file: FileHandle, name: string) {
    this.#path = path;
    this.#draft = draft;
    this.#file = file;
    this.#name = name;
  }

  async putBlob({ descriptor, open: openBytes }: BlobOffer): Promise<"stored"> {
    return await this.#turns.run(async () => {
      await this.#append(fileNameOf(descriptor), descriptor.size, openBytes());
      return "stored" as const;
    });
  }

  async putManifest(): Promise<void> {
    // The archive has no place for it: `name` writes what docker load needs to know of it.
  }

  async name(root: ManifestContent): Promise<void> {
    const manifest = parseManifest(root.bytes, root.mediaType);
    if (manifest.kind !== "image") throw notAnImage(this.#path);
    if (manifest.external.length > 0) throw notWhole(this.#path, manifest.external.length);
    const bytes = Buffer.from(JSON.stringify([archiveManifest(manifest, this.#name)]));
    await this.#append("manifest.json", bytes.length, [bytes]);
    try {
      await this.#file.writeFile(tarEnd());
      await this.#file.close();
      await rename(this.#draft, this.#path);
    } catch (cause) {
      throw fileFailure(cause, this.#path);
    }
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await rm(this.#draft, { force: true });
  }

  async #append(name: string, size: number, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    if (this.#written.has(name)) return;
    this.#written.add(name);
    try {
      await this.#file.writeFile(tarHeader(name, size));
      for await (const chunk of chunks) await this.#file.writeFile(chunk);
      await this.#file.writeFile(tarPadding(size));
    } catch (cause) {
      throw fileFailure(cause, this.#path);
    }
  }
}

function archiveManifest({ config, layers }: ImageManifest, name: string): JsonObject {
  return { Config: fileNameOf(config), RepoTags: [name], Layers: layers.map(fileNameOf) };
}

function fileNameOf({
  digest,
  mediaType,
}: Pick<SupportedDescriptor, "mediaType"> & { readonly digest: string }): string {
  const hex = digest.slice(digest.indexOf(":") + 1);
  if (mediaType.endsWith("json")) return `${hex}.json`;
  return mediaType.includes("gzip") ? `${hex}.tar.gz` : `${hex}.tar`;
}

function notAnImage(path: string): CliError {
  return new CliError({
    exitCode: EXIT.failed,
    what: "a Docker archive holds images only, and this is something else",
    where: path,
    hint: "pull it to oci:DIR instead",
  });
}

function notWhole(path: string, count: number): CliError {
  return new CliError({
    exitCode: EXIT.failed,
    what: `${count} layers of the image are not to be had from a registry`,
    where: path,
    hint: "pull it to oci:DIR instead, which may lack them",
  });
}
