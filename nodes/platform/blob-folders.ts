/**
 * Where bytes lie under the data directory, readable by the node alone:
 *
 *   blobs/sha256/ab/ab12…   bytes that are durable, named by their digest
 *   staging/NAME            bytes on their way in
 *   quarantine/sha256-ab12… bytes that were found not to be what their name said
 *
 * All are on one file system, because only there is a rename atomic. The 256 folders below an algorithm keep each
 * of them, and what has to be synced for a new name, small.
 */
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

import { algorithmOf, DIGEST_ALGORITHMS, type Digest, hexOf, isDigest } from "../../shared/digest.ts";
import { invariant } from "../../shared/invariant.ts";
import type { StagingName } from "../ports/disk.ts";
import { makeFolder, syncFolder } from "./sync-folder.ts";

const STAGING_NAME = /^[a-z0-9-]{1,64}$/;

export class BlobFolders {
  readonly staging: string;
  readonly #blobs: string;
  readonly #quarantine: string;
  /** Folders whose own names this process has made durable. That they exist proves nothing: an earlier life may have made them and died. */
  readonly #durable = new Set<string>();

  private constructor(root: string) {
    this.staging = join(root, "staging");
    this.#blobs = join(root, "blobs");
    this.#quarantine = join(root, "quarantine");
  }

  /** Makes the folders below `root`, durably. @throws when they are not on one file system. */
  static async open(root: string): Promise<BlobFolders> {
    const folders = new BlobFolders(root);
    await mkdir(root, { recursive: true, mode: 0o700 });
    await makeFolder(folders.staging);
    await makeFolder(folders.#blobs);
    await makeFolder(folders.#quarantine);
    await syncFolder(root);
    for (const algorithm of DIGEST_ALGORITHMS) await makeFolder(join(folders.#blobs, algorithm));
    await syncFolder(folders.#blobs);
    await folders.#expectOneFileSystem();
    return folders;
  }

  stagingPath(name: StagingName): string {
    invariant(isStagingName(name), "a staging name is 1 to 64 lower-case letters, digits and hyphens");
    return join(this.staging, name);
  }

  blobPath(digest: Digest): string {
    return join(this.folderOf(digest), hexOf(digest));
  }

  get quarantine(): string {
    return this.#quarantine;
  }

  quarantinePath(digest: Digest): string {
    return join(this.#quarantine, `${algorithmOf(digest)}-${hexOf(digest)}`);
  }

  /** Every file in the place of a blob, in the order of their digests. */
  async *blobs(): AsyncGenerator<Digest, void> {
    for (const algorithm of [...DIGEST_ALGORITHMS].toSorted()) {
      for (const folder of (await readdir(join(this.#blobs, algorithm))).toSorted()) {
        for (const name of (await readdir(join(this.#blobs, algorithm, folder))).toSorted()) {
          const digest = `${algorithm}:${name}`;
          if (isDigest(digest) && name.startsWith(folder)) yield digest;
        }
      }
    }
  }

  folderOf(digest: Digest): string {
    return join(this.#blobs, algorithmOf(digest), hexOf(digest).slice(0, 2));
  }

  /** Makes the folder that will hold `digest`; the folder's own name is durable when it resolves. */
  async prepare(digest: Digest): Promise<void> {
    const folder = this.folderOf(digest);
    if (this.#durable.has(folder)) return;
    await makeFolder(folder);
    await syncFolder(join(this.#blobs, algorithmOf(digest)));
    this.#durable.add(folder);
  }

  async #expectOneFileSystem(): Promise<void> {
    const { dev } = await stat(this.staging);
    const blobs = DIGEST_ALGORITHMS.map((algorithm) => join(this.#blobs, algorithm));
    for (const path of [...blobs, this.#quarantine]) {
      if ((await stat(path)).dev === dev) continue;
      throw new Error(`${this.staging} and ${path} must be on one file system: a rename is atomic only there`);
    }
  }
}

export function isStagingName(text: string): text is StagingName {
  return STAGING_NAME.test(text);
}
