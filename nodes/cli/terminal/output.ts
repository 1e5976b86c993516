/** Results: one value, told to a person as a table or to a program as JSON or YAML. */
import { unreachable } from "../../../shared/invariant.ts";
import type { Session } from "./session.ts";

export const FORMATS = ["table", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

export type Result = {
  /** For programs: plain JSON, its keys stable. */
  readonly value: unknown;
  /** For people: whole lines. */
  readonly text: string;
};

export async function printResult(session: Session, format: Format, { value, text }: Result): Promise<void> {
  session.out.write(await formatted(format, value, text));
}

async function formatted(format: Format, value: unknown, text: string): Promise<string> {
  switch (format) {
    case "table":
      return text;
    case "json":
      return `${JSON.stringify(value, undefined, 2)}\n`;
    case "yaml": {
      const { stringify } = await import("yaml");
      return stringify(value);
    }
    default:
      return unreachable(format);
  }
}

/** A line for whoever watches; nothing when `--quiet` was said. */
export function note(session: Session, isQuiet: boolean | undefined, line: string): void {
  if (isQuiet !== true) session.err.write(`${line}\n`);
}
