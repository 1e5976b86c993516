import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { Prng } from "../../cluster-sim/prng.ts";
import { SimJournalFiles } from "../../cluster-sim/sim-journal-files.ts";
import { World } from "../../cluster-sim/world.ts";
import { FileJournal } from "../../nodes/platform/file-journal.ts";
import { DiskFullError } from "../../shared/disk-errors.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { journalFilesContract } from "./journal-files-contract.ts";

journalFilesContract("the journal's files", async () => {
  const folder = await temporaryFolder();
  return { files: await FileJournal.open(join(folder.path, "journal")), dispose: folder.remove };
});

journalFilesContract("the simulated journal's files", async () => {
  const dispose = async (): Promise<void> => await Promise.resolve();
  return await Promise.resolve({ files: new SimJournalFiles(), dispose });
});

test("the journal's files are for the node's user alone", async () => {
  const folder = await temporaryFolder();
  const files = await FileJournal.open(join(folder.path, "journal"));
  await (await files.open("a")).close();

  expect((await lstat(join(folder.path, "journal"))).mode & 0o777).toBe(0o700);
  expect((await lstat(join(folder.path, "journal", "a"))).mode & 0o777).toBe(0o600);
  await folder.remove();
});

test("a simulated power cut leaves any part of an append, and never touches what was there", async () => {
  const left = new Set<number>();
  for (let seed = 0; seed < 50; seed += 1) {
    const world = new World(seed);
    const prng = new Prng(seed);
    const files = new SimJournalFiles({ pause: async () => await world.delay(1), prng });
    const file = await world.run(files.open("a"));
    await world.run(file.append(Buffer.alloc(700, "before")));

    const underWay = file.append(Buffer.alloc(2_000, "under way"));
    const failed = expect(underWay).rejects.toThrow("has died");
    files.cutPower();
    await world.run(failed);

    const bytes = Buffer.from(files.contents.get("a") ?? new Uint8Array());
    expect(bytes.subarray(0, 700)).toEqual(Buffer.alloc(700, "before"));
    left.add(bytes.length);
  }

  expect(left.size).toBeGreaterThan(10);
});

test("a simulated journal without room refuses the append, and keeps nothing of it", async () => {
  const files = new SimJournalFiles({ capacityBytes: 5 });
  const file = await files.open("a");

  await expect(file.append(Buffer.from("123456"))).rejects.toThrow(DiskFullError);
  await file.append(Buffer.from("12345"));

  expect(await files.list()).toEqual([{ name: "a", size: 5 }]);
});
