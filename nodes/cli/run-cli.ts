/** From the words of a command line to an exit code. Nothing that a command throws gets past here unexplained. */
import { Command, CommanderError } from "commander";

import { nearestTo } from "../../shared/nearest.ts";
import { COMMANDS, type CommandEntry } from "./commands.ts";
import { CliError, EXIT, type ExitCode } from "./terminal/cli-error.ts";
import { isColourful, type Session } from "./terminal/session.ts";
import { safeText } from "./terminal/table.ts";

/** Runs the command that `words` (without the program's own name) say. Never rejects. */
export async function runCli(words: readonly string[], session: Session): Promise<ExitCode> {
  const entry = COMMANDS.find(({ name }) => name === words[0]);
  try {
    const program = await programFor(entry, session);
    if (entry === undefined) refuseUnknown(program, words);
    await program.parseAsync(words, { from: "user" });
    return EXIT.done;
  } catch (cause) {
    return explain(cause, entry?.name, session);
  }
}

async function programFor(entry: CommandEntry | undefined, session: Session): Promise<Command> {
  const program = new Command("meridian");
  program
    .description("One container registry that lives in many regions.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => session.out.write(text),
      writeErr: (text) => session.err.write(text),
      getOutHasColors: () => isColourful(session.out, session.environment),
      getErrHasColors: () => isColourful(session.err, session.environment),
      getOutHelpWidth: () => Math.min(100, session.out.columns),
      getErrHelpWidth: () => Math.min(100, session.err.columns),
    })
    .helpCommand(false)
    .showHelpAfterError(
      `  try:   meridian ${entry === undefined ? "" : `${entry.name} `}--help tells the words and some examples`,
    )
    .addHelpText("after", FIRST_STEPS);
  if (entry === undefined) {
    for (const { name, summary } of COMMANDS) program.command(name).summary(summary).description(summary);
    return program;
  }
  const { define } = await entry.load();
  define(program, session);
  return program;
}

const FIRST_STEPS = `
Examples:
  $ make demo                                            three regions on this machine, and a prompt
  $ meridian push sample:hello 127.0.0.1:5001/hello:v1   an image out of nothing, into eu
  $ meridian wait 127.0.0.1:5001/hello:v1 --regions all  until every region has it
  $ meridian push --help                                 every command tells its own examples

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, 5 conflict or precondition,
  6 only some regions, 7 timed out, 8 unreachable.
`;

/** No word at all, and `--help`, show the help; any other first word is a mistake. */
function refuseUnknown(program: Command, words: readonly string[]): void {
  const [first] = words;
  if (first === undefined) return program.help({ error: true });
  if (first === "help") return program.help();
  if (first === "--help" || first === "-h") return;
  const nearest = nearestTo(
    first,
    COMMANDS.map(({ name }) => name),
  );
  throw new CliError({
    exitCode: EXIT.usage,
    what: first.startsWith("-") ? `a command comes before ${safeText(first)}` : `${safeText(first)} is not a command`,
    where: undefined,
    hint: nearest === undefined ? "meridian --help lists the commands" : `did you mean meridian ${nearest}?`,
  });
}

function explain(cause: unknown, command: string | undefined, session: Session): ExitCode {
  if (cause instanceof CommanderError) {
    return cause.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  if (session.signal.aborted) {
    session.err.write("\ninterrupted\n");
    return EXIT.interrupted;
  }
  const name = command === undefined ? "meridian" : `meridian ${command}`;
  if (cause instanceof CliError) {
    session.err.write(errorText(name, cause, session));
    return cause.exitCode;
  }
  session.err.write(mistakeText(name, cause, session));
  return EXIT.failed;
}

/** What happened, where, what to try. */
function errorText(name: string, { message, where, hint }: CliError, session: Session): string {
  const lines = [`${emphasised(`${name}:`, session)} ${safeLines(message)}`];
  if (where !== undefined) lines.push(`  where: ${safeText(where)}`);
  lines.push(`  try:   ${safeText(hint)}`);
  return `${lines.join("\n")}\n`;
}

function safeLines(text: string): string {
  return text.split("\n").map(safeText).join("\n");
}

function mistakeText(name: string, cause: unknown, session: Session): string {
  const isDebugging = (session.environment["MERIDIAN_DEBUG"] ?? "") !== "";
  const stack = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  const what = cause instanceof Error ? cause.message : String(cause);
  const lines = [`${emphasised(`${name}:`, session)} ${isDebugging ? stack : safeLines(what)}`];
  lines.push("  where: inside meridian itself; this should not have happened");
  if (!isDebugging) lines.push("  try:   the same with MERIDIAN_DEBUG=1, and tell us what it says");
  return `${lines.join("\n")}\n`;
}

function emphasised(text: string, session: Session): string {
  return isColourful(session.err, session.environment) ? `\u001b[31m${text}\u001b[0m` : text;
}
