/**
 * The lab's own words, the same at its prompt, in the control API and in the steps of a drill: `cut eu us`, `heal`,
 * `kill ap`. A line is parsed into a command, and a command is performed on a lab; both say in a sentence what went wrong.
 */
import { unreachable } from "../../shared/invariant.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../shared/units.ts";
import type { Lab, Slowness } from "./lab.ts";
import type { Load } from "./load.ts";

export type LabCommand =
  | {
      readonly kind: "cut";
      readonly one: string;
      readonly others: readonly string[];
      readonly how: "silent" | "one-way" | "refuse";
    }
  | { readonly kind: "half-open" | "reset"; readonly one: string; readonly other: string }
  | { readonly kind: "slow"; readonly one: string; readonly other: string; readonly slowness: Slowness }
  | { readonly kind: "heal"; readonly between: readonly [string, string] | undefined }
  | { readonly kind: "kill" | "stop" | "restart" | "pause" | "resume"; readonly node: string }
  /** Pushes a second; 0 stops, `undefined` only asks how it goes. */
  | { readonly kind: "load"; readonly perSecond: number | undefined };

/** Words that make no command; the message says what would. */
export class LabCommandError extends Error {
  override readonly name = "LabCommandError";
}

/** How each command is written, and what it does. */
export const LAB_COMMANDS: readonly { readonly form: string; readonly summary: string }[] = [
  { form: "cut A B...", summary: "nothing passes between A and the others; nobody is told" },
  { form: "cut A B --one-way", summary: "only what travels from A to B is stopped" },
  { form: "cut A B --refuse", summary: "connections are refused instead" },
  { form: "half-open A B", summary: "the far ends are gone and the near ends not told" },
  { form: "reset A B", summary: "break what is open, once" },
  { form: "slow A B 300ms [1MiB/s]", summary: "another round trip, perhaps another bandwidth" },
  { form: "heal [A B]", summary: "the network as it was in the beginning" },
  { form: "kill A", summary: "SIGKILL, as if the power had gone" },
  { form: "stop A", summary: "end it in good order" },
  { form: "pause A, resume A", summary: "the machine hangs, and goes on" },
  { form: "restart A", summary: "start it, also when it was killed" },
  { form: "load 5/s, load, load stop", summary: "push small images everywhere, and watch them arrive" },
];

/** @throws {LabCommandError} */
export function parseLabCommand(words: readonly string[]): LabCommand {
  const [verb = "", ...given] = words;
  const flags = given.filter((word) => word.startsWith("--"));
  const names = given.filter((word) => !word.startsWith("--"));
  if (verb !== "cut" && flags.length > 0) throw new LabCommandError(`${verb} takes no ${flags.join(", ")}`);
  switch (verb) {
    case "cut":
      return parseCut(names, flags);
    case "half-open":
    case "reset":
      return { kind: verb, ...parsePair(verb, names) };
    case "slow":
      return parseSlow(names);
    case "heal":
      return { kind: "heal", between: names.length === 0 ? undefined : tupleOf(parsePair("heal", names)) };
    case "kill":
    case "stop":
    case "restart":
    case "pause":
    case "resume":
      return { kind: verb, node: parseNode(verb, names) };
    case "load":
      return { kind: "load", perSecond: parseRate(names) };
    default:
      throw new LabCommandError(`${JSON.stringify(verb)} is no command of the lab`);
  }
}

/** Answers with a sentence about what has been done. @throws when a name is no node's. */
export async function performLabCommand(command: LabCommand, lab: Lab, load: Load): Promise<string> {
  switch (command.kind) {
    case "cut":
      return await performCut(command, lab);
    case "half-open":
      await lab.silence(command.one, command.other);
      return `${command.one} and ${command.other} do not hear each other and do not know why`;
    case "reset":
      await lab.reset(command.one, command.other);
      return `connections between ${command.one} and ${command.other} are reset`;
    case "slow":
      await lab.slow(command.one, command.other, command.slowness);
      return `${command.one} and ${command.other} are ${slownessTold(command.slowness)} apart`;
    case "heal":
      await lab.heal(...(command.between ?? []));
      return command.between === undefined
        ? "the network is whole"
        : `${command.between.join(" and ")} are joined again`;
    case "kill":
    case "stop":
    case "restart":
    case "pause":
    case "resume":
      await lab.node(command.node)[command.kind]();
      return `${lab.node(command.node).name}: ${NODE_DEEDS[command.kind]}`;
    case "load":
      if (command.perSecond !== undefined) load.setRate(command.perSecond);
      return load.told();
    default:
      return unreachable(command);
  }
}

const NODE_DEEDS = {
  kill: "killed",
  stop: "stopped",
  restart: "runs and is ready",
  pause: "hangs",
  resume: "goes on",
} as const;

async function performCut({ one, others, how }: LabCommand & { readonly kind: "cut" }, lab: Lab): Promise<string> {
  for (const other of others) {
    if (how === "refuse") await lab.refuse(one, other);
    else await lab.cut(one, other, { oneWay: how === "one-way" });
  }
  const names = others.join(" and ");
  return how === "one-way" ? `nothing travels from ${one} to ${names}` : `${one} is cut off from ${names}`;
}

function parseCut([one, ...others]: readonly string[], flags: readonly string[]): LabCommand {
  if (one === undefined || others.length === 0) {
    throw new LabCommandError("write: cut A B, or cut A B C to leave A alone");
  }
  const [flag, ...more] = flags;
  if (more.length > 0) throw new LabCommandError("say --one-way or --refuse, not both");
  switch (flag) {
    case undefined:
      return { kind: "cut", one, others, how: "silent" };
    case "--one-way":
      return { kind: "cut", one, others, how: "one-way" };
    case "--refuse":
      return { kind: "cut", one, others, how: "refuse" };
    default:
      throw new LabCommandError(`cut takes --one-way or --refuse, not ${flag}`);
  }
}

function parsePair(verb: string, names: readonly string[]): { readonly one: string; readonly other: string } {
  const [one, other, ...more] = names;
  if (one !== undefined && other !== undefined && more.length === 0) return { one, other };
  throw new LabCommandError(`write: ${verb} A B`);
}

function tupleOf({ one, other }: { readonly one: string; readonly other: string }): readonly [string, string] {
  return [one, other];
}

function parseSlow([one, other, roundTrip, bandwidth, ...more]: readonly string[]): LabCommand {
  if (one === undefined || other === undefined || roundTrip === undefined || more.length > 0) {
    throw new LabCommandError("write: slow A B 300ms, or slow A B 300ms 1MiB/s");
  }
  const roundTripMs = parseDuration(roundTrip);
  if (roundTripMs === undefined) throw new LabCommandError(`${roundTrip} is no duration; write 300ms`);
  const bytesPerSecond = bandwidth === undefined ? undefined : parseBandwidth(bandwidth);
  return { kind: "slow", one, other, slowness: { roundTripMs, bytesPerSecond } };
}

function parseBandwidth(text: string): number {
  const bytesPerSecond = text.endsWith("/s") ? parseSize(text.slice(0, -2)) : undefined;
  if (bytesPerSecond !== undefined && bytesPerSecond > 0) return bytesPerSecond;
  throw new LabCommandError(`${text} is no bandwidth; write 1MiB/s`);
}

function parseNode(verb: string, names: readonly string[]): string {
  const [node, ...more] = names;
  if (node !== undefined && more.length === 0) return node;
  throw new LabCommandError(`write: ${verb} A`);
}

function parseRate(words: readonly string[]): number | undefined {
  const [word, ...more] = words;
  if (word === undefined) return undefined;
  if (word === "stop" && more.length === 0) return 0;
  const perSecond = /^[0-9]{1,3}\/s$/.test(word) ? Number(word.slice(0, -2)) : Number.NaN;
  if (more.length === 0 && perSecond > 0) return perSecond;
  throw new LabCommandError("write: load 5/s, load stop, or load to see how it goes");
}

function slownessTold({ roundTripMs = 0, bytesPerSecond }: Slowness): string {
  const bandwidth = bytesPerSecond === undefined ? "" : ` and ${formatSize(bytesPerSecond)}/s`;
  return `${formatDuration(roundTripMs)}${bandwidth}`;
}
