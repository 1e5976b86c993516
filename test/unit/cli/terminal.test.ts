import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { createProgress } from "../../../nodes/cli/terminal/progress.ts";
import type { Session } from "../../../nodes/cli/terminal/session.ts";
import { formatTable } from "../../../nodes/cli/terminal/table.ts";

function sessionWith(isTerminal: boolean): { readonly session: Session; readonly told: () => string } {
  const told: string[] = [];
  const sink = { write: (data: string | Uint8Array) => void told.push(String(data)), isTerminal, columns: 60 };
  const session = {
    out: sink,
    err: sink,
    input: new PassThrough(),
    environment: {},
    signal: new AbortController().signal,
  };
  return { session, told: () => told.join("") };
}

describe("a table", () => {
  test("lines up its columns, shows nothing as a dash, and ends lines where the text does", () => {
    const columns = [{ title: "NAME" }, { title: "SIZE", align: "right" }, { title: "NOTE" }] as const;

    expect(
      formatTable(columns, [
        ["one", "5", ""],
        ["eleven", "1024", "last"],
      ]),
    ).toBe(["NAME    SIZE  NOTE", "one        5  -", "eleven  1024  last", ""].join("\n"));
  });

  test("shows no character that a terminal acts on", () => {
    const text = formatTable([{ title: "WHO" }], [["a\u001b[2Jb\u202ec\nd\u009b"]]);

    expect(text).toBe("WHO\na\uFFFD[2Jb\uFFFDc\uFFFDd\uFFFD\n");
  });

  test("cuts a cell that would fill the terminal", () => {
    const [, row = ""] = formatTable([{ title: "WHY" }], [["x".repeat(500)]]).split("\n");

    expect(row.length).toBe(100);
  });
});

describe("progress", () => {
  test("is a line for each finished part where nobody watches", () => {
    const { session, told } = sessionWith(false);
    const item = createProgress(session, undefined).start("layer abc", 2048);
    item.advance(1024);
    item.advance(1024);
    item.finish("sent");

    expect(told()).toMatch(/^layer abc {2}2KiB {2}sent {2}\d+ms\n$/);
  });

  test("is a bar on a terminal that never wraps, and leaves only what is finished", () => {
    const { session, told } = sessionWith(true);
    const progress = createProgress(session, undefined);
    const item = progress.start("layer abc", 100);
    item.finish("sent");
    progress.end();

    const drawn = told().split("\r\u001b[2K");
    expect(drawn.every((line) => line.trimEnd().length < 60)).toBe(true);
    expect(drawn.at(1)).toMatch(/^\[ {24}\] layer abc/);
    expect(drawn.at(-2)).toMatch(/^layer abc {2}100B {2}sent/);
    expect(drawn.at(-1)).toBe("");
  });

  test("is nothing when asked to be quiet", () => {
    const { session, told } = sessionWith(true);
    const progress = createProgress(session, true);
    progress.start("layer", 1).finish("sent");
    progress.end();

    expect(told()).toBe("");
  });
});
