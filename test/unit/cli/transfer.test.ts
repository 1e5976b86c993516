import { describe, expect, test } from "vitest";
import type { BlobArrival, ImageReader, ImageWriter, ManifestContent } from "../../../nodes/cli/images/image.ts";
import { forPlatform } from "../../../nodes/cli/images/platform.ts";
import { sampleImage } from "../../../nodes/cli/images/sample-image.ts";
import { transferImage } from "../../../nodes/cli/images/transfer.ts";
import { CliError } from "../../../nodes/cli/terminal/cli-error.ts";
import { SILENT_PROGRESS } from "../../../nodes/cli/terminal/progress.ts";
import { digestOf } from "../../../shared/digest.ts";
import { OCI_IMAGE_INDEX, OCI_IMAGE_MANIFEST } from "../../../shared/media-types.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const NEVER = new AbortController().signal;

/** Remembers what it was given, in order, and takes all bytes. */
class Shelf implements ImageWriter {
  readonly events: string[] = [];
  readonly blobs = new Map<string, number>();

  async putBlob({ descriptor, open }: Parameters<ImageWriter["putBlob"]>[0]): Promise<BlobArrival> {
    let bytes = 0;
    for await (const chunk of open()) bytes += chunk.length;
    this.blobs.set(descriptor.digest, bytes);
    this.events.push("blob");
    return "stored";
  }

  async putManifest(): Promise<void> {
    this.events.push("manifest");
    await Promise.resolve();
  }

  async name({ digest }: ManifestContent): Promise<void> {
    this.events.push(`name ${digest}`);
    await Promise.resolve();
  }

  async discard(): Promise<void> {
    this.events.push("discard");
    await Promise.resolve();
  }
}

function contentOf(mediaType: string, document: object): ManifestContent {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...document }));
  return { digest: digestOf(bytes), mediaType, bytes };
}

describe("a transfer", () => {
  test("carries every blob before any manifest, and the name last", async () => {
    const image = await sampleImage("hello");
    const shelf = new Shelf();

    const transferred = await transferImage(image, shelf, SILENT_PROGRESS, NEVER);

    const bytes = [...shelf.blobs.values()].reduce((sum, size) => sum + size, 0);
    expect(transferred).toEqual({ manifests: 3, blobs: 4, bytes, external: 0 });
    expect(shelf.events).toEqual(["blob", "blob", "blob", "blob", "manifest", "manifest", `name ${image.root.digest}`]);
  });

  test.each([
    ["fewer bytes", (size: number) => Buffer.alloc(size - 1), /ends after \d+ of \d+ bytes/],
    ["more bytes", (size: number) => Buffer.alloc(size + 1), /is longer than the \d+ bytes it should have/],
    ["other bytes", (size: number) => Buffer.alloc(size), /holds other bytes: [0-9a-f]{64}/],
  ])("gives no name and says whose fault it is when a blob has %s than its descriptor says", async (_, forge, why) => {
    const image = await sampleImage("hello");
    const forged: ImageReader = {
      ...image,
      async *blob({ size }) {
        yield await Promise.resolve(forge(size));
      },
    };
    const shelf = new Shelf();

    const failure = await rejectionOf(transferImage(forged, shelf, SILENT_PROGRESS, NEVER));

    expect(failure).toBeInstanceOf(CliError);
    expect(String(failure)).toMatch(why);
    expect(shelf.events).toEqual(["discard"]);
  });

  test("leaves layers that their publisher keeps where they are", async () => {
    const config = {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: digestOf(Buffer.from("{}")),
      size: 2,
    };
    const foreign = {
      mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
      digest: digestOf(Buffer.from("far")),
      size: 3,
    };
    const root = contentOf(OCI_IMAGE_MANIFEST, { config, layers: [foreign] });
    const reader: ImageReader = {
      root,
      manifest: async () => await Promise.resolve(root),
      async *blob() {
        yield await Promise.resolve(Buffer.from("{}"));
      },
      close: async () => await Promise.resolve(),
    };
    const shelf = new Shelf();

    expect(await transferImage(reader, shelf, SILENT_PROGRESS, NEVER)).toEqual({
      manifests: 1,
      blobs: 1,
      bytes: 2,
      external: 1,
    });
    expect([...shelf.blobs.keys()]).toEqual([config.digest]);
  });

  test("takes entries of an index that are no manifests for blobs, as build caches have them", async () => {
    const layer = {
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest: digestOf(Buffer.from("layer")),
      size: 5,
    };
    const root = contentOf(OCI_IMAGE_INDEX, { manifests: [layer] });
    const reader: ImageReader = {
      root,
      manifest: async () => await Promise.resolve(root),
      async *blob() {
        yield await Promise.resolve(Buffer.from("layer"));
      },
      close: async () => await Promise.resolve(),
    };
    const shelf = new Shelf();

    expect(await transferImage(reader, shelf, SILENT_PROGRESS, NEVER)).toEqual({
      manifests: 1,
      blobs: 1,
      bytes: 5,
      external: 0,
    });
  });

  test("ends with the person's patience", async () => {
    const stopped = new AbortController();
    const image = await sampleImage("hello");
    const reader: ImageReader = {
      ...image,
      async *blob(_, signal) {
        stopped.abort(new Error("enough"));
        signal.throwIfAborted();
        yield await Promise.resolve(Buffer.alloc(0));
      },
    };

    await expect(transferImage(reader, new Shelf(), SILENT_PROGRESS, stopped.signal)).rejects.toThrow("enough");
  });
});

describe("one platform of an index", () => {
  test("is an image of its own", async () => {
    const arm = await forPlatform(await sampleImage("hello"), "linux/arm64", NEVER);
    const shelf = new Shelf();

    expect(await transferImage(arm, shelf, SILENT_PROGRESS, NEVER)).toMatchObject({ manifests: 1, blobs: 2 });
  });

  test("that is not there is refused with those that are", async () => {
    const failure = await rejectionOf(forPlatform(await sampleImage("hello"), "linux/s390x", NEVER));

    expect(failure instanceof CliError && { exitCode: failure.exitCode, hint: failure.hint }).toEqual({
      exitCode: 3,
      hint: "say --platform with one of linux/amd64, linux/arm64",
    });
  });
});
