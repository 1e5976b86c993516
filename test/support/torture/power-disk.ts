/**
 * A disk whose power can be cut: an ext4 in a sparse file, mounted by a loop device. The cut is the ioctl that ext4 has for
 * this purpose, `FS_IOC_SHUTDOWN`, with the flag that throws the journal in memory away. From then on every call fails
 * with EIO; after unmounting and mounting again only that is there which had been synced. Killing a process shows
 * nothing of the kind: the page cache outlives it.
 *
 * The mount options take away what ext4 does for careless programs: it neither commits its journal by itself every five
 * seconds, nor writes a file out because it is renamed over another. Other file systems do none of that either.
 *
 * Everything lies in a tmpfs, so that a sync costs no seek, and in a mount namespace of the process' own: a container
 * engine beside it would copy the mount and keep the file system alive after the unmount. `arena.ts` makes it.
 */
import { execFile } from "node:child_process";
import { dlopen } from "node:ffi";
import { closeSync, openSync } from "node:fs";
import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const MIB = 1024 * 1024;
/** `_IOR('X', 125, __u32)` of include/uapi/linux/fs.h. */
const FS_IOC_SHUTDOWN = 0x80_04_58_7dn;
/** `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`: at once, and what the journal has not written is gone. */
const WITHOUT_FLUSHING = 2;
const MOUNT_OPTIONS = "loop,noauto_da_alloc,commit=3600";

export type PowerDiskOptions = {
  /** Of the file system; its file is sparse. */
  readonly sizeMiB: number;
  /** How many files it can hold, where that is to be few. */
  readonly inodes?: number;
  /** Of the memory that the file lies in, where that is to be less than the file system believes. */
  readonly backedMiB?: number;
};

export class PowerDisk {
  /** Where the file system is mounted. */
  readonly path: string;
  /** The file that holds it. */
  readonly image: string;
  readonly #tmpfs: string;

  private constructor(tmpfs: string) {
    this.#tmpfs = tmpfs;
    this.path = join(tmpfs, "disk");
    this.image = join(tmpfs, "image");
  }

  /** A new, empty disk below the empty folder `place`, mounted. */
  static async create(
    place: string,
    { sizeMiB, inodes, backedMiB = sizeMiB + 64 }: PowerDiskOptions,
  ): Promise<PowerDisk> {
    await mkdir(place, { recursive: true });
    await run("mount", ["-t", "tmpfs", "-o", `size=${backedMiB}m,mode=700`, "tmpfs", place]);
    const disk = new PowerDisk(place);
    await mkdir(disk.path);
    await writeFile(disk.image, "");
    await truncate(disk.image, sizeMiB * MIB);
    const limits = inodes === undefined ? [] : ["-N", `${inodes}`];
    // Without reserved blocks: root would otherwise have room where a service has none.
    await run("mkfs.ext4", ["-q", "-F", "-m", "0", ...limits, disk.image]);
    await disk.mount();
    return disk;
  }

  async mount(): Promise<void> {
    await run("mount", ["-o", MOUNT_OPTIONS, this.image, this.path]);
  }

  /** Cuts the power, before it returns: no turn of this process' loop lies between the caller and the cut. */
  cut(): void {
    const { functions } = dlopen(null, { ioctl: { arguments: ["int32", "uint64", "buffer"], return: "int32" } });
    const flags = Buffer.alloc(4);
    flags.writeUInt32LE(WITHOUT_FLUSHING);
    const folder = openSync(this.path, "r");
    try {
      const failed = functions.ioctl(folder, FS_IOC_SHUTDOWN, flags);
      if (failed !== 0) throw new Error("the file system does not let its power be cut");
    } finally {
      closeSync(folder);
    }
  }

  /** @throws while any process has a file open on it. */
  async unmount(): Promise<void> {
    await run("umount", [this.path]);
  }

  async remount(options: string): Promise<void> {
    await run("mount", ["-o", `remount,${options}`, this.path]);
  }

  /** The power comes back. */
  async restore(): Promise<void> {
    await this.unmount();
    await this.mount();
  }

  async destroy(): Promise<void> {
    await this.unmount();
    await run("umount", [this.#tmpfs]);
    await rm(this.#tmpfs, { recursive: true });
  }
}
