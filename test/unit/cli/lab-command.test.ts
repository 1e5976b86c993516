import { describe, expect, test } from "vitest";

import { LAB_COMMANDS, LabCommandError, parseLabCommand } from "../../../cluster-sim/lab/lab-command.ts";

function parse(line: string): unknown {
  return parseLabCommand(line.split(" "));
}

describe("the lab's words", () => {
  test.each([
    ["cut eu us", { kind: "cut", one: "eu", others: ["us"], how: "silent" }],
    ["cut eu us ap", { kind: "cut", one: "eu", others: ["us", "ap"], how: "silent" }],
    ["cut eu us --one-way", { kind: "cut", one: "eu", others: ["us"], how: "one-way" }],
    ["cut eu us --refuse", { kind: "cut", one: "eu", others: ["us"], how: "refuse" }],
    ["half-open eu us", { kind: "half-open", one: "eu", other: "us" }],
    ["reset eu us", { kind: "reset", one: "eu", other: "us" }],
    [
      "slow eu us 300ms",
      { kind: "slow", one: "eu", other: "us", slowness: { roundTripMs: 300, bytesPerSecond: undefined } },
    ],
    [
      "slow eu us 1s 1MiB/s",
      { kind: "slow", one: "eu", other: "us", slowness: { roundTripMs: 1000, bytesPerSecond: 1048576 } },
    ],
    ["heal", { kind: "heal", between: undefined }],
    ["heal eu us", { kind: "heal", between: ["eu", "us"] }],
    ["kill us", { kind: "kill", node: "us" }],
    ["restart us-1", { kind: "restart", node: "us-1" }],
    ["load", { kind: "load", perSecond: undefined }],
    ["load 5/s", { kind: "load", perSecond: 5 }],
    ["load stop", { kind: "load", perSecond: 0 }],
  ])("%s is understood", (line, command) => {
    expect(parse(line)).toEqual(command);
  });

  test.each([
    ["", '"" is no command of the lab'],
    ["cutt eu us", '"cutt" is no command of the lab'],
    ["cut eu", "write: cut A B"],
    ["cut eu us --one-way --refuse", "not both"],
    ["cut eu us --twice", "not --twice"],
    ["reset eu", "write: reset A B"],
    ["reset eu us ap", "write: reset A B"],
    ["heal eu", "write: heal A B"],
    ["heal --all", "heal takes no --all"],
    ["kill", "write: kill A"],
    ["kill eu us", "write: kill A"],
    ["slow eu us", "write: slow A B 300ms"],
    ["slow eu us 300", "300 is no duration"],
    ["slow eu us 300ms 5", "5 is no bandwidth"],
    ["slow eu us 300ms 0B/s", "0B/s is no bandwidth"],
    ["load 5", "write: load 5/s"],
    ["load 0/s", "write: load 5/s"],
  ])("%j is refused: %s", (line, why) => {
    expect(() => parse(line)).toThrow(LabCommandError);
    expect(() => parse(line)).toThrow(why);
  });

  test("are all in the help", () => {
    const verbs = LAB_COMMANDS.flatMap(({ form }) => form.split(", ")).map((form) => form.split(" ")[0]);

    expect([...new Set(verbs)]).toEqual([
      "cut",
      "half-open",
      "reset",
      "slow",
      "heal",
      "kill",
      "stop",
      "pause",
      "resume",
      "restart",
      "load",
    ]);
  });
});
