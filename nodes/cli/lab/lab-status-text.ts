import type { LabStatus } from "../../../cluster-sim/lab/control.ts";
import { formatDuration, formatSize } from "../../../shared/units.ts";
import { type Column, formatTable } from "../terminal/table.ts";

const NODE_COLUMNS: readonly Column[] = [
  { title: "REGION" },
  { title: "NODE" },
  { title: "PROCESS" },
  { title: "REGISTRY" },
  { title: "OPS" },
  { title: "LOG" },
];
const LINK_COLUMNS: readonly Column[] = [
  { title: "FROM" },
  { title: "TO" },
  { title: "ONE WAY", align: "right" },
  { title: "BANDWIDTH", align: "right" },
  { title: "STATE" },
];

type Link = LabStatus["links"][number];

export function labStatusText({ nodes, links, load }: LabStatus): string {
  const nodeRows = nodes.map(({ region, name, pid, registry, ops, log }) => [
    region,
    name,
    pid === undefined ? "down" : String(pid),
    registry,
    ops,
    log,
  ]);
  const linkRows = links.map((link) => [
    link.source,
    link.target,
    formatDuration(link.latencyMs),
    link.bytesPerSecond === undefined ? "" : `${formatSize(link.bytesPerSecond)}/s`,
    stateOf(link),
  ]);
  const loadText =
    load.acknowledged === 0
      ? ""
      : `\nload: acknowledged ${load.acknowledged}, everywhere ${load.everywhere}, lost ${load.lost}\n`;
  return `${formatTable(NODE_COLUMNS, nodeRows)}\n${formatTable(LINK_COLUMNS, linkRows)}${loadText}`;
}

function stateOf({ isCut, mode }: Link): string {
  if (isCut) return "cut";
  if (mode === "refuse") return "refused";
  return mode === "silent" ? "half-open" : "whole";
}
