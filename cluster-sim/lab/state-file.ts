/**
 * Where the lab that runs can be found: one file in a folder of the user's own, below the system's folder for
 * temporary files. The lab writes it when it is ready and removes it when it ends; a file whose lab is gone is left
 * over from a crash, and says so by the dead process number in it.
 */
import { readFileSync, rmdirSync, rmSync } from "node:fs";
import { lstat, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { isJsonArray, isJsonObject } from "../../shared/json.ts";

export type LabStateNode = {
  readonly name: string;
  readonly region: string;
  /** host:port */
  readonly registry: string;
};

export type LabState = {
  /** Of the process that holds the lab. */
  readonly pid: number;
  /** host:port of the control API; empty while the lab is being started. */
  readonly control: string;
  readonly nodes: readonly LabStateNode[];
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Somebody else owns the folder, so that what lies in it proves nothing. */
export class ForeignStateError extends Error {
  override readonly name = "ForeignStateError";
}

/** A lab of this user runs already. */
export class LabRunsError extends Error {
  override readonly name = "LabRunsError";
  readonly state: LabState;

  constructor(state: LabState) {
    super(`a lab runs already, as process ${state.pid}`);
    this.state = state;
  }
}

/** `MERIDIAN_LAB_STATE` names another file: tests run labs beside the user's own. */
function statePath(environment: Environment): string {
  const given = environment["MERIDIAN_LAB_STATE"];
  if (given !== undefined && given !== "") return given;
  return join(ownFolder(), "lab.json");
}

function ownFolder(): string {
  return join(tmpdir(), `meridian-${userId()}`);
}

/** The number alone: in a container a user may have no name. */
function userId(): number {
  return process.getuid?.() ?? 0;
}

/** The lab that runs; `undefined` when none does, or when what is written there is not to be believed. */
export async function readLabState(environment: Environment): Promise<LabState | undefined> {
  const path = statePath(environment);
  try {
    if (!(await isOwn(path))) return undefined;
    const state = parseState(JSON.parse(await readFile(path, "utf8")));
    return state !== undefined && isAlive(state.pid) ? state : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Takes the one place there is for a lab of this user, before anything is started.
 * @throws {LabRunsError} when another lab holds it, {ForeignStateError} when somebody else does.
 */
export async function claimLab(environment: Environment): Promise<void> {
  const path = statePath(environment);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  if (!(await isOwn(dirname(path)))) throw new ForeignStateError(`${dirname(path)} belongs to somebody else`);
  const claim = stateText({ pid: process.pid, control: "", nodes: [] });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      await writeFile(path, claim, { mode: 0o600, flag: "wx" });
      process.once("exit", () => giveUpClaim(path));
      return;
    } catch (cause) {
      if (codeOf(cause) !== "EEXIST") throw cause;
    }
    const other = await readLabState(environment);
    if (other !== undefined) throw new LabRunsError(other);
    // Left over from a lab that died.
    await rm(path, { force: true });
  }
  throw new Error(`another lab is being started at ${path}`);
}

/** Says where the lab is, once it can be used. The place was claimed. */
export async function writeLabState(environment: Environment, state: LabState): Promise<void> {
  const path = statePath(environment);
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, stateText(state), { mode: 0o600 });
  await rename(draft, path);
}

/** Gives the claimed place back. */
export function removeLabState(environment: Environment): void {
  giveUpClaim(statePath(environment));
}

/** Synchronous, because it is also the last thing that a process does which is told to end at once. */
function giveUpClaim(path: string): void {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (parseState(value)?.pid !== process.pid) return;
    rmSync(path);
    if (dirname(path) === ownFolder()) rmdirSync(ownFolder());
  } catch {
    // It is gone, or no longer ours, or something else lies beside it.
  }
}

function stateText(state: LabState): string {
  return `${JSON.stringify(state, undefined, 2)}\n`;
}

async function isOwn(path: string): Promise<boolean> {
  const stat = await lstat(path);
  return !stat.isSymbolicLink() && stat.uid === userId();
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}

/** Signal 0 only asks. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function parseState(value: unknown): LabState | undefined {
  if (!isJsonObject(value)) return undefined;
  const { pid, control, nodes } = value;
  if (typeof pid !== "number" || typeof control !== "string" || !isJsonArray(nodes)) return undefined;
  return { pid, control, nodes: nodes.flatMap(parseNode) };
}

function parseNode(value: unknown): readonly LabStateNode[] {
  if (!isJsonObject(value)) return [];
  const { name, region, registry } = value;
  if (typeof name !== "string" || typeof region !== "string" || typeof registry !== "string") return [];
  return [{ name, region, registry }];
}
