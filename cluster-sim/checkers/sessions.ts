/**
 * Holds I7 and I8 as one client of one node sees them: what a node has shown or acknowledged for a tag it never takes
 * back to something older. A read that began after a write was acknowledged shows that write, or one that had seen it,
 * or one concurrent to it; after a delete the tag does not come back with a value that the delete had seen.
 *
 * Issue 4 completes it with causal tokens, which carry the same promise from one node to another.
 */
import type { RegisterKey } from "../../shared/register.ts";
import type { Dot } from "../../shared/version-vector.ts";
import { hasSeen, keyNameOf, nameOf, type Oracle, type Written } from "../oracle.ts";
import type { Findings } from "./findings.ts";

export class Sessions {
  readonly #oracle: Oracle;
  readonly #findings: Findings;
  /** What each node has shown of each tag; of these only what no other of them had seen. */
  readonly #shown = new Map<string, readonly Written[]>();

  constructor(oracle: Oracle, findings: Findings) {
    this.#oracle = oracle;
    this.#findings = findings;
  }

  /** What a read that begins now must not fall behind of. */
  before(node: string, key: RegisterKey): readonly Written[] {
    return this.#shown.get(`${node} ${keyNameOf(key)}`) ?? [];
  }

  /** A client has been told of `written` at `node`. */
  told(node: string, key: RegisterKey, written: Written): void {
    const others = this.before(node, key).filter(({ version }) => !hasSeen(written, version.dot));
    this.#shown.set(`${node} ${keyNameOf(key)}`, [...others.filter((other) => other !== written), written]);
  }

  /** A read of a tag at `node`, begun when `before` was all that it had shown, has shown the version `dot`. */
  read(node: string, key: RegisterKey, dot: Dot, before: readonly Written[]): void {
    const written = this.#oracle.at(dot);
    if (written === undefined) {
      this.#findings.add("I4 dot uniqueness", `${node} shows ${nameOf(dot)}, which nobody has written`);
      return;
    }
    for (const earlier of before) {
      if (!hasSeen(earlier, dot)) continue;
      const invariant = earlier.version.value.kind === "removed" ? "I7 no resurrection" : "I8 causality";
      const what = `${keyNameOf(key)} shows ${nameOf(dot)} after ${nameOf(earlier.version.dot)}, which had seen it`;
      this.#findings.add(invariant, `${node}: ${what}`);
    }
    this.told(node, key, written);
  }
}
