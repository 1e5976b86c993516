/**
 * Images in a folder, as image-spec "Image Layout" has it: `oci-layout`, `index.json`, `blobs/<algorithm>/<hex>`.
 * Reading trusts nothing but digests: names of files come from parsed digests only, and a symbolic link anywhere below
 * the folder is refused. Writing leaves no half of anything: each file is written aside and renamed, `index.json` last.
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import { isSupported, parseDescriptor, type SupportedDescriptor } from "../../../shared/descriptor.ts";
import { algorithmOf, type Digest, digestOf, hexOf } from "../../../shared/digest.ts";
import { isJsonArray, isJsonObject, type JsonObject, parseJson } from "../../../shared/json.ts";
import { MANIFEST_BYTES_MAX, MANIFEST_JSON_DEPTH_MAX } from "../../../shared/limits.ts";
import { OCI_IMAGE_INDEX } from "../../../shared/media-types.ts";
import { codeOf } from "../../platform/system-error.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import { damaged, fileFailure } from "./file-failure.ts";
import type { BlobOffer, ImageReader, ImageWriter, ManifestContent } from "./image.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
const LAYOUT = { imageLayoutVersion: "1.0.0" } as const;
const READ_CHUNK_BYTES = 256 * 1024;

/** The image named `reference`, or the only one there is. @throws {CliError} */
export async function openOciLayout(folder: string, reference: string | undefined): Promise<ImageReader> {
  try {
    await expectLayout(folder);
    const entries = entriesOf(await readIndex(folder), folder);
    const root = await readManifest(folder, pickEntry(entries, reference, folder));
    return {
      root,
      manifest: async (descriptor) => await readManifest(folder, descriptor),
      blob: (descriptor) => readBlob(folder, descriptor),
      close: async () => await Promise.resolve(),
    };
  } catch (cause) {
    throw fileFailure(cause, folder);
  }
}

/** Adds to the layout in `folder`, which is made when it is not there. The image replaces one of the same `reference`. */
export async function createOciLayout(folder: string, reference: string | undefined): Promise<ImageWriter> {
  await prepareLayout(folder);
  return {
    putBlob: async (offer) => await storeBlob(folder, offer),
    putManifest: async ({ digest, bytes }) => await writeWhole(blobPath(folder, digest), bytes),
    name: async (root) => await nameImage(folder, root, reference),
    // Whole blobs that nothing names yet do no harm, and the next attempt finds them there.
    discard: async () => await Promise.resolve(),
  };
}

function blobPath(folder: string, digest: Digest): string {
  return join(folder, "blobs", algorithmOf(digest), hexOf(digest));
}

async function expectLayout(folder: string): Promise<void> {
  const layout = parseDocument(await readSmall(join(folder, "oci-layout")), join(folder, "oci-layout"));
  const version = layout["imageLayoutVersion"];
  if (typeof version !== "string" || !version.startsWith("1.")) {
    throw damaged(folder, `not an OCI layout of version 1: imageLayoutVersion is ${JSON.stringify(version)}`);
  }
  for (const inner of ["blobs", join("blobs", "sha256"), join("blobs", "sha512")]) {
    await refuseLink(join(folder, inner));
  }
}

async function refuseLink(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isSymbolicLink()) throw damaged(path, "a symbolic link, which an image may not hold");
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw cause;
  }
}

async function readIndex(folder: string): Promise<JsonObject> {
  return parseDocument(await readSmall(join(folder, "index.json")), join(folder, "index.json"));
}

function entriesOf(index: JsonObject, folder: string): readonly SupportedDescriptor[] {
  const manifests = index["manifests"] ?? [];
  if (!isJsonArray(manifests)) throw damaged(folder, "index.json holds no list of manifests");
  try {
    return manifests.map((entry, at) => parseDescriptor(entry, `manifests[${at}]`)).filter(isSupported);
  } catch (cause) {
    throw damaged(folder, `index.json: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

function pickEntry(
  entries: readonly SupportedDescriptor[],
  reference: string | undefined,
  folder: string,
): SupportedDescriptor {
  const matching = reference === undefined ? entries : entries.filter((entry) => nameOf(entry) === reference);
  const [entry] = matching;
  if (entry !== undefined && matching.length === 1) return entry;
  const names = entries.map((known) => nameOf(known) ?? known.digest).join(", ");
  throw new CliError({
    exitCode: entries.length === 0 || reference !== undefined ? EXIT.notFound : EXIT.usage,
    what: reference === undefined ? `the layout holds ${entries.length} images` : `no image is named ${reference}`,
    where: folder,
    hint: names === "" ? "put an image into it first" : `name one of them, oci:${folder}:NAME; there are ${names}`,
  });
}

function nameOf(entry: SupportedDescriptor): string | undefined {
  return entry.annotations?.[REF_NAME];
}

async function readManifest(folder: string, descriptor: SupportedDescriptor): Promise<ManifestContent> {
  const { digest, mediaType } = descriptor;
  const bytes = await readSmall(blobPath(folder, digest));
  if (digestOf(bytes, algorithmOf(digest)) !== digest) throw damaged(folder, `the bytes of ${digest} are others`);
  return { digest, mediaType, bytes };
}

async function* readBlob(folder: string, { digest }: SupportedDescriptor): AsyncGenerator<Uint8Array> {
  const file = await openFile(blobPath(folder, digest));
  try {
    let at = 0;
    while (true) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(READ_CHUNK_BYTES), 0, READ_CHUNK_BYTES, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // Not waiting for a writer: a named pipe in place of a file would otherwise hang here.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    throw fileFailure(cause, path);
  }
}

async function readSmall(path: string): Promise<Uint8Array> {
  const file = await openFile(path);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw damaged(path, "not a regular file");
    if (stat.size > MANIFEST_BYTES_MAX) {
      throw damaged(path, `longer than the ${MANIFEST_BYTES_MAX} bytes of the largest manifest`);
    }
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function parseDocument(bytes: Uint8Array, path: string): JsonObject {
  try {
    const document = parseJson(bytes, MANIFEST_JSON_DEPTH_MAX);
    if (isJsonObject(document)) return document;
  } catch (cause) {
    throw damaged(path, "not JSON", cause);
  }
  throw damaged(path, "not a JSON object");
}

async function prepareLayout(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    const names = await readdir(folder);
    if (names.length > 0) await expectOwnLayout(folder, names);
    await mkdir(join(folder, "blobs", "sha256"), { recursive: true });
    await mkdir(join(folder, "blobs", "sha512"), { recursive: true });
    await writeWhole(join(folder, "oci-layout"), encode(LAYOUT));
  } catch (cause) {
    throw fileFailure(cause, folder);
  }
}

async function expectOwnLayout(folder: string, names: readonly string[]): Promise<void> {
  if (names.includes("oci-layout")) {
    await expectLayout(folder);
    return;
  }
  throw new CliError({
    exitCode: EXIT.conflict,
    what: "the folder holds other things than an OCI layout",
    where: folder,
    hint: "name an empty or a new folder",
  });
}

async function storeBlob(
  folder: string,
  { descriptor, open: openBytes }: BlobOffer,
): Promise<"stored" | "already there"> {
  const path = blobPath(folder, descriptor.digest);
  if (await isThere(path, descriptor.size)) return "already there";
  await writeAside(path, async (file) => {
    for await (const chunk of openBytes()) await file.writeFile(chunk);
  });
  return "stored";
}

async function isThere(path: string, size: number): Promise<boolean> {
  try {
    const stat = await lstat(path);
    return stat.isFile() && stat.size === size;
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return false;
    throw fileFailure(cause, path);
  }
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await writeAside(path, async (file) => await file.writeFile(bytes));
}

/** Under its name once `write` is through, and never in part. */
async function writeAside(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const draft = `${path}.${process.pid}.partial`;
  try {
    const file = await open(
      draft,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o644,
    );
    try {
      await write(file);
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw fileFailure(cause, path);
  }
}

async function nameImage(folder: string, root: ManifestContent, reference: string | undefined): Promise<void> {
  await writeWhole(blobPath(folder, root.digest), root.bytes);
  const others = (await knownEntries(folder)).filter((entry) => !isReplaced(entry, root.digest, reference));
  const entry = {
    mediaType: root.mediaType,
    digest: root.digest,
    size: root.bytes.length,
    ...(reference === undefined ? {} : { annotations: { [REF_NAME]: reference } }),
  };
  const index = { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests: [...others, entry] };
  await writeWhole(join(folder, "index.json"), encode(index));
}

/** The entries as they are written, with whatever else they say. */
async function knownEntries(folder: string): Promise<readonly JsonObject[]> {
  const path = join(folder, "index.json");
  if (!(await exists(path))) return [];
  const manifests = (await readIndex(folder))["manifests"];
  return isJsonArray(manifests) ? manifests.filter(isJsonObject) : [];
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return false;
    throw cause;
  }
}

function isReplaced(entry: JsonObject, digest: Digest, reference: string | undefined): boolean {
  const annotations = entry["annotations"];
  const name = isJsonObject(annotations) ? annotations[REF_NAME] : undefined;
  return reference === undefined ? entry["digest"] === digest && name === undefined : name === reference;
}

function encode(document: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}
