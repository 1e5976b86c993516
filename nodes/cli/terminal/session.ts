/**
 * What a command knows of the terminal it was typed in. Commands take it as an argument and touch no global, so that
 * tests run them inside their own process and see exactly what a person would.
 */
export type Sink = {
  readonly write: (data: string | Uint8Array) => void;
  readonly isTerminal: boolean;
  /** Characters in a line. */
  readonly columns: number;
};

export type Session = {
  /** Results, and nothing else. */
  readonly out: Sink;
  /** Everything else: progress, notes, warnings, errors. */
  readonly err: Sink;
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborts when the person has had enough. */
  readonly signal: AbortSignal;
};

/** Colour only where somebody looks, and not where somebody asked for none (no-color.org). */
export function isColourful(sink: Sink, environment: Session["environment"]): boolean {
  if ((environment["NO_COLOR"] ?? "") !== "") return false;
  return sink.isTerminal && environment["TERM"] !== "dumb";
}
