/** Starts the process that holds a lab as one of its own, waits until it says that the lab is ready, and returns. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

import { isJsonObject } from "../../../shared/json.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import { printResult } from "../terminal/output.ts";
import type { Session } from "../terminal/session.ts";
import { detachedText } from "./lab-banner.ts";
import { findLab } from "./lab-control.ts";
import type { UpOptions } from "./up-options.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

export async function startDetachedLab(options: UpOptions, session: Session): Promise<void> {
  const { regions, latency, portBase, keep } = options;
  const words = ["--regions", regions, "--latency", latency, "--port-base", portBase];
  if (keep !== undefined) words.push("--keep", keep);
  const child = spawn(process.execPath, [MAIN, "lab", "up", "--detached", ...words], {
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  session.signal.addEventListener("abort", () => child.kill("SIGTERM"));
  const told = await firstWord(child);
  if (!isJsonObject(told) || told["ready"] !== true) throw notStarted(isJsonObject(told) ? told["failed"] : undefined);
  if (child.connected) child.disconnect();
  child.unref();

  const status = await (await findLab(session))?.status(session.signal);
  if (status === undefined) throw notStarted("it was ended at once");
  await printResult(session, options.format, { value: status, text: detachedText(status.nodes) });
}

/** What the process says first; `undefined` when it ends without a word. */
async function firstWord(child: ChildProcess): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", () => resolve(undefined));
    child.once("error", reject);
  });
}

function notStarted(reason: unknown): CliError {
  return new CliError({
    exitCode: EXIT.failed,
    what: `the lab did not start: ${typeof reason === "string" ? reason : "its process ended"}`,
    where: undefined,
    hint: "meridian lab up, without --detach, tells more",
  });
}
