/** What the lab says of itself to whoever started it. */
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { LAB_COMMANDS } from "../../../cluster-sim/lab/lab-command.ts";
import { WAN } from "../../../cluster-sim/lab/network.ts";

const LAUNCHER = fileURLToPath(new URL("../meridian", import.meta.url));

type Node = { readonly name: string; readonly region: string; readonly registry: string };

export type Banner = {
  readonly nodes: readonly Node[];
  readonly dataDirectory: string;
  readonly isKept: boolean;
  readonly latency: "wan" | "none";
  /** host:port */
  readonly control: string;
  /** How far the ports were moved from the usual ones. */
  readonly portOffset: number;
};

export function bannerText({ nodes, dataDirectory, isKept, latency, control, portOffset }: Banner): string {
  const network = Object.entries(WAN).map(([pair, ms]) => `${pair.replace("-", "⇄")} ${ms} ms`);
  return [
    ...nodeLines(nodes),
    "",
    `  network  ${latency === "wan" ? network.join(", ") : "no latency"}`,
    `  data     ${dataDirectory}${isKept ? "" : " (gone at the end)"}`,
    `  control  http://${control}`,
    ...(portOffset === 0 ? [] : [`  ports    moved by ${portOffset}: one of the usual ones was taken`]),
    "",
    "Type in another terminal:",
    ...nextCommands(nodes),
    "",
    "Type here: cut eu us, lag, heal, status, load 5/s, help, quit",
    "",
  ].join("\n");
}

/** For a lab that stays when the command has returned. */
export function detachedText(nodes: readonly Node[]): string {
  const program = programName();
  return [
    ...nodeLines(nodes),
    "",
    "Type next:",
    ...nextCommands(nodes),
    "",
    `${program} lab status tells more; ${program} lab down ends it`,
    "",
  ].join("\n");
}

export function helpText(): string {
  const commands = [
    ...LAB_COMMANDS,
    { form: "status", summary: "nodes, lines, and what each node knows" },
    { form: "lag", summary: "how far each node is behind each other" },
    { form: "quit", summary: "end the lab; nothing is left" },
  ];
  const width = Math.max(...commands.map(({ form }) => form.length));
  return commands.map(({ form, summary }) => `  ${form.padEnd(width)}  ${summary}\n`).join("");
}

function nodeLines(nodes: readonly Node[]): readonly string[] {
  return nodes.map(({ name, region, registry }) => `  ${region.padEnd(4)} ${name.padEnd(6)} http://${registry}`);
}

function nextCommands([first]: readonly Node[]): readonly string[] {
  const image = `${first?.registry ?? ""}/hello:v1`;
  return [`  ${programName()} push sample:hello ${image}`, `  ${programName()} wait ${image} --regions all`];
}

/** How the person reaches this program from where he is. */
function programName(): string {
  const path = relative(process.cwd(), LAUNCHER);
  const isOnPath = (process.env["PATH"] ?? "").split(":").includes(dirname(LAUNCHER));
  return isOnPath || path.startsWith("..") ? "meridian" : path;
}
