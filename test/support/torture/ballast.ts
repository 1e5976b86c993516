/** What takes the room away that a node would need, and gives it back. */
import { execFile } from "node:child_process";
import { mkdir, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const FOLDER = "ballast";
const BLOCK_BYTES = 4096;

export type Ballast = {
  readonly fill: (disk: string) => Promise<void>;
  readonly relieve: (disk: string) => Promise<void>;
};

/** Files that hold every block, without a byte being written. */
export const BYTES: Ballast = {
  fill: async (disk) => {
    const folder = join(disk, FOLDER);
    await mkdir(folder, { recursive: true });
    const { bavail, bsize } = await statfs(disk);
    for (let size = bavail * bsize, files = 0; size >= BLOCK_BYTES; files += 1) {
      // What a file needs besides its blocks is not known beforehand: ask for less until it fits.
      const isTaken = await run("fallocate", ["-l", `${size}`, join(folder, `${files}`)]).then(
        () => true,
        () => false,
      );
      if (!isTaken) size = Math.floor(size / 2);
    }
  },
  relieve: async (disk) => await rm(join(disk, FOLDER), { recursive: true, force: true }),
};

/** Empty files until no more can be made. */
export const INODES: Ballast = {
  fill: async (disk) => {
    const folder = join(disk, FOLDER);
    await mkdir(folder, { recursive: true }).catch(() => undefined);
    for (let files = 0; ; files += 1) {
      const isMade = await writeFile(join(folder, `${files}`), "").then(
        () => true,
        () => false,
      );
      if (!isMade) return;
    }
  },
  relieve: BYTES.relieve,
};
