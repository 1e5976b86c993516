/** The control API of the lab that runs, from another process of the same user. */
import { setTimeout as sleep } from "node:timers/promises";

import type { LabStatus } from "../../../cluster-sim/lab/control.ts";
import { isAlive, type LabState, readLabState } from "../../../cluster-sim/lab/state-file.ts";
import { isJsonArray, isJsonObject } from "../../../shared/json.ts";
import { HttpExchange, type Request } from "../remote/http-exchange.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import type { Session } from "../terminal/session.ts";

/** A restart answers when the node is ready. */
const ANSWER_MS_MAX = 60_000;
const ANSWER_BYTES_MAX = 1024 * 1024;
const DOWN_MS_MAX = 60_000;
const POLL_MS = 50;
const GONE_POLLS_MAX = 20;

/** `undefined` when no lab runs. */
export async function findLab(session: Session): Promise<LabControl | undefined> {
  const state = await readLabState(session.environment);
  if (state === undefined) return undefined;
  if (state.control === "") throw starting(state);
  return new LabControl(state, session);
}

export class LabControl {
  readonly #state: LabState;
  readonly #session: Session;
  readonly #exchange = new HttpExchange({ idleMs: ANSWER_MS_MAX, onWait: () => undefined });

  constructor(state: LabState, session: Session) {
    this.#state = state;
    this.#session = session;
  }

  get pid(): number {
    return this.#state.pid;
  }

  /** URLs of the registries, in the order of the nodes. */
  get registries(): readonly URL[] {
    return this.#state.nodes.map(({ registry }) => new URL(`http://${registry}`));
  }

  async status(signal: AbortSignal): Promise<LabStatus> {
    const value = await this.#ask({ method: "GET", url: this.#url("status") }, signal);
    if (isLabStatus(value)) return value;
    throw strange(this.#url("status"));
  }

  /** Does what the prompt would do, and answers what it would say. */
  async perform(words: readonly string[], signal: AbortSignal): Promise<string> {
    const value = await this.#post("command", { words }, signal);
    const done = isJsonObject(value) ? value["done"] : undefined;
    if (typeof done === "string") return done;
    throw strange(this.#url("command"));
  }

  /** Resolves when the lab's process is gone. */
  async down(signal: AbortSignal): Promise<void> {
    await this.#post("down", {}, signal);
    const endMs = performance.now() + DOWN_MS_MAX;
    while ((await readLabState(this.#session.environment))?.pid === this.pid) {
      if (performance.now() > endMs) throw stuck(this.pid);
      await sleep(POLL_MS, undefined, { signal });
    }
    // Everything is given back by now; the process itself only has to be gone from the list.
    for (let polls = 0; polls < GONE_POLLS_MAX && isAlive(this.pid); polls += 1) {
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  async #post(path: string, document: object, signal: AbortSignal): Promise<unknown> {
    const body = { kind: "bytes", bytes: Buffer.from(JSON.stringify(document)) } as const;
    const headers = { "content-type": "application/json" };
    return await this.#ask({ method: "POST", url: this.#url(path), headers, body }, signal);
  }

  async #ask(request: Request, signal: AbortSignal): Promise<unknown> {
    const answer = await this.#exchange.send(request, signal);
    const value: unknown = JSON.parse(Buffer.from(await answer.bytes(ANSWER_BYTES_MAX)).toString("utf8"));
    if (answer.status < 300) return value;
    const error = isJsonObject(value) ? value["error"] : undefined;
    throw new CliError({
      exitCode: answer.status === 400 ? EXIT.usage : EXIT.failed,
      what: typeof error === "string" ? error : `the lab answers ${answer.status}`,
      where: undefined,
      hint:
        answer.status === 400
          ? "meridian lab --help lists the commands"
          : "meridian lab status tells where the logs are",
    });
  }

  #url(path: string): URL {
    return new URL(`http://${this.#state.control}/${path}`);
  }
}

/** Deep enough for what is shown: the lab is of this user and of this version. */
function isLabStatus(value: unknown): value is LabStatus {
  return (
    isJsonObject(value) && isJsonArray(value["nodes"]) && isJsonArray(value["links"]) && isJsonObject(value["load"])
  );
}

function strange(url: URL): CliError {
  return new CliError({
    exitCode: EXIT.failed,
    what: "the lab answers in words that this version does not know",
    where: url.href,
    hint: "end it with the meridian that started it",
  });
}

function starting({ pid }: LabState): CliError {
  return new CliError({
    exitCode: EXIT.conflict,
    what: `a lab is being started by process ${pid}`,
    where: undefined,
    hint: "try again in a moment",
  });
}

function stuck(pid: number): CliError {
  return new CliError({
    exitCode: EXIT.timedOut,
    what: `the lab, process ${pid}, did not end within a minute`,
    where: undefined,
    hint: `kill ${pid} ends it; its nodes end with it`,
  });
}
