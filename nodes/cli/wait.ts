import { type Command, Option } from "commander";

import { formatImageName } from "../../shared/image-name.ts";
import { invariant } from "../../shared/invariant.ts";
import { WAIT_LEVELS, type WaitAsked, type WaitOutcomeTold } from "../../shared/management-api.ts";
import { formatDuration } from "../../shared/units.ts";
import { durationOption, examples, IDLE_MS_DEFAULT, type OutputOptions, withOutputOptions } from "./options.ts";
import { findManagedImage } from "./remote/managed-image.ts";
import type { ManagementClient } from "./remote/management-client.ts";
import { replicationText } from "./replication.ts";
import { CliError, EXIT } from "./terminal/cli-error.ts";
import { note, printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";

type Level = WaitAsked["level"];
type WaitOptions = OutputOptions & {
  readonly regions: string;
  readonly level: Level;
  /** In ms. */
  readonly timeout: number;
  readonly plainHttp?: true;
};

const WAIT_MS_DEFAULT = 5 * 60 * 1000;
/** One question is asked for so long: a node that dies in the middle is noticed, and its successor asked. */
const QUESTION_MS_MAX = 20_000;
const LEVEL_DEFAULT: Level = "pullable";

export function define(program: Command, session: Session): void {
  withOutputOptions(program.command("wait").argument("<image>"))
    .description(
      "Wait until regions have an image: known, pullable (tag and every layer can be had there) or resident.",
    )
    .option("--regions <names>", "eu,us or all", "all")
    .addOption(new Option("--level <level>", "how far").choices(WAIT_LEVELS).default(LEVEL_DEFAULT))
    .option("--timeout <duration>", "how long at most", durationOption, WAIT_MS_DEFAULT)
    .option("--plain-http", "HTTP without TLS, also to other machines; loopback always is")
    .addHelpText(
      "after",
      examples([
        ["meridian wait 127.0.0.1:5001/hello:v1", "until it can be pulled in every region"],
        ["meridian wait 127.0.0.1:5001/hello:v1 --regions us,ap --level resident --timeout 2m", "before a rollout"],
      ]),
    )
    .action(async (text: string, options: WaitOptions) => await wait(text, options, session));
}

async function wait(text: string, options: WaitOptions, session: Session): Promise<void> {
  const { client, image } = await findManagedImage(text, { ...options, timeout: IDLE_MS_DEFAULT }, session);
  const asked = {
    image: formatImageName({ ...image.name, registry: undefined }),
    regions: parseRegions(options.regions),
    level: options.level,
  };
  const startedMs = performance.now();
  const outcome = await askUntil(client, asked, options.timeout, session.signal);
  const tookMs = performance.now() - startedMs;
  await printResult(session, options.format, { value: { ...outcome, tookMs }, text: replicationText(outcome) });
  if (outcome.reached) note(session, options.quiet, `${options.level} after ${formatDuration(tookMs)}`);
  else throw notReached(image.told, asked, outcome, options.timeout);
}

function parseRegions(text: string): "all" | string[] {
  return text === "all" ? text : text.split(",").map((name) => name.trim());
}

async function askUntil(
  client: ManagementClient,
  asked: Omit<WaitAsked, "timeoutMs">,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<WaitOutcomeTold> {
  const endMs = performance.now() + timeoutMs;
  while (true) {
    const leftMs = Math.max(0, Math.round(endMs - performance.now()));
    const outcome = await client.wait({ ...asked, timeoutMs: Math.min(leftMs, QUESTION_MS_MAX) }, signal);
    if (outcome.reached || performance.now() >= endMs) return outcome;
  }
}

function notReached(
  told: string,
  asked: Omit<WaitAsked, "timeoutMs">,
  outcome: WaitOutcomeTold,
  timeoutMs: number,
): CliError {
  const wanted = outcome.regions.filter(({ region }) => asked.regions === "all" || asked.regions.includes(region));
  const missing = wanted.filter(({ level }) => rankOf(level) < rankOf(asked.level)).map(({ region }) => region);
  const unknown =
    asked.regions === "all" ? [] : asked.regions.filter((name) => !wanted.some(({ region }) => region === name));
  const isPartial = missing.length < wanted.length;
  const names = [...missing, ...unknown, ...(asked.regions === "all" ? outcome.unheard : [])];
  return new CliError({
    exitCode: isPartial ? EXIT.partial : EXIT.timedOut,
    what: `not ${asked.level} in ${names.join(", ")} after ${formatDuration(timeoutMs)}`,
    where: told,
    hint: `the table tells why; meridian lag shows the links${unknown.length > 0 ? ", meridian members the regions" : ""}`,
  });
}

function rankOf(level: string): number {
  const rank = ["unknown", ...WAIT_LEVELS].indexOf(level);
  invariant(rank >= 0, "an answer that was checked names a known level");
  return rank;
}
