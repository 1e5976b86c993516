/** A real image on disk, as the OCI image layout that skopeo reads: Node itself, its packages and this project's sources. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

type Layer = { readonly from: string; readonly names: readonly string[]; readonly isCompressed: boolean };

/** At least 100 MiB: Node's binary alone is that large, and it is not compressed. */
const LAYERS: readonly Layer[] = [
  { from: dirname(process.execPath), names: [basename(process.execPath)], isCompressed: false },
  { from: join(PROJECT, "node_modules"), names: ["fastify", "@grpc", "level"], isCompressed: true },
  { from: PROJECT, names: ["nodes", "shared", "proto"], isCompressed: true },
];

export type OciLayout = {
  readonly directory: string;
  readonly manifestDigest: string;
  /** Digests of the config and the layers. */
  readonly blobDigests: readonly string[];
  readonly bytes: number;
};

/** Writes the image into `directory`, tagged `1`. */
export async function writeOciLayout(directory: string): Promise<OciLayout> {
  await mkdir(join(directory, "blobs", "sha256"), { recursive: true });
  const layers: Descriptor[] = [];
  for (const layer of LAYERS) layers.push(await writeLayer(directory, layer));

  const config = await writeBlob(directory, "application/vnd.oci.image.config.v1+json", {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const manifest = await writeBlob(directory, "application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config,
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  });
  const entry = { ...manifest, annotations: { "org.opencontainers.image.ref.name": "1" } };
  await writeFile(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  await writeFile(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));

  return {
    directory,
    manifestDigest: manifest.digest,
    blobDigests: [config.digest, ...layers.map(({ digest }) => digest)],
    bytes: layers.reduce((sum, { size }) => sum + size, 0),
  };
}

/** Digest and hash of every blob in a layout: equal exactly when the bytes are. */
export async function hashedBlobs(directory: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(directory, "blobs", "sha256");
  const hashes = new Map<string, string>();
  for (const name of (await readdir(folder)).toSorted()) hashes.set(name, await sha256Of(join(folder, name)));
  return hashes;
}

type Descriptor = {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly diffId: string;
};

async function writeLayer(directory: string, { from, names, isCompressed }: Layer): Promise<Descriptor> {
  const tar = join(directory, "layer.tar");
  await run("tar", ["--create", "--file", tar, "--directory", from, ...names]);
  const diffId = `sha256:${await sha256Of(tar)}`;
  if (isCompressed) await run("gzip", ["-1", tar]);
  const file = isCompressed ? `${tar}.gz` : tar;

  const hex = await sha256Of(file);
  const { size } = await stat(file);
  await rename(file, join(directory, "blobs", "sha256", hex));
  const mediaType = `application/vnd.oci.image.layer.v1.tar${isCompressed ? "+gzip" : ""}`;
  return { mediaType, digest: `sha256:${hex}`, size, diffId };
}

async function writeBlob(
  directory: string,
  mediaType: string,
  document: object,
): Promise<{ readonly mediaType: string; readonly digest: string; readonly size: number }> {
  const bytes = Buffer.from(JSON.stringify(document));
  const hex = createHash("sha256").update(bytes).digest("hex");
  await writeFile(join(directory, "blobs", "sha256", hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** The digest of the image tagged `1` in a layout. */
export async function taggedDigest(directory: string): Promise<string> {
  const index: unknown = JSON.parse(await readFile(join(directory, "index.json"), "utf8"));
  const digest = JSON.stringify(index).match(/"digest":"(sha256:[0-9a-f]{64})"/)?.[1];
  if (digest === undefined) throw new Error(`${directory} holds no image`);
  return digest;
}
