import type { Digest } from "../../shared/digest.ts";
import { HOLDER_SEARCH_TIMEOUT_MS, HOLDERS_ASKED_MAX } from "../../shared/limits.ts";
import type { RepositoryName } from "../../shared/reference.ts";
import type { BlobFound } from "../ports/peers.ts";
import type { Timers } from "../ports/timers.ts";
import { within } from "./deadline.ts";
import type { ReachableMember } from "./peer-directory.ts";

export type HolderFound = { readonly member: ReachableMember; readonly blob: BlobFound };

export type HolderQuestion = {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  /** In the order in which they are to be asked. */
  readonly peers: readonly ReachableMember[];
  /** Told of each positive answer as it comes. */
  readonly onFound: (holder: HolderFound) => void;
};

/**
 * Asks who holds a blob: the nearest peers at once, and the next nearest only when none of these does, so that in a
 * large cluster a pull doesn't turn to everybody. Resolves when all who were asked have answered or had their time;
 * a peer that fails to answer is one that does not hold the blob. Never rejects.
 */
export async function findHolders(question: HolderQuestion, timers: Timers, signal: AbortSignal): Promise<void> {
  for (let asked = 0; asked < question.peers.length; asked += HOLDERS_ASKED_MAX) {
    const group = question.peers.slice(asked, asked + HOLDERS_ASKED_MAX);
    const answers = await askAll(group, question, timers, signal);
    if (answers.includes(true) || signal.aborted) return;
  }
}

async function askAll(
  group: readonly ReachableMember[],
  question: HolderQuestion,
  timers: Timers,
  signal: AbortSignal,
): Promise<readonly boolean[]> {
  const call = async (either: AbortSignal): Promise<readonly boolean[]> =>
    await Promise.all(group.map(async (member) => await ask(member, question, either)));
  return await within(timers, HOLDER_SEARCH_TIMEOUT_MS, call, signal);
}

async function ask(
  member: ReachableMember,
  { repo, digest, onFound }: HolderQuestion,
  signal: AbortSignal,
): Promise<boolean> {
  let answers: readonly BlobFound[];
  try {
    answers = await member.link.have(repo, [digest], signal);
  } catch {
    // A peer that can't say now is no holder now; the next search asks it again.
    return false;
  }
  const blob = answers.find((answer) => answer.digest === digest);
  if (blob === undefined || signal.aborted) return false;
  onFound({ member, blob });
  return true;
}
