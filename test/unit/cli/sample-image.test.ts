import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";

import type { ImageReader } from "../../../nodes/cli/images/image.ts";
import { sampleImage } from "../../../nodes/cli/images/sample-image.ts";
import { digestOf } from "../../../shared/digest.ts";
import { parseManifest } from "../../../shared/manifest.ts";

const NEVER = new AbortController().signal;

/** Everything in an image: manifests and blobs, by what they should be and by what their bytes are. */
async function contentsOf(
  reader: ImageReader,
): Promise<readonly { readonly said: string; readonly size: number; readonly is: string; readonly bytes: number }[]> {
  const contents = [];
  const index = parseManifest(reader.root.bytes, reader.root.mediaType);
  for (const child of index.children) {
    const content = await reader.manifest(child, NEVER);
    contents.push({ said: child.digest, size: child.size, is: digestOf(content.bytes), bytes: content.bytes.length });
    for (const blob of parseManifest(content.bytes, content.mediaType).blobs) {
      const bytes = await buffer(reader.blob(blob, NEVER));
      contents.push({ said: blob.digest, size: blob.size, is: digestOf(bytes), bytes: bytes.length });
    }
  }
  return contents;
}

describe("sample:NAME", () => {
  test("is the same image everywhere and at any time", async () => {
    const { root } = await sampleImage("hello");

    // Changing this changes what every copy of the documentation tells people to expect.
    expect(root.digest).toBe("sha256:5cc7c8a97e51faed91cea41ddb1c1135d11d9a5f64846318afb9583539dc22d0");
  });

  test("is an index of two platforms, each with a config and a layer, and every digest and size is right", async () => {
    const reader = await sampleImage("hello");
    const index = parseManifest(reader.root.bytes, reader.root.mediaType);
    const contents = await contentsOf(reader);

    expect(index.kind === "index" && index.entries.map(({ platform }) => platform)).toEqual([
      { os: "linux", architecture: "amd64", variant: undefined },
      { os: "linux", architecture: "arm64", variant: undefined },
    ]);
    expect(contents.length).toBe(6);
    for (const { said, size, is, bytes } of contents) expect({ is, bytes }).toEqual({ is: said, bytes: size });
  });

  test("has other digests under another name", async () => {
    expect((await sampleImage("hello")).root.digest).not.toBe((await sampleImage("hallo")).root.digest);
  });

  test("can be read more than once", async () => {
    const reader = await sampleImage("hello", 1000);

    expect(await contentsOf(reader)).toEqual(await contentsOf(reader));
  });
});

describe("sample:NAME:SIZE", () => {
  test("adds one layer of that size that both platforms share, the same for the same name", async () => {
    const size = 700_000;
    const first = await contentsOf(await sampleImage("big", size));
    const second = await contentsOf(await sampleImage("big", size));
    const large = first.filter(({ bytes }) => bytes > size);

    expect(second).toEqual(first);
    expect(large.length).toBe(2);
    expect(new Set(large.map(({ said }) => said)).size).toBe(1);
    for (const { said, is } of first) expect(is).toBe(said);
  });

  test("is noise that nothing compresses", async () => {
    const reader = await sampleImage("big", 100_000);
    const [child] = parseManifest(reader.root.bytes, reader.root.mediaType).children;
    if (child === undefined) throw new Error("the index has two children");
    const { bytes, mediaType } = await reader.manifest(child, NEVER);
    const large = parseManifest(bytes, mediaType).blobs.find(({ size }) => size > 100_000);
    if (large === undefined) throw new Error("the image has a large layer");
    const content = await buffer(reader.blob(large, NEVER));

    expect(new Set(content).size).toBe(256);
  });
});
