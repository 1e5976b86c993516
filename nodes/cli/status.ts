import type { Command } from "commander";

import type { ClusterTold, LagTold, ParkedTold } from "../../shared/management-api.ts";
import { formatDuration } from "../../shared/units.ts";
import { examples, type ServerOptions, withOutputOptions, withServerOption, withWireOptions } from "./options.ts";
import { findServer } from "./remote/find-server.ts";
import { printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";
import { type Column, formatTable, safeText } from "./terminal/table.ts";

const HASH_DIGITS = 8;
const COLUMNS: readonly Column[] = [
  { title: "REGION" },
  { title: "NODE" },
  { title: "STATE" },
  { title: "RTT", align: "right" },
  { title: "LAG", align: "right" },
  { title: "REPOSITORIES", align: "right" },
  { title: "TAGS", align: "right" },
  { title: "CONTENT" },
  { title: "UPTIME", align: "right" },
];

export function define(program: Command, session: Session): void {
  withServerOption(withWireOptions(withOutputOptions(program.command("status"))))
    .description("The cluster at a glance, as one node sees it. Equal CONTENT means equal tags and manifests.")
    .addHelpText(
      "after",
      examples([
        ["meridian status", "the lab's, when one runs"],
        ["meridian status --server http://127.0.0.1:5002", "as us sees it"],
      ]),
    )
    .action(async (options: ServerOptions) => {
      const client = await findServer(options, session);
      const [cluster, lag] = await Promise.all([client.cluster(session.signal), client.lag(session.signal)]);
      const value = { ...cluster, converged: isConverged(cluster), lag: lag.entries };
      await printResult(session, options.format, { value, text: statusText(cluster, lag) });
    });
}

/** All nodes could be asked and know the same. */
export function isConverged({ members }: ClusterTold): boolean {
  const [first] = members;
  return members.every(({ stateHash }) => stateHash !== undefined && stateHash === first?.stateHash);
}

export function statusText(cluster: ClusterTold, lag: LagTold): string {
  const { members } = cluster;
  const up = members.filter(({ reachability }) => reachability === "reachable").length;
  const agreement = isConverged(cluster) ? "all nodes know the same" : "not all nodes are known to know the same";
  const head = `cluster ${safeText(cluster.cluster)}, seen from ${safeText(cluster.node)}: ${up} of ${members.length} nodes reachable, ${agreement}\n\n`;
  const rows = members.map((member) => [
    member.region ?? "",
    member.node ?? member.address,
    member.self ? "this node" : member.reachability,
    member.self || member.roundTripMs === undefined ? "" : formatDuration(member.roundTripMs),
    lagOf(member.node, lag),
    told(member.repositories),
    told(member.tags),
    (member.stateHash ?? "").slice(0, HASH_DIGITS),
    member.uptimeMs === undefined ? "" : formatDuration(member.uptimeMs),
  ]);
  return `${head}${formatTable(COLUMNS, rows)}${(cluster.parked ?? []).map(parkedLine).join("")}`;
}

/** An alarm: somebody has to know of it who has not read the log. */
function parkedLine({ origin, reason, kept, until, proof }: ParkedTold): string {
  const why = reason === "clock" ? `its clock is far ahead; merged at ${until}` : `it told two histories, ${proof}`;
  return `\n! ${kept} changes of origin ${origin} are kept aside: ${why}; meridian release ${origin} merges them now\n`;
}

/** How far the node is behind whoever it is furthest behind. */
function lagOf(node: string | undefined, { entries }: LagTold): string {
  const behind = entries.filter(({ target }) => target === node).flatMap(({ lagMs }) => lagMs ?? []);
  return behind.length === 0 ? "" : formatDuration(Math.max(...behind));
}

function told(count: number | undefined): string {
  return count === undefined ? "" : String(count);
}
