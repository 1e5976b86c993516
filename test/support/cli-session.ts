/** The command line inside the test's own process, and what a person would see of it. */
import { PassThrough } from "node:stream";

import { runCli } from "../../nodes/cli/run-cli.ts";
import type { Session } from "../../nodes/cli/terminal/session.ts";

export type Typed = {
  readonly exitCode: number;
  /** Standard output. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
};

export type TypedIn = {
  readonly environment?: Readonly<Record<string, string>>;
  readonly isTerminal?: boolean;
  readonly signal?: AbortSignal;
};

/** Types `words` after `meridian`. No lab of the machine is found unless the environment names one. */
export async function type(
  words: readonly string[],
  { environment = {}, isTerminal = false, signal }: TypedIn = {},
): Promise<Typed> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const session: Session = {
    out: { write: (data) => void out.push(Buffer.from(data)), isTerminal, columns: 100 },
    err: { write: (data) => void err.push(Buffer.from(data)), isTerminal, columns: 100 },
    input: new PassThrough(),
    environment: { MERIDIAN_LAB_STATE: "/nonexistent/lab.json", ...environment },
    signal: signal ?? new AbortController().signal,
  };
  const exitCode = await runCli(words, session);
  return { exitCode, out: Buffer.concat(out).toString("utf8"), err: Buffer.concat(err).toString("utf8") };
}
