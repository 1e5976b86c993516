/**
 * The door of pino: one JSON object a line. What clients send ends up in logs and logs end up on terminals, so no
 * line holds a character that a terminal or an editor acts on: JSON already escapes the first 32, the rest (delete,
 * the second set of controls with its one-byte escape sequence, line separators, and the marks that reorder text)
 * are escaped here, in the same notation, so that the line parses to the same values.
 */
import { destination, type Logger, pino, stdSerializers } from "pino";

import type { LogFields, LogLevel, Telemetry } from "../ports/telemetry.ts";

export type LogOptions = {
  readonly level: LogLevel;
  /** Said on every line, such as the node's name. */
  readonly bound?: LogFields;
  /** Takes whole lines, each with its newline. The standard error when it is not given: standard output is for results. */
  readonly write?: (line: string) => void;
};

export type Log = {
  readonly log: Telemetry["log"];
  /** A log whose lines carry `fields` as well. */
  readonly with: (fields: LogFields) => Log;
  /** Writes out what is buffered, before it returns: the last thing a process does. */
  readonly flush: () => void;
};

const STANDARD_ERROR = 2;
const UNSAFE = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

export function createLog({ level, bound = {}, write }: LogOptions): Log {
  const output = write === undefined ? standardError() : { write, flush: () => undefined };
  const logger = pino(
    {
      level,
      base: bound,
      messageKey: "event",
      errorKey: "error",
      formatters: { level: (label) => ({ level: label }), log: withErrors },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
    },
    { write: (line: string) => output.write(withoutControls(line)) },
  );
  return logBy(logger, output.flush);
}

function logBy(logger: Logger, flush: () => void): Log {
  return {
    log: (level, event, fields = {}) => {
      if (logger.isLevelEnabled(level)) logger[level](typeof fields === "function" ? fields() : fields, event);
    },
    with: (fields) => logBy(logger.child(fields), flush),
    flush,
  };
}

/** Written without waiting, unlike pino's default, which stops the whole node while a reader of the log is slow. */
function standardError(): { readonly write: (line: string) => void; readonly flush: () => void } {
  const stream = destination({ dest: STANDARD_ERROR, sync: false });
  return { write: (line) => void stream.write(line), flush: () => stream.flushSync() };
}

/** Pino serialises errors in one field that it knows; ours may stand in any. */
function withErrors(fields: { readonly [name: string]: unknown }): { readonly [name: string]: unknown } {
  if (!Object.values(fields).some((value) => value instanceof Error)) return fields;
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? stdSerializers.errWithCause(value) : value,
    ]),
  );
}

function withoutControls(line: string): string {
  return line.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
