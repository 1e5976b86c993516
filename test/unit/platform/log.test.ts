import { describe, expect, test } from "vitest";

import { createLog, type LogOptions } from "../../../nodes/platform/log.ts";

function logging(options: Partial<LogOptions> = {}): {
  readonly lines: string[];
  readonly log: ReturnType<typeof createLog>;
} {
  const lines: string[] = [];
  return { lines, log: createLog({ level: "info", write: (line) => lines.push(line), ...options }) };
}

describe("the log", () => {
  test("writes one JSON object a line: level, time, what is bound, the fields, and the event as its last word", () => {
    const { lines, log } = logging({ bound: { node: "eu-1" } });

    log.log("warn", "the disk is nearly full", { freeBytes: 12 });

    expect(lines).toHaveLength(1);
    expect(lines[0]?.endsWith("\n")).toBe(true);
    const { time, ...rest } = parsed(lines[0]);
    expect(rest).toEqual({ level: "warn", node: "eu-1", freeBytes: 12, event: "the disk is nearly full" });
    expect(new Date(String(time)).toISOString()).toBe(time);
  });

  test("says nothing below its level", () => {
    const { lines, log } = logging({ level: "warn" });

    log.log("info", "a detail");
    log.log("error", "a failure");

    expect(lines.map((line) => parsed(line)["event"])).toEqual(["a failure"]);
  });

  test("adds fields to all that is said with them", () => {
    const { lines, log } = logging();

    log.with({ request: "r-1" }).log("info", "answered", { status: 200 });

    expect(parsed(lines[0])).toMatchObject({ request: "r-1", status: 200, event: "answered" });
  });

  test("tells an error with its causes and its code, in whichever field it stands", () => {
    const { lines, log } = logging();
    const cause = Object.assign(new Error("no space left"), { code: "ENOSPC" });

    log.log("error", "a push failed", { reason: new TypeError("cannot append", { cause }) });

    expect(parsed(lines[0])["reason"]).toMatchObject({
      type: "TypeError",
      message: "cannot append",
      cause: { message: "no space left", code: "ENOSPC" },
    });
  });

  test("holds no character that a terminal or an editor acts on, and loses none", () => {
    const { lines, log } = logging();
    const hostile = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join("");

    log.log("info", "a request", { path: hostile });

    const line = lines[0] ?? "";
    // Controls (C0 but the newline at the end, delete, C1), line separators, and what reorders or hides text.
    expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069]/u);
    expect(parsed(line)["path"]).toBe(hostile);
  });
});

function parsed(line: string | undefined): { readonly [name: string]: unknown } {
  const value: unknown = JSON.parse(line ?? "");
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null;
}
