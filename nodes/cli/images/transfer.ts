/**
 * Carries an image from a reader to a writer: first every blob, a few side by side, then the manifests it names, at last
 * itself under its name. So whoever sees the name has all of it, and a transfer that broke can simply be repeated.
 */
import { isSupported, type SupportedDescriptor } from "../../../shared/descriptor.ts";
import { RegistryError } from "../../../shared/errors.ts";
import { INDEX_DEPTH_MAX } from "../../../shared/limits.ts";
import { type Manifest, parseManifest } from "../../../shared/manifest.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import type { Progress, ProgressItem } from "../terminal/progress.ts";
import { damaged } from "./file-failure.ts";
import type { ImageReader, ImageWriter, ManifestContent } from "./image.ts";
import { ContentMismatchError, verified } from "./verified.ts";

const BLOBS_AT_ONCE = 4;
const LABEL_DIGITS = 12;

export type Transferred = {
  readonly manifests: number;
  readonly blobs: number;
  /** Of the blobs, whether or not they had to be sent. */
  readonly bytes: number;
  /** Layers that are to be had elsewhere and were left there. */
  readonly external: number;
};

type Closure = {
  /** Each after those it names; the image itself is the last. */
  readonly manifests: ManifestContent[];
  readonly blobs: Map<string, SupportedDescriptor>;
  readonly external: Set<string>;
};

/** @throws {CliError} and whatever reader and writer throw; then the writer has been told to discard. */
export async function transferImage(
  reader: ImageReader,
  writer: ImageWriter,
  progress: Progress,
  signal: AbortSignal,
): Promise<Transferred> {
  try {
    const closure = await closureOf(reader, signal);
    const blobs = [...closure.blobs.values()];
    await forEach(blobs, signal, async (descriptor, limit) => {
      await carryBlob(descriptor, { reader, writer, progress }, limit);
    });
    for (const content of closure.manifests.slice(0, -1)) await writer.putManifest(content, signal);
    await writer.name(reader.root, signal);
    const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
    return { manifests: closure.manifests.length, blobs: blobs.length, bytes, external: closure.external.size };
  } catch (cause) {
    await writer.discard();
    if (cause instanceof ContentMismatchError) throw damaged(reader.root.digest, cause.message, cause);
    throw cause;
  } finally {
    progress.end();
  }
}

/** Reads a manifest, or says whose it was. @throws {CliError} */
export function readManifest({ bytes, mediaType, digest }: ManifestContent): Manifest {
  try {
    return parseManifest(bytes, mediaType === "" ? undefined : mediaType);
  } catch (cause) {
    if (!(cause instanceof RegistryError)) throw cause;
    throw damaged(digest, cause.message, cause);
  }
}

async function closureOf(reader: ImageReader, signal: AbortSignal): Promise<Closure> {
  const closure: Closure = { manifests: [], blobs: new Map(), external: new Set() };
  await collect(reader.root, { reader, closure, signal, seen: new Set() }, 0);
  return closure;
}

type Collecting = {
  readonly reader: ImageReader;
  readonly closure: Closure;
  readonly signal: AbortSignal;
  readonly seen: Set<string>;
};

async function collect(content: ManifestContent, collecting: Collecting, depth: number): Promise<void> {
  const { reader, closure, signal, seen } = collecting;
  if (seen.has(content.digest)) return;
  seen.add(content.digest);
  if (depth > INDEX_DEPTH_MAX) throw tooDeep(content);
  const manifest = readManifest(content);
  for (const child of manifest.children) await collect(await reader.manifest(child, signal), collecting, depth + 1);
  // Entries of an index that are no manifests are blobs: the layers of a build cache.
  for (const blob of [...manifest.blobs, ...manifest.others].filter(isSupported)) closure.blobs.set(blob.digest, blob);
  for (const { digest } of manifest.external) closure.external.add(digest);
  closure.manifests.push(content);
}

type Carriers = { readonly reader: ImageReader; readonly writer: ImageWriter; readonly progress: Progress };

async function carryBlob(
  descriptor: SupportedDescriptor,
  { reader, writer, progress }: Carriers,
  signal: AbortSignal,
): Promise<void> {
  const item = progress.start(labelOf(descriptor), descriptor.size);
  const open = (): AsyncIterable<Uint8Array> => {
    item.restart();
    return counted(verified(descriptor, reader.blob(descriptor, signal)), item);
  };
  item.finish(await writer.putBlob({ descriptor, open }, signal));
}

function labelOf({ digest, mediaType }: SupportedDescriptor): string {
  const kind = mediaType.endsWith("json") ? "config" : "layer";
  const start = digest.indexOf(":") + 1;
  return `${kind} ${digest.slice(start, start + LABEL_DIGITS)}`;
}

async function* counted(chunks: AsyncIterable<Uint8Array>, item: ProgressItem): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    yield chunk;
    item.advance(chunk.length);
  }
}

/** A few at once, in order; the first failure ends the others and is the one that is thrown. */
async function forEach<Item>(
  items: readonly Item[],
  signal: AbortSignal,
  work: (item: Item, limit: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const limit = AbortSignal.any([signal, failed.signal]);
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      limit.throwIfAborted();
      await work(item, limit).catch((cause: unknown) => {
        failed.abort(cause);
        throw cause;
      });
    }
  };
  const workers = Array.from({ length: BLOBS_AT_ONCE }, worker);
  await Promise.allSettled(workers);
  signal.throwIfAborted();
  failed.signal.throwIfAborted();
}

function tooDeep({ digest }: ManifestContent): CliError {
  return new CliError({
    exitCode: EXIT.failed,
    what: `indexes are nested more than ${INDEX_DEPTH_MAX} deep`,
    where: digest,
    hint: "no client could pull this; build the image anew",
  });
}
