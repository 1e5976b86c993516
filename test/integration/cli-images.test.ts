/** Images in folders and archives: what the command line writes, what it reads, and what it refuses to touch. */
import { execFileSync } from "node:child_process";
import { mkdir, open, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { createDockerArchive, openDockerArchive } from "../../nodes/cli/images/docker-archive.ts";
import type { ImageReader } from "../../nodes/cli/images/image.ts";
import { createOciLayout, openOciLayout } from "../../nodes/cli/images/oci-layout.ts";
import { forPlatform } from "../../nodes/cli/images/platform.ts";
import { sampleImage } from "../../nodes/cli/images/sample-image.ts";
import { readTarIndex, TarError, tarEnd, tarHeader, tarPadding } from "../../nodes/cli/images/tar.ts";
import { transferImage } from "../../nodes/cli/images/transfer.ts";
import { CliError } from "../../nodes/cli/terminal/cli-error.ts";
import { SILENT_PROGRESS } from "../../nodes/cli/terminal/progress.ts";
import { digestOf, hexOf } from "../../shared/digest.ts";
import { parseManifest } from "../../shared/manifest.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { rejectionOf } from "../support/thrown-by.ts";

const NEVER = new AbortController().signal;

let folder: string;
let remove: () => Promise<void>;

beforeEach(async () => {
  ({ path: folder, remove } = await temporaryFolder());
});

afterEach(async () => {
  await remove();
});

async function failureOf(action: Promise<unknown>): Promise<{ readonly exitCode: number; readonly text: string }> {
  const failure = await rejectionOf(action);
  if (!(failure instanceof CliError)) throw new Error("expected a failure that people understand", { cause: failure });
  return { exitCode: failure.exitCode, text: `${failure.message} (${failure.hint})` };
}

async function writeLayout(
  reader: ImageReader,
  reference: string | undefined,
  path = join(folder, "layout"),
): Promise<string> {
  await transferImage(reader, await createOciLayout(path, reference), SILENT_PROGRESS, NEVER);
  return path;
}

/** A tar archive of `files`, in their order; an entry may be of another type than a regular file. */
function tarOf(
  files: readonly {
    readonly name: string;
    readonly bytes?: Uint8Array | string;
    readonly type?: string;
    readonly link?: string;
  }[],
): Buffer {
  const blocks = files.flatMap(({ name, bytes = "", type = "0", link = "" }) => {
    const content = Buffer.from(bytes);
    const header = Buffer.from(tarHeader(name.slice(0, 100), content.length));
    header.write(type, 156);
    header.write(link, 157);
    header.write("        ", 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, content, tarPadding(content.length)];
  });
  return Buffer.concat([...blocks, tarEnd()]);
}

async function indexOf(archive: Uint8Array): Promise<readonly string[]> {
  const path = join(folder, "archive.tar");
  await writeFile(path, archive);
  const file = await open(path);
  try {
    return [...(await readTarIndex(file)).keys()];
  } finally {
    await file.close();
  }
}

describe("an OCI layout", () => {
  test("holds what was pulled into it, and gives back the same image", async () => {
    const image = await sampleImage("hello", 100_000);
    const path = await writeLayout(image, "v1");

    const again = await openOciLayout(path, "v1");
    const copy = await writeLayout(again, "v1", join(folder, "copy"));

    expect(again.root).toEqual({ ...image.root, bytes: Buffer.from(image.root.bytes) });
    expect(await readFile(join(copy, "index.json"), "utf8")).toBe(await readFile(join(path, "index.json"), "utf8"));
    expect(await readdir(join(copy, "blobs", "sha256"))).toEqual(await readdir(join(path, "blobs", "sha256")));
  });

  test("takes a second image beside the first, and a newer one in the place of an older of the same name", async () => {
    const path = await writeLayout(await sampleImage("one"), "v1");
    await writeLayout(await sampleImage("two"), "v2");
    await writeLayout(await sampleImage("three"), "v1");

    expect((await openOciLayout(path, "v1")).root.digest).toBe((await sampleImage("three")).root.digest);
    expect((await openOciLayout(path, "v2")).root.digest).toBe((await sampleImage("two")).root.digest);
    expect(await failureOf(openOciLayout(path, undefined))).toMatchObject({
      exitCode: 2,
      text: expect.stringContaining("there are v2, v1"),
    });
    expect(await failureOf(openOciLayout(path, "v3"))).toMatchObject({
      exitCode: 3,
      text: expect.stringContaining("no image is named v3"),
    });
  });

  test("is never made of a folder that holds other things", async () => {
    await writeFile(join(folder, "holiday.jpg"), "");

    expect(await failureOf(createOciLayout(folder, "v1"))).toMatchObject({ exitCode: 5 });
    expect(await readdir(folder)).toEqual(["holiday.jpg"]);
  });

  test("leaves no half blob behind when the bytes turn out to be others", async () => {
    const image = await sampleImage("hello");
    const forged: ImageReader = {
      ...image,
      async *blob() {
        yield await Promise.resolve(Buffer.alloc(10));
      },
    };

    await expect(writeLayout(forged, "v1")).rejects.toThrow(/ends after 10 of/);

    expect(await readdir(join(folder, "layout", "blobs", "sha256"))).toEqual([]);
    expect(await readdir(join(folder, "layout"))).toEqual(["blobs", "oci-layout"]);
  });

  test("with a manifest whose bytes are others is damaged", async () => {
    const image = await sampleImage("hello");
    const path = await writeLayout(image, "v1");
    await writeFile(join(path, "blobs", "sha256", hexOf(image.root.digest)), "{}");

    expect(await failureOf(openOciLayout(path, "v1"))).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining("the bytes of sha256:"),
    });
  });

  test("with a symbolic link in the place of a blob, or of the folder of blobs, is refused", async () => {
    const image = await sampleImage("hello");
    const path = await writeLayout(image, "v1");
    const blob = join(path, "blobs", "sha256", hexOf(image.root.digest));
    await rename(blob, join(folder, "elsewhere"));
    await symlink(join(folder, "elsewhere"), blob);
    expect((await failureOf(openOciLayout(path, "v1"))).text).toContain("a symbolic link");

    await rename(join(path, "blobs", "sha256"), join(folder, "sha256"));
    await symlink(join(folder, "sha256"), join(path, "blobs", "sha256"));
    expect((await failureOf(openOciLayout(path, "v1"))).text).toContain("a symbolic link");
  });

  test.each([
    ["../../../../etc/passwd", "is not a digest"],
    ["sha256:../../../../../etc/passwd", "is not a digest"],
    [`sha256:${"A".repeat(64)}`, "is not a digest"],
  ])("whose index names %s is refused", async (digest, why) => {
    const path = await writeLayout(await sampleImage("hello"), "v1");
    const manifests = [{ mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 1 }];
    await writeFile(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));

    expect((await failureOf(openOciLayout(path, undefined))).text).toContain(why);
  });

  test.each([
    ["no oci-layout", async (path: string) => await rm(join(path, "oci-layout")), 3],
    [
      "another version",
      async (path: string) => await writeFile(join(path, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}'),
      1,
    ],
    ["an index that is no JSON", async (path: string) => await writeFile(join(path, "index.json"), "{"), 1],
    ["an empty index", async (path: string) => await writeFile(join(path, "index.json"), '{"manifests":[]}'), 3],
    [
      "a folder for an index",
      async (path: string) => {
        await rm(join(path, "index.json"));
        await mkdir(join(path, "index.json"));
      },
      1,
    ],
  ])("with %s is refused", async (_, spoil, exitCode) => {
    const path = await writeLayout(await sampleImage("hello"), "v1");
    await spoil(path);

    expect(await failureOf(openOciLayout(path, undefined))).toMatchObject({ exitCode });
  });
});

describe("a Docker archive", () => {
  const layer = tarOf([{ name: "hello.txt", bytes: "hello" }]);
  const config = Buffer.from(
    JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [digestOf(layer)] } }),
  );

  function archiveOf(manifest: unknown, extra: Parameters<typeof tarOf>[0] = []): Buffer {
    return tarOf([
      { name: "config.json", bytes: config },
      { name: "abc/layer.tar", bytes: layer },
      ...extra,
      { name: "manifest.json", bytes: JSON.stringify(manifest) },
    ]);
  }

  async function openBytes(archive: Uint8Array, reference?: string): Promise<ImageReader> {
    await writeFile(join(folder, "app.tar"), archive);
    return await openDockerArchive(join(folder, "app.tar"), reference);
  }

  const image = { Config: "config.json", RepoTags: ["app:1"], Layers: ["abc/layer.tar"] };

  test("becomes an OCI manifest over the config and the layers as they lie there, always the same", async () => {
    const reader = await openBytes(archiveOf([image]));
    const again = await openBytes(archiveOf([image]), "app:1");
    const manifest = parseManifest(reader.root.bytes, reader.root.mediaType);
    const path = await writeLayout(reader, "1");

    expect(again.root.digest).toBe(reader.root.digest);
    expect(manifest.blobs.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }))).toEqual([
      { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: config.length },
      { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: digestOf(layer), size: layer.length },
    ]);
    expect(await readFile(join(path, "blobs", "sha256", hexOf(digestOf(layer))))).toEqual(layer);
    await reader.close();
    await again.close();
  });

  test("may hold compressed layers, whose type says so", async () => {
    const packed = gzipSync(layer);
    const archive = tarOf([
      { name: "config.json", bytes: config },
      { name: "abc/layer.tar", bytes: packed },
      { name: "manifest.json", bytes: JSON.stringify([image]) },
    ]);
    const reader = await openBytes(archive);

    const [, described] = parseManifest(reader.root.bytes, reader.root.mediaType).blobs;
    expect(described?.mediaType).toBe("application/vnd.oci.image.layer.v1.tar+gzip");
    await reader.close();
  });

  test.each([
    ["no manifest.json", tarOf([{ name: "config.json", bytes: config }]), "no manifest.json"],
    [
      "a layer that the config does not name",
      archiveOf([image]).fill("j", 1600, 1605),
      "is not the one that the config names",
    ],
    [
      "fewer layers than the config names",
      archiveOf([{ ...image, Layers: [] }]),
      "the config names 1 layers, manifest.json 0",
    ],
    [
      "a layer that is not there",
      archiveOf([{ ...image, Layers: ["gone"] }]),
      '"gone" is named but not in the archive',
    ],
    [
      "a config outside of it",
      archiveOf([{ ...image, Config: "../../etc/passwd" }]),
      "is named but not in the archive",
    ],
    [
      "a symbolic link",
      archiveOf([image], [{ name: "x/layer.tar", type: "2", link: "../abc/layer.tar" }]),
      "is a link",
    ],
    ["a name that leads out of it", archiveOf([image], [{ name: "../evil", bytes: "x" }]), "leads out of the archive"],
    ["bytes that are no archive", Buffer.alloc(2048, "x"), "this is no tar archive"],
  ])("with %s is refused", async (_, archive, why) => {
    expect(await failureOf(openBytes(archive))).toMatchObject({ exitCode: 1, text: expect.stringContaining(why) });
  });

  test("of several images wants to know which", async () => {
    const two = archiveOf([image, { ...image, RepoTags: ["app:2"] }]);

    expect(await failureOf(openBytes(two))).toMatchObject({
      exitCode: 2,
      text: expect.stringContaining("there are app:1, app:2"),
    });
    expect(await failureOf(openBytes(two, "app:3"))).toMatchObject({
      exitCode: 3,
      text: expect.stringContaining("no image is named app:3"),
    });
  });

  test("is written so that it reads back to the same layers, and tar itself can read it", async () => {
    const source = await forPlatform(await sampleImage("hello", 5000), "linux/amd64", NEVER);
    const path = join(folder, "hello.tar");
    await transferImage(source, await createDockerArchive(path, "127.0.0.1:5001/hello:v1"), SILENT_PROGRESS, NEVER);

    const reader = await openDockerArchive(path, "127.0.0.1:5001/hello:v1");
    const layersOf = (content: { readonly bytes: Uint8Array; readonly mediaType: string }): readonly string[] =>
      parseManifest(content.bytes, content.mediaType).blobs.map(({ digest }) => digest);

    expect(layersOf(reader.root)).toEqual(layersOf(source.root));
    expect(execFileSync("tar", ["tf", path], { encoding: "utf8" }).trim().split("\n").length).toBe(4);
    expect(await readdir(folder)).toEqual(["hello.tar"]);
    await reader.close();
  });

  test("never takes the place of a file, and cannot hold an index", async () => {
    await writeFile(join(folder, "there.tar"), "mine");
    const whole = await sampleImage("hello");
    const writer = await createDockerArchive(join(folder, "new.tar"), "hello:v1");

    expect(await failureOf(createDockerArchive(join(folder, "there.tar"), "hello:v1"))).toMatchObject({ exitCode: 5 });
    expect((await failureOf(transferImage(whole, writer, SILENT_PROGRESS, NEVER))).text).toContain("holds images only");
    expect(await readdir(folder)).toEqual(["there.tar"]);
  });
});

describe("a tar archive", () => {
  test("may hold long names, in GNU's way and in POSIX's, folders, and a leading ./", async () => {
    const long = `${"d".repeat(120)}/file`;
    const record = `path=${long}\n`;
    const length = record.length + 1 + String(record.length + 4).length;
    const pax = `${length} ${record}`;

    const names = await indexOf(
      tarOf([
        { name: "folder/", type: "5" },
        { name: "./one", bytes: "1" },
        { name: "././@LongLink", type: "L", bytes: `${long}1\0` },
        { name: long, bytes: "2" },
        { name: "PaxHeaders/x", type: "x", bytes: pax },
        { name: "short", bytes: "3" },
        { name: "pax_global_header", type: "g", bytes: "20 comment=whatever\n" },
        { name: "last", bytes: "4" },
      ]),
    );

    expect(names).toEqual(["one", `${long}1`, long, "last"]);
  });

  test("as GNU tar writes it is read", async () => {
    const deep = join(folder, "in", "a".repeat(90), "b".repeat(90));
    await mkdir(deep, { recursive: true });
    await writeFile(join(deep, "file"), "x".repeat(1000));
    for (const format of ["gnu", "ustar", "pax"]) {
      const archive = execFileSync("tar", ["--format", format, "-C", join(folder, "in"), "-cf", "-", "."]);

      expect(await indexOf(archive)).toEqual([`${"a".repeat(90)}/${"b".repeat(90)}/file`]);
    }
  });

  test.each([
    ["an absolute name", tarOf([{ name: "/etc/passwd" }]), "is not a relative path"],
    ["a name that leads out", tarOf([{ name: "a/../../b" }]), "leads out of the archive"],
    ["a backslash", tarOf([{ name: "a\\..\\b" }]), "is not a relative path"],
    ["a symbolic link", tarOf([{ name: "a", type: "2", link: "b" }]), "is a link"],
    ["a hard link", tarOf([{ name: "a", type: "1", link: "b" }]), "is a link"],
    ["a device", tarOf([{ name: "a", type: "3" }]), "neither a file nor a folder"],
    ["one name twice", tarOf([{ name: "a" }, { name: "./a" }]), "stands twice"],
    ["a wrong checksum", tarOf([{ name: "a" }]).fill("9", 0, 1), "checksum does not match"],
    ["an end inside a file", tarOf([{ name: "a", bytes: "x".repeat(2000) }]).subarray(0, 1024), "ends inside"],
    ["an end inside a header", tarOf([{ name: "a" }]).subarray(0, 700), "ends inside a header"],
    ["a broken pax record", tarOf([{ name: "x", type: "x", bytes: "999 path=a\n" }]), "broken record"],
    [
      "an extended header of two megabytes",
      tarOf([{ name: "x", type: "x", bytes: "x".repeat(2_000_000) }]),
      "an extended header of",
    ],
  ])("with %s is refused", async (_, archive, why) => {
    const failure = await rejectionOf(indexOf(archive));

    expect(failure).toBeInstanceOf(TarError);
    expect(String(failure)).toContain(why);
  });

  test("may hold a file of more than 8 GiB, whose size no octal field takes", async () => {
    const size = 9 * 1024 ** 3;
    const path = join(folder, "large.tar");
    const file = await open(path, "w+");
    await file.write(tarHeader("large", size), 0, 512, 0);
    await file.truncate(512 + size + 1024);

    expect(await readTarIndex(file)).toEqual(new Map([["large", { start: 512, size }]]));
    await file.close();
  });
});
