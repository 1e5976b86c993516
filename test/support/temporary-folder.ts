import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new folder of the test's own, and how to remove it with all that is in it. */
export async function temporaryFolder(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "meridian-test-"));
  return { path, remove: async () => await rm(path, { recursive: true, force: true }) };
}
