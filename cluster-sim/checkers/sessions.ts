/**
 * Holds I7 and I8 as one client of one node sees them: what a node has shown or acknowledged for a tag it never takes
 * back to something older. A read that began after a write was acknowledged shows that write, or one that had seen it,
 * or one concurrent to it; after a delete the tag does not come back with a value that the delete had seen; and what a
 * client writes has seen what the node had shown. With causal tokens the same holds for one client across all nodes:
 * a read that says what its client has seen is answered with no less.
 */
import { type CausalToken, encodeCausalToken, parseCausalToken } from "../../shared/causal-token.ts";
import type { Origin } from "../../shared/identity.ts";
import { CAUSAL_TOKEN_DOTS_MAX } from "../../shared/limits.ts";
import type { RegisterKey } from "../../shared/register.ts";
import { hasSeen, keyNameOf, nameOf, type Oracle, type Written } from "../oracle.ts";
import type { Findings } from "./findings.ts";

export class Sessions {
  readonly #oracle: Oracle;
  readonly #findings: Findings;
  /** What each node has shown of each tag; of these only what no other of them had seen. */
  /** What each node, and each client, has shown or seen of each tag; of these only what no other of them had seen. */
  readonly #shown = new Map<string, readonly Written[]>();
  /** The latest of each origin that a node or client has met. */
  readonly #seen = new Map<string, Map<Origin, number>>();

  constructor(oracle: Oracle, findings: Findings) {
    this.#oracle = oracle;
    this.#findings = findings;
  }

  /** What a read that begins now must not fall behind of. `who` is a node or a client. */
  before(who: string, key: RegisterKey): readonly Written[] {
    return this.#shown.get(`${who} ${keyNameOf(key)}`) ?? [];
  }

  /** The disk of `node` does not hold what it held, so it may show what it showed before, and nobody owes what is lost. */
  lost(node: string): void {
    for (const name of this.#shown.keys()) if (name.startsWith(`${node} `)) this.#shown.delete(name);
    this.#seen.delete(node);
    for (const [name, shown] of this.#shown) {
      const left = shown.filter(({ version }) => this.#oracle.at(version.dot) !== undefined);
      this.#shown.set(name, left);
    }
    for (const [who, seen] of this.#seen) {
      const left = [...seen].filter(([origin, seq]) => this.#oracle.at({ origin, seq }) !== undefined);
      this.#seen.set(who, new Map(left));
    }
  }

  /** What a client says in `Meridian-Min-Version`; `undefined` before it has seen anything. */
  seenBy(who: string): CausalToken | undefined {
    const seen = this.#seen.get(who);
    if (seen === undefined) return undefined;
    return encodeCausalToken([...seen].slice(0, CAUSAL_TOKEN_DOTS_MAX).map(([origin, seq]) => ({ origin, seq })));
  }

  /** `written` was shown at a node or to a client. */
  told(who: string, key: RegisterKey, written: Written): void {
    const others = this.before(who, key).filter(({ version }) => !hasSeen(written, version.dot));
    this.#shown.set(`${who} ${keyNameOf(key)}`, [...others.filter((other) => other !== written), written]);
    const { origin, seq } = written.version.dot;
    const seen = this.#seen.get(who) ?? new Map<Origin, number>();
    this.#seen.set(who, seen.set(origin, Math.max(seq, seen.get(origin) ?? 0)));
  }

  /** A write was acknowledged at `node`, which had shown `before` when it was asked for. */
  wrote(node: string, key: RegisterKey, written: Written, before: readonly Written[]): void {
    for (const earlier of before) {
      if (earlier === written || hasSeen(written, earlier.version.dot)) continue;
      const what = `${keyNameOf(key)}: ${nameOf(written.version.dot)} has not seen ${nameOf(earlier.version.dot)}`;
      this.#findings.add("I8 causality", `${node} had shown what it overwrote: ${what}`);
    }
    this.told(node, key, written);
  }

  /**
   * A read of a tag, begun when `before` was all that `who` had shown or seen, was answered with `token`.
   * @returns the write that it showed.
   */
  read(who: string, key: RegisterKey, token: string, before: readonly Written[]): Written | undefined {
    const [dot] = parseCausalToken(token);
    if (dot === undefined) return undefined;
    const written = this.#oracle.at(dot);
    if (written === undefined) {
      this.#findings.add("I4 dot uniqueness", `${who} shows ${nameOf(dot)}, which nobody has written`);
      return undefined;
    }
    for (const earlier of before) {
      if (!hasSeen(earlier, dot)) continue;
      const invariant = earlier.version.value.kind === "removed" ? "I7 no resurrection" : "I8 causality";
      const what = `${keyNameOf(key)} shows ${nameOf(dot)} after ${nameOf(earlier.version.dot)}, which had seen it`;
      this.#findings.add(invariant, `${who}: ${what}`);
    }
    this.told(who, key, written);
    return written;
  }
}
