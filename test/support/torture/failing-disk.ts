/**
 * Disks that fail while a node lives on them. Whatever the way: what is asked of the node meanwhile is taken or clearly refused,
 * reads go on, `/readyz` says why it takes no writes; and on the mended disk a new life has all that was acknowledged.
 */
import { execFile } from "node:child_process";
import { truncate, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { promisify } from "node:util";

import { digestOf, noise } from "../oci-fixtures.ts";
import { BYTES } from "./ballast.ts";
import { type Answered, CanonicalPush, isClear } from "./canonical-push.ts";
import { type Finding, readiness } from "./exhaustion.ts";
import { glance, inspect } from "./inspection.ts";
import { type Fault, Oracle } from "./oracle.ts";
import { PowerDisk } from "./power-disk.ts";
import { DidNotStartError, meridian, type StoreProcess } from "./store-process.ts";

const run = promisify(execFile);

const MIB = 1024 * 1024;
const DISK_MIB = 512;
/** What the file system and its journal take at once, and a little. */
const BACKED_MIB = 96;
const BLOB_BYTES = 2 * MIB;

export type FailingDiskReport = { readonly ready: string; readonly findings: readonly Finding[] };

/** Writes that succeed, and the sync that comes after them fails: a thin volume without room behind it. */
export async function failLateSyncs(place: string): Promise<FailingDiskReport> {
  const disk = await PowerDisk.create(place, { sizeMiB: DISK_MIB, backedMiB: BACKED_MIB });
  return await new FailingDisk(disk).run({
    fail: async () => await BYTES.fill(place),
    mend: async () => {
      await BYTES.relieve(place);
      await disk.restore();
    },
  });
}

/** The kernel has found an error in the file system, and protects what is left. */
export async function turnReadOnly(place: string): Promise<FailingDiskReport> {
  const disk = await PowerDisk.create(place, { sizeMiB: DISK_MIB });
  await disk.remount("errors=remount-ro");
  const failing = new FailingDisk(disk);
  return await failing.run({
    fail: async () => {
      const { stdout } = await run("findmnt", ["-n", "-o", "SOURCE", disk.path]);
      await writeFile(`/sys/fs/ext4/${basename(stdout.trim())}/trigger_fs_error`, "the torture tests");
    },
    mend: async () => {
      await disk.restore();
      await disk.remount("ro");
      await failing.expectNoStart("read-only");
      await disk.remount("rw");
    },
  });
}

/** A blob whose sectors can't be read: the end of the disk is missing, from the middle of the blob on. */
export async function loseSectors(place: string): Promise<FailingDiskReport> {
  const disk = await PowerDisk.create(place, { sizeMiB: DISK_MIB });
  const failing = new FailingDisk(disk);
  const { blob, store } = await failing.withColdBlob();
  const whole = `${disk.image}.whole`;
  await copySparsely(disk.image, whole);
  await truncate(disk.image, await middleOf(blob.path));
  const reply = await store.client.getBlob(blob.repo, blob.digest).catch(() => undefined);
  if (reply?.status === 200) failing.find("unreadable", `answered with 200 and ${digestOf(reply.body)}`);
  const { text } = await readiness(store);
  await store.kill();
  await copySparsely(whole, disk.image);
  await disk.restore();
  await failing.expectWhole();
  await disk.destroy();
  return { ready: text, findings: failing.findings };
}

type Ways = { readonly fail: () => Promise<void>; readonly mend: () => Promise<void> };

class FailingDisk {
  readonly #disk: PowerDisk;
  readonly #oracle = new Oracle();
  readonly #start = meridian();
  readonly #findings: Finding[] = [];

  constructor(disk: PowerDisk) {
    this.#disk = disk;
  }

  get findings(): readonly Finding[] {
    return this.#findings;
  }

  find(when: string, what: string): void {
    this.#findings.push({ when, what });
  }

  async run({ fail, mend }: Ways): Promise<FailingDiskReport> {
    const store = await this.#start(this.#disk.path);
    await this.#push(store, "before", isTaken);
    await fail();
    await this.#push(store, "during", isClear);
    const { text } = await readiness(store);
    if (!text.includes("fenced")) this.find("during", `not fenced: ${text}`);
    this.#report("during", await glance(store.client, this.#oracle, this.#oracle.registers()));
    await store.kill();
    await mend();
    await this.expectWhole();
    await this.#disk.destroy();
    return { ready: text, findings: this.#findings };
  }

  /** A blob that lies on the disk and nowhere in memory, and the node that has it. */
  async withColdBlob(): Promise<{
    readonly blob: { readonly repo: string; readonly digest: string; readonly path: string };
    readonly store: StoreProcess;
  }> {
    const first = await this.#start(this.#disk.path);
    await this.#push(first, "before", isTaken);
    const digest = await first.client.pushBlob("sectors/lost", noise(BLOB_BYTES, "sectors"));
    await first.kill();
    await this.#disk.restore();
    const hex = digest.slice("sha256:".length);
    const path = `${this.#disk.path}/data/blobs/sha256/${hex.slice(0, 2)}/${hex}`;
    return { blob: { repo: "sectors/lost", digest, path }, store: await this.#start(this.#disk.path) };
  }

  /** A new life has all that was acknowledged, and takes more. */
  async expectWhole(): Promise<void> {
    const store = await this.#start(this.#disk.path);
    this.#report("mended", await inspect(store.client, this.#oracle, this.#oracle.registers()));
    await this.#push(store, "mended", isTaken);
    const { status, text } = await readiness(store);
    if (status !== 200) this.find("mended", `not ready: ${text}`);
    await store.kill();
  }

  async expectNoStart(why: string): Promise<void> {
    try {
      const store = await this.#start(this.#disk.path);
      await store.kill();
      this.find("starting", "it starts all the same");
    } catch (cause) {
      if (!(cause instanceof DidNotStartError)) throw cause;
      if (!cause.message.includes(why)) this.find("starting", cause.message);
    }
  }

  async #push(store: StoreProcess, name: string, isRight: (answered: Answered) => boolean): Promise<void> {
    const answers = await new CanonicalPush(store.client, this.#oracle, name).run();
    for (const answered of answers) {
      if (!isRight(answered)) this.find(name, `${answered.request}: ${answered.status}`);
    }
  }

  #report(when: string, faults: readonly Fault[]): void {
    for (const { kind, what, detail } of faults) this.find(when, `${kind}: ${what}: ${detail}`);
  }
}

/** Where on the disk the middle of a file lies, in bytes. */
async function middleOf(path: string): Promise<number> {
  const { stdout } = await run("filefrag", ["-v", "-b1", path], { cwd: dirname(path) });
  const first = /^ *0: +\d+\.\. *\d+: +(?<start>\d+)\.\./m.exec(stdout)?.groups?.["start"];
  if (first === undefined) throw new Error(`filefrag says nothing of ${path}: ${stdout}`);
  return Number(first) + BLOB_BYTES / 2;
}

async function copySparsely(from: string, to: string): Promise<void> {
  await run("cp", ["--sparse=always", from, to]);
}

function isTaken({ status }: Answered): boolean {
  return status >= 200 && status < 300;
}
