/**
 * The process: its streams, its signals, its exit code. What it does is said by its words, and done in `nodes/cli`.
 */
import { runCli } from "./cli/run-cli.ts";
import { EXIT } from "./cli/terminal/cli-error.ts";
import type { Session, Sink } from "./cli/terminal/session.ts";

const COLUMNS_DEFAULT = 100;

function sinkOf(stream: NodeJS.WriteStream): Sink {
  // A reader that has seen enough, such as `head`, is no failure.
  stream.on("error", () => process.exit(EXIT.done));
  return {
    write: (data) => void stream.write(data),
    isTerminal: stream.isTTY,
    columns: stream.isTTY ? stream.columns : COLUMNS_DEFAULT,
  };
}

/** The first signal asks, the second insists. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.on("SIGHUP", onSignal);
  return stop.signal;
}

const session: Session = {
  out: sinkOf(process.stdout),
  err: sinkOf(process.stderr),
  input: process.stdin,
  environment: process.env,
  signal: stopSignal(),
};

// At once: what a command has left open is of no use any more, and taking it apart one by one has been seen to hang in
// Node's own clean-up. Nothing is lost, for writing to files, pipes and terminals is done when it returns.
process.exit(await runCli(process.argv.slice(2), session));
