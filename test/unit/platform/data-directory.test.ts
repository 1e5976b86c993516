import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { openDataDirectory } from "../../../nodes/platform/data-directory.ts";
import { SILENT } from "../../support/metadata-fixture.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

describe("a data directory", () => {
  let root: string;
  let remove: () => Promise<void>;
  beforeEach(async () => {
    const folder = await temporaryFolder();
    root = join(folder.path, "made", "on", "the", "way");
    remove = folder.remove;
  });
  afterEach(async () => await remove());

  test("is made with all it needs, for the node's user alone", async () => {
    const data = await openDataDirectory(root, SILENT);
    await data.close();

    expect(await readdir(root)).toEqual([
      "blobs",
      "format.json",
      "holder.json",
      "journal",
      "meta",
      "quarantine",
      "staging",
    ]);
    expect((await stat(root)).mode & 0o777).toBe(0o700);
    expect(JSON.parse(await readFile(join(root, "format.json"), "utf8"))).toEqual({ format: 1 });
  });

  test("is taken up again as it was left", async () => {
    const before = await openDataDirectory(root, SILENT);
    await before.kv.commit([{ kind: "put", key: Buffer.from("key"), value: Buffer.from("value") }]);
    await (await before.disk.stage("a")).close();
    await before.close();

    const after = await openDataDirectory(root, SILENT);

    expect(await after.kv.get(Buffer.from("key"))).toEqual(Buffer.from("value"));
    expect(await after.disk.staged()).toEqual([{ name: "a", size: 0 }]);
    await after.close();
  });

  test("serves one process at a time, and tells the second what to do", async () => {
    const first = await openDataDirectory(root, SILENT);

    await expect(openDataDirectory(root, SILENT)).rejects.toThrow(
      `the data directory ${root} is in use by another process, with the number ${process.pid}; stop it, or give this node a directory of its own`,
    );

    await first.close();
  });

  test("is refused, and left as it is, when a version with another format wrote it", async () => {
    await mkdir(root, { recursive: true });
    for (const text of ['{"format":2}', "not json", "[]", '{"format":"1"}']) {
      await writeFile(join(root, "format.json"), text);

      await expect(openDataDirectory(root, SILENT)).rejects.toThrow("this version reads 1");
    }
    expect(await readdir(root)).toEqual(["format.json"]);
  });

  test("that can't be made is told with the reason", async () => {
    const file = join(root, "..");
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, "a file");

    await expect(openDataDirectory(root, SILENT)).rejects.toThrow(
      /cannot write the data directory .*: E(NOTDIR|EXIST)/,
    );
  });
});
