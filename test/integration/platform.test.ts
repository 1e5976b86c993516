/** What the platform owes to the operating system: it can only be seen from outside of a process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

import { DataDirectoryError, openDataDirectory } from "../../nodes/platform/data-directory.ts";
import { SILENT } from "../support/metadata-fixture.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

test("no timer keeps a process alive that has nothing else to do", async () => {
  const child = runScript(`
    import { SystemTimers } from ${moduleOf("system-timers.ts")};
    const timers = new SystemTimers();
    timers.after(3_600_000, () => undefined);
    timers.sleep(3_600_000);
  `);

  expect(await once(child, "exit")).toEqual([0, null]);
});

test("a data directory is free at once when the process that had it is killed", async () => {
  const folder = await temporaryFolder();
  const root = join(folder.path, "data");
  const child = runScript(`
    import { openDataDirectory } from ${moduleOf("data-directory.ts")};
    const silent = { log() {}, count() {}, set() {}, observe() {} };
    await openDataDirectory(${JSON.stringify(root)}, silent);
    process.send("open");
    setInterval(() => undefined, 1_000);
  `);
  await once(child, "message");
  await expect(openDataDirectory(root, SILENT)).rejects.toThrow(
    new DataDirectoryError(
      `the data directory ${root} is in use by another process, with the number ${child.pid}; ` +
        "stop it, or give this node a directory of its own",
    ),
  );

  child.kill("SIGKILL");
  await once(child, "exit");

  const data = await openDataDirectory(root, SILENT);
  await data.close();
  await folder.remove();
});

function moduleOf(name: string): string {
  return JSON.stringify(fileURLToPath(new URL(`../../nodes/platform/${name}`, import.meta.url)));
}

function runScript(script: string): ChildProcess {
  return spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
}
