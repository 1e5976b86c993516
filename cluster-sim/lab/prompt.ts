/** The lab's prompt: a line is a command, an answer is a sentence, a mistake is explained and nothing else happens. */
import { createInterface } from "node:readline/promises";

export type PromptDeps = {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
  /** Performs a line's words and says what came of it. */
  readonly perform: (words: readonly string[]) => Promise<string>;
  readonly help: string;
  /** Told what Ctrl-C would tell, which a terminal in this mode does not. */
  readonly onInterrupt: () => void;
  readonly signal: AbortSignal;
};

const PROMPT = "lab> ";
const ERASE_LINE = "\r\u001b[2K";

export type Prompt = {
  /** Resolves when the person quits, the input ends, or the signal aborts. */
  readonly ended: Promise<void>;
  /** A line above the prompt, whatever is being typed. */
  readonly say: (line: string) => void;
};

export function startPrompt(deps: PromptDeps): Prompt {
  const { input, write, isTerminal, signal, onInterrupt } = deps;
  const lines = createInterface({
    input,
    ...(isTerminal ? { output: process.stderr } : {}),
    terminal: isTerminal,
    prompt: isTerminal ? PROMPT : "",
  });
  let isOpen = true;
  lines.once("close", () => {
    isOpen = false;
  });
  // What was typed before the end is still performed: the end may come while the first line is.
  const ask = (keepsCursor?: boolean): void => {
    if (isOpen) lines.prompt(keepsCursor);
  };
  signal.addEventListener("abort", () => lines.close(), { once: true });
  lines.on("SIGINT", onInterrupt);
  const ended = (async () => {
    if (signal.aborted) lines.close();
    ask();
    for await (const line of lines) {
      if (signal.aborted || !(await performLine(line, deps))) break;
      ask();
    }
    lines.close();
  })();
  const say = (line: string): void => {
    write(isTerminal ? `${ERASE_LINE}${line}\n` : `${line}\n`);
    if (isTerminal) ask(true);
  };
  return { ended, say };
}

/** Whether there is more to come. */
async function performLine(line: string, { write, perform, help }: PromptDeps): Promise<boolean> {
  const words = line
    .trim()
    .split(/\s+/)
    .filter((word) => word !== "");
  switch (words[0]) {
    case undefined:
      return true;
    case "quit":
    case "exit":
      return false;
    case "help":
    case "?":
      write(help);
      return true;
    default:
      write(`${await perform(words).catch(explain)}\n`);
      return true;
  }
}

function explain(cause: unknown): string {
  return `${cause instanceof Error ? cause.message : String(cause)} (help lists the commands)`;
}
