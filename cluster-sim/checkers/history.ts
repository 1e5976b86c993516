/**
 * Judges what clients of real processes were told, with the very checkers that judge a simulated run: I3 by
 * `durability.ts`, I7 and I8 by `sessions.ts`. The order in which clients saw things is all that a history has; what
 * the requests wrote, and what their writers had seen, the oracle knows from the nodes' own logs.
 *
 * Requests overlap. What one must not fall behind of is what had been told when it began, as its client saw it, which
 * is earlier than the node did: so nothing that is right is ever found wrong.
 */
import type { RegisterKey, RegisterValue } from "../../shared/register.ts";
import type { Oracle, Written } from "../oracle.ts";
import { Durability } from "./durability.ts";
import type { Findings } from "./findings.ts";
import { Sessions } from "./sessions.ts";

type Told = {
  readonly client: string;
  readonly node: string;
  readonly key: RegisterKey & { readonly kind: "tag" };
  /** By the clock of all clients. */
  readonly beganMs: number;
  readonly endedMs: number;
  /** `Meridian-Version` of the answer. */
  readonly token: string;
};

/** A request about a tag that was answered with success. */
export type Answered =
  | (Told & { readonly kind: "write"; readonly value: RegisterValue })
  /** `isAfter`: the client had said what it has seen anywhere. */
  | (Told & { readonly kind: "read"; readonly isAfter: boolean });

type Before = { readonly atNode: readonly Written[]; readonly ofClient: readonly Written[] };

/** `oracle` has learned everything that any node's log holds. */
export function judgeHistory(history: readonly Answered[], oracle: Oracle, findings: Findings): void {
  const sessions = new Sessions(oracle, findings);
  const durability = new Durability(oracle, findings);
  const before = new Map<Answered, Before>();
  const begin = (answered: Answered): void => {
    const { client, node, key } = answered;
    before.set(answered, { atNode: sessions.before(node, key), ofClient: sessions.before(client, key) });
  };
  const end = (answered: Answered): void => {
    const { client, node, key, token } = answered;
    const { atNode, ofClient } = before.get(answered) ?? { atNode: [], ofClient: [] };
    if (answered.kind === "write") {
      const written = durability.acknowledged({ host: { name: node }, key, value: answered.value, token });
      if (written === undefined) return;
      sessions.wrote(node, key, written, atNode);
      sessions.told(client, key, written);
      return;
    }
    const shown = sessions.read(node, key, token, atNode);
    if (answered.isAfter) sessions.read(client, key, token, ofClient);
    else if (shown !== undefined) sessions.told(client, key, shown);
  };

  const moments = history.flatMap((answered) => [
    { atMs: answered.beganMs, happen: () => begin(answered) },
    { atMs: answered.endedMs, happen: () => end(answered) },
  ]);
  for (const { happen } of moments.toSorted((left, right) => left.atMs - right.atMs)) happen();
}
