/**
 * What staged bytes are called. An upload's bytes outlive the process, because its client may come back to any later
 * one; what a node fetches for itself belongs to the start that began it. So after a crash the name alone tells what
 * somebody may still want.
 */

import type { StagingName } from "../ports/disk.ts";
import type { Random } from "../ports/random.ts";

const FETCH_NAME = /^boot-(\d+)-[0-9a-f]+$/;
const NAME_BYTES = 12;

/** For bytes that only the start numbered `boot` will finish. */
export function newFetchName(boot: number, random: Random): StagingName {
  return `boot-${boot}-${Buffer.from(random.bytes(NAME_BYTES)).toString("hex")}`;
}

/** For the bytes of the upload whose identifier begins with the 32 hex digits `key`. */
export function uploadName(key: string): StagingName {
  return `upload-${key}`;
}

/** Whether nobody will come for what is staged under `name`: neither this start of the node nor one of `uploads`. */
export function isAbandoned(name: StagingName, boot: number, uploads: ReadonlySet<StagingName>): boolean {
  const fetch = FETCH_NAME.exec(name);
  return fetch === null ? !uploads.has(name) : Number(fetch[1]) !== boot;
}
