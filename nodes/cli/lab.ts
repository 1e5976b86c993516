import { type Command, Option } from "commander";

import type { LabStatus } from "../../cluster-sim/lab/control.ts";
import type { LabControl } from "./lab/lab-control.ts";
import type { UpOptions } from "./lab/up-options.ts";
import { examples, type OutputOptions, withOutputOptions } from "./options.ts";
import { CliError, EXIT } from "./terminal/cli-error.ts";
import { note, printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";

export function define(program: Command, session: Session): void {
  const lab = program
    .command("lab")
    .description("Three regions as real processes on this machine, and a wide-area network that can be broken.")
    .addHelpText(
      "after",
      examples([
        ["meridian lab up", "three regions and a prompt; quit, and nothing is left"],
        ["meridian lab up --detach", "return when all are ready; meridian lab down ends it"],
        ["meridian lab cut eu us && meridian lab heal", "from any terminal"],
      ]),
    );
  defineUp(lab, session);
  defineDown(lab, session);
  defineStatus(lab, session);
  defineDrill(lab, session);
  for (const entry of WORDS) defineWord(lab, session, entry);
}

function defineUp(lab: Command, session: Session): void {
  withOutputOptions(lab.command("up"))
    .description("Start the lab and stay at its prompt, or return when every node is ready.")
    .option("--regions <names>", "one node each", "eu,us,ap")
    .addOption(
      new Option("--latency <kind>", "wan as between continents, or none").choices(["wan", "none"]).default("wan"),
    )
    .option("--detach", "return when all are ready")
    .option("--keep <folder>", "keep the data there; otherwise it is gone at the end")
    .option("--port-base <number>", "ports are counted from here; 0 takes any free ones", "5000")
    .addOption(new Option("--detached", "how --detach starts the process that stays").hideHelp())
    .addHelpText(
      "after",
      examples([
        ["meridian lab up", "eu on 5001, us on 5002, ap on 5003"],
        ["meridian lab up --detach --keep ./lab-data", "for CI, with the logs kept"],
      ]),
    )
    .action(async (options: UpOptions) => {
      if (options.detach === true) {
        const { startDetachedLab } = await import("./lab/lab-detach.ts");
        await startDetachedLab(options, session);
      } else {
        const { holdLab } = await import("./lab/lab-up.ts");
        await holdLab(options, session);
      }
    });
}

function defineDown(lab: Command, session: Session): void {
  withOutputOptions(lab.command("down"))
    .description("End the lab: exactly its own processes, and all of them.")
    .addHelpText("after", examples([["meridian lab down", "no process, port or file is left"]]))
    .action(async ({ format, quiet }: OutputOptions) => {
      const control = await runningLab(session);
      await control.down(session.signal);
      note(session, quiet, "the lab is down");
      await printResult(session, format, { value: { pid: control.pid, down: true }, text: "" });
    });
}

function defineStatus(lab: Command, session: Session): void {
  withOutputOptions(lab.command("status"))
    .description("Which nodes run where, and what is wrong with the lines between them.")
    .addHelpText("after", examples([["meridian lab status --format json", "addresses, process numbers, links"]]))
    .action(async ({ format }: OutputOptions) => {
      const status = await (await runningLab(session)).status(session.signal);
      const { labStatusText } = await import("./lab/lab-status-text.ts");
      await printResult(session, format, { value: status satisfies LabStatus, text: labStatusText(status) });
    });
}

function defineDrill(lab: Command, session: Session): void {
  withOutputOptions(lab.command("drill").argument("<file>"))
    .description("Hold a drill on the running lab: faults at given times, and what must hold after them.")
    .addHelpText(
      "after",
      `${examples([["meridian lab drill cut-and-heal.yaml", "exit code 1 when an expectation is not met"]])}
A drill:
  name: eu is cut off and comes back
  steps:
    - { at: 0s, load: 5/s }
    - { at: 5s, cut: eu us ap }
    - { at: 15s, heal: }
    - { load: stop }
    - { expect: convergence, within: 5s }
    - { expect: nothing lost }
`,
    )
    .action(async (file: string, options: OutputOptions) => {
      const control = await runningLab(session);
      const { drill } = await import("./lab/drill.ts");
      await drill(file, control, options, session);
    });
}

type Word = {
  readonly verb: string;
  readonly form: string;
  readonly summary: string;
  readonly flags?: readonly (readonly [flag: string, summary: string])[];
  readonly example: readonly [command: string, what: string];
};

const WORDS: readonly Word[] = [
  {
    verb: "cut",
    form: "<node> <others...>",
    summary: "Let nothing pass between a node and others; nobody is told.",
    flags: [
      ["--one-way", "stop only what travels from the first to the second"],
      ["--refuse", "refuse connections instead of losing what is sent"],
    ],
    example: ["meridian lab cut eu us ap", "eu is alone"],
  },
  {
    verb: "half-open",
    form: "<node> <other>",
    summary: "The far ends of connections are gone, the near ends not told.",
    example: ["meridian lab half-open eu us", "as when a firewall forgets"],
  },
  {
    verb: "reset",
    form: "<node> <other>",
    summary: "Break open connections, once.",
    example: ["meridian lab reset eu us", "both reconnect"],
  },
  {
    verb: "slow",
    form: "<node> <other> <roundTrip> [bandwidth]",
    summary: "Another round trip, perhaps another bandwidth.",
    example: ["meridian lab slow eu us 300ms 1MiB/s", "until heal"],
  },
  {
    verb: "heal",
    form: "[node] [other]",
    summary: "The network as it was in the beginning.",
    example: ["meridian lab heal", "everything; with two names only between them"],
  },
  {
    verb: "kill",
    form: "<node>",
    summary: "SIGKILL a node, as if the power had gone.",
    example: ["meridian lab kill us", "meridian lab restart us brings it back"],
  },
  {
    verb: "stop",
    form: "<node>",
    summary: "End a node in good order.",
    example: ["meridian lab stop us", "meridian lab restart us brings it back"],
  },
  {
    verb: "pause",
    form: "<node>",
    summary: "Let a node hang.",
    example: ["meridian lab pause us", "meridian lab resume us lets it go on"],
  },
  {
    verb: "resume",
    form: "<node>",
    summary: "Let a node that hangs go on.",
    example: ["meridian lab resume us", "after pause"],
  },
  {
    verb: "restart",
    form: "<node>",
    summary: "Start a node, also one that was killed; returns when it is ready.",
    example: ["meridian lab restart us", "with the data it had"],
  },
  {
    verb: "load",
    form: "[rate]",
    summary: "Push small images to all nodes and watch them arrive everywhere.",
    example: ["meridian lab load 5/s", "load stop ends it, load alone tells how it goes"],
  },
];

function defineWord(lab: Command, session: Session, { verb, form, summary, flags = [], example }: Word): void {
  const command = withOutputOptions(lab.command(`${verb} ${form}`)).description(summary);
  for (const [flag, what] of flags) command.option(flag, what);
  command.addHelpText("after", examples([example])).action(async () => {
    const { format }: OutputOptions = command.opts();
    const given = flags.map(([flag]) => flag).filter((flag) => command.getOptionValueSource(camelCase(flag)) === "cli");
    const done = await (await runningLab(session)).perform([verb, ...command.args, ...given], session.signal);
    await printResult(session, format, { value: { done }, text: `${done}\n` });
  });
}

/** As commander names the value of `--one-way`. */
function camelCase(flag: string): string {
  return flag.slice(2).replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** @throws {CliError} unreachable, when no lab runs. */
async function runningLab(session: Session): Promise<LabControl> {
  const { findLab } = await import("./lab/lab-control.ts");
  const control = await findLab(session);
  if (control !== undefined) return control;
  throw new CliError({
    exitCode: EXIT.unreachable,
    what: "no lab runs",
    where: undefined,
    hint: "meridian lab up --detach starts one",
  });
}
