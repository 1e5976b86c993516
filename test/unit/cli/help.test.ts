import { describe, expect, test } from "vitest";

import { COMMANDS } from "../../../nodes/cli/commands.ts";
import { type } from "../../support/cli-session.ts";

/** Names of the commands that a help text lists. */
function subcommandsIn(help: string): readonly string[] {
  const [, listed = ""] = /\nCommands:\n((?: {2}.+\n)+)/.exec(help) ?? [];
  return [...listed.matchAll(/^ {2}([a-z-]+)/gm)].flatMap(([, name]) =>
    name === undefined || name === "help" ? [] : name,
  );
}

const lines: (readonly string[])[] = [];
for (const { name } of COMMANDS) {
  lines.push([name]);
  const { out } = await type([name, "--help"]);
  for (const subcommand of subcommandsIn(out)) lines.push([name, subcommand]);
}

describe("--help", () => {
  test("alone lists every command and tells the exit codes", async () => {
    const { exitCode, out, err } = await type(["--help"]);

    expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
    expect(subcommandsIn(out)).toEqual(COMMANDS.map(({ name }) => name));
    expect(out).toContain("Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, 5 conflict");
  });

  test("knows the commands of the published interface", () => {
    expect(lines.map((words) => words.join(" "))).toEqual([
      "serve",
      "config",
      "config check",
      "config schema",
      "config print",
      "push",
      "pull",
      "copy",
      "tag",
      "digest",
      "inspect",
      "rm",
      "tags",
      "history",
      "status",
      "members",
      "verify",
      "release",
      "lag",
      "replication",
      "wait",
      "lab",
      "lab up",
      "lab down",
      "lab status",
      "lab drill",
      "lab cut",
      "lab half-open",
      "lab reset",
      "lab slow",
      "lab heal",
      "lab kill",
      "lab stop",
      "lab pause",
      "lab resume",
      "lab restart",
      "lab load",
      "version",
    ]);
  });

  test.each(lines.map((words) => [words.join(" "), words] as const))("of %s has an example", async (name, words) => {
    const { exitCode, out } = await type([...words, "--help"]);

    expect(exitCode).toBe(0);
    expect(out).toMatch(new RegExp(`\\nExamples:\\n(?:.*\\n)*  \\$ .*meridian ${name}`));
  });

  test.each(lines.map((words) => [words.join(" "), words] as const))(
    "of %s fits a terminal of 130 columns",
    async (_, words) => {
      const { out } = await type([...words, "--help"]);

      expect(out.split("\n").filter((line) => line.length > 130)).toEqual([]);
    },
  );
});
