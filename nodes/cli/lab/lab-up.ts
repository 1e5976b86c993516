/**
 * `lab up`: the process that holds a lab. It ends with its prompt, with a signal, or when `lab down` asks; then no process,
 * port or file of the lab is left, nor when it is made to end at once by a second signal.
 */
import { once } from "node:events";

import { type Control, startControl, statusOfLab } from "../../../cluster-sim/lab/control.ts";
import { type Lab, startLab } from "../../../cluster-sim/lab/lab.ts";
import { parseLabCommand, performLabCommand } from "../../../cluster-sim/lab/lab-command.ts";
import { Load } from "../../../cluster-sim/lab/load.ts";
import { startPrompt } from "../../../cluster-sim/lab/prompt.ts";
import { claimLab, LabRunsError, removeLabState, writeLabState } from "../../../cluster-sim/lab/state-file.ts";
import { isRegion } from "../../../shared/identity.ts";
import { lagText } from "../lag.ts";
import { HttpExchange } from "../remote/http-exchange.ts";
import { ManagementClient } from "../remote/management-client.ts";
import { statusText } from "../status.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import { note, printResult } from "../terminal/output.ts";
import type { Session } from "../terminal/session.ts";
import { bannerText, helpText } from "./lab-banner.ts";
import { labStatusText } from "./lab-status-text.ts";
import { createLoadClient } from "./load-client.ts";
import type { UpOptions } from "./up-options.ts";

const PORT_BASE_MAX = 50_000;
const TELL_LOAD_MS = 2_000;
const LOOK_IDLE_MS = 5_000;

/** Resolves when the lab has ended. What goes wrong is told to the parent, when there is one that waits. */
export async function holdLab(options: UpOptions, session: Session): Promise<void> {
  const isDetached = options.detached === true;
  try {
    await claim(session);
    note(session, isDetached || options.quiet, "starting the nodes");
    const lab = await startLab(labOptions(options));
    await runLab(lab, options, session);
  } catch (cause) {
    if (isDetached && cause instanceof Error) process.send?.({ failed: cause.message });
    throw cause;
  } finally {
    removeLabState(session.environment);
  }
}

async function runLab(lab: Lab, options: UpOptions, session: Session): Promise<void> {
  const load = new Load(lab, createLoadClient());
  const down = new AbortController();
  let control: Control | undefined;
  try {
    control = await startControl(lab.ports.control, { lab, load, onDown: () => down.abort() });
    const { pid } = process;
    await writeLabState(session.environment, { pid, control: control.address, nodes: lab.nodes });
    const ended = AbortSignal.any([session.signal, down.signal]);
    if (options.detached === true) await untilDown(ended);
    else await attend(lab, load, { options, session, control, ended });
  } finally {
    note(session, options.quiet, "ending the lab");
    await control?.close();
    await load.stop();
    await lab.stop();
  }
}

async function untilDown(ended: AbortSignal): Promise<void> {
  process.send?.({ ready: true });
  process.disconnect?.();
  // Nothing else keeps this process from ending but what the lab itself holds open.
  if (!ended.aborted) await once(ended, "abort");
}

type Attendance = {
  readonly options: UpOptions;
  readonly session: Session;
  readonly control: Control;
  readonly ended: AbortSignal;
};

async function attend(lab: Lab, load: Load, { options, session, control, ended }: Attendance): Promise<void> {
  const value = { control: control.address, ...statusOfLab(lab, load) };
  await printResult(session, options.format, { value, text: bannerOf(lab, control, options) });
  const prompt = startPrompt({
    input: session.input,
    write: (text) => session.err.write(text),
    isTerminal: session.input.isTTY === true && session.err.isTerminal,
    perform: async (words) => await performLine(words, lab, load),
    help: helpText(),
    onInterrupt: () => process.kill(process.pid, "SIGINT"),
    signal: ended,
  });
  let toldLast = "";
  const telling = setInterval(() => {
    const told = load.told();
    if (load.isPushing && told !== toldLast) prompt.say(told);
    toldLast = told;
  }, TELL_LOAD_MS);
  try {
    await prompt.ended;
  } finally {
    clearInterval(telling);
  }
}

function bannerOf({ nodes, ports, dataDirectory }: Lab, control: Control, { latency, keep }: UpOptions): string {
  const portOffset = ports.offset;
  const isKept = keep !== undefined;
  return bannerText({ nodes, dataDirectory, isKept, latency, control: control.address, portOffset });
}

async function performLine(words: readonly string[], lab: Lab, load: Load): Promise<string> {
  switch (words[0]) {
    case "status":
      return await askCluster(lab, load);
    case "lag":
      return (await askAny(lab, async (client, signal) => lagText(await client.lag(signal)))).trimEnd();
    default:
      return await performLabCommand(parseLabCommand(words), lab, load);
  }
}

async function askCluster(lab: Lab, load: Load): Promise<string> {
  const cluster = await askAny(lab, async (client, signal) => {
    return statusText(...(await Promise.all([client.cluster(signal), client.lag(signal)])));
  });
  return `${labStatusText(statusOfLab(lab, load))}\n${cluster}`.trimEnd();
}

/** The first node that runs. */
async function askAny(
  lab: Lab,
  ask: (client: ManagementClient, signal: AbortSignal) => Promise<string>,
): Promise<string> {
  const node = lab.nodes.find(({ pid }) => pid() !== undefined);
  if (node === undefined) return "no node runs; restart one";
  const exchange = new HttpExchange({ idleMs: LOOK_IDLE_MS, onWait: () => undefined });
  return await ask(
    new ManagementClient(new URL(`http://${node.registry}`), exchange),
    AbortSignal.timeout(LOOK_IDLE_MS),
  );
}

async function claim(session: Session): Promise<void> {
  try {
    await claimLab(session.environment);
  } catch (cause) {
    if (!(cause instanceof LabRunsError)) throw cause;
    const { pid, nodes } = cause.state;
    throw new CliError({
      exitCode: EXIT.conflict,
      what: `a lab runs already, as process ${pid}`,
      where: nodes.map(({ name, registry }) => `${name} on ${registry}`).join(", "),
      hint: "use it (meridian lab status), or end it: meridian lab down",
      cause,
    });
  }
}

function labOptions({ regions, latency, keep, portBase }: UpOptions): Parameters<typeof startLab>[0] {
  const names = regions.split(",").map((name) => name.trim());
  const base = Number(portBase);
  if (!names.every(isRegion) || new Set(names).size !== names.length) {
    throw usage(`--regions ${regions}`, "write different names with commas, such as eu,us,ap");
  }
  if (!Number.isSafeInteger(base) || base < 0 || base > PORT_BASE_MAX) {
    throw usage(`--port-base ${portBase}`, `write a number up to ${PORT_BASE_MAX}, or 0 for any free ports`);
  }
  return {
    regions: names,
    latencies: latency,
    portBase: base,
    ...(keep === undefined ? {} : { dataDirectory: keep }),
  };
}

function usage(what: string, hint: string): CliError {
  return new CliError({ exitCode: EXIT.usage, what: `${what} cannot be used`, where: undefined, hint });
}
