import type { Command } from "commander";

import { VERIFY_TIMEOUT_MS_DEFAULT } from "../../shared/limits.ts";
import type { VerifyOutcomeTold } from "../../shared/management-api.ts";
import { formatDuration } from "../../shared/units.ts";
import { durationOption, examples, type ServerOptions, withOutputOptions, withServerOption } from "./options.ts";
import { findServer } from "./remote/find-server.ts";
import { CliError, EXIT } from "./terminal/cli-error.ts";
import { note, printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";
import { type Column, formatTable } from "./terminal/table.ts";

/** Beyond the time that the node may take: it may have to read its whole state first. */
const ANSWER_MS_MAX = 5 * 60 * 1000;

const NODE_COLUMNS: readonly Column[] = [
  { title: "NODE" },
  { title: "REGION" },
  { title: "STATE" },
  { title: "DIFFERENCES", align: "right" },
];
const DIFFERENCE_COLUMNS: readonly Column[] = [
  { title: "NODE" },
  { title: "KIND" },
  { title: "NAME" },
  { title: "HERE" },
  { title: "THERE" },
];

export function define(program: Command, session: Session): void {
  withServerOption(withOutputOptions(program.command("verify")))
    .description("Compare what every node holds with what the asked one does, and name what differs. Changes nothing.")
    .option("--plain-http", "HTTP without TLS, also to other machines; loopback always is")
    .option(
      "--timeout <duration>",
      "how long changes that are on their way are waited for",
      durationOption,
      VERIFY_TIMEOUT_MS_DEFAULT,
    )
    .addHelpText(
      "after",
      examples([
        ["meridian verify", "exit code 0: all the same; 1: they differ; 6: some could not be compared"],
        ["meridian verify --timeout 1m --format json", "while people push"],
      ]),
    )
    .action(async (options: ServerOptions) => await verify(options, session));
}

async function verify(options: ServerOptions, session: Session): Promise<void> {
  const client = await findServer({ ...options, timeout: options.timeout + ANSWER_MS_MAX }, session);
  const outcome = await client.verify({ timeoutMs: options.timeout }, session.signal);
  await printResult(session, options.format, { value: outcome, text: verifyText(outcome) });

  const different = outcome.nodes.filter(({ verdict }) => verdict === "different");
  if (different.length > 0) throw differ(outcome.node, different);
  const undecided = outcome.nodes.filter(({ verdict }) => verdict !== "equal");
  if (undecided.length > 0) throw notCompared(client.host, undecided, options.timeout);
  note(session, options.quiet, `${outcome.nodes.length + 1} nodes hold the same`);
}

export function verifyText({ node, nodes }: VerifyOutcomeTold): string {
  if (nodes.length === 0) return `${node} is alone: nobody to compare with\n`;
  const rows = nodes.map((one) => [one.node, one.region, one.verdict, countOf(one)]);
  const differences = nodes.flatMap((one) =>
    one.differences.map(({ kind, name, reference, here, there }) => [
      one.node,
      kind,
      `${name}${kind === "tag" ? ":" : "@"}${reference}`,
      valuesOf(here),
      valuesOf(there),
    ]),
  );
  const table = formatTable(NODE_COLUMNS, rows);
  return differences.length === 0 ? table : `${table}\n${formatTable(DIFFERENCE_COLUMNS, differences)}`;
}

type NodeTold = VerifyOutcomeTold["nodes"][number];
type HeldTold = NodeTold["differences"][number]["here"][number];

function countOf({ verdict, differences, more }: NodeTold): string {
  return verdict === "equal" || verdict === "different" ? `${differences.length}${more ? "+" : ""}` : "";
}

function valuesOf(values: readonly HeldTold[]): string {
  return values.length === 0 ? "nothing" : values.map(({ value, node }) => `${shortened(value)} by ${node}`).join(", ");
}

/** A digest as far as people compare it. */
function shortened(value: string): string {
  return value.length > 20 ? value.slice(0, 19) : value;
}

function differ(node: string, nodes: readonly NodeTold[]): CliError {
  return new CliError({
    exitCode: EXIT.failed,
    what: `${nodes.map((one) => one.node).join(", ")} and ${node} hold different things, and nothing explains it`,
    where: node,
    hint: "the audit repairs it within minutes: meridian_audit_repairs_total counts; please report it, it is a defect",
  });
}

function notCompared(host: string, nodes: readonly NodeTold[], timeoutMs: number): CliError {
  return new CliError({
    exitCode: EXIT.partial,
    what: `not compared: ${nodes.map(({ node, verdict }) => `${node} (${verdict})`).join(", ")} after ${formatDuration(timeoutMs)}`,
    where: host,
    hint: "meridian lag shows what is on its way; a longer --timeout waits for it",
  });
}
