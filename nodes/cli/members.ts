import { Argument, type Command } from "commander";

import { MEMBER_ACTIONS, type MemberTold } from "../../shared/management-api.ts";
import { formatDuration } from "../../shared/units.ts";
import { examples, type ServerOptions, withOutputOptions, withServerOption, withWireOptions } from "./options.ts";
import { findServer } from "./remote/find-server.ts";
import { CliError, EXIT } from "./terminal/cli-error.ts";
import { note, printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";
import { type Column, formatTable } from "./terminal/table.ts";

const COLUMNS: readonly Column[] = [
  { title: "NODE" },
  { title: "REGION" },
  { title: "STATUS" },
  { title: "SINCE", align: "right" },
  { title: "LINK" },
  { title: "FOR", align: "right" },
  { title: "RTT", align: "right" },
  { title: "INCARNATION", align: "right" },
  { title: "LABELS" },
  { title: "PEER" },
  { title: "REGISTRY" },
  { title: "VERSION" },
];

/** A node that leaves first hands over what only it has. */
const LEAVE_ANSWER_MS_MAX = 90_000;

type Action = (typeof MEMBER_ACTIONS)[number];

export function define(program: Command, session: Session): void {
  withServerOption(withWireOptions(withOutputOptions(program.command("members"))))
    .description(
      "Every node: what the cluster holds of it, and how the asked node reaches it. `evict NODE` gives one up for " +
        "good, `admit NODE` takes it back, `leave NODE` lets it hand over what only it has and go.",
    )
    .addArgument(new Argument("[action]", "what to do").choices([...MEMBER_ACTIONS]))
    .argument("[node]", "the member's name")
    .addHelpText(
      "after",
      examples([
        ["meridian members --format json", "for scripts"],
        ["meridian members leave ap-1", "before its machine is given back; a restart needs no leave"],
        ["meridian members evict ap-1", "when it is lost for good: nothing waits for it any more"],
      ]),
    )
    .action(async (action: Action | undefined, node: string | undefined, options: ServerOptions) => {
      if (action === undefined) return await list(options, session);
      if (node !== undefined) return await change(action, node, options, session);
      throw new CliError({
        exitCode: EXIT.usage,
        what: `\`members ${action}\` needs the name of a node`,
        where: "meridian members",
        hint: "`meridian members` lists them",
      });
    });
}

async function list(options: ServerOptions, session: Session): Promise<void> {
  const client = await findServer(options, session);
  const { members } = await client.cluster(session.signal);
  const rows = members.map((member) => [
    member.node ?? "",
    member.region ?? "",
    member.status ?? "",
    member.statusForMs === undefined ? "" : formatDuration(member.statusForMs),
    member.self ? "this node" : member.reachability,
    formatDuration(member.forMs),
    member.self || member.roundTripMs === undefined ? "" : formatDuration(member.roundTripMs),
    member.incarnation === undefined ? "" : String(member.incarnation),
    labelsOf(member),
    member.address,
    member.registry ?? "",
    member.version ?? "",
  ]);
  await printResult(session, options.format, { value: { members }, text: formatTable(COLUMNS, rows) });
}

/** `full` goes without saying. */
function labelsOf({ zone, role, costClass }: MemberTold): string {
  return [zone, role === "full" ? undefined : role, costClass].filter((label) => label !== undefined).join(" ");
}

async function change(action: Action, node: string, options: ServerOptions, session: Session): Promise<void> {
  const client = await findServer(action === "leave" ? await toNode(node, options, session) : options, session);
  const outcome = await client.changeMember({ node, action }, session.signal);
  await printResult(session, options.format, { value: outcome, text: `${outcome.node} ${outcome.status}\n` });
  note(session, options.quiet, `${outcome.node} is ${outcome.status} now`);
}

/** Only the node itself can leave, so it is asked at the registry that it advertises. */
async function toNode(node: string, options: ServerOptions, session: Session): Promise<ServerOptions> {
  const { members } = await (await findServer(options, session)).cluster(session.signal);
  const registry = members.find((member) => member.node === node)?.registry;
  if (registry !== undefined) return { ...options, server: registry, timeout: LEAVE_ANSWER_MS_MAX };
  throw new CliError({
    exitCode: EXIT.notFound,
    what: `no member called ${node} is known by its registry's address`,
    where: "meridian members leave",
    hint: "`meridian members` lists them; one that is lost cannot leave, but be evicted",
  });
}
