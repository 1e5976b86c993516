/** How a command ends, for scripts. Stable: documented in README.md, held by tests. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  denied: 4,
  conflict: 5,
  partial: 6,
  timedOut: 7,
  unreachable: 8,
  /** What shells expect of a program that Ctrl-C ended. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export type CliFailure = {
  readonly exitCode: ExitCode;
  /** What happened, as a sentence without a full stop. */
  readonly what: string;
  /** The address, file or image it happened at. */
  readonly where: string | undefined;
  /** What the person can do about it; a command to type where there is one. */
  readonly hint: string;
  readonly cause?: unknown;
};

/** A failure that a person can understand and act on. Anything else that a command throws is our own mistake. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  readonly where: string | undefined;
  readonly hint: string;

  constructor({ exitCode, what, where, hint, cause }: CliFailure) {
    super(what, cause === undefined ? {} : { cause });
    this.exitCode = exitCode;
    this.where = where;
    this.hint = hint;
  }
}
