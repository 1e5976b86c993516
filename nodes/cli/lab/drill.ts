import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";

import { type Drill, DrillError, type Expectation, holdDrill, parseDrill } from "../../../cluster-sim/lab/drill.ts";
import { formatDuration } from "../../../shared/units.ts";
import { fileFailure } from "../images/file-failure.ts";
import type { OutputOptions } from "../options.ts";
import { HttpExchange } from "../remote/http-exchange.ts";
import { ManagementClient } from "../remote/management-client.ts";
import { isConverged } from "../status.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import { note, printResult } from "../terminal/output.ts";
import type { Session } from "../terminal/session.ts";
import type { LabControl } from "./lab-control.ts";

/** A node that hangs must not hold up the question whether the others agree. */
const LOOK_IDLE_MS = 5_000;

/** Holds the drill of `file` on the lab. @throws {CliError} when an expectation is not met. */
export async function drill(
  file: string,
  lab: LabControl,
  { format, quiet }: OutputOptions,
  session: Session,
): Promise<void> {
  const parsed = await readDrill(file);
  const exchange = new HttpExchange({ idleMs: LOOK_IDLE_MS, onWait: () => undefined });
  const clients = lab.registries.map((url) => new ManagementClient(url, exchange));
  const steps = await holdDrill(
    parsed,
    {
      perform: async (words, signal) => await lab.perform(words, signal),
      holds: async (expectation, signal) => await holds(expectation, { lab, clients }, signal),
      onStep: ({ atMs, text, isMet }) => {
        note(session, quiet, `${formatDuration(atMs).padStart(7)}  ${isMet ? " " : "✗"} ${text}`);
      },
    },
    session.signal,
  );
  const failed = steps.filter(({ isMet }) => !isMet);
  const value = { drill: parsed.name, passed: failed.length === 0, steps };
  await printResult(session, format, { value, text: failed.length === 0 ? `${parsed.name}: passed\n` : "" });
  if (failed.length === 0) return;
  throw new CliError({
    exitCode: EXIT.failed,
    what: `${parsed.name}: ${failed.map(({ text }) => text).join("; ")}`,
    where: file,
    hint: "meridian lab status tells where the logs are, meridian status what each node knows",
  });
}

async function readDrill(file: string): Promise<Drill> {
  try {
    const document = parseDocument(await readFile(file, "utf8"));
    const [mistake] = document.errors;
    if (mistake !== undefined) throw new DrillError(mistake.message);
    const value: unknown = document.toJS();
    return parseDrill(value);
  } catch (cause) {
    if (!(cause instanceof DrillError)) throw fileFailure(cause, file);
    throw new CliError({
      exitCode: EXIT.usage,
      what: cause.message,
      where: file,
      hint: "meridian lab drill --help shows one",
      cause,
    });
  }
}

type Watched = { readonly lab: LabControl; readonly clients: readonly ManagementClient[] };

async function holds(expectation: Expectation, { lab, clients }: Watched, signal: AbortSignal): Promise<boolean> {
  if (expectation === "nothing lost") {
    const { load } = await lab.status(signal);
    return load.lost === 0 && load.pending === 0;
  }
  try {
    const clusters = await Promise.all(clients.map(async (client) => await client.cluster(signal)));
    const own = clusters.map(({ members }) => members.find(({ self }) => self)?.stateHash);
    return clusters.every(isConverged) && new Set(own).size === 1;
  } catch (cause) {
    signal.throwIfAborted();
    // A node that is down has not converged.
    if (cause instanceof CliError) return false;
    throw cause;
  }
}
