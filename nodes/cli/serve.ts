import { once } from "node:events";
import { type Command, Option } from "commander";

import { createLog, type Log } from "../platform/log.ts";
import { loadConfig } from "./load-config.ts";
import { examples } from "./options.ts";
import { type RunningNode, runNode } from "./run-node.ts";
import { EXIT } from "./terminal/cli-error.ts";
import type { Session } from "./terminal/session.ts";

type ServeOptions = { readonly config?: string; readonly forceSolo?: true; readonly stopWithInput?: true };

export function define(program: Command, session: Session): void {
  program
    .command("serve")
    .description("Run a node until it is told to stop. Its log goes to standard error, one JSON object a line.")
    .option("-c, --config <file>", "YAML; without it one node on loopback, with its data in ./data")
    .option(
      "--force-solo",
      "write without asking the other nodes whether the data is the latest: for the last one left",
    )
    .addOption(new Option("--stop-with-input", "stop when standard input ends, as when the parent is gone").hideHelp())
    .addHelpText(
      "after",
      examples([
        ["meridian serve", "one node on 127.0.0.1:5000"],
        ["meridian serve --config eu-1.yaml", "one of several; meridian config schema lists the keys"],
        ["MERIDIAN_LISTEN_REGISTRY=127.0.0.1:0 meridian serve", "any key by the environment; a free port"],
      ]),
    )
    .action(async (options: ServeOptions) => await serve(options, session));
}

async function serve(options: ServeOptions, session: Session): Promise<void> {
  const { config, warnings } = await loadConfig(options.config, session.environment);
  const log = createLog({ level: config.log.level, bound: { node: config.node, region: config.region } });
  dieOnMistakes(log);
  try {
    for (const warning of warnings) log.log("warn", "the configuration has a remark", { warning });
    const stopAsked = stopOf(options, session);
    const node = await runNode(options.forceSolo === true ? { ...config, forceSolo: true } : config, log);
    log.log("info", "the node is ready", node.addresses);
    greet(node, session);
    await stopAsked;
    log.log("info", "the node stops");
    await node.stop();
    log.log("info", "the node has stopped");
  } finally {
    log.flush();
  }
}

/** Resolves when the node is to stop; a second signal ends the process at once, in `main.ts`. */
async function stopOf({ stopWithInput }: ServeOptions, { signal, input }: Session): Promise<void> {
  const asked = signal.aborted ? Promise.resolve() : once(signal, "abort");
  if (stopWithInput !== true) {
    await asked;
    return;
  }
  const inputEnded = Promise.withResolvers<undefined>();
  input.once("end", () => inputEnded.resolve(undefined));
  input.once("error", () => inputEnded.resolve(undefined));
  input.resume();
  await Promise.race([asked, inputEnded.promise]);
  // As long as it is read from, the process would not end.
  input.pause();
}

/** For a person who typed the command; programs read the log, or ask `/readyz`. */
function greet({ self, addresses }: RunningNode, session: Session): void {
  if (!session.err.isTerminal) return;
  session.err.write(
    [
      `node ${self.node} in region ${self.region} is ready`,
      `  registry  http://${addresses.registry}`,
      `  peers     ${addresses.peer}`,
      `  ops       http://${addresses.ops}`,
      "try:",
      `  meridian push sample:hello ${addresses.registry}/hello:v1`,
      `  meridian inspect ${addresses.registry}/hello:v1`,
      "",
    ].join("\n"),
  );
}

/** A mistake of ours leaves no state to trust: say what it was and let whoever watches start the node again. */
function dieOnMistakes(log: Log): void {
  const die = (error: unknown): void => {
    log.log("error", "the node made a mistake and stops at once", { error });
    log.flush();
    process.exit(EXIT.failed);
  };
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
}
