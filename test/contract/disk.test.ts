import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { Prng } from "../../cluster-sim/prng.ts";
import { SimDisk } from "../../cluster-sim/sim-disk.ts";
import { World } from "../../cluster-sim/world.ts";
import { FileDisk } from "../../nodes/platform/file-disk.ts";
import { digestOf, hexOf } from "../../shared/digest.ts";
import { DiskFullError, DurabilityError } from "../../shared/disk-errors.ts";
import { requirements } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { collect, contentOf, type DiskUnderTest, diskContract, patterned, staged } from "./disk-contract.ts";

const HELLO = Buffer.from("hello, world");
const HELLO_DIGEST = digestOf(HELLO);
/** A file system of its own on every Linux. */
const IN_MEMORY = "/dev/shm";

async function openFiles(): Promise<DiskUnderTest> {
  const folder = await temporaryFolder();
  const disk = await FileDisk.open(folder.path);
  return {
    disk,
    damage: async (digest, bytes) => await writeFile(pathOf(folder.path, hexOf(digest)), bytes),
    dispose: async () => {
      await disk.close();
      await folder.remove();
    },
  };
}

async function openSimulated(): Promise<DiskUnderTest> {
  const disk = new SimDisk();
  return await Promise.resolve({
    disk,
    damage: async (digest, bytes) => {
      disk.damage(digest, bytes);
      await Promise.resolve();
    },
    dispose: async () => await Promise.resolve(),
  });
}

function pathOf(root: string, hex: string): string {
  return join(root, "blobs", "sha256", hex.slice(0, 2), hex);
}

diskContract("files", openFiles);
diskContract("the simulated disk", openSimulated);

describe("the folder of a file disk", () => {
  let root: string;
  let remove: () => Promise<void>;
  beforeEach(async () => {
    ({ path: root, remove } = await temporaryFolder());
  });
  afterEach(async () => await remove());

  test("holds each blob under its digest, for the node's user alone", async () => {
    const disk = await FileDisk.open(root);
    await (await staged(disk, "a", HELLO)).commit(HELLO_DIGEST);
    await (await staged(disk, "left-behind", HELLO)).close();

    const blob = await stat(pathOf(root, hexOf(HELLO_DIGEST)));
    const folders = await Promise.all(
      ["blobs", "blobs/sha256", "staging"].map(async (name) => await stat(join(root, name))),
    );

    expect(blob.mode & 0o777).toBe(0o600);
    expect(folders.map(({ mode }) => mode & 0o777)).toEqual([0o700, 0o700, 0o700]);
    expect(await readdir(join(root, "staging"))).toEqual(["left-behind"]);
  });

  test("is taken up by the next life of the process, whole", async () => {
    const before = await FileDisk.open(root);
    await (await staged(before, "a", HELLO)).commit(HELLO_DIGEST);
    await (await staged(before, "b", HELLO)).close();

    const after = await FileDisk.open(root);

    expect(await contentOf(after, HELLO_DIGEST)).toEqual(HELLO);
    expect(await after.staged()).toEqual([{ name: "b", size: HELLO.length }]);
    const resumed = await after.resume("b");
    expect(await resumed?.digest("sha256")).toBe(HELLO_DIGEST);
    await resumed?.discard();
  });

  test.skipIf(!requirements.linux().available)(
    "is refused when blobs and staged bytes are on two file systems, because no rename joins those",
    async () => {
      const elsewhere = await mkdtemp(join(IN_MEMORY, "meridian-test-"));
      await symlink(elsewhere, join(root, "blobs"));

      const opened = FileDisk.open(root);

      await expect(opened).rejects.toThrow("must be on one file system");
      await rm(elsewhere, { recursive: true });
    },
  );

  test("is never left by a link: neither what is staged nor a blob may be one", async () => {
    const disk = await FileDisk.open(root);
    await writeFile(join(root, "secret"), HELLO);
    await symlink(join(root, "secret"), join(root, "staging", "a"));
    await mkdir(join(root, "blobs", "sha256", hexOf(HELLO_DIGEST).slice(0, 2)));
    await symlink(join(root, "secret"), pathOf(root, hexOf(HELLO_DIGEST)));

    await expect(disk.stage("a")).rejects.toThrow("EEXIST");
    await expect(disk.resume("a")).rejects.toThrow("ELOOP");
    await expect(disk.open(HELLO_DIGEST)).rejects.toThrow("ELOOP");
    expect(await disk.staged()).toEqual([]);
  });

  test("rewinds a hash over a boundary of checkpoints", async () => {
    const disk = await FileDisk.open(root);
    const part = patterned(24 * 1024 * 1024);
    const staging = await staged(disk, "a", part, part, part, part);

    await staging.truncate(3 * part.length - 1);
    expect(await staging.digest("sha256")).toBe(digestOf(Buffer.concat([part, part, part]).subarray(0, -1)));
    await staging.truncate(part.length);
    await staging.append(part);

    expect(await staging.digest("sha256")).toBe(digestOf(Buffer.concat([part, part])));
    await staging.discard();
  });
});

describe("the simulated disk", () => {
  test("keeps all that was written when its process ends, and nothing that was open", async () => {
    const disk = new SimDisk();
    const open = await staged(disk, "a", HELLO);

    disk.exit();

    await expect(open.append(HELLO)).rejects.toThrow("has died");
    expect(await (await disk.resume("a"))?.digest("sha256")).toBe(HELLO_DIGEST);
  });

  test("keeps what was committed when the power goes, and of what was staged a beginning or nothing", async () => {
    const fates = new Set<string>();
    for (let seed = 0; seed < 30; seed += 1) {
      const disk = new SimDisk({ prng: new Prng(seed) });
      await (await staged(disk, "a", HELLO)).commit(HELLO_DIGEST);
      const open = await staged(disk, "b", patterned(100));

      disk.crash();

      await expect(open.append(HELLO)).rejects.toThrow("has died");
      expect(await contentOf(disk, HELLO_DIGEST)).toEqual(HELLO);
      const resumed = await disk.resume("b");
      if (resumed === undefined) fates.add("gone");
      else {
        fates.add(resumed.size() === 100 ? "whole" : "cut short");
        const left = await collect(resumed.read({ start: 0, end: resumed.size() }));
        expect(left).toEqual(patterned(100).subarray(0, resumed.size()));
      }
    }
    expect(fates).toEqual(new Set(["gone", "whole", "cut short"]));
  });

  test("ends a commit that is under way with an error when the power goes, whether it had happened or not", async () => {
    const outcomes = new Set<boolean>();
    for (const crashAfterMs of [0.5, 1.5]) {
      const world = new World();
      const disk = new SimDisk({ pause: async () => await world.delay(1) });
      const staging = await world.run(staged(disk, "a", HELLO));

      const failed = expect(staging.commit(HELLO_DIGEST)).rejects.toThrow("has died");
      await world.runFor(crashAfterMs);
      disk.crash();

      await world.run(failed);
      outcomes.add((await world.run(disk.stat(HELLO_DIGEST))) !== undefined);
    }
    expect(outcomes).toEqual(new Set([false, true]));
  });

  test("takes no more than it has room for, and loses nothing over it", async () => {
    const disk = new SimDisk({ capacityBytes: 20 });
    const staging = await staged(disk, "a", HELLO);

    await expect(staging.append(HELLO)).rejects.toThrow(DiskFullError);

    expect(await disk.freeBytes()).toBe(20 - HELLO.length);
    expect(await staging.digest("sha256")).toBe(HELLO_DIGEST);
  });

  test("syncs a staging never again after that has failed once", async () => {
    let isFailing = true;
    const disk = new SimDisk({
      fault: (operation) => (isFailing && operation === "commit" ? new DurabilityError("EIO") : undefined),
    });
    const staging = await staged(disk, "a", HELLO);

    await expect(staging.commit(HELLO_DIGEST)).rejects.toThrow(DurabilityError);
    isFailing = false;

    await expect(staging.commit(HELLO_DIGEST)).rejects.toThrow("broken");
    await staging.discard();
    expect(await disk.staged()).toEqual([]);
  });

  test("spoils a chunk as soon as the next is asked for, so that nobody keeps one unnoticed", async () => {
    const bytes = patterned(600_000);
    const disk = new SimDisk();
    const staging = await staged(disk, "a", bytes);

    const kept: Uint8Array[] = [];
    for await (const chunk of staging.read({ start: 0, end: bytes.length })) kept.push(chunk);

    expect(Buffer.concat(kept)).not.toEqual(bytes);
  });
});
